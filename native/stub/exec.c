/*
 * execve, execveat: a host exec of the stub itself, which then finds the new program's plan in the new area (start.c).
 *
 * The host thereby ends sibling threads, releases a vfork parent, drops memory and close-on-exec grants. When the kernel has answered RF_EXEC
 * there is no way back: whatever fails from here on ends the process. Host signals are blocked over the exec, since a kick would kill a
 * program that has no handlers yet; start.c unblocks them.
 */
#include "stub.h"

#define AT_EMPTY_PATH_BIT 0x1000
#define SHOWN_ARGS 32
#define SHOWN_BYTES 4096

/* The filter pins this address (filter.c): the only path that the stub ever executes. */
const char exec_path[1] = "";

/* "CARRICK_FDR=<n>" */
static void put_fdr(char *to, u32 n)
{
	static const char name[] = "CARRICK_FDR=";
	char digits[12];
	u32 k = 0;

	memcpy(to, name, sizeof(name) - 1);
	to += sizeof(name) - 1;
	do {
		digits[k++] = (char)('0' + n % 10);
		n /= 10;
	} while (n != 0);
	while (k > 0)
		*to++ = digits[--k];
	*to = 0;
}

/* The plan's arguments, for the host's process list; a short list will do. */
static void shown_argv(const struct carrick_plan *p, const char *argv[SHOWN_ARGS + 1])
{
	const char *s = (const char *)p + p->stack_off;
	u64 used = 0;
	u32 n = 0;

	if (p->stack_off > CARRICK_PLAN_MAX || p->stack_len > CARRICK_PLAN_MAX - p->stack_off)
		die();
	while (n < p->argc && n < SHOWN_ARGS) {
		u64 len = str_len(s + used) + 1;

		if (used + len > SHOWN_BYTES || used + len > p->stack_len)
			break;
		argv[n++] = s + used;
		used += len;
	}
	if (n == 0)
		argv[n++] = "carrick-guest";
	argv[n] = NULL;
}

long do_execve(struct task *t, long nr, const u64 a[6])
{
	const char *argv[SHOWN_ARGS + 1], *envp[2];
	char fdr[32];
	u64 all = ~0ull;
	int fds[8];
	long r = call_server(t, nr, a);

	if (r < 0 || !(t->slot->rflags & CARRICK_RF_EXEC))
		return r;
	if (ctl_take_first(t, CTL_EXEC, fds) < 1)
		die();
	host(__NR_dup3, fds[0], mm.fdr + CARRICK_FDR_AREA, 0);
	r = host(__NR_mmap, 0, CARRICK_PLAN_MAX, 1, 1 /* MAP_SHARED */, mm.fdr + CARRICK_FDR_AREA, CARRICK_PLAN_OFF);
	if (r < 0)
		die();
	shown_argv((const struct carrick_plan *)r, argv);
	put_fdr(fdr, mm.fdr);
	envp[0] = fdr;
	envp[1] = NULL;
	host(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &all, 0, 8);
	host(__NR_execveat, mm.fdr + CARRICK_FDR_STUB, exec_path, argv, envp, AT_EMPTY_PATH_BIT);
	die();
}
