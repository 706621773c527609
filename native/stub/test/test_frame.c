#include "test.h"

#define XSTATE_SIZE 2440 /* xstate, then 4 bytes of magic */

static u8 stack[65536] __attribute__((aligned(64)));
static u8 alt[16384] __attribute__((aligned(64)));
static u8 fp[4096] __attribute__((aligned(64)));
static struct ucontext uc;
static siginfo_t info;

static struct frame_in input(void)
{
	return (struct frame_in){
		.signo = SIGUSR1, .handler = 0x401000, .flags = SA_RESTORER | SA_SIGINFO, .restorer = 0x402000, .mask = 0x5a5a, .info = &info,
	};
}

/* A host frame as SIGSYS leaves it. */
static void setup(u64 sp)
{
	struct _fpx_sw_bytes sw = { .magic1 = FP_XSTATE_MAGIC1, .extended_size = XSTATE_SIZE + 4, .xfeatures = 7, .xstate_size = XSTATE_SIZE };
	u64 bv = 7;
	u32 magic2 = FP_XSTATE_MAGIC2;

	memset(&uc, 0, sizeof(uc));
	for (u32 i = 0; i < sizeof(fp); i++)
		fp[i] = (u8)(i * 7);
	memcpy(fp + 464, &sw, sizeof(sw));
	memcpy(fp + 512, &bv, 8);
	memcpy(fp + XSTATE_SIZE, &magic2, 4);
	uc.uc_flags = 7;
	uc.uc_mcontext.rip = 0x1234;
	uc.uc_mcontext.rsp = sp;
	uc.uc_mcontext.rax = 42;
	uc.uc_mcontext.rbx = 43;
	uc.uc_mcontext.eflags = 0x10502;
	uc.uc_mcontext.cs = 0x33;
	uc.uc_mcontext.fpstate = (void *)fp;
	memset(&info, 0, sizeof(info));
	info.si_signo = SIGUSR1;
	info.si_code = -6;
}

static void layout(void)
{
	struct frame_in in = input();
	u64 sp = (u64)stack + sizeof(stack) - 1000, f;
	struct ucontext *g;
	u64 bv;

	setup(sp);
	CHECK(frame_build(&uc, &in) == 0);
	f = uc.uc_mcontext.rsp;
	CHECK(f % 16 == 8);
	CHECK(f < sp - 128 - XSTATE_SIZE);
	CHECK(uc.uc_mcontext.rip == 0x401000 && uc.uc_mcontext.rdi == SIGUSR1 && uc.uc_mcontext.rax == 0);
	CHECK(*(u64 *)f == 0x402000);
	g = (struct ucontext *)uc.uc_mcontext.rdx;
	CHECK((u64)g == f + 8);
	CHECK(uc.uc_mcontext.rsi == f + 8 + 304);
	CHECK(((siginfo_t *)uc.uc_mcontext.rsi)->si_signo == SIGUSR1);
	CHECK(g->uc_mcontext.rip == 0x1234 && g->uc_mcontext.rsp == sp && g->uc_mcontext.rax == 42);
	CHECK(g->uc_sigmask == 0x5a5a && g->uc_flags == 7);
	CHECK((u64)g->uc_mcontext.fpstate % 64 == 0);
	CHECK((u64)g->uc_mcontext.fpstate >= f + 440);
	CHECK((u64)g->uc_mcontext.fpstate + XSTATE_SIZE + 4 <= sp - 128);
	CHECK(((u8 *)g->uc_mcontext.fpstate)[100] == (u8)(100 * 7));
	CHECK(memcmp((u8 *)g->uc_mcontext.fpstate + XSTATE_SIZE, &(u32){ FP_XSTATE_MAGIC2 }, 4) == 0);
	/* The handler starts with direction and trap flags clear and initial floating point. */
	CHECK(uc.uc_mcontext.eflags == 2);
	memcpy(&bv, fp + 512, 8);
	CHECK(bv == 0);
	CHECK(*(u32 *)(fp + 24) == 0x1f80);
	/* No alternate stack. */
	CHECK(g->uc_stack.ss_flags == 2 && g->uc_stack.ss_size == 0);
}

static void alternate(void)
{
	struct frame_in in = input();
	u64 sp = (u64)stack + sizeof(stack) - 1000;

	in.alt_sp = (u64)alt;
	in.alt_size = sizeof(alt);
	setup(sp);
	CHECK(frame_build(&uc, &in) == 0 && uc.uc_mcontext.rsp < sp && uc.uc_mcontext.rsp > (u64)stack);

	in.flags |= SA_ONSTACK;
	setup(sp);
	CHECK(frame_build(&uc, &in) == 0);
	CHECK(uc.uc_mcontext.rsp > (u64)alt && uc.uc_mcontext.rsp < (u64)alt + sizeof(alt));
	CHECK(((struct ucontext *)uc.uc_mcontext.rdx)->uc_stack.ss_flags == 0);

	/* Already on it: below, with a red zone. */
	sp = (u64)alt + 9000;
	setup(sp);
	CHECK(frame_build(&uc, &in) == 0 && uc.uc_mcontext.rsp < sp - 128 && uc.uc_mcontext.rsp > (u64)alt);
	CHECK(((struct ucontext *)uc.uc_mcontext.rdx)->uc_stack.ss_flags == 1);

	/* No room left on it: a fault, not the memory below. */
	setup((u64)alt + 1000);
	CHECK(frame_build(&uc, &in) == -EFAULT);
	CHECK(uc.uc_mcontext.rip == 0x1234 && uc.uc_mcontext.rsp == (u64)alt + 1000);

	/* SS_AUTODISARM: never "on" it. */
	in.alt_flags = 0x80000000u;
	sp = (u64)alt + 9000;
	setup(sp);
	CHECK(frame_build(&uc, &in) == 0 && uc.uc_mcontext.rsp > sp);
	CHECK((u32)((struct ucontext *)uc.uc_mcontext.rdx)->uc_stack.ss_flags == 0x80000000u);
}

static void round_trip(void)
{
	struct frame_in in = input();
	struct frame_out out;
	u64 sp = (u64)stack + sizeof(stack) - 1000, f;
	struct ucontext before;
	u8 fp_before[XSTATE_SIZE + 4];

	setup(sp);
	before = uc;
	memcpy(fp_before, fp, sizeof(fp_before));
	in.alt_sp = (u64)alt;
	in.alt_size = sizeof(alt);
	CHECK(frame_build(&uc, &in) == 0);
	f = uc.uc_mcontext.rsp;
	uc.uc_mcontext.rbx = 0;
	CHECK(frame_restore(&uc, f, &out) == 0);
	CHECK(memcmp(&uc.uc_mcontext, &before.uc_mcontext, 18 * 8) == 0);
	CHECK(uc.uc_mcontext.fpstate == before.uc_mcontext.fpstate);
	CHECK(memcmp(fp, fp_before, sizeof(fp_before)) == 0);
	CHECK(out.mask == 0x5a5a && (u64)out.alt.ss_sp == (u64)alt && out.alt.ss_size == sizeof(alt));

	/* The handler may edit its context, but not the segments. */
	setup(sp);
	frame_build(&uc, &in);
	f = uc.uc_mcontext.rsp;
	((struct ucontext *)(f + 8))->uc_mcontext.rip = 0x7777;
	((struct ucontext *)(f + 8))->uc_mcontext.cs = 0x10;
	CHECK(frame_restore(&uc, f, &out) == 0);
	CHECK(uc.uc_mcontext.rip == 0x7777 && uc.uc_mcontext.cs == 0x33);
}

static void bad_frames(void)
{
	struct frame_in in = input();
	struct frame_out out;
	u64 sp = (u64)stack + sizeof(stack) - 1000, f;
	struct _fpx_sw_bytes sw;
	struct ucontext *g;

	setup((u64)missing + 8000);
	CHECK(frame_build(&uc, &in) == -EFAULT && uc.uc_mcontext.rip == 0x1234);
	setup(sp);
	CHECK(frame_restore(&uc, (u64)missing, &out) == -EFAULT && uc.uc_mcontext.rip == 0x1234);

	/* Extended state that claims to be larger than the host's frame has room for: the legacy part only. */
	setup(sp);
	frame_build(&uc, &in);
	f = uc.uc_mcontext.rsp;
	g = (struct ucontext *)(f + 8);
	memcpy(&sw, (u8 *)g->uc_mcontext.fpstate + 464, sizeof(sw));
	sw.extended_size = 1 << 20;
	memcpy((u8 *)g->uc_mcontext.fpstate + 464, &sw, sizeof(sw));
	CHECK(frame_restore(&uc, f, &out) == 0);
	memcpy(&sw, fp + 464, sizeof(sw));
	CHECK(sw.magic1 == 0 && !(uc.uc_flags & 1));

	/* A pointer to nowhere. */
	setup(sp);
	frame_build(&uc, &in);
	g = (struct ucontext *)(uc.uc_mcontext.rsp + 8);
	g->uc_mcontext.fpstate = (void *)missing;
	CHECK(frame_restore(&uc, uc.uc_mcontext.rsp, &out) == -EFAULT);

	/* None: the host starts with the initial state. */
	g->uc_mcontext.fpstate = NULL;
	CHECK(frame_restore(&uc, uc.uc_mcontext.rsp, &out) == 0 && uc.uc_mcontext.fpstate == NULL);
}

int main(void)
{
	layout();
	alternate();
	round_trip();
	bad_frames();
	return report("frame");
}
