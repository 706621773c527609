/* sendfile(2) and copy_file_range(2). */
#include "probe.h"
#include <sys/sendfile.h>

int main(void)
{
	char b[32] = "";
	int p[2];
	put("in", "0123456789");
	MUST(pipe(p));
	int in = open("in", O_RDONLY), out = open("out", O_RDWR | O_CREAT, 0666);
	off_t off = 2;
	loff_t a = 1, c = 5;
	VAL("sendfile-offset", sendfile(out, in, &off, 3));
	say("off=%ld content=%s", (long)off, get("out"));
	VAL("in-offset", lseek(in, 0, SEEK_CUR));
	VAL("sendfile", sendfile(out, in, NULL, 4));
	say("content2=%s", get("out"));
	VAL("in-offset2", lseek(in, 0, SEEK_CUR));
	VAL("sendfile-rest", sendfile(out, in, NULL, 1000));
	VAL("sendfile-end", sendfile(out, in, NULL, 1000));
	off = 0;
	VAL("sendfile-pipe", sendfile(p[1], in, &off, 5));
	VAL("pipe-got", read(p[0], b, 32));
	say("pipe=%s", b);
	VAL("sendfile-zero", sendfile(out, in, NULL, 0));
	VAL("sendfile-bad-in", sendfile(out, 99, NULL, 1));
	VAL("sendfile-bad-out", sendfile(99, in, NULL, 1));
	VAL("sendfile-out-ro", sendfile(in, in, NULL, 1));
	VAL("sendfile-in-wo", sendfile(out, open("out", O_WRONLY), NULL, 1));
	off_t *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	VAL("sendfile-fixed-offset", sendfile(out, in, ro, 1));
	VAL("sendfile-fixed-offset-zero", sendfile(out, in, ro, 0));
	VAL("sendfile-fixed-offset-empty", sendfile(out, open("empty", O_RDWR | O_CREAT, 0600), ro, 1));
	off = -1;
	VAL("sendfile-negative", sendfile(out, in, &off, 1));
	VAL("sendfile-append", sendfile(open("out", O_WRONLY | O_APPEND), in, NULL, 1));
	VAL("copy", copy_file_range(in, &a, out, &c, 4, 0));
	say("a=%ld c=%ld content=%s", (long)a, (long)c, get("out"));
	lseek(in, 0, SEEK_SET);
	lseek(out, 0, SEEK_SET);
	VAL("copy-offsets", copy_file_range(in, NULL, out, NULL, 3, 0));
	VAL("in-at", lseek(in, 0, SEEK_CUR));
	VAL("out-at", lseek(out, 0, SEEK_CUR));
	VAL("copy-flags", copy_file_range(in, NULL, out, NULL, 3, 1));
	a = 100;
	VAL("copy-past-end", copy_file_range(in, &a, out, NULL, 3, 0));
	a = 0;
	c = 1;
	VAL("copy-overlap", copy_file_range(out, &a, out, &c, 3, 0));
	VAL("copy-ro", copy_file_range(out, NULL, in, NULL, 1, 0));
	VAL("copy-dir", copy_file_range(open(".", O_RDONLY), NULL, out, NULL, 1, 0));
	VAL("copy-pipe", copy_file_range(p[0], NULL, out, NULL, 1, 0));
	VAL("copy-badfd", copy_file_range(99, NULL, out, NULL, 1, 0));
	return 0;
}
