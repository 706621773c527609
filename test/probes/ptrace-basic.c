/* PTRACE_TRACEME: the stop at exec, signal-delivery-stops, memory and registers, and how the tracee goes on. A tracee that runs prints by itself, so its tracer says nothing until it has stopped. */
#include "probe.h"
#include <sys/ptrace.h>
#include <sys/user.h>
#include <stddef.h>

static volatile long shared = 0x1122334455667788;
static volatile sig_atomic_t got;
static void handler(int s) { got = s; }

static void stopped(const char *key, pid_t pid)
{
	int st = -1;
	pid_t r = waitpid(pid, &st, 0);
	if (r != pid) say("%s=wait %s", key, r < 0 ? errname(errno) : "other");
	else say_status(key, st);
}

static void traced_child(void)
{
	signal(SIGUSR1, handler);
	signal(SIGUSR2, SIG_IGN);
	OK("child.traceme", ptrace(PTRACE_TRACEME, 0, 0, 0));
	OK("child.traceme.again", ptrace(PTRACE_TRACEME, 0, 0, 0));
	raise(SIGSTOP);
	IS("child.poked", shared == 42);
	raise(SIGUSR1);
	say("child.handler=%d", (int)got);
	got = 0;
	raise(SIGUSR1);
	say("child.suppressed=%d", (int)got);
	raise(SIGUSR2);
	raise(SIGTERM);
	say("child.survived");
	long r = syscall(SYS_getppid);
	IS("child.getppid", r == getppid());
	kill(getpid(), SIGSTOP);
	_exit(7);
}

int main(int argc, char **argv)
{
	if (argc > 1) { say("program=%s", argv[1]); _exit(3); }
	pid_t pid = child();
	if (pid == 0) traced_child();
	siginfo_t si;
	struct user_regs_struct regs, again;

	stopped("stop", pid);
	OK("waitid.none", waitid(P_PID, pid, &si, WEXITED | WNOHANG));
	errno = 0;
	IS("peek", ptrace(PTRACE_PEEKDATA, pid, &shared, 0) == 0x1122334455667788 && errno == 0);
	OK("poke", ptrace(PTRACE_POKEDATA, pid, &shared, 42));
	OK("peek.bad", ptrace(PTRACE_PEEKDATA, pid, 8, 0));
	OK("poke.bad", ptrace(PTRACE_POKEDATA, pid, 8, 0));
	/* text can be written, too */
	errno = 0;
	long word = ptrace(PTRACE_PEEKTEXT, pid, main, 0);
	OK("peektext", errno ? -1 : 0);
	IS("text", word == *(long *)main);
	OK("poketext", ptrace(PTRACE_POKETEXT, pid, main, word));
	OK("getregs", ptrace(PTRACE_GETREGS, pid, 0, &regs));
	IS("cs", regs.cs == 0x33 && regs.ss == 0x2b);
	IS("orig_rax", regs.orig_rax == SYS_tgkill || regs.orig_rax == SYS_tkill);
	errno = 0;
	IS("peekuser", ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), 0) == (long)regs.rip && errno == 0);
	OK("peekuser.odd", ptrace(PTRACE_PEEKUSER, pid, 3, 0));
	OK("peekuser.beyond", ptrace(PTRACE_PEEKUSER, pid, sizeof(struct user), 0));
	regs.r15 = 0x1234;
	OK("setregs", ptrace(PTRACE_SETREGS, pid, 0, &regs));
	OK("getregs.again", ptrace(PTRACE_GETREGS, pid, 0, &again));
	IS("setregs.same", memcmp(&regs, &again, sizeof regs) == 0);
	regs.r15 = 0;
	OK("getsiginfo", ptrace(PTRACE_GETSIGINFO, pid, 0, &si));
	say("siginfo=%d %d %s", si.si_signo, si.si_code, si.si_pid == pid ? "self" : "other");
	unsigned long msg = 99;
	OK("geteventmsg", ptrace(PTRACE_GETEVENTMSG, pid, 0, &msg));
	OK("setoptions.bad", ptrace(PTRACE_SETOPTIONS, pid, 0, 0x40000000));
	OK("cont.bad", ptrace(PTRACE_CONT, pid, 0, 999));
	OK("attach.self", ptrace(PTRACE_ATTACH, getpid(), 0, 0));
	OK("attach.again", ptrace(PTRACE_ATTACH, pid, 0, 0));
	OK("attach.none", ptrace(PTRACE_ATTACH, 4194000, 0, 0));
	OK("cont.none", ptrace(PTRACE_CONT, 4194000, 0, 0));
	MUST(ptrace(PTRACE_CONT, pid, 0, 0));
	stopped("usr1", pid);
	MUST(ptrace(PTRACE_CONT, pid, 0, SIGUSR1));
	stopped("usr1.again", pid);
	MUST(ptrace(PTRACE_CONT, pid, 0, 0));
	stopped("ignored", pid);
	MUST(ptrace(PTRACE_CONT, pid, 0, SIGUSR2));
	stopped("term", pid);
	OK("not-stopped", 0);
	MUST(ptrace(PTRACE_CONT, pid, 0, 0));
	MUST(waitid(P_PID, pid, &si, WSTOPPED | WNOWAIT));
	say("waitid=%d code %d status %d", si.si_signo, si.si_code, si.si_status);
	stopped("last", pid);
	MUST(ptrace(PTRACE_CONT, pid, 0, SIGTERM));
	stopped("end", pid);
	OK("gone", ptrace(PTRACE_CONT, pid, 0, 0));

	/* exec */
	pid = child();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execl("/proc/self/exe", "p", "again", NULL);
		_exit(9);
	}
	stopped("exec", pid);
	OK("exec.getregs", ptrace(PTRACE_GETREGS, pid, 0, &regs));
	IS("exec.regs", regs.rsp != 0 && regs.rip != 0 && regs.rax == 0);
	errno = 0;
	IS("exec.argc", ptrace(PTRACE_PEEKDATA, pid, regs.rsp, 0) == 2);
	OK("exec.getsiginfo", ptrace(PTRACE_GETSIGINFO, pid, 0, &si));
	say("exec.siginfo=%d %d %s", si.si_signo, si.si_code, si.si_pid == pid ? "self" : "other");
	MUST(ptrace(PTRACE_CONT, pid, 0, 0));
	stopped("exec.end", pid);

	/* a fault */
	pid = child();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		*(volatile int *)16 = 1;
		_exit(1);
	}
	stopped("fault", pid);
	OK("fault.getsiginfo", ptrace(PTRACE_GETSIGINFO, pid, 0, &si));
	say("fault.siginfo=%d %d %lx", si.si_signo, si.si_code, (long)si.si_addr);
	MUST(ptrace(PTRACE_CONT, pid, 0, SIGSEGV));
	int st;
	waitpid(pid, &st, 0);
	say("fault.end=%d", WTERMSIG(st));

	/* detach with a signal; and a tracee that is left behind runs on */
	pid = child();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(5);
	}
	stopped("detach.stop", pid);
	OK("detach", ptrace(PTRACE_DETACH, pid, 0, 0));
	stopped("detach.end", pid);
	return 0;
}
