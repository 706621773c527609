/* musl */
/* fork, vfork, threads, exit and execve from a call site that is called often. */
#include "probe.h"
#include <sched.h>

/* hot(nr, a, b, c, d, e, fn): the call; a thread child (0 on a stack of its own, whose top holds its function) calls that. */
long hot(long nr, long a, long b, long c, long d, long e);
__asm__(
	".text\nhot: mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nmov %rcx,%rdx\nmov %r8,%r10\nmov %r9,%r8\nxor %r9d,%r9d\n"
	"hot_site: syscall\ntest %rax,%rax\njnz 1f\ncmpq $0x1234567,(%rsp)\njne 1f\nmov 8(%rsp),%rax\nadd $16,%rsp\ncall *%rax\n1: ret\n");

static volatile int ran, ctid;
static char stack[65536] __attribute__((aligned(16)));

static void thread_main(void)
{
	ran = hot(SYS_gettid, 0, 0, 0, 0, 0) != getpid();
	hot(SYS_exit, 0, 0, 0, 0, 0);
}

int main(int argc, char **argv)
{
	int st;
	if (argc > 1) { say("exec=%s", argv[1]); return 3; }
	for (int i = 0; i < 40; i++) if (hot(SYS_getpid, 0, 0, 0, 0, 0) != getpid()) say("wrong");

	int good = 0;
	for (int i = 0; i < 20; i++) {
		long p = hot(SYS_fork, 0, 0, 0, 0, 0);
		if (p == 0) hot(SYS_exit_group, hot(SYS_getpid, 0, 0, 0, 0, 0) == getpid() ? 7 : 8, 0, 0, 0, 0);
		MUST(waitpid(p, &st, 0));
		good += WIFEXITED(st) && WEXITSTATUS(st) == 7;
	}
	VAL("forks", good);

	good = 0;
	for (int i = 0; i < 20; i++) {
		ran = 0;
		ctid = -1;
		long *top = (long *)(stack + sizeof stack) - 4;
		top[0] = 0x1234567;
		top[1] = (long)thread_main;
		long r = hot(SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID,
			(long)top, 0, (long)&ctid, 0);
		if (r < 0) { say("clone: %s", errname(-r)); break; }
		while (ctid != 0) syscall(SYS_futex, &ctid, 0 /* FUTEX_WAIT */, (int)r, NULL, NULL, 0);
		good += ran;
	}
	VAL("threads", good);

	/* clone like vfork, with a stack of its own. */
	good = 0;
	for (int i = 0; i < 5; i++) {
		ran = 0;
		long *top = (long *)(stack + sizeof stack) - 4;
		top[0] = 0x1234567;
		top[1] = (long)thread_main;
		long p = hot(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, (long)top, 0, 0, 0);
		MUST(waitpid(p, &st, 0));
		good += st == 0;
	}
	VAL("vforks", good);

	char *const bad[] = { "none", NULL }, *const args[] = { argv[0], "again", NULL };
	say("no-exec=%s", errname(-hot(SYS_execve, (long)"/no/such/file", (long)bad, (long)bad, 0, 0)));
	long p = hot(SYS_fork, 0, 0, 0, 0, 0);
	if (p == 0) {
		hot(SYS_execve, (long)"/proc/self/exe", (long)args, (long)environ, 0, 0);
		_exit(99);
	}
	MUST(waitpid(p, &st, 0));
	say_status("execve", st);
	return 0;
}
