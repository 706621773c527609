/* futex(2): wait, wake, bitsets, requeue, timeouts, errnos. */
#include "probe.h"
#include <linux/futex.h>
#include <pthread.h>

static uint32_t w = 1, w2 = 5;
static _Atomic int woken;

static long fx(void *a, int op, uint32_t v, void *t, void *b, uint32_t c)
{
	return syscall(SYS_futex, a, op, v, t, b, c);
}
static struct gate g;
static volatile pid_t tid[4];

static void *waiter(void *a)
{
	long i = (long)a;
	tid[i] = syscall(SYS_gettid);
	open_gate(&g);
	while (fx(&w, FUTEX_WAIT_BITSET_PRIVATE, 1, NULL, NULL, i == 3 ? 8 : 1) == 0 ? 0 : errno == EINTR)
		;
	woken++;
	return NULL;
}

static void start(pthread_t *t, int n, int first)
{
	for (long i = 0; i < n; i++) {
		pthread_create(&t[i], NULL, waiter, (void *)(i + first));
		pass_gate(&g);
		char p[64];
		snprintf(p, 64, "/proc/self/task/%d", tid[i + first]);
		await_state(p, "S");
	}
}

int main(void)
{
	struct timespec t0 = { 0, 0 }, ms = { 0, 2000000 }, bad = { 0, 1000000000 }, neg = { -1, 0 };
	pthread_t t[4];
	g = new_gate();
	OK("wait-other-value", fx(&w, FUTEX_WAIT, 2, NULL, NULL, 0));
	OK("timeout-0", fx(&w, FUTEX_WAIT, 1, &t0, NULL, 0));
	OK("timeout", fx(&w, FUTEX_WAIT_PRIVATE, 1, &ms, NULL, 0));
	OK("bad-time", fx(&w, FUTEX_WAIT, 1, &bad, NULL, 0));
	OK("negative-time", fx(&w, FUTEX_WAIT, 1, &neg, NULL, 0));
	OK("unaligned", fx((char *)&w + 1, FUTEX_WAIT, 1, &t0, NULL, 0));
	OK("fault", fx((void *)16, FUTEX_WAIT, 1, &t0, NULL, 0));
	OK("time-fault", fx(&w, FUTEX_WAIT, 1, (void *)16, NULL, 0));
	OK("bad-op", fx(&w, 99, 1, NULL, NULL, 0));
	OK("bitset-0", fx(&w, FUTEX_WAIT_BITSET, 1, &t0, NULL, 0));
	OK("wake-bitset-0", fx(&w, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
	OK("absolute-past", fx(&w, FUTEX_WAIT_BITSET, 1, &t0, NULL, ~0u));
	struct timespec past = { 1, 0 };
	OK("realtime-past", fx(&w, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &past, NULL, ~0u));
	OK("wait-realtime", fx(&w, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 1, &t0, NULL, 0));
	VAL("wake-none", fx(&w, FUTEX_WAKE, 10, NULL, NULL, 0));
	VAL("wake-unaligned", fx((char *)&w + 2, FUTEX_WAKE, 1, NULL, NULL, 0));
	VAL("cmp-requeue-value", fx(&w, FUTEX_CMP_REQUEUE, 1, (void *)1, &w2, 9));
	VAL("requeue-none", fx(&w, FUTEX_REQUEUE, 1, (void *)1, &w2, 0));
	start(t, 4, 0);
	VAL("wake-bitset-8", fx(&w, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 8));
	pthread_join(t[3], NULL);
	say("woken=%d", woken);
	VAL("wake-bitset-4", fx(&w, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 4));
	VAL("wake-one", fx(&w, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	pthread_join(t[0], NULL);
	say("woken=%d", woken);
	VAL("wake-rest", fx(&w, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0));
	pthread_join(t[1], NULL);
	pthread_join(t[2], NULL);
	say("woken=%d", woken);
	start(t, 3, 0);
	VAL("requeue", fx(&w, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)10, &w2, 1));
	VAL("left-at-first", fx(&w, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	VAL("at-second", fx(&w2, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
	start(t, 2, 0);
	VAL("wake-op", fx(&w2, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &w,
	                       FUTEX_OP(FUTEX_OP_ADD, 41, FUTEX_OP_CMP_EQ, 1)));
	say("word=%u", w);
	w = 1;
	VAL("wake-other", fx(&w, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
	uint32_t pi = 0;
	OK("lock-pi", fx(&pi, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	IS("owner", (pi & FUTEX_TID_MASK) == (uint32_t)getpid());
	OK("lock-pi-again", fx(&pi, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	OK("trylock-pi", fx(&pi, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	OK("unlock-pi", fx(&pi, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	say("pi=%u", pi);
	OK("unlock-not-mine", fx(&pi, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	pi = 999999;
	OK("lock-pi-dead", fx(&pi, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	OK("robust-size", syscall(SYS_set_robust_list, &w, 5));
	void *h;
	size_t n;
	OK("get-robust", syscall(SYS_get_robust_list, 0, &h, &n));
	say("robust-length=%zu", n);
	OK("get-robust-none", syscall(SYS_get_robust_list, 999999, &h, &n));
	return 0;
}
