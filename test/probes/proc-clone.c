/* clone(2), clone3(2): flags and errnos. */
#include "probe.h"
#include <sched.h>
#include <linux/sched.h>

static int shared = 0;
static struct gate g;

static int fn(void *arg)
{
	shared++;
	if (arg) {
		chdir("d");
		close(*(int *)arg);
		umask(0111);
	}
	return 5;
}
static long c3(struct clone_args *a, size_t n) { return syscall(SYS_clone3, a, n); }

int main(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	char *top = stack + sizeof stack;
	int s, fd, ptid = 0, ctid = 0;
	g = new_gate();
	MUST(mkdir("d", 0755));
	umask(022);
	fd = open("/dev/null", O_RDONLY);
	pid_t p = clone(fn, top, SIGCHLD, NULL);
	waitpid(p, &s, 0);
	say_status("plain", s);
	say("not-shared=%d", shared);
	p = clone(fn, top, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	waitpid(p, &s, 0);
	say_status("vm", s);
	say("shared=%d", shared);
	p = clone(fn, top, CLONE_FILES | CLONE_FS | SIGCHLD, &fd);
	waitpid(p, &s, 0);
	say_status("files-fs", s);
	OK("fd-closed", fcntl(fd, F_GETFD));
	say("umask=%o", umask(022));
	OK("in-d", access("../d", F_OK));
	chdir("..");
	p = clone(fn, top, 0, NULL);
	OK("no-signal-wait", waitpid(p, &s, 0));
	VAL("no-signal-wclone", waitpid(p, &s, __WCLONE) == p);
	say_status("no-signal", s);
	signal(SIGUSR1, SIG_IGN);
	p = clone(fn, top, SIGUSR1, NULL);
	VAL("wall", waitpid(p, &s, __WALL) == p);
	p = clone(fn, top, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, NULL, &ptid, NULL, &ctid);
	waitpid(p, &s, 0);
	IS("parent-settid", ptid == p);
	say("child-settid-elsewhere=%d", ctid);
	OK("sighand-without-vm", syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0));
	OK("thread-without-sighand", syscall(SYS_clone, CLONE_THREAD | CLONE_VM, 0, 0, 0, 0));
	OK("fs-newns", syscall(SYS_clone, CLONE_FS | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0));
	struct clone_args a = { .exit_signal = SIGCHLD };
	p = c3(&a, sizeof a);
	if (p == 0) _exit(8);
	waitpid(p, &s, 0);
	say_status("clone3", s);
	OK("clone3-small", c3(&a, 8));
	OK("clone3-huge", c3(&a, 100000));
	a.exit_signal = 100;
	OK("clone3-signal", c3(&a, sizeof a));
	a.exit_signal = SIGCHLD;
	a.flags = CLONE_DETACHED;
	OK("clone3-detached", c3(&a, sizeof a));
	a.flags = 0;
	a.stack = 4096;
	OK("clone3-stack-no-size", c3(&a, sizeof a));
	a.stack = 0;
	a.stack_size = 4096;
	OK("clone3-size-no-stack", c3(&a, sizeof a));
	a.stack_size = 0;
	a.flags = 0xff;
	OK("clone3-low-flags", c3(&a, sizeof a));
	OK("clone3-null", c3(NULL, sizeof a));
	int pidfd = -1;
	a = (struct clone_args){ .flags = CLONE_PIDFD, .pidfd = 8, .exit_signal = SIGCHLD };
	OK("clone3-bad-pidfd-address", c3(&a, sizeof a));
	a = (struct clone_args){ .flags = CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD };
	p = c3(&a, sizeof a);
	if (p == 0) {
		char c;
		read(g.fd[0], &c, 1);
		_exit(4);
	}
	IS("pidfd", pidfd >= 0);
	IS("pidfd-cloexec", fcntl(pidfd, F_GETFD) == FD_CLOEXEC);
	siginfo_t i;
	i.si_pid = 0;
	VAL("pidfd-nohang", waitid(P_PIDFD, pidfd, &i, WEXITED | WNOHANG));
	open_gate(&g);
	VAL("pidfd-wait", waitid(P_PIDFD, pidfd, &i, WEXITED));
	say("pidfd-status=%d", i.si_status);
	return 0;
}
