/* O_TMPFILE: a file without a name, and how it gets one. */
#include "probe.h"

int main(void)
{
	struct stat st;
	char proc[64];
	umask(022);
	int fd = open(".", O_TMPFILE | O_RDWR, 0644);
	OK("tmpfile", fd);
	if (fd < 0) return 0;
	MUST(fstat(fd, &st));
	say("nlink=%ld mode=%o size=%ld", (long)st.st_nlink, st.st_mode & 07777, (long)st.st_size);
	VAL("write", write(fd, "hello", 5));
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	OK("link", linkat(AT_FDCWD, proc, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	say("content=%s", get("named"));
	MUST(fstat(fd, &st));
	say("nlink-after=%ld", (long)st.st_nlink);
	VAL("write-more", write(fd, "!", 1));
	say("content2=%s", get("named"));
	OK("rdonly", open(".", O_TMPFILE | O_RDONLY, 0644));
	OK("not-dir", open("named", O_TMPFILE | O_RDWR, 0644));
	OK("missing", open("nosuch", O_TMPFILE | O_RDWR, 0644));
	OK("with-creat", open(".", O_TMPFILE | O_RDWR | O_CREAT, 0644));
	fd = open(".", O_TMPFILE | O_WRONLY | O_EXCL, 0600);
	OK("excl", fd);
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	OK("link-excl", linkat(AT_FDCWD, proc, AT_FDCWD, "never", AT_SYMLINK_FOLLOW));
	return 0;
}
