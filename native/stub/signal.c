/*
 * Signals as the guest sees them: dispositions, masks, alternate stacks, delivery, return.
 *
 * Owned here: pctx.sa_* (dispositions) and the slot's sigmask, saved_mask, alt_*. The signal server owns what is pending, sets bits in
 * slot.sigpend / pctx.sigpend, then looks at sigmask and kicks; we change sigmask, then look at the bits. Both sides store before they load (a full
 * barrier in between), so at least one sees the other.
 *
 * A call that was interrupted comes with t->restart = ERESTART*. The first handler delivered decides whether it becomes EINTR; when no
 * handler runs it is restarted. saved_mask is what sigsuspend and friends replaced: a handler's frame takes it over, else it comes back
 * before the guest does. Source: signal(7), "Interruption of system calls".
 */
#include "stub.h"

#define SA_UAPI (0x1 | 0x2 | 0x4 | 0x800 | 0x04000000 | 0x08000000 | 0x10000000 | 0x40000000ull | 0x80000000ull)
#define SA_RESTART_BIT 0x10000000ull
#define SA_NODEFER_BIT 0x40000000ull
#define SA_RESETHAND_BIT 0x80000000ull
#define SS_AUTODISARM_BIT 0x80000000u
#define SS_ONSTACK_BIT 1u
#define SS_DISABLE_BIT 2u

/* Kernel's struct sigaction. */
struct ksa {
	u64 handler, flags, restorer, mask;
};

/* What the servers say is pending, and what they will say when they hear of it. */
bool deliverable(const struct task *t)
{
	u64 pend = __atomic_load_n(&t->slot->sigpend, __ATOMIC_RELAXED) | __atomic_load_n(&t->pctx->sigpend, __ATOMIC_RELAXED) |
		   __atomic_load_n(&t->raise, __ATOMIC_RELAXED);

	return (pend & ~t->slot->sigmask) != 0;
}

void set_sigmask(struct task *t, u64 mask)
{
	__atomic_exchange_n(&t->slot->sigmask, mask & ~SIG_UNMASKABLE, __ATOMIC_SEQ_CST);
}

/*
 * The process cannot go on: the kernel announces the status and kills. It may also just answer, since it cannot kill a child whose clone its
 * parent has not committed yet; then we end ourselves.
 */
void fatal(struct task *t, int signo, int code, u64 addr)
{
	post_own(t, CARRICK_SRV_KERNEL, CARRICK_NR_FATAL, (u64)signo, (u64)(i64)code, addr, 0, 0, 0);
	die();
}

/* Build the frame for one signal with a handler. Changes mask, disposition and alternate stack as the flags say. */
static void enter_handler(struct task *t, struct ucontext *uc, int signo, const siginfo_t *info)
{
	pctx_t *p = t->pctx;
	slot_t *s = t->slot;
	struct frame_in in = {
		.signo = signo,
		.handler = p->sa_handler[signo - 1],
		.flags = p->sa_flags[signo - 1],
		.restorer = p->sa_restorer[signo - 1],
		.mask = s->saved_mask_valid ? s->saved_mask : s->sigmask,
		.alt_sp = s->alt_sp,
		.alt_size = s->alt_size,
		.alt_flags = s->alt_flags,
		.info = info,
	};
	u64 block = p->sa_mask[signo - 1];

	if (s->traced)
		ptrace_hide(t, uc);
	if (frame_build(uc, &in) < 0)
		fatal(t, SIGSEGV, 0x80 /* SI_KERNEL */, 0);
	s->saved_mask_valid = 0;
	if (in.flags & SA_RESETHAND_BIT)
		p->sa_handler[signo - 1] = 0;
	if (!(in.flags & SA_NODEFER_BIT))
		block |= SIG_BIT(signo);
	if (s->alt_flags & SS_AUTODISARM_BIT) {
		s->alt_sp = s->alt_size = 0;
		s->alt_flags = SS_DISABLE_BIT;
	}
	set_sigmask(t, s->sigmask | block);
	if (s->traced)
		ptrace_entered(t, uc);
}

/* Signals whose default action is not the process's end: CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH. */
#define SIG_HARMLESS (SIG_BIT(17) | SIG_BIT(18) | SIG_BIT(19) | SIG_BIT(20) | SIG_BIT(21) | SIG_BIT(22) | SIG_BIT(23) | SIG_BIT(28))

bool deliver_one(struct task *t, struct ucontext *uc, int signo, const siginfo_t *info)
{
	u64 handler = t->pctx->sa_handler[signo - 1];

	if (handler <= 1) {
		/* A tracer has seen it, or another thread changed the disposition meanwhile. */
		if (handler == 0 && t->slot->traced && !(SIG_HARMLESS & SIG_BIT(signo)))
			ptrace_exiting(t, uc, (u64)signo);
		post_own(t, CARRICK_SRV_SIGNAL, CARRICK_NR_SIG_ENACT, (u64)signo, 0, 0, 0, 0, 0);
		return false;
	}
	if (t->restart != 0) {
		if (t->restart == ERESTARTNOINTR ||
		    (t->restart == ERESTARTSYS && (t->pctx->sa_flags[signo - 1] & SA_RESTART_BIT)))
			uc_restart(uc, t->restart_nr);
		else
			uc_set_ret(uc, -EINTR);
		t->restart = 0;
	}
	enter_handler(t, uc, signo, info);
	return true;
}

/* Signals that the host raised: the signal server decides what they do. The handler that sets the bits may run at any moment. */
void post_raised(struct task *t)
{
	for (u64 raised = __atomic_exchange_n(&t->raise, 0, __ATOMIC_RELAXED); raised != 0; raised &= raised - 1)
		post_own(t, CARRICK_SRV_SIGNAL, CARRICK_NR_SIG_RAISE, (u64)__builtin_ctzll(raised) + 1, 0, 0, 0, 0, 0);
}

/*
 * Take a signal that the host raised for this thread, and that nobody else has to hear of: it is not blocked here and has a handler, and nothing is pending
 * that could come first or be one with it. A profiler's signals take no trip this way. Return: its number; 0 = none like this.
 */
static int take_raised(struct task *t)
{
	u64 raised = __atomic_load_n(&t->raise, __ATOMIC_RELAXED) & ~t->slot->sigmask;
	u64 pend = __atomic_load_n(&t->slot->sigpend, __ATOMIC_RELAXED) | __atomic_load_n(&t->pctx->sigpend, __ATOMIC_RELAXED);
	int signo;

	if (raised == 0 || (pend & ~t->slot->sigmask) != 0 || t->fetch || t->slot->traced || (t->pctx->flags & CARRICK_PF_NOFAST))
		return 0;
	signo = __builtin_ctzll(raised) + 1;
	if (t->pctx->sa_handler[signo - 1] <= 1)
		return 0;
	__atomic_fetch_and(&t->raise, ~SIG_BIT(signo), __ATOMIC_RELAXED);
	return signo;
}

/**
 * deliver - fetch and deliver what is pending; uc->rax already holds the call's result.
 * Return: true when a handler's frame was built.
 */
bool deliver(struct task *t, struct ucontext *uc)
{
	bool ran = false;

	while (deliverable(t) || t->fetch) {
		struct carrick_sigdelivery d;
		int signo = take_raised(t);

		if (signo != 0) {
			const siginfo_t info = { .si_signo = signo, .si_code = 0x80 /* SI_KERNEL */ };

			if (deliver_one(t, uc, signo, &info))
				ran = true;
			continue;
		}
		t->fetch = 0;
		post_raised(t);
		post_own(t, CARRICK_SRV_SIGNAL, CARRICK_NR_SIG_FETCH, 0, 0, 0, 0, 0, 0);
		memcpy(&d, payload_of(t->slot), sizeof(d));
		if (d.action == CARRICK_SIGACT_TRAP)
			ptrace_trap(t, uc);
		if (d.signo < 1 || d.signo > 64 || d.action != CARRICK_SIGACT_DELIVER)
			continue;
		signo = d.signo;
		if (t->slot->traced && (signo = ptrace_signal(t, uc, signo, (siginfo_t *)d.info)) == 0)
			continue;
		if (deliver_one(t, uc, signo, (const siginfo_t *)d.info))
			ran = true;
	}
	return ran;
}

/* From the final section: something became deliverable on the way out, or while guest code ran. */
void deliver_late(struct ucontext *uc)
{
	struct task *t = self();

	t->restart = 0;
	rewrite_hide(uc);
	deliver(t, uc);
	rewrite_resume(uc);
}

/* A call has its result: store it, deliver signals, restart if no handler ran. */
void finish_call(struct task *t, struct ucontext *uc, long r)
{
	if (r != R_DONE) {
		if (r == -ERESTARTSYS || r == -ERESTARTNOINTR || r == -ERESTARTNOHAND || r == -ERESTART_RESTARTBLOCK) {
			t->restart = (u32)-r;
			r = -EINTR;
		}
		uc_set_ret(uc, r);
	}
	deliver(t, uc);
	/* Those that are blocked: sigpending(2) shows them. */
	post_raised(t);
	if (t->restart != 0) {
		bool resume = t->restart == ERESTART_RESTARTBLOCK && t->resume.what != RESUME_NOTHING;

		uc_restart(uc, resume ? __NR_restart_syscall : t->restart_nr);
		t->restart = 0;
	}
	mask_end(t);
}

/* The same with a tracer, which may put another signal in its place, or none: then the instruction is tried again. */
static void traced_fault(struct task *t, int signo, const siginfo_t *info, struct ucontext *uc)
{
	siginfo_t mine = *info;
	bool blocked = t->slot->sigmask & SIG_BIT(signo);
	int r;

	t->restart = 0;
	r = ptrace_signal(t, uc, signo, &mine);
	if (r == signo && (blocked || t->pctx->sa_handler[signo - 1] <= 1)) {
		ptrace_exiting(t, uc, (u64)signo);
		fatal(t, signo, info->si_code, (u64)info->si_addr);
	}
	if (r != 0)
		deliver_one(t, uc, r, &mine);
}

/* A synchronous fault in guest code. A blocked or ignored one kills, as signal(7) says; Linux resets the disposition then. */
void guest_fault(struct task *t, int signo, const siginfo_t *info, struct ucontext *uc)
{
	u64 addr = (u64)info->si_addr;

	if (info->si_code <= 0)
		return; /* somebody's kill on the host, no fault */
	rewrite_hide(uc);
	if (t->slot->traced) {
		traced_fault(t, signo, info, uc);
		return;
	}
	if (t->pctx->sa_handler[signo - 1] <= 1 || (t->slot->sigmask & SIG_BIT(signo)))
		fatal(t, signo, info->si_code, addr);
	enter_handler(t, uc, signo, info);
}

/**
 * rt_sigaction(2). Errors: -EINVAL (size; signal; SIGKILL, SIGSTOP), -EFAULT.
 * The handler is stored last: a server that sees it sees the rest.
 */
long do_sigaction(struct task *t, const u64 a[6])
{
	u32 i = (u32)a[0] - 1;
	pctx_t *p = t->pctx;
	struct ksa sa, old;

	if (a[3] != 8)
		return -EINVAL;
	if (a[1] != 0 && guest_read(&sa, a[1], sizeof(sa)) != 0)
		return -EFAULT;
	if (i > 63 || (a[1] != 0 && (SIG_BIT(i + 1) & SIG_UNMASKABLE)))
		return -EINVAL;
	old = (struct ksa){ p->sa_handler[i], p->sa_flags[i], p->sa_restorer[i], p->sa_mask[i] };
	if (a[1] != 0) {
		p->sa_flags[i] = sa.flags & SA_UAPI;
		p->sa_restorer[i] = sa.restorer;
		p->sa_mask[i] = sa.mask & ~SIG_UNMASKABLE;
		__atomic_store_n(&p->sa_handler[i], sa.handler, __ATOMIC_SEQ_CST);
	}
	/* POSIX 2.4.3: a signal that becomes ignored is no longer pending. Only the signal server may take it out of its queues. */
	if (a[1] != 0 && sa.handler <= 1 && ((t->slot->sigpend | p->sigpend) & SIG_BIT(i + 1)) != 0)
		post_own(t, CARRICK_SRV_SIGNAL, CARRICK_NR_SIG_FLUSH, i + 1, 0, 0, 0, 0, 0);
	if (a[2] != 0 && guest_write(a[2], &old, sizeof(old)) != 0)
		return -EFAULT;
	return 0;
}

/** rt_sigprocmask(2). Errors: -EINVAL (size), -EFAULT, -EINVAL (how). */
long do_sigprocmask(struct task *t, const u64 a[6])
{
	u64 old = t->slot->sigmask, set;

	if (a[3] != 8)
		return -EINVAL;
	if (a[1] != 0) {
		if (guest_read(&set, a[1], 8) != 0)
			return -EFAULT;
		switch ((i32)a[0]) {
		case 0: /* SIG_BLOCK */
			set |= old;
			break;
		case 1: /* SIG_UNBLOCK */
			set = old & ~set;
			break;
		case 2: /* SIG_SETMASK */
			break;
		default:
			return -EINVAL;
		}
		set_sigmask(t, set);
	}
	if (a[2] != 0 && guest_write(a[2], &old, 8) != 0)
		return -EFAULT;
	return 0;
}

/** rt_sigpending(2). Errors: -EINVAL (size larger than a set), -EFAULT. */
long do_sigpending(struct task *t, const u64 a[6])
{
	u64 set = (t->slot->sigpend | t->pctx->sigpend) & t->slot->sigmask;

	if (a[1] > 8)
		return -EINVAL;
	return guest_write(a[0], &set, a[1]) != 0 ? -EFAULT : 0;
}

/** sigaltstack(2). Errors: -EFAULT, -EPERM (on it now), -EINVAL (flags), -ENOMEM (too small). */
long do_sigaltstack(struct task *t, const struct ucontext *uc, const u64 a[6])
{
	slot_t *s = t->slot;
	bool on = on_altstack(guest_sp(t, uc), s->alt_sp, s->alt_size, s->alt_flags);
	stack_t ss, old = { .ss_sp = (void *)s->alt_sp, .ss_size = s->alt_size };
	u32 mode;

	old.ss_flags = (int)((s->alt_flags & SS_AUTODISARM_BIT) | (s->alt_size == 0 ? SS_DISABLE_BIT : on ? SS_ONSTACK_BIT : 0));
	if (a[0] != 0) {
		if (guest_read(&ss, a[0], sizeof(ss)) != 0)
			return -EFAULT;
		if (on)
			return -EPERM;
		mode = (u32)ss.ss_flags & ~SS_AUTODISARM_BIT;
		if (mode != SS_DISABLE_BIT && mode != SS_ONSTACK_BIT && mode != 0)
			return -EINVAL;
		if (mode == SS_DISABLE_BIT) {
			ss.ss_sp = NULL;
			ss.ss_size = 0;
		} else if (ss.ss_size < MINSIGSTKSZ) {
			return -ENOMEM;
		}
		s->alt_sp = (u64)ss.ss_sp;
		s->alt_size = ss.ss_size;
		s->alt_flags = (u32)ss.ss_flags;
	}
	if (a[1] != 0 && guest_write(a[1], &old, sizeof(old)) != 0)
		return -EFAULT;
	return 0;
}

/**
 * rt_sigreturn(2): the guest's frame becomes what the host restores. rsp points past the frame's return address.
 * A frame that cannot be read is a SIGSEGV.
 */
long do_sigreturn(struct task *t, struct ucontext *uc)
{
	slot_t *s = t->slot;
	struct frame_out out;

	if (frame_restore(uc, uc_sp(uc) - 8, &out) < 0) {
		siginfo_t info;

		memset(&info, 0, sizeof(info));
		info.si_signo = SIGSEGV;
		info.si_code = 0x80; /* SI_KERNEL */
		guest_fault(t, SIGSEGV, &info, uc);
		return R_DONE;
	}
	if (!on_altstack(uc_sp(uc), s->alt_sp, s->alt_size, s->alt_flags)) {
		bool off = (u32)out.alt.ss_flags & SS_DISABLE_BIT;

		s->alt_sp = off ? 0 : (u64)out.alt.ss_sp;
		s->alt_size = off ? 0 : out.alt.ss_size;
		s->alt_flags = (u32)out.alt.ss_flags & ~SS_ONSTACK_BIT;
	}
	set_sigmask(t, out.mask);
	return R_DONE;
}

/* Where a call has its signal mask: pointer and size. pselect6 has a pointer to both. */
int mask_arg(long nr, const u64 a[6], u64 *ptr, u64 *size)
{
	u64 pair[2];

	switch (nr) {
	case __NR_rt_sigsuspend:
		*ptr = a[0];
		*size = a[1];
		return 0;
	case __NR_ppoll:
		*ptr = a[3];
		*size = a[4];
		return 0;
	case __NR_pselect6:
		*ptr = 0;
		*size = 8;
		if (a[5] == 0)
			return 0;
		if (guest_read(pair, a[5], sizeof(pair)) != 0)
			return -EFAULT;
		*ptr = pair[0];
		*size = pair[1];
		return 0;
	default: /* epoll_pwait, epoll_pwait2 */
		*ptr = a[4];
		*size = a[5];
		return 0;
	}
}

long mask_begin(struct task *t, u64 ptr, u64 size)
{
	slot_t *s = t->slot;
	u64 mask;

	if (ptr == 0)
		return 0;
	if (size != 8)
		return -EINVAL;
	if (guest_read(&mask, ptr, 8) != 0)
		return -EFAULT;
	s->saved_mask = s->sigmask;
	s->saved_mask_valid = 1;
	set_sigmask(t, mask);
	return 0;
}

void mask_end(struct task *t)
{
	slot_t *s = t->slot;

	if (!s->saved_mask_valid)
		return;
	s->saved_mask_valid = 0;
	set_sigmask(t, s->saved_mask);
}

/**
 * masked_call - rt_sigsuspend, ppoll, pselect6, epoll_pwait, epoll_pwait2: post with another mask in force.
 * The old mask comes back at once unless the call was interrupted; then a handler's frame takes it, or finish_call restores it.
 */
long masked_call(struct task *t, long nr, const u64 a[6])
{
	u64 ptr, size;
	long r = mask_arg(nr, a, &ptr, &size);

	if (r == 0)
		r = mask_begin(t, ptr, size);
	if (r < 0)
		return r;
	r = call_server(t, nr, a);
	if (r != -EINTR && r != -ERESTARTSYS && r != -ERESTARTNOINTR && r != -ERESTARTNOHAND && r != -ERESTART_RESTARTBLOCK)
		mask_end(t);
	return r;
}
