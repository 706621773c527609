/*
 * Calls that come by a thunk (rewrite.h): from guest code to the stub and back without the host.
 *
 *   site ──jmp──► thunk ──jmp──► stub_thunk ──► thunk_call (trap.c) ──► thunk_begin ──► thunk ──► after the site
 *
 * The guest's registers are kept in the task's record, found by %gs, and nothing is written to the guest's stack: the red zone below it is in use.
 * The stub's stack starts below the room that a signal frame may need later (take_frame). `syscall` preserves all but rax, rcx
 * and r11, the flags and the vector registers among them; the stub's C code uses no vector registers.
 */
#include "build/offsets.h"

/* Flags that the stub's code must not run with: DF, AC. TF does not come here: a step into a thunk is seen before (rewrite.c). */
#define FLAGS_ODD 0x40400

	.text

/* rcx: where to come back to; everything else is the guest's. */
	.globl stub_thunk
	.type stub_thunk, @function
	.balign 64
stub_thunk:
	mov %rsp, %gs:TASK_RSP
	mov %gs:TASK_TOP, %rsp
	mov %rax, %gs:TASK_RAX
	pushfq
	pop %r11
	mov %rcx, %gs:TASK_RCX
	mov %rdx, %gs:TASK_RDX
	mov %rsi, %gs:TASK_RSI
	mov %rdi, %gs:TASK_RDI
	mov %r8, %gs:TASK_R8
	mov %r9, %gs:TASK_R9
	mov %r10, %gs:TASK_R10
	mov %r11, %gs:TASK_R11
	mov %rbx, %gs:TASK_RBX
	mov %rbp, %gs:TASK_RBP
	mov %r12, %gs:TASK_R12
	mov %r13, %gs:TASK_R13
	mov %r14, %gs:TASK_R14
	mov %r15, %gs:TASK_R15
	test $FLAGS_ODD, %r11d
	jnz 2f
1:	mov %gs:0, %rdi
	call thunk_call
	/* 0: the result is in the record; else a signal frame to go back through. C has preserved rbx, rbp, r12-r15. */
	test %rax, %rax
	jnz 3f
/*
 * Restartable, see entry_x86_64.S. All that it needs is in the record, so that it can begin again at any point, up to the jump.
 */
	.globl thunk_begin
	.globl thunk_end
thunk_begin:
	mov %gs:TASK_TOP, %rsp
	mov %gs:TASK_SLOT, %r10
	mov %gs:TASK_PCTX, %r11
	mov SLOT_SIGPEND(%r10), %rax
	or PCTX_SIGPEND(%r11), %rax
	or %gs:TASK_RAISE, %rax
	jnz 5f
4:	mov %gs:TASK_R11, %r11
	mov %gs:TASK_RDX, %rdx
	mov %gs:TASK_RSI, %rsi
	mov %gs:TASK_RDI, %rdi
	mov %gs:TASK_R8, %r8
	mov %gs:TASK_R9, %r9
	mov %gs:TASK_R10, %r10
	mov %gs:TASK_RCX, %rcx
	test $FLAGS_ODD, %r11d
	jnz 6f
	/* The arithmetic flags, without popfq, which takes longer than all of the above: OF by an addition, the others from ah. */
	mov %r11d, %eax
	shl $8, %eax
	bt $11, %r11d
	setc %al
	add $0x7f, %al
	sahf
7:	mov %gs:TASK_RAX, %rax
	mov %gs:TASK_RSP, %rsp
	jmp *%rcx
5:	mov SLOT_SIGMASK(%r10), %rcx
	not %rcx
	test %rcx, %rax
	jz 4b
	jmp 8f
6:	push %r11
	popfq
	jmp 7b
thunk_end:
8:	mov %gs:0, %rdi
	call thunk_late
3:	mov %rax, %rbx
	jmp final_begin
2:	push $0x202
	popfq
	jmp 1b

/*
 * Traps to the stub's own handler, which copies the frame that the host then makes, and comes back here. The vector registers in it
 * are the guest's.
 */
	.globl stub_take_frame
	.type stub_take_frame, @function
	.balign 16
stub_take_frame:
	ud2
	ret

	.section .note.GNU-stack, "", @progbits
