/* O_NOFOLLOW, O_PATH and creation through symbolic links. */
#include "probe.h"

int main(void)
{
	char buf[64];
	struct stat st;
	put("f", "x");
	MUST(mkdir("d", 0755));
	put("d/in", "y");
	MUST(symlink("f", "l"));
	MUST(symlink("d", "ld"));
	MUST(symlink("target", "dangling"));
	OK("nofollow", open("l", O_RDONLY | O_NOFOLLOW));
	OK("nofollow-creat", open("l", O_RDWR | O_CREAT | O_NOFOLLOW, 0666));
	OK("nofollow-dir", open("ld", O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
	OK("nofollow-prefix", open("ld/in", O_RDONLY | O_NOFOLLOW));
	OK("nofollow-slash", open("ld/", O_RDONLY | O_NOFOLLOW));
	OK("dangling", open("dangling", O_RDONLY));
	OK("dangling-excl", open("dangling", O_RDWR | O_CREAT | O_EXCL, 0666));
	OK("dangling-creat", open("dangling", O_RDWR | O_CREAT, 0666));
	IS("target-made", access("target", F_OK) == 0);
	OK("excl-link", open("l", O_RDWR | O_CREAT | O_EXCL, 0666));
	int fd = open("l", O_PATH | O_NOFOLLOW);
	MUST(fd);
	MUST(fstat(fd, &st));
	IS("path-is-link", S_ISLNK(st.st_mode));
	VAL("readlinkat-empty", readlinkat(fd, "", buf, sizeof buf));
	fd = open("l", O_PATH);
	MUST(fstat(fd, &st));
	IS("path-follows", S_ISREG(st.st_mode));
	VAL("path-read", read(fd, buf, 1));
	VAL("path-write", write(fd, buf, 1));
	OK("path-fchmod", fchmod(fd, 0600));
	OK("path-fchown", fchown(fd, -1, -1));
	OK("path-lseek", lseek(fd, 0, SEEK_SET));
	OK("path-ioctl", syscall(SYS_ioctl, fd, 0x5401, buf));
	OK("path-mmap", mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0));
	OK("path-dup", dup(fd));
	OK("path-ftruncate", ftruncate(fd, 0));
	OK("path-setfl", fcntl(fd, F_SETFL, O_APPEND));
	VAL("path-getfl", fcntl(fd, F_GETFL) & (O_PATH | O_ACCMODE));
	VAL("path-getfd", fcntl(fd, F_GETFD));
	int dir = open("d", O_PATH);
	MUST(dir);
	OK("path-dir-openat", openat(dir, "in", O_RDONLY));
	OK("path-dir-fchdir", fchdir(dir));
	OK("in-after-fchdir", open("in", O_RDONLY));
	VAL("path-dir-getdents", syscall(SYS_getdents64, dir, buf, sizeof buf));
	OK("path-missing", open("nosuch", O_PATH));
	OK("path-creat", open("nosuch", O_PATH | O_CREAT, 0666));
	return 0;
}
