/*
 * clone, fork, vfork, clone3.
 *
 * The kernel has everything ready (slot, pctx, area, control socket) when it answers; what is left is the host's clone and telling the kernel
 * the pid (NR_CLONE_COMMIT). For a plain fork, vfork or thread it may have everything ready before it is asked: a spare, whose number lies in
 * the pctx (kernel/spares.ts). Nobody waits for the commit of such a thread; its maker's next request does. Two ways, by CLONE_VM:
 *
 *   shared memory    the child needs a stub stack of its own (its slot's). The parent's signal frame is copied to the same place of that
 *                    stack and edited (rax 0, rsp, alternate stack); the child goes back to the guest through the copy. Thread and
 *                    vfork child differ in who commits: a vfork parent sleeps, so the child does.
 *   copied memory    the child goes on in the copy of the parent's stub stack, at the same slot index, after it has mapped its own area over
 *                    the parent's. Until then it must not write to the area, which is still the parent's. Dispositions and fd hints it takes along
 *                    on the stack: they are to be what they were at the clone, whatever the parent does next. It commits itself, and waits
 *                    for that before its next request; so does the parent (slot.born), unless that is a wait for children.
 *
 * ctl_lock is held over a copying clone, so that the child inherits no fd that another thread is just receiving; the lock of rewriting, so that
 * it inherits no half-written code.
 */
#include "stub.h"
#include <linux/sched.h>

#define CLONE_PIDFD_BIT 0x1000u
#define CLONE_VM_BIT 0x100u
#define CLONE_VFORK_BIT 0x4000u
#define CLONE_UNTRACED_BIT 0x800000u
#define CSIGNAL_MASK 0xffu
/* CLONE_SETTLS, PARENT_SETTID, CHILD_CLEARTID, CHILD_SETTID: the host's business. */
#define HOST_ONLY_BITS (0x80000u | 0x100000u | 0x200000u | 0x1000000u)
/* CLONE_VM, FS, FILES, SIGHAND, THREAD; SYSVSEM says nothing more here. */
#define THREAD_BITS (0x100u | 0x200u | 0x400u | 0x800u | 0x10000u)
#define SYSVSEM_BIT 0x40000u

#define NEW_AREA 1
#define NEW_PROCESS_SAME_AREA 2

/* A host signal at the child's exit must be one that does nothing here by default; which signal the guest sees is carrick's business. */
static u32 host_flags(const struct carrick_cloneplan *p)
{
	return (p->flags & ~(CSIGNAL_MASK | CLONE_PIDFD_BIT)) | (p->exit_signal != 0 ? SIGCHLD : 0);
}

struct clone_req {
	u64 flags, exit_signal, stack, ptid, ctid, tls;
	bool plain; /* nothing was asked for that is not in here */
};

/* What the parent leaves for clone_child, at the low end of the child's stub stack. */
struct boot {
	u64 frame;
	u32 embryo;
	u32 new_process;
	int ctl;
	u32 gate; /* of a thread: GATE_* */
	u32 traced; /* its maker is */
};

enum { GATE_SHUT, GATE_OPEN, GATE_AWAITED };

static struct boot *boot_of(const struct task *t) { return (struct boot *)t->stack; }

/* The tail of clone3's structure: set_tid, set_tid_size, cgroup. */
static bool only_zeros(u64 at, u64 len)
{
	u64 words[3] = { 0 };

	return len <= sizeof(words) && guest_read(words, at, len) == 0 && (words[0] | words[1] | words[2]) == 0;
}

/* The call's arguments. clone3's structure is read once more than by the marshaller; a guest that changes it in between harms itself. */
static int read_request(long nr, const u64 a[6], struct clone_req *q)
{
	u64 args[8];

	memset(q, 0, sizeof(*q));
	if (nr == __NR_fork) {
		*q = (struct clone_req){ .exit_signal = SIGCHLD, .plain = true };
	} else if (nr == __NR_clone) {
		*q = (struct clone_req){ .flags = (u32)a[0] & ~CSIGNAL_MASK, .exit_signal = a[0] & CSIGNAL_MASK, .stack = a[1], .ptid = a[2],
					 .ctid = a[3], .tls = a[4], .plain = true };
	} else if (nr == __NR_clone3 && a[1] >= sizeof(args)) {
		/* flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls */
		if (guest_read(args, a[0], sizeof(args)) != 0)
			return -EFAULT;
		*q = (struct clone_req){ .flags = args[0], .exit_signal = args[4], .stack = args[5] + args[6], .ptid = args[3], .ctid = args[2],
					 .tls = args[7], .plain = a[1] == sizeof(args) };
		/* A thread: what is wrong with the stack, or lies behind these, is the kernel's to say. */
		if (a[1] == sizeof(struct clone_args) && (args[0] & THREAD_BITS) == THREAD_BITS)
			q->plain = only_zeros(a[0] + sizeof(args), a[1] - sizeof(args));
		if (args[5] == 0 || args[6] == 0)
			q->plain = false;
	} else if (nr == __NR_vfork) {
		*q = (struct clone_req){ .flags = CLONE_VM_BIT | CLONE_VFORK_BIT, .exit_signal = SIGCHLD, .plain = true };
	}
	return 0;
}

static long commit(struct task *t, u32 embryo, long pid)
{
	return post_own(t, CARRICK_SRV_KERNEL, CARRICK_NR_CLONE_COMMIT, embryo, (u64)pid, 0, 0, 0, 0);
}

static void set_task_register(struct task *t)
{
	if (mm.fsgsbase)
		asm volatile("wrgsbase %0" : : "r"(t));
	else
		host(__NR_arch_prctl, 0x1001 /* ARCH_SET_GS */, t);
}

/*
 * A thread may tell its number to others as soon as it runs guest code, and they may name it in a call. The kernel then must have been sent its commit before
 * their request (Msg.CATCH_UP), so the thread waits until its maker has posted it. It hardly ever has to.
 */
static void gate_wait(u32 *gate)
{
	u32 shut = GATE_SHUT;

	if (!__atomic_compare_exchange_n(gate, &shut, GATE_AWAITED, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) && shut == GATE_OPEN)
		return;
	while (__atomic_load_n(gate, __ATOMIC_ACQUIRE) != GATE_OPEN)
		host(__NR_futex, gate, 0, GATE_AWAITED, 0);
}

static void gate_open(u32 *gate)
{
	if (__atomic_exchange_n(gate, GATE_OPEN, __ATOMIC_SEQ_CST) == GATE_AWAITED)
		host(__NR_futex, gate, 1, 1);
}

/* Send a pidfd of this process. */
static void send_pidfd(long pid)
{
	int fd = (int)host(__NR_pidfd_open, pid, 0);

	if (fd < 0)
		die();
	ctl_send_fd(CTL_PIDFD, fd);
	host(__NR_close, fd);
}

/* Post this process's commit, after its pidfd if the kernel cannot find it by its number. */
static void tell_birth(struct task *t, u32 embryo)
{
	long pid = t->pctx->tgid;

	if (!(t->pctx->flags & CARRICK_PF_NUMBERED))
		send_pidfd(pid);
	post_later(t, CARRICK_SRV_KERNEL, CARRICK_NR_CLONE_COMMIT, embryo, (u64)pid, OWING_OWN_BIRTH);
}

/* First code of a child that shares memory, on its own stub stack. Returns the frame to leave through. */
u64 clone_child(struct task *t)
{
	struct boot *b = boot_of(t);
	long pid;

	set_task_register(t);
	t->slot->tid = (i32)host(__NR_gettid);
	if (b->new_process) {
		host(__NR_dup3, b->ctl, mm.fdr + CARRICK_FDR_CTL, 0);
		host(__NR_close, b->ctl);
		pid = host(__NR_getpid);
		t->pctx->tgid = (i32)pid;
		tell_birth(t, b->embryo);
		slot_claim(t);
	} else {
		gate_wait(&b->gate);
	}
	if (b->traced)
		ptrace_newborn(t, (struct ucontext *)(b->frame + 8));
	return b->frame;
}

/* Copy the parent's signal frame, extended state included, to the same place of the child's stack. */
static u64 copy_frame(const struct task *t, const struct task *child, struct ucontext *uc, u64 stack)
{
	u64 frame = (u64)uc - 8, delta = child->stack - t->stack, end = t->stack + CARRICK_STACK_SIZE - TASK_SIZE;
	struct ucontext *to = (struct ucontext *)((u64)uc + delta);

	memcpy((void *)(frame + delta), (const void *)frame, end - frame);
	if (to->uc_mcontext.fpstate != NULL)
		to->uc_mcontext.fpstate = (void *)((u64)to->uc_mcontext.fpstate + delta);
	to->uc_stack.ss_sp = (void *)child->stack;
	to->uc_stack.ss_size = CARRICK_STACK_SIZE - TASK_SIZE;
	to->uc_stack.ss_flags = 0;
	uc_set_ret(to, 0);
	if (stack != 0)
		uc_set_sp(to, stack);
	rewrite_resume(to);
	return frame + delta;
}

/* The child's slot, and its mask last: until now it blocked everything, and may have been sent something. Mask as the parent's; the alternate stack only for vfork, whose child borrows the parent's stack. */
static void fill_slot(slot_t *to, u64 mask, const slot_t *alt)
{
	to->saved_mask_valid = 0;
	to->sleeping = to->insyscall = 0;
	to->alt_sp = alt != NULL ? alt->alt_sp : 0;
	to->alt_size = alt != NULL ? alt->alt_size : 0;
	to->alt_flags = alt != NULL ? alt->alt_flags : 2 /* SS_DISABLE */;
	__atomic_store_n(&to->sigmask, mask, __ATOMIC_SEQ_CST);
}

/*
 * Receive what the kernel has prepared for the next child, if it is there already, while this one begins. In flight it would cost more than the receiving: whenever a
 * socket is closed, the host looks for those that are in flight and held by nobody.
 */
static void receive_next(struct task *t, const u32 *spare, const u32 *need)
{
	if (__atomic_load_n(spare, __ATOMIC_SEQ_CST) != 0)
		ctl_sync(t, *need);
}

static long clone_shared(struct task *t, struct ucontext *uc, const struct carrick_cloneplan *p, const struct clone_req *q, int ctl, bool spare)
{
	struct task *child = task_bind(p->slot);
	struct boot *b = boot_of(child);
	bool vfork = p->flags & CLONE_VFORK_BIT;
	long pid;

	if (p->new_area == NEW_PROCESS_SAME_AREA) {
		ctl_forget(child->slot->pctx);
		brk_tell(child);
	}
	names_child(child, t, (u32)q->flags);
	fill_slot(child->slot, t->slot->sigmask, vfork ? t->slot : NULL);
	__atomic_store_n(&child->slot->state, CARRICK_SLOT_READY, __ATOMIC_RELEASE);
	b->frame = copy_frame(t, child, uc, q->stack);
	b->embryo = p->embryo;
	b->new_process = p->new_area == NEW_PROCESS_SAME_AREA;
	if (!b->new_process)
		fds_thread(t->pctx, 1);
	b->ctl = ctl;
	b->gate = GATE_SHUT;
	b->traced = t->traced_call;
	pid = stub_clone_vm(host_flags(p) & ~(t->traced_call ? CLONE_VFORK_BIT : 0), (b->frame - 256) & ~63ull, q->ptid, q->ctid, q->tls, child);
	if (vfork && pid >= 0)
		receive_next(t, &t->pctx->spare_vfork, &t->pctx->spare_vfork_ctl);
	if (ctl >= 0)
		host(__NR_close, ctl);
	if (pid < 0 && p->new_area != NEW_PROCESS_SAME_AREA)
		fds_thread(t->pctx, -1);
	if (spare && pid >= 0) {
		post_later(t, CARRICK_SRV_KERNEL, CARRICK_NR_CLONE_COMMIT, p->embryo, (u64)pid, OWING_REPLY);
		gate_open(&b->gate);
		return pid;
	}
	if (pid < 0 || p->new_area != NEW_PROCESS_SAME_AREA) {
		long r = commit(t, p->embryo, pid);

		if (pid >= 0)
			gate_open(&b->gate);
		if (pid >= 0 && r < 0)
			return r;
	}
	return pid;
}

/* What a copied child has from its parent's pctx: dispositions, and the fd hints up to the last that is not 0. */
struct inherited {
	u32 flags, hints;
	u8 bytes[offsetof(pctx_t, brk_start) - offsetof(pctx_t, sa_handler)];
};

#define SIGNALS_LEN (offsetof(pctx_t, fdhint) - offsetof(pctx_t, sa_handler))

static void remember(struct inherited *h, const pctx_t *from)
{
	const u64 *words = (const u64 *)from->fdhint;
	u32 n = CARRICK_HINT_FDS / 8;

	while (n > 0 && words[n - 1] == 0)
		n--;
	h->flags = from->flags;
	h->hints = 8 * n;
	memcpy(h->bytes, from->sa_handler, SIGNALS_LEN + h->hints);
}

/* Source: clone(2), CLONE_CLEAR_SIGHAND: ignored signals stay ignored. */
static void recall(const struct inherited *h, pctx_t *to, bool clear)
{
	to->flags = h->flags;
	memcpy(to->sa_handler, h->bytes, SIGNALS_LEN + h->hints);
	for (u32 i = 0; clear && i < 64; i++) {
		if (to->sa_handler[i] != 1)
			to->sa_handler[i] = 0;
		to->sa_flags[i] = to->sa_restorer[i] = to->sa_mask[i] = 0;
	}
}

/* A vfork child's pctx, beside its parent's: what the kernel does for one that is asked for (pctxInit). */
static void adopt(pctx_t *to, const pctx_t *from)
{
	struct inherited had;

	remember(&had, from);
	recall(&had, to, false);
	to->fdr_base = from->fdr_base;
}

/* In the child of a copying clone: leave the parent's area for its own. */
static void enter_new_area(const struct carrick_cloneplan *p, const int fds[2], const slot_t *was, const struct inherited *had)
{
	struct task *t;
	long pid;

	host(__NR_dup3, fds[0], mm.fdr + CARRICK_FDR_AREA, 0);
	host(__NR_dup3, fds[1], mm.fdr + CARRICK_FDR_CTL, 0);
	if (host(__NR_mmap, CARRICK_AREA_ADDR, CARRICK_AREA_SIZE, 3, 0x11 /* SHARED|FIXED */, mm.fdr + CARRICK_FDR_AREA, 0) < 0)
		die();
	host(__NR_close_range, mm.fdr + CARRICK_FDR_COUNT, ~0u, 0);
	slot_at(p->slot)->pctx = p->pctx;
	t = task_bind(p->slot);
	ctl_forget(p->pctx);
	rewrite_begin(t);
	fds_alone(t);
	mm.ids_view = t->view;
	if (mm.brk_lock != 0)
		mm.brk_lock = 0;
	brk_tell(t);
	pid = host(__NR_getpid);
	t->slot->tid = (i32)pid;
	recall(had, t->pctx, p->clear_sighand != 0);
	t->pctx->tgid = (i32)pid;
	t->pctx->fdr_base = mm.fdr;
	t->pctx->ctl_lock = 0;
	t->pctx->ctl_seen = 0;
	fill_slot(t->slot, was->sigmask, was);
	t->slot->insyscall = 1;
	__atomic_store_n(&t->slot->state, CARRICK_SLOT_READY, __ATOMIC_RELEASE);
	tell_birth(t, p->embryo);
}

static long clone_copied(struct task *t, struct ucontext *uc, const struct carrick_cloneplan *p, const struct clone_req *q, const int fds[2])
{
	struct inherited had;
	slot_t was = *t->slot;
	long pid;

	if (p->slot != t->index) {
		commit(t, p->embryo, -EAGAIN);
		pid = -EAGAIN;
		goto out;
	}
	lock(&t->pctx->ctl_lock);
	rewrite_lock();
	remember(&had, t->pctx);
	__atomic_store_n(&t->slot->born, 0, __ATOMIC_SEQ_CST);
	pid = host(__NR_clone, host_flags(p), 0, q->ptid, q->ctid, q->tls);
	if (pid == 0) {
		enter_new_area(p, fds, &was, &had);
		if (q->stack != 0)
			uc_set_sp(uc, q->stack);
		return 0;
	}
	rewrite_unlock();
	unlock(&t->pctx->ctl_lock);
	if (pid < 0) {
		__atomic_store_n(&t->slot->born, 1, __ATOMIC_SEQ_CST);
		commit(t, p->embryo, pid);
		goto out;
	}
	slot_claim(t);
	receive_next(t, &t->pctx->spare_fork, &t->pctx->spare_ctl);
	t->owing = OWING_BIRTH;
	/* A number that only the commit gives; a tracer that is told of the child. */
	if ((q->flags & CLONE_PIDFD_BIT) || t->traced_call)
		slot_claim(t);
out:
	host(__NR_close, fds[0]);
	host(__NR_close, fds[1]);
	return pid;
}

/* Take the child that the kernel has prepared, if there is one for this kind of clone. */
static bool take_spare(struct task *t, const struct clone_req *q, struct carrick_cloneplan *p, u32 *ctl_need)
{
	pctx_t *px = t->pctx;
	u64 rest = q->flags & ~(u64)HOST_ONLY_BITS;

	if (!q->plain || t->traced_call)
		return false;
	/* What was posted before decides what there is now. */
	slot_claim(t);
	memset(p, 0, sizeof(*p));
	p->flags = (u32)q->flags;
	if (rest == 0 && q->exit_signal == SIGCHLD && px->spare_slot == t->index) {
		p->slot = t->index;
		p->new_area = NEW_AREA;
		p->exit_signal = SIGCHLD;
		p->embryo = __atomic_exchange_n(&px->spare_fork, 0, __ATOMIC_SEQ_CST);
		*ctl_need = px->spare_ctl;
		/* It inherits what there is now; the kernel does that while the host clones. */
		if (p->embryo != 0)
			post_later(t, CARRICK_SRV_KERNEL, CARRICK_NR_CLONE_BEGIN, p->embryo, 0, OWING_REPLY);
	} else if (rest == (CLONE_VM_BIT | CLONE_VFORK_BIT) && q->exit_signal == SIGCHLD) {
		p->slot = px->spare_vfork_slot;
		p->pctx = px->spare_vfork_pctx;
		p->new_area = NEW_PROCESS_SAME_AREA;
		p->exit_signal = SIGCHLD;
		p->embryo = __atomic_exchange_n(&px->spare_vfork, 0, __ATOMIC_SEQ_CST);
		*ctl_need = px->spare_vfork_ctl;
		if (p->embryo != 0) {
			adopt(pctx_at(p->pctx), px);
			slot_at(p->slot)->pctx = p->pctx;
			post_later(t, CARRICK_SRV_KERNEL, CARRICK_NR_CLONE_BEGIN, p->embryo, 0, OWING_REPLY);
		}
	} else if ((rest & ~(u64)SYSVSEM_BIT) == THREAD_BITS && q->exit_signal == 0 && q->stack != 0 && t->slot->owed[0] == 0) {
		/* (What is owed must be done before the thread can make a call.) */
		p->slot = px->spare_thread_slot;
		p->pctx = t->slot->pctx;
		p->embryo = __atomic_exchange_n(&px->spare_thread, 0, __ATOMIC_SEQ_CST);
	}
	return p->embryo != 0;
}

/* Which of PTRACE_EVENT_FORK 1, VFORK 2, CLONE 3 it is: ptrace(2). */
static void note_event(struct task *t, long nr, const struct clone_req *q)
{
	t->clone_vfork = nr == __NR_vfork || (q->flags & CLONE_VFORK_BIT);
	t->clone_event = q->flags & CLONE_UNTRACED_BIT ? 0 : t->clone_vfork ? 2 : q->exit_signal == SIGCHLD ? 1 : 3;
}

long do_clone(struct task *t, struct ucontext *uc, long nr, const u64 a[6])
{
	struct carrick_cloneplan p;
	struct clone_req q;
	int fds[8], n;
	u32 ctl_need = 0;
	long r = read_request(nr, a, &q);

	if (r < 0)
		return r;
	__atomic_store_n(&t->pctx->childless, 0, __ATOMIC_SEQ_CST);
	note_event(t, nr, &q);
	umask_share(t, (u32)q.flags);
	/* First: it is done with what names_share takes away. */
	ahead_share(t, (u32)q.flags);
	names_share((u32)q.flags);
	fds_share(t, (u32)q.flags);
	if (take_spare(t, &q, &p, &ctl_need)) {
		if (p.new_area == 0)
			return clone_shared(t, uc, &p, &q, -1, true);
		if (ctl_take(t, CTL_CLONE, ctl_need, fds) < (p.new_area == NEW_AREA ? 2 : 1))
			die();
		if (p.new_area == NEW_PROCESS_SAME_AREA)
			return clone_shared(t, uc, &p, &q, fds[0], false);
		return clone_copied(t, uc, &p, &q, fds);
	}
	r = call_server(t, nr, a);
	if (r < 0 || !(t->slot->rflags & CARRICK_RF_CLONE))
		return r;
	memcpy(&p, payload_of(t->slot), sizeof(p));
	dbg("clone: flags, slot, new_area", p.flags, p.slot, p.new_area);
	if (p.new_area != 0) {
		n = ctl_take(t, CTL_CLONE, t->slot->ctl_need, fds);
		if (n < (p.new_area == NEW_AREA ? 2 : 1)) {
			commit(t, p.embryo, -EAGAIN);
			return -EAGAIN;
		}
	}
	if (p.new_area == NEW_AREA)
		return clone_copied(t, uc, &p, &q, fds);
	return clone_shared(t, uc, &p, &q, p.new_area == NEW_PROCESS_SAME_AREA ? fds[0] : -1, false);
}
