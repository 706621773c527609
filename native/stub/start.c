/*
 * Program start: from the host's exec of the stub to the guest program's first instruction.
 *
 *   _start ──► stub_start (host stack): reserve base, area, stub stacks, filter ──► start_on_stub_stack: handlers, images, initial stack ──► jump
 *
 * Both the first process (spawned by carrick) and every execve come here. Nothing may fail but by ending the process.
 */
#include "stub.h"
#include <linux/auxvec.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#define HWCAP2_FSGSBASE_BIT 2
#define MAP_FIXED_NOREPLACE_BIT 0x100000
#define MADV_NOHUGEPAGE_ADVICE 15
#define SA_FLAGS (4ul /* SIGINFO */ | 0x08000000ul /* ONSTACK */ | 0x04000000ul /* RESTORER */)
#define SA_NODEFER_FLAG 0x40000000ul

_Noreturn void stub_switch(u64 sp, void (*fn)(void *), void *arg);

struct mm_state mm;

/* What start_on_stub_stack needs; in .bss, since the host stack is left behind. */
static struct {
	u64 sp;
	const u64 *auxv;
	struct task *t;
	u64 entry; /* of a traced program; sp is its own then */
} boot;

static u32 fdr_of(char **envp)
{
	static const char name[] = "CARRICK_FDR=";

	for (; *envp != NULL; envp++) {
		const char *s = *envp;
		u32 i = 0, n = 0;

		while (name[i] != 0 && s[i] == name[i])
			i++;
		if (name[i] != 0)
			continue;
		for (; s[i] >= '0' && s[i] <= '9' && n < 100000; i++)
			n = 10 * n + (u32)(s[i] - '0');
		return n;
	}
	return 0;
}

static void map(u64 addr, u64 len, int flags, int fd)
{
	long r = host(__NR_mmap, addr, len, 3, flags | MAP_FIXED_NOREPLACE_BIT, fd, 0);

	if ((u64)r != addr)
		die();
}

/*
 * Faults and traps nest: stub code that runs for one may meet the next. Kicks must not. They queue on the host, so a thread that gets a core back after a
 * storm of signals would take dozens at once, a frame on each other, and run off its stack. One that waits until another's
 * handler has returned loses nothing: the sections that it would rewind start over for the first one, or come back here at once.
 */
static void handle(int signo, bool ignore)
{
	struct {
		u64 handler, flags, restorer, mask;
	} sa = { ignore ? 1 : (u64)stub_entry, SA_FLAGS | (signo == CARRICK_KICK_SIGNAL ? 0 : SA_NODEFER_FLAG), (u64)stub_restorer, 0 };

	host(__NR_rt_sigaction, signo, &sa, 0, 8);
}

void install_handlers(struct task *t)
{
	static const u8 handled[] = { SIGSYS, CARRICK_KICK_SIGNAL, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGXCPU, SIGXFSZ, SIGPROF, SIGVTALRM };
	stack_t ss = { .ss_sp = (void *)t->stack, .ss_size = CARRICK_STACK_SIZE - TASK_SIZE };
	u64 none = 0;

	host(__NR_sigaltstack, &ss, 0);
	for (u32 i = 0; i < sizeof(handled); i++)
		handle(handled[i], false);
	handle(SIGPIPE, true);
	host(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &none, 0, 8);
}

static void start_traced(void *unused)
{
	(void)unused;
	ptrace_started(boot.t, boot.entry, boot.sp);
}

static void start_on_stub_stack(void *unused)
{
	struct task *t = boot.t;
	const struct carrick_plan *p = (const struct carrick_plan *)(CARRICK_AREA_ADDR + CARRICK_PLAN_OFF);
	char comm[16];
	int fds[8], n;
	u64 sp, entry;

	(void)unused;
	if (mm.fsgsbase)
		asm volatile("wrgsbase %0" : : "r"(t));
	else if (host(__NR_arch_prctl, 0x1001 /* ARCH_SET_GS */, t) < 0)
		die();
	install_handlers(t);
	rewrite_begin(t);
	t->slot->tid = (i32)host(__NR_gettid);
	t->slot->sigmask = p->sigmask & ~SIG_UNMASKABLE;
	t->slot->alt_sp = t->slot->alt_size = 0;
	t->slot->alt_flags = 2 /* SS_DISABLE */;
	t->slot->saved_mask_valid = 0;
	t->slot->sleeping = t->slot->insyscall = 0;
	__atomic_store_n(&t->slot->state, CARRICK_SLOT_READY, __ATOMIC_RELEASE);

	n = ctl_take_first(t, CTL_IMAGES, fds);
	/* The last one is no image. */
	if (n > (int)p->nimage)
		names_start(fds[n - 1], p, t->pctx->flags & CARRICK_PF_NOFAST);
	sp = load_plan(p, fds, n, boot.auxv, boot.sp, &entry);
	brk_tell(t);
	for (int i = 0; i < n; i++)
		host(__NR_close, fds[i]);
	memcpy(comm, p->comm, sizeof(comm));
	comm[15] = 0;
	host(__NR_prctl, 15 /* PR_SET_NAME */, comm, 0, 0, 0);
	dbg("start: entry, sp, brk", (long)entry, (long)sp, (long)mm.brk);
	if (t->slot->traced) {
		boot.entry = entry;
		boot.sp = sp;
		/* Below the room for the frame that it will have. */
		stub_switch(t->top, start_traced, NULL);
	}
	stub_jump(entry, sp);
}

/* sp: as the host's exec leaves it: argc, argv, NULL, envp, NULL, auxv. */
void stub_start(u64 *sp)
{
	char **envp = (char **)(sp + sp[0] + 2);
	const u64 *auxv = (const u64 *)envp;
	const struct carrick_plan *p = (const struct carrick_plan *)(CARRICK_AREA_ADDR + CARRICK_PLAN_OFF);
	u32 index;

	while (*auxv != 0)
		auxv++;
	auxv++;
	mm.frame_room = 0;
	for (const u64 *v = auxv; v[0] != AT_NULL; v += 2)
		if (v[0] == AT_HWCAP2)
			mm.fsgsbase = v[1] & HWCAP2_FSGSBASE_BIT;
		else if (v[0] == AT_MINSIGSTKSZ)
			mm.frame_room = (u32)v[1];
	/* Kernels that do not say (before 5.14) know no state larger than AVX-512. */
	mm.frame_room = ((mm.frame_room != 0 ? mm.frame_room : 4096) + 2 * 64) & ~63u;
	mm.fdr = fdr_of(envp);
	if (mm.fdr == 0)
		die();
	map(CARRICK_AREA_ADDR, CARRICK_AREA_SIZE, 1 /* MAP_SHARED */, (int)(mm.fdr + CARRICK_FDR_AREA));
	map(CARRICK_STACKS_ADDR, (u64)CARRICK_SLOT_MAX * CARRICK_STACK_SIZE, 0x4022 /* PRIVATE|ANONYMOUS|NORESERVE */, -1);
	/* One page per task, not 2 MiB. */
	host(__NR_madvise, CARRICK_STACKS_ADDR, (u64)CARRICK_SLOT_MAX * CARRICK_STACK_SIZE, MADV_NOHUGEPAGE_ADVICE);
	index = p->slot;
	if (p->magic != PLAN_MAGIC || index >= CARRICK_SLOT_MAX)
		die();
	if ((p->flags & CARRICK_PLAN_FIRST) && filter_install(mm.fdr) < 0)
		die();
	boot.sp = (u64)sp;
	boot.auxv = auxv;
	boot.t = task_bind(index);
	fds_alone(boot.t);
	boot.t->pctx->fdr_base = mm.fdr;
	boot.t->pctx->ctl_lock = 0;
	boot.t->pctx->ctl_seen = 0;
	stub_switch((u64)boot.t - 64, start_on_stub_stack, NULL);
}
