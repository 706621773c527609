/*
 * Copies that survive a fault. The fault handler (trap.c) knows the two intervals below by their labels and resumes at
 * copy_fixup or str_fixup; `rep movsb` keeps rcx = bytes left, so the count not copied needs no bookkeeping.
 */
#include "build/offsets.h"

	.text
/* u64 stub_copy(dst, src, n): bytes not copied. */
	.globl stub_copy
	.type stub_copy, @function
	.balign 16
stub_copy:
	mov %rdx, %rcx
	.globl copy_begin
	.globl copy_fixup
copy_begin:
	rep movsb
copy_fixup:
	mov %rcx, %rax
	ret

/* long stub_copy_str(dst, src, max): length without NUL, -EFAULT, -ENAMETOOLONG. */
	.globl stub_copy_str
	.type stub_copy_str, @function
	.balign 16
stub_copy_str:
	xor %eax, %eax
	.globl str_begin
	.globl str_end
	.globl str_fixup
str_begin:
	cmp %rdx, %rax
	jae 2f
	movzbl (%rsi,%rax), %ecx
	mov %cl, (%rdi,%rax)
	test %ecx, %ecx
	jz 1f
	inc %rax
	jmp str_begin
str_end:
1:	ret
2:	mov $-ENAMETOOLONG, %rax
	ret
str_fixup:
	mov $-EFAULT, %rax
	ret

	.section .note.GNU-stack, "", @progbits
