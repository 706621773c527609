/* pidfd_open, pidfd_send_signal (also by a directory of /proc), polling a pidfd. */
#include "probe.h"
#include <poll.h>

static int dir_of(pid_t p, int flags)
{
	char name[40];
	snprintf(name, sizeof(name), "/proc/%d", p);
	return open(name, O_RDONLY | flags);
}

/* A directory of /proc does for a pidfd. */
static void proc_directories(void)
{
	int s;
	pid_t p = child();
	if (p == 0)
		for (;;) pause();
	int fd = dir_of(p, O_DIRECTORY), path = dir_of(p, O_PATH), all = open("/proc", O_DIRECTORY);
	char name[60];
	snprintf(name, sizeof(name), "/proc/%d/task/%d", p, p);
	int task = open(name, O_DIRECTORY);
	snprintf(name, sizeof(name), "/proc/%d/stat", p);
	int file = open(name, O_RDONLY);
	OK("dir-signal-0", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	OK("dir-bad-signal", syscall(SYS_pidfd_send_signal, fd, 99, NULL, 0));
	OK("dir-path", syscall(SYS_pidfd_send_signal, path, 0, NULL, 0));
	OK("dir-root", syscall(SYS_pidfd_send_signal, all, 0, NULL, 0));
	OK("dir-task", syscall(SYS_pidfd_send_signal, task, 0, NULL, 0));
	OK("dir-file", syscall(SYS_pidfd_send_signal, file, 0, NULL, 0));
	OK("dir-kill", syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
	waitpid(p, &s, 0);
	say_status("dir-killed", s);
	OK("dir-reaped", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	signal(SIGUSR1, SIG_IGN);
	OK("dir-self", syscall(SYS_pidfd_send_signal, dir_of(getpid(), O_DIRECTORY), SIGUSR1, NULL, 0));
}

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
	proc_directories();
	return 0;
}
