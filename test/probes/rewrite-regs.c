/* musl */
/*
 * What a call site that is called often leaves in the registers: all but rax, rcx and r11 as before, flags, vector registers and the
 * red zone below the stack pointer too; rcx the address after the instruction, r11 the flags.
 */
#include "probe.h"

#define ROUNDS 60

struct regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, flags;
	uint64_t red[16];
	unsigned char xmm[16][16];
};

/* Loads everything from *in, makes the call, stores everything to *out. The pointers are kept below the red zone's 128 bytes of the callee's stack. */
void call_with(const struct regs *in, struct regs *out);
extern char call_after[];
__asm__(
	".text\n.globl call_with\n.type call_with,@function\ncall_with:\n"
	"push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"
	"mov %rdi, in_at(%rip)\nmov %rsi, out_at(%rip)\nmov %rsp, sp_at(%rip)\n"
	"mov %rdi, %rax\n"
	".set i, 0\n.rept 16\nmov 128+8*i(%rax), %rcx\nmov %rcx, -8*i-8(%rsp)\n.set i, i+1\n.endr\n"
	"movdqu 256(%rax),%xmm0\nmovdqu 272(%rax),%xmm1\nmovdqu 288(%rax),%xmm2\nmovdqu 304(%rax),%xmm3\n"
	"movdqu 320(%rax),%xmm4\nmovdqu 336(%rax),%xmm5\nmovdqu 352(%rax),%xmm6\nmovdqu 368(%rax),%xmm7\n"
	"movdqu 384(%rax),%xmm8\nmovdqu 400(%rax),%xmm9\nmovdqu 416(%rax),%xmm10\nmovdqu 432(%rax),%xmm11\n"
	"movdqu 448(%rax),%xmm12\nmovdqu 464(%rax),%xmm13\nmovdqu 480(%rax),%xmm14\nmovdqu 496(%rax),%xmm15\n"
	/* The flags, by a stack of their own: pushing here would write to the red zone. */
	"lea flag_stack+128(%rip), %rsp\npush 120(%rax)\npopf\nmov sp_at(%rip), %rsp\n"
	"mov 8(%rax),%rbx\nmov 16(%rax),%rcx\nmov 24(%rax),%rdx\nmov 32(%rax),%rsi\nmov 40(%rax),%rdi\nmov 48(%rax),%rbp\n"
	"mov 56(%rax),%r8\nmov 64(%rax),%r9\nmov 72(%rax),%r10\nmov 80(%rax),%r11\nmov 88(%rax),%r12\nmov 96(%rax),%r13\nmov 104(%rax),%r14\nmov 112(%rax),%r15\n"
	"mov (%rax),%rax\n"
	"syscall\n.globl call_after\ncall_after:\n"
	"mov %rax, kept_rax(%rip)\n"
	"mov out_at(%rip), %rax\n"
	"mov %rbx,8(%rax)\nmov %rcx,16(%rax)\nmov %rdx,24(%rax)\nmov %rsi,32(%rax)\nmov %rdi,40(%rax)\nmov %rbp,48(%rax)\n"
	"mov %r8,56(%rax)\nmov %r9,64(%rax)\nmov %r10,72(%rax)\nmov %r11,80(%rax)\nmov %r12,88(%rax)\nmov %r13,96(%rax)\nmov %r14,104(%rax)\nmov %r15,112(%rax)\n"
	"mov %rsp, %rbx\nlea flag_stack+128(%rip), %rsp\npushf\npop 120(%rax)\ncld\nmov %rbx, %rsp\n"
	"movdqu %xmm0,256(%rax)\nmovdqu %xmm1,272(%rax)\nmovdqu %xmm2,288(%rax)\nmovdqu %xmm3,304(%rax)\n"
	"movdqu %xmm4,320(%rax)\nmovdqu %xmm5,336(%rax)\nmovdqu %xmm6,352(%rax)\nmovdqu %xmm7,368(%rax)\n"
	"movdqu %xmm8,384(%rax)\nmovdqu %xmm9,400(%rax)\nmovdqu %xmm10,416(%rax)\nmovdqu %xmm11,432(%rax)\n"
	"movdqu %xmm12,448(%rax)\nmovdqu %xmm13,464(%rax)\nmovdqu %xmm14,480(%rax)\nmovdqu %xmm15,496(%rax)\n"
	".set i, 0\n.rept 16\nmov -8*i-8(%rsp), %rcx\nmov %rcx, 128+8*i(%rax)\n.set i, i+1\n.endr\n"
	"mov kept_rax(%rip), %rcx\nmov %rcx, (%rax)\n"
	"pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n"
	".data\n.balign 16\nin_at: .quad 0\nout_at: .quad 0\nsp_at: .quad 0\nkept_rax: .quad 0\nflag_stack: .zero 160\n.text\n");

static uint64_t seed = 88172645463325252ull;
static uint64_t next(void) { seed ^= seed << 13; seed ^= seed >> 7; return seed ^= seed << 17; }

#define ARITHMETIC 0x8d5
#define DF 0x400

static struct regs in, out;

/* One call, checked; the arguments are rdi, rsi, rdx. */
static int same(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t flags, long *ret)
{
	uint64_t *w = (uint64_t *)&in;
	for (unsigned i = 0; i < sizeof in / 8; i++) w[i] = next();
	in.rax = nr; in.rdi = a; in.rsi = b; in.rdx = c;
	in.flags = flags | 0x202;
	memset(&out, 0, sizeof out);
	call_with(&in, &out);
	*ret = (long)out.rax;
	int bad = 0;
	bad |= (out.rbx != in.rbx || out.rbp != in.rbp || out.r12 != in.r12 || out.r13 != in.r13 || out.r14 != in.r14 || out.r15 != in.r15) << 0;
	bad |= (out.rdx != in.rdx || out.rsi != in.rsi || out.rdi != in.rdi || out.r8 != in.r8 || out.r9 != in.r9 || out.r10 != in.r10) << 1;
	bad |= (out.rcx != (uint64_t)call_after) << 2;
	bad |= ((out.flags ^ in.flags) & (ARITHMETIC | DF) ? 1 : 0) << 3;
	bad |= ((out.r11 ^ in.flags) & (ARITHMETIC | DF | 0x200) ? 1 : 0) << 4;
	bad |= (memcmp(out.red, in.red, sizeof in.red) != 0) << 5;
	bad |= (memcmp(out.xmm, in.xmm, sizeof in.xmm) != 0) << 6;
	return bad;
}

int main(void)
{
	int zero = open("/dev/zero", O_RDONLY), bad = 0;
	char c = 1;
	long r, pid = getpid(), ppid = getppid();
	int wrong = 0;
	struct timespec ts;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t flags = next() & (ARITHMETIC | (i % 5 == 4 ? DF : 0));
		bad |= same(SYS_getpid, next(), next(), next(), flags, &r);
		wrong |= r != pid;
		bad |= same(SYS_getppid, next(), next(), next(), flags, &r);
		wrong |= r != ppid;
		bad |= same(SYS_clock_gettime, CLOCK_MONOTONIC, (uint64_t)&ts, next(), flags, &r);
		wrong |= r != 0;
		c = 1;
		bad |= same(SYS_read, zero, (uint64_t)&c, 1, flags, &r);
		wrong |= r != 1 || c != 0;
		bad |= same(SYS_read, (uint64_t)-1, 0, 1, flags, &r);
		wrong |= r != -EBADF;
		bad |= same(SYS_clock_gettime, CLOCK_MONOTONIC, 8, 0, flags, &r);
		wrong |= r != -EFAULT;
		bad |= same(-5, 1, 2, 3, flags, &r);
		wrong |= r != -ENOSYS;
	}
	say("wrong-results=%d", wrong);
	say("changed=%x", bad);
	/* All arithmetic flags, one by one and together. */
	bad = 0;
	for (unsigned f = 0; f < 64; f++) {
		uint64_t flags = (f & 1 ? 1 : 0) | (f & 2 ? 4 : 0) | (f & 4 ? 16 : 0) | (f & 8 ? 64 : 0) | (f & 16 ? 128 : 0) | (f & 32 ? 2048 : 0);
		bad |= same(SYS_getpid, 0, 0, 0, flags, &r);
	}
	say("flags-changed=%x", bad);
	return 0;
}
