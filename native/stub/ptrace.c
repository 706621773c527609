/*
 * ptrace: where a traced task stops, and what its tracer sees of it there.
 *
 *   system call ──► ENTRY ──► answer ──► EVENT (clone, exec, exit) ──► EXIT ──► signals: SIGNAL, TRAP ──► guest code
 *
 * A stop is a request to the kernel (NR_PTRACE_STOP) that is answered when the tracer lets the task go on. The guest's registers are in a signal frame then
 * (a call that came by a thunk takes one first); they are shown in a `ptstop` on the stub stack, which the kernel reads and writes meanwhile, as it does the
 * extended state in the frame. What becomes of them afterwards is in ptrace_stop alone. The decisions are the kernel's: which
 * places are stops, which events the tracer wants. slot.traced only says that it has to be asked.
 *
 * A single step is the trap flag in the frame (`forced`, so that the guest never sees it), but over a system call, which the host's trap for it would be
 * behind: there the stub stops by itself. Rewritten call sites are given back at the first stop: the tracer reads and writes the program's own text.
 */
#include "stub.h"

#define TF 0x100ull
/* CF, PF, AF, ZF, SF, TF, DF, OF, RF, AC: what a tracer may set. */
#define FLAGS_FREE 0x50dd5ull
#define USER_CS 0x33
#define USER_SS 0x2b
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define TRAP_BRKPT_CODE 1
#define EVENT_EXEC 4
#define EVENT_VFORK_DONE 5
#define EVENT_EXIT 6

/* struct user_regs_struct; the others are where REG says. */
enum { R_RAX = 10, R_ORIG_RAX = 15, R_RIP, R_CS, R_EFLAGS, R_RSP, R_SS, R_FS_BASE };

/* General registers in its order. */
static u64 *const *regs_of(struct ucontext *uc, u64 *to[15])
{
	struct sigcontext *sc = &uc->uc_mcontext;

	to[0] = (u64 *)&sc->r15;
	to[1] = (u64 *)&sc->r14;
	to[2] = (u64 *)&sc->r13;
	to[3] = (u64 *)&sc->r12;
	to[4] = (u64 *)&sc->rbp;
	to[5] = (u64 *)&sc->rbx;
	to[6] = (u64 *)&sc->r11;
	to[7] = (u64 *)&sc->r10;
	to[8] = (u64 *)&sc->r9;
	to[9] = (u64 *)&sc->r8;
	to[R_RAX] = (u64 *)&sc->rax;
	to[11] = (u64 *)&sc->rcx;
	to[12] = (u64 *)&sc->rdx;
	to[13] = (u64 *)&sc->rsi;
	to[14] = (u64 *)&sc->rdi;
	return to;
}

static u64 fs_base(void)
{
	u64 v = 0;

	if (mm.fsgsbase)
		asm volatile("rdfsbase %0" : "=r"(v));
	else
		host(__NR_arch_prctl, ARCH_GET_FS, &v);
	return v;
}

/* A base that no register can hold is not set; the tracer was told so (kernel/ptrace). */
static void set_fs_base(u64 v)
{
	if (v >> 47 == 0)
		host(__NR_arch_prctl, ARCH_SET_FS, v);
}

static void show(const struct task *t, struct ucontext *uc, struct carrick_ptstop *s)
{
	const struct sigcontext *sc = &uc->uc_mcontext;
	u64 *at[15];

	memset(s, 0, sizeof(*s));
	regs_of(uc, at);
	for (u32 i = 0; i < 15; i++)
		s->regs[i] = *at[i];
	/* The call's own result, before it becomes EINTR or a restart. */
	if (t->restart != 0)
		s->regs[R_RAX] = (u64)-(i64)t->restart;
	s->regs[R_ORIG_RAX] = t->slot->insyscall ? (u64)(i64)(i32)t->restart_nr : ~0ull;
	s->regs[R_RIP] = sc->rip;
	s->regs[R_CS] = USER_CS;
	s->regs[R_EFLAGS] = sc->eflags;
	s->regs[R_RSP] = sc->rsp;
	s->regs[R_SS] = USER_SS;
	s->regs[R_FS_BASE] = fs_base();
	s->fp = (u64)sc->fpstate;
	if (s->fp != 0)
		s->fp_size = frame_fp_size((const u8 *)s->fp);
}

static void take(struct task *t, struct ucontext *uc, const struct carrick_ptstop *s, const struct carrick_ptstop *was)
{
	struct sigcontext *sc = &uc->uc_mcontext;
	bool undone = (i64)s->regs[R_ORIG_RAX] < 0 || s->regs[R_RAX] != was->regs[R_RAX];
	u64 rax = sc->rax, *at[15];

	regs_of(uc, at);
	for (u32 i = 0; i < 15; i++)
		*at[i] = s->regs[i];
	/* A tracer that sets the result, or takes the call's number away, wants no restart. */
	if (t->restart != 0 && undone)
		t->restart = 0;
	else if (t->restart != 0)
		sc->rax = rax;
	sc->rip = s->regs[R_RIP];
	sc->rsp = s->regs[R_RSP];
	sc->eflags = (sc->eflags & ~FLAGS_FREE) | (s->regs[R_EFLAGS] & FLAGS_FREE);
	if (s->regs[R_FS_BASE] != was->regs[R_FS_BASE])
		set_fs_base(s->regs[R_FS_BASE]);
}

static void unstep(struct task *t, struct ucontext *uc)
{
	if (t->forced)
		uc->uc_mcontext.eflags &= ~TF;
	t->forced = 0;
}

/* Stop, if the kernel says that this is one. The signal to be delivered, 0 = none; *nr, when asked for, is the call's number as the tracer left it. */
static int stop(struct task *t, struct ucontext *uc, u32 kind, u32 what, u64 msg, siginfo_t *info, long *nr)
{
	struct carrick_ptstop s, was;
	long r;

	rewrite_undo(t);
	unstep(t, uc);
	show(t, uc, &s);
	if (info != NULL)
		memcpy(s.info, info, sizeof(s.info));
	was = s;
	r = post_own(t, CARRICK_SRV_KERNEL, CARRICK_NR_PTRACE_STOP, (u64)&s, kind, what, msg, 0, 0);
	take(t, uc, &s, &was);
	if (info != NULL)
		memcpy(info, s.info, sizeof(s.info));
	if (nr != NULL)
		*nr = (long)(i32)s.regs[R_ORIG_RAX];
	if (r & CARRICK_PTSTOP_FETCH)
		t->fetch = 1;
	if ((t->slot->traced & CARRICK_PT_STEP) && !(uc->uc_mcontext.eflags & TF)) {
		uc->uc_mcontext.eflags |= TF;
		t->forced = 1;
	}
	return (int)(r & 0x7f);
}

int ptrace_signal(struct task *t, struct ucontext *uc, int signo, siginfo_t *info)
{
	int r = stop(t, uc, CARRICK_PTSTOP_SIGNAL, (u32)signo, 0, info, NULL);

	if (r < 1 || r > 64)
		return 0;
	/* Another one, which is blocked: it has to wait. */
	if (r != signo && (t->slot->sigmask & SIG_BIT(r))) {
		post_own(t, CARRICK_SRV_SIGNAL, CARRICK_NR_SIG_RAISE, (u64)r, 0, 0, 0, 0, 0);
		return 0;
	}
	return r;
}

/* With the group, for PTRACE_INTERRUPT, or a new task's first. A tracer may let it go on with a signal. */
void ptrace_trap(struct task *t, struct ucontext *uc)
{
	siginfo_t info;
	int r;

	memset(&info, 0, sizeof(info));
	r = stop(t, uc, CARRICK_PTSTOP_TRAP, 0, 0, &info, NULL);
	if (r != 0)
		deliver_one(t, uc, r, &info);
}

static void event(struct task *t, struct ucontext *uc, u32 which, u64 msg) { stop(t, uc, CARRICK_PTSTOP_EVENT, which, msg, NULL, NULL); }

void ptrace_exiting(struct task *t, struct ucontext *uc, u64 status) { event(t, uc, EVENT_EXIT, status); }

/* A handler's frame was built under a single step: the handler's first instruction has not run yet. */
void ptrace_entered(struct task *t, struct ucontext *uc)
{
	if (t->slot->traced & CARRICK_PT_STEP)
		stop(t, uc, CARRICK_PTSTOP_STEP, SIGTRAP, 0, NULL, NULL);
}

void ptrace_hide(struct task *t, struct ucontext *uc) { unstep(t, uc); }

/* The step over a system call ends behind it. */
static void stepped_over(struct task *t, struct ucontext *uc)
{
	siginfo_t info;
	int r;

	if (!(t->slot->traced & CARRICK_PT_STEP))
		return;
	memset(&info, 0, sizeof(info));
	info.si_signo = SIGTRAP;
	info.si_code = TRAP_BRKPT_CODE;
	info.si_addr = (void *)uc_ip(uc);
	r = ptrace_signal(t, uc, SIGTRAP, &info);
	if (r != 0)
		deliver_one(t, uc, r, &info);
}

/* A child that its parent's tracer may trace: the kernel knows once it has heard of it. */
void ptrace_newborn(struct task *t, struct ucontext *uc)
{
	slot_claim(t);
	born_wait(t);
	t->forced = 0;
	if (t->slot->traced)
		ptrace_trap(t, uc);
}

/* The parent's side of a clone. It was made without CLONE_VFORK, so that the parent can stop before it waits. */
static void cloned(struct task *t, struct ucontext *uc, long pid)
{
	if (t->clone_event != 0)
		event(t, uc, t->clone_event, (u64)pid);
	if (t->clone_vfork)
		stop(t, uc, CARRICK_PTSTOP_VFORKED, EVENT_VFORK_DONE, (u64)pid, NULL, NULL);
}

static bool clones(long nr) { return nr == __NR_clone || nr == __NR_clone3 || nr == __NR_fork || nr == __NR_vfork; }

/**
 * ptrace_call - a system call of a traced task, from the trap to the way back to guest code.
 */
void ptrace_call(struct task *t, struct ucontext *uc)
{
	long nr = uc_nr(uc), r;
	u32 mode = t->slot->traced;
	bool child = false;
	u64 a[6];

	rewrite_undo(t);
	unstep(t, uc);
	t->restart = 0;
	t->restart_nr = (u32)nr;
	t->slot->insyscall = 1;
	t->clone_vfork = 0;
	if (mode & (CARRICK_PT_SYSCALL | CARRICK_PT_EMULATE)) {
		uc_set_ret(uc, -ENOSYS);
		stop(t, uc, CARRICK_PTSTOP_ENTRY, 0, 0, NULL, &nr);
		t->restart_nr = (u32)nr;
	}
	uc_args(uc, a);
	if (nr < 0 || (mode & CARRICK_PT_EMULATE)) {
		r = mode & (CARRICK_PT_SYSCALL | CARRICK_PT_EMULATE) ? (long)uc->uc_mcontext.rax : -ENOSYS;
	} else {
		t->traced_call = 1;
		r = answer(t, uc, nr, a);
		t->traced_call = 0;
		if (clones(nr) && r == 0) {
			/* A copy of the parent goes on here. */
			child = true;
			t = self();
			t->traced_call = 0;
		} else if (clones(nr) && r > 0) {
			cloned(t, uc, r);
		}
	}
	if (child) {
		uc_set_ret(uc, 0);
		ptrace_newborn(t, uc);
		r = R_DONE;
	} else if (t->slot->traced & CARRICK_PT_SYSCALL) {
		if (r != R_DONE)
			uc_set_ret(uc, r);
		stop(t, uc, CARRICK_PTSTOP_EXIT, 0, 0, NULL, NULL);
		if (r != R_DONE)
			r = (long)uc->uc_mcontext.rax;
	}
	finish_call(t, uc, r);
	stepped_over(t, uc);
	t->slot->insyscall = 0;
	rewrite_resume(uc);
}

/* The first stop of a program that a traced task has executed, at its entry, where it goes on by a signal frame. */
void ptrace_started(struct task *t, u64 entry, u64 sp)
{
	struct ucontext *uc;

	memset(&t->g, 0, sizeof(t->g));
	t->g.rcx = entry;
	t->g.rsp = sp;
	t->g.r11 = 0x202;
	t->uc = NULL;
	uc = take_frame(t, NULL);
	uc->uc_mcontext.rip = entry;
	uc->uc_mcontext.rcx = uc->uc_mcontext.r11 = uc->uc_mcontext.rax = 0;
	t->restart = 0;
	t->restart_nr = __NR_execve;
	t->slot->insyscall = 1;
	event(t, uc, EVENT_EXEC, 0);
	if (t->slot->traced & CARRICK_PT_SYSCALL)
		stop(t, uc, CARRICK_PTSTOP_EXIT, 0, 0, NULL, NULL);
	/* SIGTRAP, for a tracer that asked for no event. */
	t->fetch = 1;
	deliver(t, uc);
	stepped_over(t, uc);
	t->slot->insyscall = 0;
	stub_resume((u64)uc - 8);
}
