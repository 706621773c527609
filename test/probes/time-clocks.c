/* clock_gettime, clock_getres, nanosleep: ids, order, errnos. */ /* musl */
#include "probe.h"

static int64_t ns(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }

int main(void)
{
	struct timespec a, b, r, bad = { 0, 1000000000 }, neg = { -1, 0 }, ms = { 0, 3000000 },
	                         zero = { 0, 0 };
	struct timeval tv;
	for (int i = 0; i < 13; i++) {
		char k[16];
		snprintf(k, 16, "clock-%d", i);
		if (i == 8 || i == 9 || i == 10) continue;
		OK(k, clock_gettime(i, &a));
		clock_gettime(i, &b);
		if (i < 10) IS("forward", ns(b) >= ns(a));
	}
	OK("res", clock_getres(CLOCK_MONOTONIC, &r));
	say("res=%ld", r.tv_nsec);
	OK("res-bad", clock_getres(99, &r));
	OK("bad", clock_gettime(99, &a));
	OK("bad-negative", clock_gettime(-1, &a));
	OK("raw-null", syscall(SYS_clock_gettime, CLOCK_MONOTONIC, 16));
	OK("res-null", clock_getres(CLOCK_MONOTONIC, NULL));
	OK("gettimeofday", gettimeofday(&tv, NULL));
	IS("year", tv.tv_sec > 1600000000);
	clock_gettime(CLOCK_REALTIME, &a);
	IS("agree", labs(a.tv_sec - tv.tv_sec) <= 1);
	IS("time", labs(time(NULL) - a.tv_sec) <= 1);
	clock_gettime(CLOCK_MONOTONIC, &a);
	OK("nanosleep", nanosleep(&ms, NULL));
	clock_gettime(CLOCK_MONOTONIC, &b);
	IS("slept", ns(b) - ns(a) >= 3000000);
	OK("zero", nanosleep(&zero, NULL));
	OK("nsec", nanosleep(&bad, NULL));
	OK("negative", nanosleep(&neg, NULL));
	OK("fault", nanosleep((void *)16, NULL));
	RC("cn", clock_nanosleep(CLOCK_MONOTONIC, 0, &ms, NULL));
	clock_gettime(CLOCK_MONOTONIC, &a);
	a.tv_nsec += 2000000;
	if (a.tv_nsec >= 1000000000) {
		a.tv_sec++;
		a.tv_nsec -= 1000000000;
	}
	RC("absolute", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &a, NULL));
	clock_gettime(CLOCK_MONOTONIC, &b);
	IS("reached", ns(b) >= ns(a));
	RC("absolute-past", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &zero, NULL));
	RC("bad-clock", clock_nanosleep(99, 0, &ms, NULL));
	RC("thread-clock", clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ms, NULL));
	RC("bad-nsec", clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL));
	RC("raw-clock", clock_nanosleep(CLOCK_MONOTONIC_RAW, 0, &ms, NULL));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (volatile int i = 0; i < 3000000; i++)
		;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	IS("cpu-moves", ns(b) > ns(a));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	IS("thread-cpu", ns(a) > 0);
	clockid_t id;
	OK("getcpuclockid", clock_getcpuclockid(0, &id));
	OK("of-self", clock_gettime(id, &a));
	struct gate g = new_gate();
	pid_t p = child();
	if (p == 0) {
		pass_gate(&g);
		_exit(0);
	}
	RC("other", clock_getcpuclockid(p, &id));
	OK("of-other", clock_gettime(id, &a));
	open_gate(&g);
	reap(p);
	RC("of-none", clock_getcpuclockid(999999, &id));
	if (geteuid()) OK("settime", clock_settime(CLOCK_REALTIME, &a));
	OK("settime-monotonic", clock_settime(CLOCK_MONOTONIC, &a));
	return 0;
}
