/* musl */
/* A program that steps through itself sees each of its own instructions once, also at a call site that is called often. */
#include "probe.h"
#include <ucontext.h>

long stepped(long step);
extern char step_begin[], step_end[];
__asm__(
	".text\nstepped: mov %rdi,%rcx\nmov $39,%eax\ntest %rcx,%rcx\njz 1f\npushf\norq $0x100,(%rsp)\npopf\n1: nop\n"
	".globl step_begin\nstep_begin: mov $39,%eax\nsyscall\nmov %eax,%edx\nmov %eax,%ecx\ncmp %edx,%ecx\nnop\n.globl step_end\nstep_end: pushf\nandq $~0x100,(%rsp)\npopf\nret\n");

static volatile long at[64];
static volatile int steps, wrong;

static void on_trap(int s, siginfo_t *info, void *p)
{
	ucontext_t *uc = p;
	long off = uc->uc_mcontext.gregs[REG_RIP] - (long)step_begin;
	if (off >= 0 && off <= step_end - step_begin && steps < 64) at[steps++] = off;
	if (info->si_code != TRAP_TRACE) wrong = info->si_code;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	sigaction(SIGTRAP, &sa, NULL);
	long pid = getpid();
	int good = 0;
	for (int i = 0; i < 40; i++) good += stepped(0) == pid;
	VAL("calls", good);
	for (int round = 0; round < 2; round++) {
		steps = 0;
		IS("result", stepped(1) == pid);
		char line[512] = "";
		for (int i = 0; i < steps; i++) sprintf(line + strlen(line), " %ld", at[i]);
		say("steps:%s", line);
		say("code=%d", wrong);
	}
	return 0;
}
