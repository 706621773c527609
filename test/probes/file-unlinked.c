/* An unlinked file lives as long as it is open or mapped. */ /* musl */
#include "probe.h"

int main(void)
{
	struct stat st;
	char b[16] = "", link[300];
	put("f", "still here");
	int fd = open("f", O_RDWR);
	OK("unlink", unlink("f"));
	OK("open-again", open("f", O_RDONLY));
	MUST(fstat(fd, &st));
	say("nlink=%ld size=%ld", (long)st.st_nlink, (long)st.st_size);
	VAL("read", read(fd, b, 16));
	say("text=%s", b);
	VAL("write", write(fd, "!", 1));
	char *m = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, link, sizeof link - 1);
	if (n > 0) {
		link[n] = 0;
		IS("link-says-deleted", n > 10 && !strcmp(link + n - 12, "/f (deleted)"));
	}
	int again = open(path, O_RDONLY);
	OK("open-by-proc", again);
	close(fd);
	close(again);
	say("mapped=%.11s", m);
	put("f", "new");
	say("new=%s", get("f"));
	MUST(mkdir("d", 0755));
	int d = open("d", O_RDONLY);
	OK("rmdir-open", rmdir("d"));
	MUST(fstat(d, &st));
	say("dir-nlink=%ld", (long)st.st_nlink);
	OK("openat-in-deleted", openat(d, "x", O_RDWR | O_CREAT, 0666));
	OK("mkdirat-in-deleted", mkdirat(d, "x", 0777));
	OK("dot-in-deleted", openat(d, ".", O_RDONLY));
	return 0;
}
