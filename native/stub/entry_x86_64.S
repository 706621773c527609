/*
 * x86-64 entry and exit: program start, signal entry, the restartable sections, clone's child, thread exit.
 *
 * A restartable section looks at the pending signals and then executes one host call. A kick that comes between the look and the
 * call would be lost, so the kick handler (trap.c) moves the program counter back to the section's start whenever it
 * interrupts one: the interval [begin, end) where end is the instruction after `syscall`. A section therefore keeps all its state in
 * registers that it does not change, and is idempotent up to the call.
 */
#include "build/offsets.h"

.macro FUNC name
	.globl \name
	.type \name, @function
	.balign 16
\name:
.endm

/* ZF clear when a signal is deliverable (signal.c). Leaves the slot in r10; changes rax, rcx, r10, r11. */
.macro DELIVERABLE
	mov %gs:TASK_SLOT, %r10
	mov %gs:TASK_PCTX, %r11
	mov SLOT_SIGPEND(%r10), %rax
	or PCTX_SIGPEND(%r11), %rax
	or %gs:TASK_RAISE, %rax
	mov SLOT_SIGMASK(%r10), %rcx
	not %rcx
	test %rcx, %rax
.endm

/* Returns that are put on the processor's stack of them; it holds 32. */
#define REFILLED 16

	.text

FUNC _start
	mov %rsp, %rdi
	and $-16, %rsp
	call stub_start
	hlt

/* stub_switch(sp, fn, arg): go on in fn(arg) on another stack. */
FUNC stub_switch
	mov %rdi, %rsp
	and $-16, %rsp
	mov %rdx, %rdi
	call *%rsi
	hlt

/*
 * All host signals enter here: rsp = frame (restorer's address, then the ucontext), rdi signo, rsi info, rdx ucontext. Nothing is
 * preserved: the frame holds every register. signal_entry says whether the frame belongs to guest code (1: deliver what is pending
 * before going back) or to stub code (0).
 */
FUNC stub_entry
	mov %rsp, %rbx
	and $-16, %rsp
	call signal_entry
	test %eax, %eax
	jnz final_begin
	lea 8(%rbx), %rsp
	mov $NR_rt_sigreturn, %eax
	syscall
	hlt

/* Restartable: back to the guest's frame at rbx. */
	.globl final_begin
	.globl final_end
final_begin:
	DELIVERABLE
	jnz 1f
	lea 8(%rbx), %rsp
	mov $NR_rt_sigreturn, %eax
	syscall
final_end:
	hlt
1:	lea -128(%rbx), %rsp
	and $-16, %rsp
	lea 8(%rbx), %rdi
	call deliver_late
	jmp final_begin

/* stub_resume(frame): go back to the guest through a signal frame that was made before. */
FUNC stub_resume
	mov %rdi, %rbx
	jmp final_begin

FUNC stub_restorer
	mov $NR_rt_sigreturn, %eax
	syscall
	hlt

/* Restartable: long stub_wait(void). The reply counts more than a signal, so it is looked for first. */
FUNC stub_wait
	.globl wait_begin
	.globl wait_end
wait_begin:
	mov %gs:TASK_SLOT, %r10
	cmpl $SLOT_POSTED, SLOT_STATE(%r10)
	jne 2f
	DELIVERABLE
	jnz 1f
	lea SLOT_STATE(%r10), %rdi
	xor %esi, %esi
	mov $SLOT_POSTED, %edx
	xor %r10d, %r10d
	mov $NR_futex, %eax
	syscall
wait_end:
	mov %gs:TASK_SLOT, %r10
	cmpl $SLOT_POSTED, SLOT_STATE(%r10)
	je wait_begin
	xor %eax, %eax
	jmp returns
1:	mov $1, %eax
	ret
2:	xor %eax, %eax
	ret

/* Restartable: long stub_call_int(const struct hostcall *). */
FUNC stub_call_int
	push %rbx
	mov %rdi, %rbx
	.globl call_begin
	.globl call_end
call_begin:
	DELIVERABLE
	jnz 1f
	mov (%rbx), %rax
	mov 8(%rbx), %rdi
	mov 16(%rbx), %rsi
	mov 24(%rbx), %rdx
	mov 32(%rbx), %r10
	mov 40(%rbx), %r8
	mov 48(%rbx), %r9
	syscall
call_end:
	pop %rbx
	jmp returns
1:	mov $-ERESTARTSYS, %rax
	pop %rbx
	ret

/* long stub_call(const struct hostcall *) */
FUNC stub_call
	mov (%rdi), %rax
	mov 16(%rdi), %rsi
	mov 24(%rdi), %rdx
	mov 32(%rdi), %r10
	mov 40(%rdi), %r8
	mov 48(%rdi), %r9
	mov 8(%rdi), %rdi
	syscall
	/* fall through */

/*
 * Where the processor's stack of return addresses holds the host's after a system call, the first return that takes one of them costs 60 ns (decision 0025). So others
 * are put there, enough for the stub's own returns and the guest's next ones: wrong, but at hand. Keeps rax.
 */
returns:
	mov %gs:TASK_PCTX, %rcx
	testl $PF_REFILL, PCTX_FLAGS(%rcx)
	jz 2f
	.rept REFILLED
	call 1f
	int3
1:
	.endr
	lea 8 * REFILLED(%rsp), %rsp
2:	ret

/*
 * long stub_clone_vm(flags, child_sp, ptid, ctid, tls, child). The child has the parent's registers but rsp and rax; it enters
 * clone_child on its own stub stack, which returns the signal frame (a copy of the parent's) to go back to the guest through.
 */
FUNC stub_clone_vm
	push %rbx
	mov %r9, %rbx
	mov %rcx, %r10
	mov $NR_clone, %eax
	syscall
	test %rax, %rax
	jz 1f
	pop %rbx
	ret
1:	mov %rbx, %rdi
	call clone_child
	mov %rax, %rbx
	jmp final_begin

/* stub_exit_thread(state, status): once the slot is dead its stack may be another thread's, so registers only. */
FUNC stub_exit_thread
	mov %rsi, %r8
	movl $SLOT_DEAD, (%rdi)
	mov %r8, %rdi
	mov $NR_exit, %eax
	syscall
	hlt

/* stub_jump(entry, sp): the program's first instruction, registers as after execve. */
FUNC stub_jump
	mov %rsi, %rsp
	push %rdi
	xor %eax, %eax
	xor %ebx, %ebx
	xor %ecx, %ecx
	xor %edx, %edx
	xor %esi, %esi
	xor %edi, %edi
	xor %ebp, %ebp
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	xor %r11d, %r11d
	xor %r12d, %r12d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d
	ret

	.section .note.GNU-stack, "", @progbits
