/* musl */
/* Jumps to the instructions right after a `syscall` that is called often: they mean what they say, however often. */
#include "probe.h"

/* long call(nr, a, b); long tail(x): as if a call had returned x. */
long cmp_call(long nr, long a, long b), cmp_tail(long x);
long ret_call(long nr, long a, long b), ret_tail(long x), ret_other(long x);
long two_call(long nr, long a, long b), two_tail(long x), two_second(long x);
long loop_call(long nr, long a, long b);
long sub_call(long nr, long a, long b), mem_call(long nr, long a, long b), jmp_call(long nr, long a, long b), jmp_other(long x);
__asm__(
	".text\n"
	"cmp_tail: mov %rdi,%rax\njmp 2f\n"
	"cmp_call: mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nsyscall\n2: cmp $-4095,%rax\njae 1f\nret\n1: neg %rax\nadd $1000,%rax\nret\n"
	".balign 16\n"
	"ret_tail: mov %rdi,%rax\njmp 2f\n"
	"ret_call: mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nsyscall\n2: ret\n"
	"ret_other: lea 5(%rdi),%rax\nret\n"
	".balign 16\n"
	"two_tail: mov %rdi,%rax\nxor %edx,%edx\njmp 2f\n"
	"two_second: mov %rdi,%rax\nxor %edx,%edx\njmp 3f\n"
	"two_call: mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nmov $7,%edx\nsyscall\n2: inc %edx\n3: inc %rax\nadd %rdx,%rax\nret\n"
	/* A loop back to the call itself. */
	".balign 16\n"
	"loop_call: mov %rdi,%r8\nmov %rsi,%rdi\nmov %rdx,%rsi\nmov $40,%r9d\n1: mov %r8,%rax\n2: syscall\ndec %r9d\njnz 1b\nret\n"
	/* A call right behind, which looks at where it was called from; memory relative to rip; a jump, with a function behind it. */
	".balign 16\nsub_call: mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nsyscall\nmov %eax,%edx\ncall 2f\n1: ret\n"
	"2: lea 1b(%rip),%rcx\ncmp %rcx,(%rsp)\njne 3f\ninc %rax\n3: ret\n"
	".balign 16\nmem_call: mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nsyscall\nadd three(%rip),%rax\naddl $4,counter(%rip)\nret\n"
	".balign 16\n1: inc %rax\nret\njmp_call: mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nsyscall\njmp 1b\njmp_other: lea 9(%rdi),%rax\nret\n"
	".data\n.balign 8\nthree: .quad 3\ncounter: .long 0\n.text\n");

int main(void)
{
	long pid = getpid(), sum = 0;
	for (int i = 0; i < 40; i++) {
		if (cmp_call(SYS_getpid, 0, 0) != pid) sum |= 1;
		if (cmp_call(SYS_close, -1, 0) != 1000 + EBADF) sum |= 2;
		if (ret_call(SYS_getpid, 0, 0) != pid) sum |= 4;
		if (two_call(SYS_getpid, 0, 0) != pid + 9) sum |= 8;
	}
	say("calls=%lx", sum);
	sum = 0;
	for (int i = 0; i < 40; i++) {
		if (sub_call(SYS_getpid, 0, 0) != pid + 1) sum |= 1;
		if (mem_call(SYS_getpid, 0, 0) != pid + 3) sum |= 2;
		if (jmp_call(SYS_getpid, 0, 0) != pid + 1 || jmp_other(i) != i + 9) sum |= 4;
	}
	say("moved=%lx", sum);
	sum = 0;
	for (long i = 0; i < 600; i++) {
		if (cmp_tail(i) != i || cmp_tail(-i - 1) != 1001 + i) sum |= 1;
		if (ret_tail(i) != i || ret_other(i) != i + 5) sum |= 2;
		if (two_tail(i) != i + 2 || two_second(i) != i + 1) sum |= 4;
	}
	say("entered=%lx", sum);
	sum = 0;
	for (int i = 0; i < 40; i++) {
		if (cmp_call(SYS_getpid, 0, 0) != pid || cmp_tail(5) != 5) sum |= 1;
		if (ret_call(SYS_getpid, 0, 0) != pid) sum |= 2;
		if (two_call(SYS_getpid, 0, 0) != pid + 9) sum |= 4;
		if (loop_call(SYS_getpid, 0, 0) != pid) sum |= 8;
	}
	say("after=%lx", sum);
	return 0;
}
