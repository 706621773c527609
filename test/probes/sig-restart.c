/*
 * SA_RESTART against EINTR, call by call. The child blocks in the call; once it sleeps the parent signals it, waits until
 * the handler has run, and then supplies what the call waits for: a restarted call succeeds, the other has failed already.
 */ /* musl */
#include "probe.h"
#include <poll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>

enum { READ, POLL, NANOSLEEP, WAIT, RECV, FLOCK, SELECT, PAUSE, SIGWAIT, FIFO, WRITE, SETLKW, CLOCK, COUNT };
static const char *names[] = { "read-pipe", "poll", "nanosleep", "wait", "recv", "flock", "select", "pause",
	"sigwaitinfo", "open-fifo", "write-pipe", "setlkw", "clock-nanosleep" };
static int in[2], sp[2], lockfd;
static struct gate ready, ran, quit;

static void h(int s)
{
	int e = errno;
	(void)s;
	open_gate(&ran);
	errno = e;
}

static long call(int which)
{
	static char big[1 << 20];
	struct pollfd f = { in[0], POLLIN, 0 };
	struct timespec ten = { 10, 0 };
	struct flock l = { .l_type = F_WRLCK };
	sigset_t m;
	fd_set r;
	char c;
	int s;
	FD_ZERO(&r);
	FD_SET(in[0], &r);
	sigemptyset(&m);
	sigaddset(&m, SIGUSR2);
	switch (which) {
	case READ: return read(in[0], &c, 1);
	case POLL: return poll(&f, 1, 10000);
	case NANOSLEEP: return nanosleep(&ten, NULL);
	case WAIT: return wait(&s) > 0 ? 1 : -1;
	case RECV: return recv(sp[0], &c, 1, 0);
	case FLOCK: return flock(lockfd, LOCK_EX);
	case SELECT: return select(in[0] + 1, &r, NULL, NULL, NULL);
	case PAUSE: return pause();
	case SIGWAIT: return sigwaitinfo(&m, NULL);
	case FIFO: return open("fifo", O_RDONLY) < 0 ? -1 : 1;
	case WRITE: return write(in[1], big, sizeof big);
	case SETLKW: return fcntl(lockfd, F_SETLKW, &l);
	case CLOCK: errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &ten, NULL); return errno ? -1 : 0;
	}
	return 0;
}

static void in_child(int which, int restart)
{
	struct sigaction a = { .sa_handler = h, .sa_flags = restart ? SA_RESTART : 0 };
	sigset_t m;
	sigaction(SIGUSR1, &a, NULL);
	sigemptyset(&m);
	sigaddset(&m, SIGUSR2);
	sigprocmask(SIG_BLOCK, &m, NULL);
	if (which == WAIT && child() == 0) {
		char c;
		close(quit.fd[1]);
		(void)!read(quit.fd[0], &c, 1);
		_exit(0);
	}
	close(quit.fd[1]);
	open_gate(&ready);
	errno = 0;
	long r = call(which);
	if (r < 0) say("%s-%s=%s", names[which], restart ? "restart" : "plain", errname(errno));
	else
		say("%s-%s=%ld", names[which], restart ? "restart" : "plain", r);
	_exit(0);
}

static void supply(int which, pid_t p, int mine)
{
	char b[4096];
	int fd = -1;
	if (which == READ || which == POLL || which == SELECT) MUST(write(in[1], "x", 1));
	if (which == RECV) MUST(write(sp[1], "x", 1));
	if (which == FLOCK) flock(mine, LOCK_UN);
	if (which == SETLKW) close(open("lock", O_RDWR)); /* closing any descriptor of it lets go */
	if (which == SIGWAIT) kill(p, SIGUSR2);
	if (which == FIFO) fd = open("fifo", O_RDWR);
	close(quit.fd[1]);
	close(in[1]);
	if (which == WRITE)
		while (read(in[0], b, sizeof b) > 0)
			;
	say_status("child", reap(p));
	if (fd >= 0) close(fd);
}

int main(void)
{
	put("lock", "");
	MUST(mkfifo("fifo", 0600));
	ready = new_gate();
	ran = new_gate();
	for (int which = 0; which < COUNT; which++)
		for (int restart = 0; restart < 2; restart++) {
			MUST(pipe(in));
			MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sp));
			quit = new_gate();
			int mine = open("lock", O_RDWR);
			lockfd = open("lock", O_RDWR);
			struct flock l = { .l_type = F_WRLCK };
			MUST(flock(mine, LOCK_EX));
			MUST(fcntl(mine, F_SETLK, &l));
			pid_t p = child();
			if (p == 0) in_child(which, restart);
			char path[32];
			snprintf(path, sizeof path, "/proc/%d", p);
			pass_gate(&ready);
			await_state(path, "S");
			kill(p, SIGUSR1);
			pass_gate(&ran);
			supply(which, p, mine);
			close(quit.fd[0]);
			close(in[0]);
			close(sp[0]);
			close(sp[1]);
			close(mine);
			close(lockfd);
		}
	return 0;
}
