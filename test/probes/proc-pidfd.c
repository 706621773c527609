/* pidfd_open, pidfd_send_signal, polling a pidfd. */
#include "probe.h"
#include <poll.h>

int main(void)
{
	struct gate g = new_gate();
	int s;
	pid_t p = child();
	if (p == 0) {
		pass_gate(&g);
		_exit(3);
	}
	int fd = syscall(SYS_pidfd_open, p, 0);
	OK("open", fd);
	IS("cloexec", fcntl(fd, F_GETFD) == 1);
	struct pollfd f = { fd, POLLIN, 0 };
	VAL("alive", poll(&f, 1, 0));
	OK("signal-0", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	open_gate(&g);
	VAL("poll", poll(&f, 1, -1));
	say("revents=%x", f.revents);
	OK("zombie-signal-0", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	waitpid(p, &s, 0);
	OK("reaped-signal", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	VAL("poll-reaped", poll(&f, 1, 0));
	OK("open-gone", syscall(SYS_pidfd_open, p, 0));
	OK("open-bad", syscall(SYS_pidfd_open, -1, 0));
	OK("open-zero", syscall(SYS_pidfd_open, 0, 0));
	OK("flags", syscall(SYS_pidfd_open, getpid(), 1));
	OK("nonblock", syscall(SYS_pidfd_open, getpid(), O_NONBLOCK));
	OK("send-notpidfd", syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0));
	OK("send-badfd", syscall(SYS_pidfd_send_signal, 99, 0, NULL, 0));
	char c;
	VAL("read", read(fd, &c, 1));
	p = child();
	if (p == 0)
		for (;;) pause();
	fd = syscall(SYS_pidfd_open, p, 0);
	OK("kill", syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0));
	waitpid(p, &s, 0);
	say_status("killed", s);
	return 0;
}
