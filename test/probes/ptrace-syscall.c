/* PTRACE_SYSCALL: entry and exit stops, what may be changed there, PTRACE_GET_SYSCALL_INFO; SYSEMU. */
#include "probe.h"
#include <sys/ptrace.h>
#include <sys/user.h>
#include <stddef.h>
#include <sched.h>

struct info {
	uint8_t op, pad[3];
	uint32_t arch;
	uint64_t ip, sp;
	union {
		struct { uint64_t nr, args[6]; } entry;
		struct { int64_t rval; uint8_t is_error; } exit;
	};
};
#define GET_SYSCALL_INFO 0x420e

static pid_t pid;

/* Goes on; what stopped it next. */
static int next(int how, long signo)
{
	int st = -1;
	MUST(ptrace(how, pid, 0, signo));
	MUST(waitpid(pid, &st, __WALL));
	return st;
}

static void show(const char *key, int st)
{
	struct info in;
	memset(&in, 0xee, sizeof in);
	if (!WIFSTOPPED(st)) { say_status(key, st); return; }
	long n = ptrace(GET_SYSCALL_INFO, pid, sizeof in, &in);
	siginfo_t si;
	unsigned long msg = 0;
	memset(&si, 0, sizeof si);
	long g = ptrace(PTRACE_GETSIGINFO, pid, 0, &si);
	ptrace(PTRACE_GETEVENTMSG, pid, 0, &msg);
	if (in.op == 1) say("%s=stop %x info %ld entry nr %ld arg0 %ld siginfo %ld %d %x msg %ld", key, WSTOPSIG(st), n, (long)in.entry.nr, (long)(int)in.entry.args[0], g, si.si_signo, si.si_code, msg);
	else if (in.op == 2) say("%s=stop %x info %ld exit %ld error %d siginfo %ld %d %x msg %ld", key, WSTOPSIG(st), n, (long)in.exit.rval, in.exit.is_error, g, si.si_signo, si.si_code, msg);
	else say("%s=stop %x info %ld op %d arch %x siginfo %ld %d %x", key, WSTOPSIG(st), n, in.op, in.arch, g, si.si_signo, si.si_code);
}

static void handler(int s) { (void)s; }

static void tracee(void)
{
	struct sigaction sa = { .sa_handler = handler };
	sigaction(SIGUSR1, &sa, NULL);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	syscall(SYS_close, 77);
	long r = syscall(SYS_close, 78);
	say("child.changed=%ld", r);
	r = syscall(SYS_close, 79);
	say("child.result=%ld", r);
	errno = 0;
	r = syscall(SYS_getuid);
	say("child.skipped=%ld %s", r, errname(errno));
	char c;
	int p[2];
	MUST(pipe(p));
	r = read(p[0], &c, 1); /* interrupted */
	say("child.read=%ld %s", r, errname(errno));
	_exit(4);
}

static void until(long nr, long arg0)
{
	for (;;) {
		struct info in;
		int st = next(PTRACE_SYSCALL, 0);
		if (!WIFSTOPPED(st)) { say_status("lost", st); _exit(1); }
		MUST(ptrace(GET_SYSCALL_INFO, pid, sizeof in, &in));
		if (in.op == 1 && (long)in.entry.nr == nr && (arg0 < 0 || (long)in.entry.args[0] == arg0)) return;
	}
}

int main(void)
{
	struct user_regs_struct regs;
	int st;

	pid = child();
	if (pid == 0) tracee();
	MUST(waitpid(pid, &st, 0));
	say_status("first", st);
	OK("setoptions", ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
	until(SYS_close, 77);
	MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
	say("entry.rax=%ld orig_rax=%ld rdi=%ld", (long)regs.rax, (long)regs.orig_rax, (long)regs.rdi);
	unsigned long rip = regs.rip;
	show("exit", next(PTRACE_SYSCALL, 0));
	MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
	say("exit.rax=%ld orig_rax=%ld %s", (long)regs.rax, (long)regs.orig_rax, regs.rip == rip ? "same" : "other");
	struct info small;
	memset(&small, 0xee, sizeof small);
	VAL("info.room8", ptrace(GET_SYSCALL_INFO, pid, 8, &small));
	say("info.room8.op=%d %x", small.op, (unsigned)small.ip);

	/* another argument and another call */
	until(SYS_close, 78);
	MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
	regs.orig_rax = SYS_getpgid;
	regs.rdi = 0x7ffffff;
	MUST(ptrace(PTRACE_SETREGS, pid, 0, &regs));
	show("changed.exit", next(PTRACE_SYSCALL, 0));
	/* another result */
	until(SYS_close, 79);
	show("result.exit", next(PTRACE_SYSCALL, 0));
	MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax), 1234));
	/* no call at all */
	until(SYS_getuid, -1);
	MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.orig_rax), -1));
	MUST(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax), -7));
	show("skipped.exit", next(PTRACE_SYSCALL, 0));
	/* a signal in a call that waits */
	until(SYS_read, -1);
	MUST(kill(pid, SIGUSR2)); /* ignored by us: the call goes on */
	show("read.exit", next(PTRACE_SYSCALL, 0));
	show("usr2", next(PTRACE_SYSCALL, 0));
	show("read.again", next(PTRACE_SYSCALL, 0));
	MUST(kill(pid, SIGUSR1));
	show("read.exit2", next(PTRACE_SYSCALL, 0));
	show("usr1", next(PTRACE_SYSCALL, 0));
	show("sigreturn", next(PTRACE_SYSCALL, SIGUSR1));
	show("sigreturn.exit", next(PTRACE_SYSCALL, 0));
	until(SYS_exit_group, -1);
	st = next(PTRACE_SYSCALL, 0);
	say_status("end", st);

	/* without TRACESYSGOOD a stop looks like a SIGTRAP; SYSEMU makes no call */
	pid = child();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		syscall(SYS_getuid);
		syscall(SYS_exit_group, 1);
		syscall(SYS_exit_group, 2);
	}
	MUST(waitpid(pid, &st, 0));
	do {
		st = next(PTRACE_SYSCALL, 0);
		MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
	} while (regs.orig_rax != SYS_getuid);
	say_status("plain", st);
	st = next(PTRACE_SYSCALL, 0);
	say_status("plain.exit", st);
	st = next(PTRACE_SYSEMU, 0);
	say_status("emu", st);
	MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
	say("emu.nr=%ld arg %ld rax %ld", (long)regs.orig_rax, (long)regs.rdi, (long)regs.rax);
	st = next(PTRACE_CONT, 0);
	say_status("emu.end", st);
	return 0;
}
