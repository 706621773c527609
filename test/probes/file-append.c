/* O_APPEND: every write goes to the end, and F_SETFL turns it on and off. */ /* musl */
#include "probe.h"

int main(void)
{
	put("f", "base");
	int a = open("f", O_RDWR | O_APPEND), b = open("f", O_RDWR);
	MUST(a);
	MUST(b);
	VAL("offset-at-open", lseek(a, 0, SEEK_CUR));
	VAL("write-a", write(a, "A", 1));
	VAL("offset-after", lseek(a, 0, SEEK_CUR));
	VAL("write-b", write(b, "B", 1));
	VAL("seek-0", lseek(a, 0, SEEK_SET));
	VAL("write-a2", write(a, "C", 1));
	say("content=%s", get("f"));
	VAL("pwrite-appends", pwrite(a, "D", 1, 0));
	VAL("offset-after-pwrite", lseek(a, 0, SEEK_CUR));
	say("content2=%s", get("f"));
	VAL("getfl", fcntl(a, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
	OK("setfl-off", fcntl(a, F_SETFL, 0));
	VAL("getfl-off", fcntl(a, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
	VAL("seek-0", lseek(a, 0, SEEK_SET));
	VAL("write-off", write(a, "E", 1));
	say("content3=%s", get("f"));
	OK("setfl-on-b", fcntl(b, F_SETFL, O_APPEND));
	VAL("write-b-append", write(b, "F", 1));
	say("content4=%s", get("f"));
	OK("setfl-ignores-accmode", fcntl(b, F_SETFL, O_RDONLY | O_TRUNC | O_CREAT | O_EXCL));
	VAL("getfl-b", fcntl(b, F_GETFL) & (O_ACCMODE | O_APPEND | O_TRUNC | O_CREAT | O_EXCL));
	int d = dup(a);
	OK("setfl-through-dup", fcntl(d, F_SETFL, O_APPEND));
	VAL("getfl-original", fcntl(a, F_GETFL) & O_APPEND);
	struct iovec v[2] = { { "GG", 2 }, { "HH", 2 } };
	VAL("writev", writev(a, v, 2));
	say("content5=%s", get("f"));
	return 0;
}
