/*
 * x86-64: host calls, registers in a signal context, the task register.
 */
#ifndef CARRICK_ARCH_X86_64_H
#define CARRICK_ARCH_X86_64_H

static inline __attribute__((always_inline)) long host6(long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r10 asm("r10") = d;
	register u64 r8 asm("r8") = e;
	register u64 r9 asm("r9") = f;
	long ret;

	asm volatile("syscall"
		     : "=a"(ret)
		     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return ret;
}

/* host(nr, up to six arguments): a host call; >= 0 or -errno. */
#define host(...) HOST_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define HOST_(nr, a, b, c, d, e, f, ...) \
	host6(nr, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f))

/* The current task. Volatile: a clone child gets another answer than its parent at the same place. */
static inline struct task *self(void)
{
	struct task *t;

	asm volatile("mov %%gs:0, %0" : "=r"(t));
	return t;
}

static inline void pause(void) { asm volatile("pause" ::: "memory"); }

/* The processor's cycle counter; only differences on one core mean something. */
static inline u64 cycles(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

static inline u64 uc_ip(const struct ucontext *uc) { return uc->uc_mcontext.rip; }
static inline u64 uc_sp(const struct ucontext *uc) { return uc->uc_mcontext.rsp; }
static inline void uc_set_sp(struct ucontext *uc, u64 sp) { uc->uc_mcontext.rsp = sp; }
static inline void uc_set_ret(struct ucontext *uc, long r) { uc->uc_mcontext.rax = (u64)r; }
static inline long uc_nr(const struct ucontext *uc) { return (long)(i32)uc->uc_mcontext.rax; }

static inline void uc_args(const struct ucontext *uc, u64 a[6])
{
	a[0] = uc->uc_mcontext.rdi;
	a[1] = uc->uc_mcontext.rsi;
	a[2] = uc->uc_mcontext.rdx;
	a[3] = uc->uc_mcontext.r10;
	a[4] = uc->uc_mcontext.r8;
	a[5] = uc->uc_mcontext.r9;
}

/* Make the guest execute the same call again: back over the two bytes of `syscall`. */
static inline void uc_restart(struct ucontext *uc, u32 nr)
{
	uc->uc_mcontext.rax = nr;
	uc->uc_mcontext.rip -= 2;
}

static inline u64 page_up(u64 x) { return (x + 4095) & ~4095ull; }
static inline u64 page_down(u64 x) { return x & ~4095ull; }

#endif
