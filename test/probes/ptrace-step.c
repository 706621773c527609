/* Single steps: over instructions, system calls, into handlers; breakpoints in text; floating-point registers. */
#include "probe.h"
#include <sys/ptrace.h>
#include <sys/user.h>
#include <elf.h>
#include <stddef.h>

static pid_t pid;
static int st;

static void next(int how, long signo)
{
	MUST(ptrace(how, pid, 0, signo));
	MUST(waitpid(pid, &st, __WALL));
}

static void info(const char *key)
{
	siginfo_t si;
	if (!WIFSTOPPED(st)) { say_status(key, st); return; }
	MUST(ptrace(PTRACE_GETSIGINFO, pid, 0, &si));
	say("%s=stopped %d code %x", key, WSTOPSIG(st), si.si_code);
}

static unsigned long rip(void)
{
	struct user_regs_struct r;
	MUST(ptrace(PTRACE_GETREGS, pid, 0, &r));
	return r.rip;
}

__attribute__((noinline)) static int target(int x) { asm volatile("" ::: "memory"); return x + 1; }
static volatile int handled;
static void handler(int s) { handled = s; }

extern char step_begin[], step_call[], step_after[], step_end[];
static long steps(void)
{
	long r;
	asm volatile("int3\n"
		".globl step_begin\nstep_begin: nop\n nop\n mov $39,%%eax\n"
		".globl step_call\nstep_call: syscall\n"
		".globl step_after\nstep_after: nop\n pushf\n pop %%rcx\n"
		".globl step_end\nstep_end: nop\n"
		: "=a"(r) :: "rcx", "r11", "memory");
	return r;
}

static void tracee(void)
{
	struct sigaction sa = { .sa_handler = handler };
	sigaction(SIGUSR1, &sa, NULL);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	IS("child.pid", steps() == getpid());
	say("child.target=%d", target(5));
	raise(SIGUSR1);
	say("child.handled=%d", handled);
	double d = 1.5;
	asm volatile("movsd %0, %%xmm7\n int3\n movsd %%xmm7, %0" : "+m"(d) :: "xmm7");
	say("child.xmm7=%g", d);
	_exit(0);
}

int main(void)
{
	pid = child();
	if (pid == 0) tracee();
	MUST(waitpid(pid, &st, 0));
	next(PTRACE_CONT, 0);
	info("int3");
	IS("int3.rip", rip() == (unsigned long)step_begin);
	int n = 0;
	while (rip() != (unsigned long)step_call && n < 20) { next(PTRACE_SINGLESTEP, 0); n++; }
	say("steps=%d", n);
	info("step");
	next(PTRACE_SINGLESTEP, 0);
	IS("over-call.rip", rip() == (unsigned long)step_after);
	info("over-call");
	next(PTRACE_SINGLESTEP, 0);
	IS("behind.rip", rip() == (unsigned long)step_after + 1);

	/* a breakpoint */
	errno = 0;
	long old = ptrace(PTRACE_PEEKTEXT, pid, target, 0);
	IS("peek", errno == 0);
	OK("poke", ptrace(PTRACE_POKETEXT, pid, target, (old & ~0xffl) | 0xcc));
	next(PTRACE_CONT, 0);
	info("breakpoint");
	IS("breakpoint.rip", rip() == (unsigned long)target + 1);
	IS("mine.untouched", *(unsigned char *)target != 0xcc);
	OK("restore", ptrace(PTRACE_POKETEXT, pid, target, old));
	OK("back", ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rip), (unsigned long)target));
	OK("argument", ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rdi), 41));

	/* stepping into a handler */
	next(PTRACE_CONT, 0);
	info("usr1");
	next(PTRACE_SINGLESTEP, SIGUSR1);
	IS("handler.rip", rip() == (unsigned long)handler);
	info("handler");
	next(PTRACE_CONT, 0);
	info("fp");
	struct user_fpregs_struct fp;
	OK("getfpregs", ptrace(PTRACE_GETFPREGS, pid, 0, &fp));
	double d;
	memcpy(&d, (char *)fp.xmm_space + 7 * 16, 8);
	say("xmm7=%g mxcsr %x", d, fp.mxcsr);
	d = 2.5;
	memcpy((char *)fp.xmm_space + 7 * 16, &d, 8);
	OK("setfpregs", ptrace(PTRACE_SETFPREGS, pid, 0, &fp));
	static char xs[16384];
	struct iovec iov = { xs, sizeof xs };
	OK("getregset.x", ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &iov));
	memcpy(&d, xs + 160 + 7 * 16, 8);
	say("xstate.xmm7=%g", d);
	d = 3.5;
	memcpy(xs + 160 + 7 * 16, &d, 8);
	OK("setregset.x", ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &iov));
	struct user_regs_struct r;
	iov = (struct iovec){ &r, sizeof r };
	OK("getregset", ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov));
	say("regset.len=%zu", iov.iov_len);
	iov = (struct iovec){ &r, 16 };
	OK("getregset.short", ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov));
	say("regset.short.len=%zu", iov.iov_len);
	iov = (struct iovec){ &r, 13 };
	OK("getregset.odd", ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov));
	iov = (struct iovec){ &r, sizeof r };
	OK("getregset.none", ptrace(PTRACE_GETREGSET, pid, 0x7777, &iov));
	next(PTRACE_CONT, 0);
	say_status("end", st);
	return 0;
}
