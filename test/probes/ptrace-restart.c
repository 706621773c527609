/* A sleep that a signal interrupts ends for the tracer, and goes on by restart_syscall or anew, when no handler runs. */
#include "probe.h"
#include <sys/ptrace.h>
#include <sys/user.h>
#include <linux/futex.h>
#include <poll.h>

static pid_t pid;
static char procdir[64];

static int next(int how, long signo)
{
	int st = -1;
	MUST(ptrace(how, pid, 0, signo));
	MUST(waitpid(pid, &st, __WALL));
	return st;
}

static struct user_regs_struct regs(void)
{
	struct user_regs_struct r;
	MUST(ptrace(PTRACE_GETREGS, pid, 0, &r));
	return r;
}

static void until(long nr)
{
	do {
		int st = next(PTRACE_SYSCALL, 0);
		if (!WIFSTOPPED(st)) { say_status("lost", st); _exit(1); }
	} while ((long)regs().orig_rax != nr || (long)regs().rax != -ENOSYS);
}

/* From the entry of a call that sleeps: a signal that nobody gets, and how the call goes on. */
static void interrupt(const char *key)
{
	MUST(ptrace(PTRACE_SYSCALL, pid, 0, 0));
	await_state(procdir, "S");
	MUST(kill(pid, SIGUSR2));
	int st = -1;
	MUST(waitpid(pid, &st, __WALL));
	say("%s.exit=%ld", key, (long)regs().rax);
	st = next(PTRACE_SYSCALL, 0);
	say("%s.signal=%d rax %ld", key, WSTOPSIG(st), (long)regs().rax);
	next(PTRACE_SYSCALL, 0);
	say("%s.again=%s", key, regs().orig_rax == SYS_restart_syscall ? "restart_syscall" : "the same");
	next(PTRACE_SYSCALL, 0);
	say("%s.end=%ld", key, (long)regs().rax);
}

static void tracee(void)
{
	/* Long enough for a machine that has other work to interrupt it in time. */
	struct timespec ts = { 1, 500000000 };
	static int word;
	int p[2];

	MUST(pipe(p));
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	syscall(SYS_nanosleep, &ts, NULL);
	syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0);
	struct pollfd fd = { .fd = p[0], .events = POLLIN };
	syscall(SYS_ppoll, &fd, 1, &ts, NULL, 8);
	_exit(0);
}

int main(void)
{
	int st;

	pid = child();
	if (pid == 0) tracee();
	snprintf(procdir, sizeof procdir, "/proc/%d", pid);
	MUST(waitpid(pid, &st, 0));
	until(SYS_nanosleep);
	interrupt("nanosleep");
	until(SYS_futex);
	interrupt("futex");
	until(SYS_ppoll);
	interrupt("ppoll");
	st = next(PTRACE_CONT, 0);
	say_status("end", st);
	return 0;
}
