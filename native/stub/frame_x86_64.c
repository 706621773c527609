/*
 * Signal frames, x86-64: pure functions from one ucontext to another, with faultable copies to guest memory.
 *
 * The guest's frame is laid out as Linux does, so unwinders, debuggers and handlers that edit their context work. From low addresses:
 *
 *   return address (restorer) │ ucontext (304) │ siginfo (128) │ … │ extended state, 64-byte aligned
 *
 * The host's own frame, which the host made when it entered the stub, is both source and target: copied out for the guest, then
 * edited so that the host's rt_sigreturn enters the handler; and edited from the guest's copy at the guest's rt_sigreturn.
 * Source: arch/x86 uapi sigcontext.h (struct _fpx_sw_bytes), sigaltstack(2).
 */
#include "stub.h"

#define UC_FP_XSTATE_BIT 1
#define SA_ONSTACK_BIT 0x08000000ull
#define SS_AUTODISARM_BIT 0x80000000u
#define SS_DISABLE_BIT 2u
#define SS_ONSTACK_BIT 1u
#define RED_ZONE 128
/* Legacy fxsave image; the xsave header follows it. */
#define FX_SIZE 512
/* Arithmetic and trap flags that a handler starts without: TF, RF, DF. */
#define FLAGS_CLEARED (0x100u | 0x10000u | 0x400u)
/* xfeature of protection keys: the one state that a handler does not start without. */
#define XFEATURE_PKRU (1ull << 9)

struct sigframe {
	u64 pretcode;
	struct ucontext uc;
	siginfo_t info;
};
_Static_assert(sizeof(struct sigframe) == 440, "the layout of Linux's frame");
_Static_assert(sizeof(struct ucontext) == 304, "ucontext");

bool on_altstack(u64 sp, u64 alt_sp, u64 alt_size, u32 alt_flags)
{
	/* With SS_AUTODISARM one is never on it: it is disarmed while in use. */
	return !(alt_flags & SS_AUTODISARM_BIT) && sp > alt_sp && sp - alt_sp <= alt_size;
}

/* Bytes of extended state at fp, its trailing magic included; 512 when it is a bare fxsave image. */
static u32 fp_size(const u8 *fp, bool *extended)
{
	struct _fpx_sw_bytes sw;

	memcpy(&sw, fp + 464, sizeof(sw));
	*extended = sw.magic1 == FP_XSTATE_MAGIC1;
	return *extended ? sw.extended_size : FX_SIZE;
}

u32 frame_fp_size(const u8 *fp)
{
	struct _fpx_sw_bytes sw;

	memcpy(&sw, fp + 464, sizeof(sw));
	return sw.magic1 == FP_XSTATE_MAGIC1 ? sw.xstate_size : FX_SIZE;
}

struct ucontext *frame_move(const struct ucontext *uc, u64 top)
{
	u64 from = (u64)uc - 8, fp = (u64)uc->uc_mcontext.fpstate, end = from + sizeof(struct sigframe), delta;
	struct ucontext *to;
	bool extended;

	if (fp != 0)
		end = fp + fp_size((const u8 *)fp, &extended);
	/* The extended state stays 64-byte aligned. */
	delta = (top - end) & ~63ull;
	memcpy((void *)(from + delta), (const void *)from, end - from);
	to = (struct ucontext *)((u64)uc + delta);
	if (fp != 0)
		to->uc_mcontext.fpstate = (void *)(fp + delta);
	return to;
}

/* A handler starts with the initial floating-point state. */
static void fp_init(u8 *fp, bool extended)
{
	u64 bv;
	u32 mxcsr = 0x1f80;
	u16 fcw = 0x37f;

	if (extended) {
		memcpy(&bv, fp + FX_SIZE, 8);
		bv &= XFEATURE_PKRU;
		memcpy(fp + FX_SIZE, &bv, 8);
	} else {
		memset(fp, 0, 24);
		memset(fp + 32, 0, 416 - 32);
		memcpy(fp, &fcw, 2);
	}
	memcpy(fp + 24, &mxcsr, 4);
}

int frame_build(struct ucontext *uc, const struct frame_in *in)
{
	struct sigcontext *sc = &uc->uc_mcontext;
	bool nested = on_altstack(sc->rsp, in->alt_sp, in->alt_size, in->alt_flags);
	u8 *fp = (u8 *)sc->fpstate;
	u64 sp = sc->rsp - RED_ZONE, fp_at = 0;
	bool extended = false;
	struct sigframe f;

	if ((in->flags & SA_ONSTACK_BIT) && in->alt_size != 0 && !nested)
		sp = in->alt_sp + in->alt_size;
	if (fp != NULL) {
		u32 n = fp_size(fp, &extended);

		sp = (sp - n) & ~63ull;
		fp_at = sp;
		if (nested && !on_altstack(sp, in->alt_sp, in->alt_size, in->alt_flags))
			return -EFAULT;
		if (guest_write(fp_at, fp, n) != 0)
			return -EFAULT;
	}
	sp = ((sp - sizeof(f)) & ~15ull) - 8;
	/* An alternate stack that overflows must not be run off below. */
	if (nested && !on_altstack(sp, in->alt_sp, in->alt_size, in->alt_flags))
		return -EFAULT;

	f.pretcode = in->restorer;
	f.uc = *uc;
	f.info = *in->info;
	f.uc.uc_flags = (uc->uc_flags & ~1ul) | (extended ? UC_FP_XSTATE_BIT : 0);
	f.uc.uc_link = NULL;
	f.uc.uc_stack.ss_sp = (void *)in->alt_sp;
	f.uc.uc_stack.ss_size = in->alt_size;
	f.uc.uc_stack.ss_flags = (int)((in->alt_flags & SS_AUTODISARM_BIT) |
				       (in->alt_size == 0 ? SS_DISABLE_BIT : nested ? SS_ONSTACK_BIT : 0));
	f.uc.uc_mcontext.fpstate = (void *)fp_at;
	f.uc.uc_mcontext.oldmask = in->mask;
	memcpy(&f.uc.uc_sigmask, &in->mask, 8);
	if (guest_write(sp, &f, sizeof(f)) != 0)
		return -EFAULT;

	if (fp != NULL)
		fp_init(fp, extended);
	sc->rip = in->handler;
	sc->rsp = sp;
	sc->rdi = (u64)in->signo;
	sc->rsi = sp + offsetof(struct sigframe, info);
	sc->rdx = sp + offsetof(struct sigframe, uc);
	sc->rax = 0;
	sc->eflags &= ~(u64)FLAGS_CLEARED;
	return 0;
}

/* Copy the guest's extended state at `from` over the host frame's, as far as the host frame has room for it. */
static int fp_restore(struct ucontext *uc, u64 from)
{
	u8 *fp = (u8 *)uc->uc_mcontext.fpstate;
	struct _fpx_sw_bytes sw, own;
	bool extended;
	u32 room;

	if (from == 0 || fp == NULL) {
		uc->uc_mcontext.fpstate = NULL;
		return 0;
	}
	room = fp_size(fp, &extended);
	memcpy(&own, fp + 464, sizeof(own));
	if (guest_read(&sw, from + 464, sizeof(sw)) != 0)
		return -EFAULT;
	if (extended && sw.magic1 == FP_XSTATE_MAGIC1 && sw.extended_size <= room && sw.xstate_size <= sw.extended_size)
		return guest_read(fp, from, sw.extended_size) != 0 ? -EFAULT : 0;
	/* No extended state: the host restores the legacy part and initialises the rest. */
	if (guest_read(fp, from, FX_SIZE) != 0)
		return -EFAULT;
	memset(fp + 464, 0, sizeof(own));
	uc->uc_flags &= ~(unsigned long)UC_FP_XSTATE_BIT;
	return 0;
}

int frame_restore(struct ucontext *uc, u64 frame, struct frame_out *out)
{
	struct sigcontext *sc = &uc->uc_mcontext;
	struct ucontext g;
	struct sigcontext own;

	if (guest_read(&g, frame + offsetof(struct sigframe, uc), sizeof(g)) != 0)
		return -EFAULT;
	if (fp_restore(uc, (u64)g.uc_mcontext.fpstate) < 0)
		return -EFAULT;
	own = *sc;
	*sc = g.uc_mcontext;
	sc->fpstate = own.fpstate;
	/* Segments, like in Linux, are the host's business. */
	sc->cs = own.cs;
	sc->gs = own.gs;
	sc->fs = own.fs;
	sc->ss = own.ss;
	memcpy(&out->mask, &g.uc_sigmask, 8);
	out->alt = g.uc_stack;
	return 0;
}
