/*
 * Compiled to assembly only; the Makefile turns the "->" lines into build/offsets.h, so that .S files never type an offset.
 */
#include "stub.h"

#define OUT(name, value) asm volatile("\n->#define " #name " %c0" : : "i"(value))

void offsets(void)
{
	OUT(TASK_SLOT, offsetof(struct task, slot));
	OUT(TASK_PCTX, offsetof(struct task, pctx));
	OUT(TASK_RAISE, offsetof(struct task, raise));
	OUT(TASK_TOP, offsetof(struct task, top));
	OUT(TASK_RAX, offsetof(struct task, g.rax));
	OUT(TASK_RCX, offsetof(struct task, g.rcx));
	OUT(TASK_RDX, offsetof(struct task, g.rdx));
	OUT(TASK_RBX, offsetof(struct task, g.rbx));
	OUT(TASK_RSP, offsetof(struct task, g.rsp));
	OUT(TASK_RBP, offsetof(struct task, g.rbp));
	OUT(TASK_RSI, offsetof(struct task, g.rsi));
	OUT(TASK_RDI, offsetof(struct task, g.rdi));
	OUT(TASK_R8, offsetof(struct task, g.r8));
	OUT(TASK_R9, offsetof(struct task, g.r9));
	OUT(TASK_R10, offsetof(struct task, g.r10));
	OUT(TASK_R11, offsetof(struct task, g.r11));
	OUT(TASK_R12, offsetof(struct task, g.r12));
	OUT(TASK_R13, offsetof(struct task, g.r13));
	OUT(TASK_R14, offsetof(struct task, g.r14));
	OUT(TASK_R15, offsetof(struct task, g.r15));
	OUT(SLOT_STATE, offsetof(slot_t, state));
	OUT(SLOT_SIGPEND, offsetof(slot_t, sigpend));
	OUT(SLOT_SIGMASK, offsetof(slot_t, sigmask));
	OUT(PCTX_FLAGS, offsetof(pctx_t, flags));
	OUT(PF_REFILL, CARRICK_PF_REFILL);
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
