/* dup, dup2, dup3, F_DUPFD: numbers, flags, errnos. */ /* musl */
#include "probe.h"

int main(void)
{
	for (int i = 3; i < 20; i++) close(i);
	put("f", "0123456789");
	int fd = open("f", O_RDWR);
	VAL("first", fd);
	VAL("dup", dup(fd));
	VAL("dup-again", dup(fd));
	VAL("dup2-new", dup2(fd, 10));
	VAL("dup2-same", dup2(fd, fd));
	VAL("dup2-bad-same", dup2(50, 50));
	VAL("dup2-bad", dup2(50, 10));
	OK("still-open", fcntl(10, F_GETFD));
	VAL("dup2-negative", dup2(fd, -1));
	VAL("dup2-huge", dup2(fd, 1 << 30));
	VAL("dup-bad", dup(-1));
	VAL("dup3", dup3(fd, 11, O_CLOEXEC));
	VAL("dup3-flag", fcntl(11, F_GETFD));
	VAL("dup3-same", dup3(fd, fd, 0));
	VAL("dup3-flags", dup3(fd, 12, O_APPEND));
	VAL("dup3-bad", dup3(50, 12, 0));
	VAL("dup2-clears", dup2(11, 13));
	VAL("dup2-flag", fcntl(13, F_GETFD));
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	VAL("dup2-same-keeps", dup2(fd, fd));
	VAL("flag-kept", fcntl(fd, F_GETFD));
	VAL("dup-flag", fcntl(dup(fd), F_GETFD));
	VAL("dupfd", fcntl(fd, F_DUPFD, 15));
	VAL("dupfd-next", fcntl(fd, F_DUPFD, 15));
	VAL("dupfd-cloexec", fcntl(fd, F_DUPFD_CLOEXEC, 15));
	VAL("dupfd-cloexec-flag", fcntl(17, F_GETFD));
	VAL("dupfd-negative", fcntl(fd, F_DUPFD, -1));
	VAL("dupfd-huge", fcntl(fd, F_DUPFD, 1 << 30));
	VAL("fcntl-bad-cmd", fcntl(fd, 9999));
	VAL("fcntl-bad-fd", fcntl(50, F_GETFD));
	lseek(fd, 4, SEEK_SET);
	VAL("shared-offset", lseek(10, 0, SEEK_CUR));
	fcntl(10, F_SETFL, O_APPEND);
	VAL("shared-flags", fcntl(fd, F_GETFL) & O_APPEND);
	close(fd);
	VAL("lowest", open("f", O_RDONLY));
	close(4);
	close(5);
	VAL("lowest-of-two", open("f", O_RDONLY));
	VAL("then", dup(10));
	VAL("after-close", read(10, (char[1]){ 0 }, 1));
	/* dup2 over an open fd closes it: the reader sees the end. */
	int p[2];
	char c;
	MUST(pipe(p));
	MUST(dup2(10, p[1]));
	VAL("eof-after-dup2", read(p[0], &c, 1));
	return 0;
}
