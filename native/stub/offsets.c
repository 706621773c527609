/*
 * Compiled to assembly only; the Makefile turns the "->" lines into build/offsets.h, so that .S files never type an offset.
 */
#include "stub.h"

#define OUT(name, value) asm volatile("\n->#define " #name " %c0" : : "i"(value))

void offsets(void)
{
	OUT(TASK_SLOT, offsetof(struct task, slot));
	OUT(TASK_PCTX, offsetof(struct task, pctx));
	OUT(SLOT_STATE, offsetof(slot_t, state));
	OUT(SLOT_SIGPEND, offsetof(slot_t, sigpend));
	OUT(SLOT_SIGMASK, offsetof(slot_t, sigmask));
	OUT(PCTX_SIGPEND, offsetof(pctx_t, sigpend));
	OUT(SLOT_POSTED, CARRICK_SLOT_POSTED);
	OUT(SLOT_DEAD, CARRICK_SLOT_DEAD);
	OUT(NR_futex, __NR_futex);
	OUT(NR_clone, __NR_clone);
	OUT(NR_exit, __NR_exit);
	OUT(NR_rt_sigreturn, __NR_rt_sigreturn);
	OUT(ERESTARTSYS, ERESTARTSYS);
	OUT(EFAULT, EFAULT);
	OUT(ENAMETOOLONG, ENAMETOOLONG);
	OUT(UC_RIP, offsetof(struct ucontext, uc_mcontext.rip));
}
