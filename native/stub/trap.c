/*
 * Host signals: the guest's system calls (SIGSYS), kicks, faults.
 *
 *   guest code ──syscall──► SIGSYS ──► signal_entry ──► answer ──► deliver ──► final section (entry_x86_64.S) ──► guest code
 *
 * Handlers run on the task's stub stack (alternate stack), never blocked (SA_NODEFER) but for kicks, which wait for each other (start.c); else the
 * host's mask is empty in guest code and in the stub, but for the moments around exec and thread exit. What a signal means depends on where it hit: in guest code it may be
 * answered and delivered at once, since the frame is the guest's; in stub code a kick only rewinds a restartable section, and a fault
 * is a faultable copy's or a bug. That distinction is made by program counter alone, so it also works before %gs is set.
 */
#include "stub.h"

extern char final_begin[], final_end[], wait_begin[], wait_end[], call_begin[], call_end[], thunk_begin[], thunk_end[];
extern char copy_begin[], copy_fixup[], str_begin[], str_end[], str_fixup[];

#define SYS_SECCOMP_CODE 1 /* si_code of a seccomp trap; siginfo.h */

static inline bool between(u64 ip, const char *lo, const char *hi) { return ip >= (u64)lo && ip < (u64)hi; }

/* A kick in stub code: a section that has looked at the pending signals but not yet slept starts over. */
static void rewind(struct ucontext *uc)
{
	u64 ip = uc_ip(uc);

	if (between(ip, final_begin, final_end))
		uc->uc_mcontext.rip = (u64)final_begin;
	else if (between(ip, wait_begin, wait_end))
		uc->uc_mcontext.rip = (u64)wait_begin;
	else if (between(ip, call_begin, call_end))
		uc->uc_mcontext.rip = (u64)call_begin;
	else if (between(ip, thunk_begin, thunk_end))
		uc->uc_mcontext.rip = (u64)thunk_begin;
}

/* A fault in stub code: resume a faultable copy at its end; anything else is our bug and the process's death. */
static void stub_fault(int signo, struct ucontext *uc)
{
	u64 ip = uc_ip(uc);

	if ((signo == SIGSEGV || signo == SIGBUS) && between(ip, copy_begin, copy_fixup)) {
		uc->uc_mcontext.rip = (u64)copy_fixup;
	} else if ((signo == SIGSEGV || signo == SIGBUS) && between(ip, str_begin, str_end)) {
		uc->uc_mcontext.rip = (u64)str_fixup;
	} else {
		dbg("BUG: fault in the stub: signo, ip, addr", signo, (long)ip, (long)uc->uc_mcontext.cr2);
		die();
	}
}

static u32 server_of(const struct task *t, const struct carrick_call *c, const u64 a[6])
{
	if (c->flags & CF_BYFD) {
		u32 owner = fd_hint(t, a[0]) & CARRICK_HINT_OWNER;

		if (owner != 0 && owner <= CARRICK_SRV_COUNT)
			return owner - 1;
	}
	return c->owner;
}

static const struct carrick_call *call_of(long nr)
{
	static const struct carrick_call unknown = { .owner = CARRICK_SRV_KERNEL };

	if (nr < 0 || nr >= CARRICK_NR_MAX || !(carrick_calls[nr].flags & CF_KNOWN))
		return &unknown;
	return &carrick_calls[nr];
}

#define WNOHANG 1
#define WALL 0x40000000

/*
 * Reap a child on the host. Mostly it is a zombie by now; if somebody else has reaped it, its number may be a living child's: do not wait for that. One that is
 * about to end (`live`) only this answer speaks of.
 */
static void reap(i32 pid, bool live)
{
	while (host(__NR_wait4, pid, 0, live ? WALL : WALL | WNOHANG, 0) == -EINTR)
		;
}

/**
 * call_server - post a call to the server that owns it and wait for its answer.
 * Return: the result; the slot's rflags, ctl_need and payload stay readable until the next post.
 */
long call_server(struct task *t, long nr, const u64 a[6])
{
	const struct carrick_call *c = call_of(nr);
	slot_t *s = t->slot;
	struct marshalled m;
	long r;

	/* A wait for children is looked at again when they are known. */
	bool early = t->owing == OWING_BIRTH && (nr == __NR_wait4 || nr == __NR_waitid);

	if (!early) {
		slot_claim(t);
		born_wait(t);
	}
	s->nr = (i32)nr;
	memcpy(s->args, a, sizeof(s->args));
	marshal_in(c, s, payload_of(s), a, &m);
	names_before(t, nr, a);
	fds_before(t, nr, a);
	if (early)
		slot_post_unborn(t);
	else
		slot_post(t, server_of(t, c, a));
	slot_wait(t, false);
	r = (long)s->ret;
	names_after(t, nr, a, r);
	if (nr == __NR_getdents64 || nr == __NR_getdents)
		fds_read(t, a[0], r);
	if (marshal_out(s, payload_of(s), a, &m) < 0 && r >= 0)
		r = -EFAULT;
	slot_done(t);
	if (s->rflags & CARRICK_RF_GRANT)
		ctl_sync(t, s->ctl_need);
	if (s->rflags & CARRICK_RF_SIGNAL)
		t->fetch = 1;
	if (s->rflags & CARRICK_RF_REAP)
		reap(s->rpid, s->rflags & CARRICK_RF_REAP_LIVE);
	return r;
}

/* Signals are blocked first: a kick that came later would run on a stack that may be another thread's. Nobody waits for the answer. */
static void do_exit(struct task *t, const u64 a[6])
{
	u64 all = ~0ull;

	if (t->slot->traced)
		ptrace_exiting(t, t->uc, (a[0] & 0xff) << 8);
	host(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &all, 0, 8);
	fds_thread(t->pctx, -1);
	post_exit(t, a);
	stub_exit_thread(&t->slot->state, a[0]);
}

/*
 * The status is left where the kernel looks for it when the process has ended. The first thread's counts. That it is about to end the kernel is told if the slot is free:
 * then its parent, if it waits, can be woken while the host takes the process apart.
 */
static _Noreturn void do_exit_group(struct task *t, const u64 a[6])
{
	u32 none = 0;

	if (t->slot->traced)
		ptrace_exiting(t, t->uc, (a[0] & 0xff) << 8);
	if (t->pctx->flags & CARRICK_PF_TRACE)
		call_server(t, __NR_exit_group, a);
	__atomic_compare_exchange_n(&t->pctx->exit_word, &none, 0x100 | ((u32)a[0] & 0xff), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	if (!(t->pctx->flags & CARRICK_PF_TRACE))
		post_last(t, a);
	for (;;)
		host(__NR_exit_group, a[0]);
}

/* A call that the fast path did not answer. */
static long slow_call(struct task *t, struct ucontext *uc, long nr, const u64 a[6])
{
	switch (nr) {
	case __NR_clone:
	case __NR_clone3:
	case __NR_fork:
	case __NR_vfork:
		return do_clone(t, uc, nr, a);
	case __NR_execve:
	case __NR_execveat:
		return do_execve(t, nr, a);
	case __NR_exit:
		do_exit(t, a);
		break;
	case __NR_exit_group:
		do_exit_group(t, a);
	case __NR_rt_sigsuspend:
	case __NR_ppoll:
	case __NR_pselect6:
	case __NR_epoll_pwait:
	case __NR_epoll_pwait2:
		return masked_call(t, nr, a);
	case __NR_shmat:
		return do_shmat(t, a);
	case __NR_shmdt:
		return do_shmdt(t, a);
	case __NR_unshare:
		umask_share(t, (u32)a[0]);
		break;
	case __NR_close:
	case __NR_close_range:
	case __NR_dup:
	case __NR_dup2:
	case __NR_dup3:
	case __NR_fcntl:
	case __NR_ioctl:
		return io_posted(t, nr, a);
	}
	/* The stub's own requests are not the guest's to make. */
	if (nr >= CARRICK_NR_CLONE_COMMIT && nr <= CARRICK_NR_OWN_LAST)
		return -ENOSYS;
	return call_server(t, nr, a);
}

/* Within who asks: each return after a host call costs as much as ten of these instructions (decision 0025). */
static inline __attribute__((always_inline)) long answer_here(struct task *t, struct ucontext *uc, long nr, const u64 a[6])
{
	long r;

	t->uc = uc;
	t->restart = 0;
	t->fetch = 0;
	t->restart_nr = (u32)nr;
	t->slot->insyscall = 1;
	check_idle(t);
	r = fast_call(t, uc, nr, a);
	if (r == R_SLOW)
		r = slow_call(t, uc, nr, a);
	else if (r != R_DONE && (t->pctx->flags & CARRICK_PF_TRACE))
		post_own(t, CARRICK_SRV_KERNEL, CARRICK_NR_TRACE, (u64)nr, a[0], a[1], a[2], a[3], (u64)r);
	return r;
}

long answer(struct task *t, struct ucontext *uc, long nr, const u64 a[6]) { return answer_here(t, uc, nr, a); }

/* Only counted for a trace: threads would contend for the word. */
static void count(const struct task *t, u64 *word)
{
	if (t->pctx->flags & CARRICK_PF_TRACE)
		__atomic_fetch_add(word, 1, __ATOMIC_RELAXED);
}

void trap_call(struct task *t, struct ucontext *uc)
{
	long nr = uc_nr(uc), r;
	u64 a[6], after = uc_ip(uc);

	if (t->slot->traced) {
		ptrace_call(t, uc);
		return;
	}
	uc_args(uc, a);
	count(t, &t->pctx->rw_traps);
	r = answer(t, uc, nr, a);
	finish_call(self(), uc, r);
	self()->slot->insyscall = 0;
	rewrite_trapped(self(), after, nr);
	rewrite_resume(uc);
}

/* The frame of stub_take_frame's trap becomes the guest's: moved to the top of the stack, with the guest's registers in it. */
static void frame_taken(struct task *t, struct ucontext *uc)
{
	struct ucontext *to = frame_move(uc, (u64)t);
	struct sigcontext *sc = &to->uc_mcontext;

	if ((u64)to - 8 < t->top)
		die();
	sc->rax = t->g.rax;
	sc->rcx = sc->rip = rewrite_after(t->g.rcx);
	sc->rdx = t->g.rdx;
	sc->rbx = t->g.rbx;
	sc->rsp = t->g.rsp;
	sc->rbp = t->g.rbp;
	sc->rsi = t->g.rsi;
	sc->rdi = t->g.rdi;
	sc->r8 = t->g.r8;
	sc->r9 = t->g.r9;
	sc->r10 = t->g.r10;
	sc->r11 = sc->eflags = t->g.r11;
	sc->r12 = t->g.r12;
	sc->r13 = t->g.r13;
	sc->r14 = t->g.r14;
	sc->r15 = t->g.r15;
	t->uc = to;
	uc->uc_mcontext.rip += 2; /* over the ud2 */
}

struct ucontext *take_frame(struct task *t, struct ucontext *uc)
{
	if (uc != NULL)
		return uc;
	if (t->uc == NULL)
		stub_take_frame();
	return t->uc;
}

static bool needs_frame(long nr)
{
	return nr == __NR_clone || nr == __NR_clone3 || nr == __NR_fork || nr == __NR_vfork || nr == __NR_rt_sigreturn;
}

/* Results that only a signal frame can bring to the guest: a restart, a frame that is complete. */
static inline bool is_result(long r) { return r != R_DONE && (r > -ERESTARTSYS || r < -ERESTART_RESTARTBLOCK); }

/**
 * thunk_call - a system call from a rewritten site; the guest's registers are in t->g.
 * Return: 0 = t->g.rax is the result; else the signal frame through which the guest goes on.
 */
u64 thunk_call(struct task *t)
{
	const u64 a[6] = { t->g.rdi, t->g.rsi, t->g.rdx, t->g.r10, t->g.r8, t->g.r9 };
	long nr = (long)(i32)t->g.rax, r;
	struct ucontext *uc;

	t->uc = NULL;
	t->evictions = rewrite_evictions();
	count(t, &t->pctx->rw_calls);
	if (t->slot->traced) {
		uc = take_frame(t, NULL);
		ptrace_call(t, uc);
		return (u64)uc - 8;
	}
	uc = needs_frame(nr) ? take_frame(t, NULL) : NULL;
	r = answer_here(t, uc, nr, a);
	t = self();
	if (uc == NULL && is_result(r) && !t->fetch && t->raise == 0 && !t->slot->saved_mask_valid) {
		t->slot->insyscall = 0;
		t->g.rax = (u64)r;
		/* Its thunk may be gone. */
		if (t->evictions != rewrite_evictions())
			t->g.rcx = rewrite_after(t->g.rcx);
		return 0;
	}
	uc = take_frame(t, NULL);
	finish_call(t, uc, r);
	t->slot->insyscall = 0;
	rewrite_resume(uc);
	return (u64)uc - 8;
}

/* The call is over, and a signal has come: it is delivered through a frame, with the result that is in t->g. */
u64 thunk_late(struct task *t)
{
	struct ucontext *uc;

	t->uc = NULL;
	uc = take_frame(t, NULL);
	t->restart = 0;
	deliver(t, uc);
	rewrite_resume(uc);
	return (u64)uc - 8;
}

/*
 * Signals that the host raises on account of the process's own limits and timers. In stub code, where a request may be under way, they wait for
 * `deliver`, to which the way out leads, and each sleep that they end; so do those for which guest code was interrupted, unless they are blocked.
 */
static void on_own_doing(int signo, bool in_stub, struct ucontext *uc)
{
	struct task *t = self();

	__atomic_fetch_or(&t->raise, SIG_BIT(signo), __ATOMIC_RELAXED);
	if (in_stub)
		rewind(uc);
	else if (t->slot->sigmask & SIG_BIT(signo))
		post_raised(t);
}

/**
 * signal_entry - every host signal, from stub_entry.
 * Return: 1 = the frame is the guest's: deliver what is pending, then go back; 0 = the frame is the stub's: just go back.
 */
int signal_entry(int signo, siginfo_t *info, struct ucontext *uc)
{
	bool in_stub = uc_ip(uc) - CARRICK_STUB_ADDR < CARRICK_STUB_MAX;

	switch (signo) {
	case SIGSYS:
		if (!in_stub && info->si_code == SYS_SECCOMP_CODE)
			trap_call(self(), uc);
		break;
	case CARRICK_KICK_SIGNAL:
		if (in_stub)
			rewind(uc);
		break;
	case SIGXCPU:
	case SIGXFSZ:
	case SIGPROF:
	case SIGVTALRM:
		on_own_doing(signo, in_stub, uc);
		break;
	case SIGILL:
		if (uc_ip(uc) == (u64)stub_take_frame) {
			frame_taken(self(), uc);
			break;
		}
		/* fall through */
	default:
		if (in_stub)
			stub_fault(signo, uc);
		else if (!rewrite_fixup(self(), signo, info, uc))
			guest_fault(self(), signo, info, uc);
	}
	return !in_stub;
}
