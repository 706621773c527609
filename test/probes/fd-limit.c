/* RLIMIT_NOFILE: EMFILE everywhere, and numbers above the limit. */ /* musl */
#include "probe.h"
#include <sys/socket.h>

int main(void)
{
	struct rlimit l;
	int p[2];
	for (int i = 3; i < 64; i++) close(i);
	put("f", "x");
	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = 10;
	MUST(setrlimit(RLIMIT_NOFILE, &l));
	int n = 0;
	while (open("f", O_RDONLY) >= 0) n++;
	say("opened=%d then=%s", n, errname(errno));
	OK("open", open("f", O_RDONLY));
	OK("dup", dup(0));
	OK("pipe", pipe(p));
	OK("dupfd", fcntl(0, F_DUPFD, 0));
	OK("dupfd-above", fcntl(0, F_DUPFD, 10));
	OK("dup2-above", dup2(0, 10));
	OK("dup2-below", dup2(0, 9));
	OK("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	close(9);
	OK("pipe-one-free", pipe(p));
	OK("still-free", open("f", O_RDONLY));
	close(9);
	OK("creat-fails-late", open("new", O_CREAT | O_RDWR, 0666));
	OK("creat-full", open("new2", O_CREAT | O_RDWR, 0666));
	IS("not-created", access("new2", F_OK) < 0);
	l.rlim_cur = 5;
	OK("lower", setrlimit(RLIMIT_NOFILE, &l));
	OK("above-stays", fcntl(8, F_GETFD));
	OK("close-above", close(8));
	OK("none", dup(0));
	close(3);
	VAL("reuse", dup(0));
	l.rlim_cur = 12;
	MUST(setrlimit(RLIMIT_NOFILE, &l));
	VAL("raised", dup(0));
	return 0;
}
