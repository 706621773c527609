/*
 * Host-compiled unit tests of the stub's pure parts. Guest memory is this process's own; `missing` stands for memory that is not there:
 * the copies below fault in it as the real ones (copy_x86_64.S) do.
 */
#ifndef CARRICK_STUB_TEST_H
#define CARRICK_STUB_TEST_H

#include <stdio.h>
#include <string.h>
#include "../stub.h"

#pragma GCC visibility push(default)

static u8 missing[8192] __attribute__((aligned(4096)));
static int failures;

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
			failures++; \
		} \
	} while (0)

static inline int is_missing(const void *p)
{
	return (const u8 *)p >= missing && (const u8 *)p < missing + sizeof(missing);
}

u64 stub_copy(void *dst, const void *src, u64 n)
{
	for (; n > 0; n--, dst = (u8 *)dst + 1, src = (const u8 *)src + 1) {
		if (is_missing(dst) || is_missing(src))
			return n;
		*(u8 *)dst = *(const u8 *)src;
	}
	return 0;
}

long stub_copy_str(void *dst, const void *src, u64 max)
{
	for (u64 i = 0; i < max; i++) {
		if (is_missing((const u8 *)src + i))
			return -EFAULT;
		((u8 *)dst)[i] = ((const u8 *)src)[i];
		if (((const u8 *)src)[i] == 0)
			return (long)i;
	}
	return -ENAMETOOLONG;
}

static inline int report(const char *name)
{
	printf("%s: %s\n", name, failures == 0 ? "ok" : "FAILED");
	return failures != 0;
}

#pragma GCC visibility pop
#endif
