/*
 * The few library functions that a freestanding program needs, and the stub's own mutex.
 */
#include "stub.h"

void *memcpy(void *d, const void *s, size_t n)
{
	void *to = d;

	asm volatile("rep movsb" : "+D"(to), "+S"(s), "+c"(n) : : "memory");
	return d;
}

void *memset(void *d, int c, size_t n)
{
	void *to = d;

	asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
	return d;
}

size_t str_len(const char *s)
{
	size_t n = 0;

	while (s[n] != 0)
		n++;
	return n;
}

/* The stub cannot go on. carrick sees the process end without an announced status, which it reports as killed. */
void die(void)
{
	for (;;)
		host(__NR_exit_group, 125);
}

/* Mutex on a futex word: 0 free, 1 held, 2 held and somebody sleeps. After U. Drepper, "Futexes Are Tricky", mutex 2. */
void lock(u32 *word)
{
	u32 c = 0;

	if (__atomic_compare_exchange_n(word, &c, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0)
		host(__NR_futex, word, 0, 2, 0);
}

void unlock(u32 *word)
{
	if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == 2)
		host(__NR_futex, word, 1, 1);
}

#if defined(CARRICK_STUB_DEBUG) || defined(CARRICK_STUB_CHECK)
static char *put_num(char *p, long x)
{
	char tmp[24];
	int n = 0;
	u64 v = x < 0 ? -(u64)x : (u64)x;

	*p++ = ' ';
	if (x < 0)
		*p++ = '-';
	do {
		u32 d = v % (x > 4096 ? 16 : 10);
		tmp[n++] = (char)(d < 10 ? '0' + d : 'a' + d - 10);
		v /= x > 4096 ? 16 : 10;
	} while (v != 0);
	while (n > 0)
		*p++ = tmp[--n];
	return p;
}

/* One line on fd 2. Needs fd 2 to be a grant: the filter allows no other. */
static void print(const char *what, long a, long b, long c)
{
	char buf[256], *p = buf;
	u64 n = str_len(what);

	p = put_num(p, host(__NR_gettid));
	*p++ = ' ';
	if (n > 100)
		n = 100;
	memcpy(p, what, n);
	p = put_num(put_num(put_num(p + n, a), b), c);
	*p++ = '\n';
	host(__NR_write, 2, buf, p - buf);
}
#endif

#ifdef CARRICK_STUB_DEBUG
void dbg(const char *what, long a, long b, long c) { print(what, a, b, c); }
#endif

#ifdef CARRICK_STUB_CHECK
_Noreturn void check_failed(const char *what, long a, long b)
{
	print(what, a, b, 0);
	die();
}

/* What fcntl says of a descriptor, which was answered here. -1: that there is none. */
void check_fd(struct task *t, u32 fd, u32 cmd, long told)
{
	long r = post_own(t, CARRICK_SRV_VFS, __NR_fcntl, fd, cmd, 0, 0, 0, 0);

	HOLDS(told == -1 ? r == -EBADF : r == told, "check: fcntl: told, server", told, r);
}

/* Between two calls of the guest: the slot is the stub's, what is owed is well formed and without gaps, and the stub's stack has not run over. */
void check_idle(const struct task *t)
{
	const slot_t *s = t->slot;
	bool over = false;

	HOLDS(t->self == t && s == slot_at(t->index) && t->stack == stack_at(t->index), "check: the task's record", t->index, 0);
	HOLDS(t->owing || s->state == CARRICK_SLOT_READY, "check: the slot is not free", s->state, s->nr);
	HOLDS(!(s->rflags & ~(CARRICK_RF_GRANT | CARRICK_RF_EXEC | CARRICK_RF_CLONE | CARRICK_RF_SIGNAL | CARRICK_RF_MMAP_FD | CARRICK_RF_REAP | CARRICK_RF_REAP_LIVE | CARRICK_RF_DIR_END)) || t->owing,
	      "check: reply flags", s->rflags, s->nr);
	for (u32 i = 0; i < CARRICK_OWED_MAX; i++) {
		u32 op = s->owed[i] >> CARRICK_OWED_OP;

		HOLDS(s->owed[i] == 0 ? true : !over && op != 0, "check: owed", i, s->owed[i]);
		over = over || s->owed[i] == 0;
	}
	HOLDS((u64)&over > t->stack + CARRICK_STACK_SIZE / 8, "check: the stub's stack is nearly full", &over, t->stack);
}
#endif
