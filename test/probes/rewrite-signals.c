/* musl */
/*
 * Signals that come while a thread runs through a call site that is called often: the handler is shown the program's own addresses and registers, a
 * call that was interrupted ends after its instruction or begins at it again, and a handler may return by a call from such a site.
 */
#include "probe.h"
#include <pthread.h>
#include <ucontext.h>

#define PATTERN 0x5aa55aa5c33cc33cull

/* long loop(nr, a, b, c, n): n calls with patterns in rbx, rbp, r12-r15 and xmm6-xmm9: 0, or how they were when they had changed. */
long loop(long nr, long a, long b, long c, long n);
extern char loop_begin[], loop_call[], loop_after[], loop_end[];
/* The restorer of the handlers below: rt_sigreturn from a site that was made hot by other calls. */
void hot_restorer(void);
long hot(long nr);
__asm__(
	".text\nloop: push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"
	"mov %rdi,%r12\nmov %rsi,%r13\nmov %rdx,%r14\nmov %r8,%r15\nmov %rcx,%r8\nmovabs $0x5aa55aa5c33cc33c,%rbx\nmov %rbx,%rbp\nmov %rbx,%r9\n"
	"movq %rbx,%xmm6\nmovq %rbx,%xmm9\nmovq %rbx,%xmm15\n"
	".globl loop_begin\nloop_begin: mov %r12,%rax\nmov %r13,%rdi\nmov %r14,%rsi\nmov %r8,%rdx\nmov %rbx,-64(%rsp)\nmov %rbx,-128(%rsp)\nstc\n"
	".globl loop_call\nloop_call: syscall\n.globl loop_after\nloop_after: mov %rax,%r10\njnc 8f\n"
	"cmp %rbx,-64(%rsp)\njne 8f\ncmp %rbx,-128(%rsp)\njne 8f\ncmp %rbp,%rbx\njne 8f\ncmp %r9,%rbx\njne 8f\n"
	"movq %xmm6,%rax\ncmp %rax,%rbx\njne 8f\nmovq %xmm9,%rax\ncmp %rax,%rbx\njne 8f\nmovq %xmm15,%rax\ncmp %rax,%rbx\njne 8f\n"
	"dec %r15\njnz loop_begin\n.globl loop_end\nloop_end: mov %r10,%rax\njmp 9f\n8: mov $-10000,%rax\n9: pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n"
	".globl hot_restorer\nhot_restorer: mov $15,%eax\njmp 1f\nhot: mov %rdi,%rax\n1: syscall\ncmp $-4095,%rax\nret\n");

static volatile int outside, patterns, got;
static volatile long offset;

static void check(ucontext_t *uc)
{
	uint64_t ip = uc->uc_mcontext.gregs[REG_RIP];
	if (ip >= (uint64_t)loop_begin && ip < (uint64_t)loop_end) {
		if (uc->uc_mcontext.gregs[REG_RBX] != (long)PATTERN || uc->uc_mcontext.gregs[REG_RBP] != (long)PATTERN) patterns |= 1;
		if (uc->uc_mcontext.fpregs->_xmm[6].element[0] != (uint32_t)PATTERN || uc->uc_mcontext.fpregs->_xmm[15].element[1] != (uint32_t)(PATTERN >> 32)) patterns |= 2;
		if (ip == (uint64_t)loop_after && (uint64_t)uc->uc_mcontext.gregs[REG_RCX] != ip) patterns |= 4;
	}
	offset = (long)(ip - (uint64_t)loop_call);
}

/* While it is set the thread is in this program's own code: in the loop, or on its way there. */
static volatile int looping;
extern char __executable_start[], etext[];
static void on_storm(int s, siginfo_t *info, void *p)
{
	ucontext_t *uc = p;
	uint64_t ip = uc->uc_mcontext.gregs[REG_RIP];
	check(uc);
	if (looping && !(ip >= (uint64_t)__executable_start && ip < (uint64_t)etext)) outside++;
	__asm__ volatile("pxor %%xmm6,%%xmm6; pxor %%xmm9,%%xmm9; pxor %%xmm15,%%xmm15" ::: "xmm6", "xmm9", "xmm15");
	got++;
}

static void on_one(int s, siginfo_t *info, void *p) { check(p); got++; }

/* rt_sigaction with a restorer of our own. */
static void handle(int signo, void (*fn)(int, siginfo_t *, void *), unsigned long flags)
{
	struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } sa = { fn, flags | SA_SIGINFO | 0x04000000, hot_restorer, 0 };
	MUST(syscall(SYS_rt_sigaction, signo, &sa, NULL, 8));
}

static pthread_t victim;
static int pipes[2];
static volatile int stop;
static char task[64];

static void *storm(void *arg)
{
	struct timespec ts = { 0, 20000 };
	while (!stop) { pthread_kill(victim, SIGUSR1); nanosleep(&ts, NULL); }
	return NULL;
}

/* Interrupts the read, then lets it end. */
static void *interrupt(void *arg)
{
	await_state(task, "S");
	pthread_kill(victim, SIGUSR2);
	if (arg) {
		while (!got) sched_yield();
		MUST(write(pipes[1], "x", 1));
	}
	return NULL;
}

static void stormed(const char *name, long nr, long a, long b, long c, long n, long want)
{
	pthread_t t;
	sigset_t set;
	struct timespec limit, now;
	outside = patterns = got = stop = 0;
	sigfillset(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_create(&t, NULL, storm, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	long r = 0;
	/* Until enough signals came, and some more calls. */
	for (int i = 0; i < 200000 && (got < 150 || i < 20) && r != -10000; i++) {
		looping = 1;
		r = loop(nr, a, b, c, n);
		looping = 0;
		if (want != -1 && r != want) break;
	}
	stop = 1;
	pthread_join(t, NULL);
	say("%s: result=%s outside=%d patterns=%d enough=%d", name, r == want || (want == -1 && r != -10000) ? "right" : "wrong", outside, patterns, got >= 150);
}

int main(void)
{
	struct timespec ts;
	char c;
	pthread_t t;
	int zero = open("/dev/zero", O_RDONLY);

	victim = pthread_self();
	snprintf(task, sizeof task, "/proc/self/task/%d", (int)getpid());
	MUST(pipe(pipes));
	for (int i = 0; i < 50; i++) hot(SYS_getpid);
	handle(SIGUSR1, on_storm, SA_RESTART);

	stormed("getpid", SYS_getpid, 0, 0, 0, 2000, getpid());
	stormed("getpriority", SYS_getpriority, PRIO_PROCESS, 0, 0, 100, syscall(SYS_getpriority, PRIO_PROCESS, 0));
	stormed("clock_gettime", SYS_clock_gettime, CLOCK_MONOTONIC, (long)&ts, 0, 1000, 0);
	stormed("read", SYS_read, zero, (long)&c, 1, 1000, 1);
	stormed("sched_yield", SYS_sched_yield, 0, 0, 0, 200, 0);
	stormed("rt_sigpending", SYS_rt_sigpending, (long)&ts, 8, 0, 500, 0);

	/* A call that sleeps and is interrupted: after the instruction with EINTR; with SA_RESTART at it, and once more. */
	handle(SIGUSR2, on_one, 0);
	got = 0;
	pthread_create(&t, NULL, interrupt, NULL);
	long r = loop(SYS_read, pipes[0], (long)&c, 1, 1);
	pthread_join(t, NULL);
	say("interrupted: result=%s offset=%ld got=%d patterns=%d", r == -EINTR ? "EINTR" : "other", offset, got, patterns);
	handle(SIGUSR2, on_one, SA_RESTART);
	got = 0;
	pthread_create(&t, NULL, interrupt, (void *)1);
	r = loop(SYS_read, pipes[0], (long)&c, 1, 1);
	pthread_join(t, NULL);
	say("restarted: result=%ld offset=%ld got=%d patterns=%d", r, offset, got, patterns);
	return 0;
}
