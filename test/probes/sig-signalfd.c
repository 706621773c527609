/* signalfd(2): reading, polling, several signals, errnos. */
#include "probe.h"
#include <poll.h>
#include <sys/signalfd.h>

int main(void)
{
	sigset_t m;
	struct signalfd_siginfo i[4];
	int s;
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	sigaddset(&m, SIGUSR2);
	sigaddset(&m, SIGRTMIN);
	sigaddset(&m, SIGCHLD);
	sigprocmask(SIG_BLOCK, &m, NULL);
	int fd = signalfd(-1, &m, SFD_NONBLOCK);
	OK("create", fd);
	VAL("empty", read(fd, i, sizeof i));
	struct pollfd f = { fd, POLLIN, 0 };
	VAL("poll-empty", poll(&f, 1, 0));
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	union sigval v = { .sival_int = 42 };
	sigqueue(getpid(), SIGRTMIN, v);
	VAL("poll", poll(&f, 1, 0));
	say("revents=%x", f.revents);
	VAL("short", read(fd, i, 100));
	VAL("read-two", read(fd, i, 2 * sizeof *i));
	say("first=%d second=%d code %d pid %d", i[0].ssi_signo, i[1].ssi_signo, i[0].ssi_code,
	        i[0].ssi_pid == (unsigned)getpid());
	VAL("read-rest", read(fd, i, sizeof i));
	say("rt=%d value %d code %d", i[0].ssi_signo == (unsigned)SIGRTMIN, i[0].ssi_int, i[0].ssi_code);
	pid_t p = child();
	if (p == 0) _exit(6);
	fcntl(fd, F_SETFL, 0);
	VAL("chld-blocking", read(fd, i, sizeof *i));
	say("chld=%d status %d code %d", i[0].ssi_signo, i[0].ssi_status, i[0].ssi_code);
	waitpid(p, &s, 0);
	sigemptyset(&m);
	sigaddset(&m, SIGUSR2);
	VAL("change", signalfd(fd, &m, 0) == fd);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	kill(getpid(), SIGUSR1);
	VAL("not-in-mask", read(fd, i, sizeof *i));
	kill(getpid(), SIGUSR2);
	VAL("in-mask", read(fd, i, sizeof *i));
	OK("not-signalfd", signalfd(0, &m, 0));
	OK("badfd", signalfd(99, &m, 0));
	OK("flags", signalfd(-1, &m, 1));
	OK("size", syscall(SYS_signalfd4, -1, &m, 4, 0));
	VAL("write", write(fd, i, 8));
	VAL("lseek", lseek(fd, 0, SEEK_SET));
	fcntl(fd, F_SETFL, 0);
	p = child();
	if (p == 0) {
		kill(getpid(), SIGUSR2);
		VAL("child-reads-own", read(fd, i, sizeof *i));
		say("own=%d", i[0].ssi_pid == (unsigned)getpid());
		_exit(0);
	}
	waitpid(p, &s, 0);
	return 0;
}
