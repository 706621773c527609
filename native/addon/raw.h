/*
 * System calls without libc, for code that runs beside carrick in its own memory (a vfork child, the guard): no errno, no cancellation points.
 */
#ifndef CARRICK_RAW_H
#define CARRICK_RAW_H

#include <stdint.h>
#include <sys/syscall.h>

static inline long raw6(long nr, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
#else
#error "carrick needs an x86-64 or arm64 host"
#endif
}

static inline long raw_arg(long x) { return x; }
static inline long raw_arg(const void *p) { return static_cast<long>(reinterpret_cast<intptr_t>(p)); }

/* Up to six integers or pointers; the result is >= 0 or -errno. */
template <typename A = long, typename B = long, typename C = long, typename D = long, typename E = long, typename F = long>
static inline long raw(long nr, A a = 0, B b = 0, C c = 0, D d = 0, E e = 0, F f = 0)
{
	return raw6(nr, raw_arg(a), raw_arg(b), raw_arg(c), raw_arg(d), raw_arg(e), raw_arg(f));
}

#endif
