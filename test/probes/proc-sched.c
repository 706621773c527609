/* sched_*: policies, parameters, affinity. */
#include "probe.h"
#include <sched.h>

int main(void)
{
	struct sched_param sp = { 0 };
	cpu_set_t c;
	struct timespec t;
	unsigned char m[1024];
	VAL("policy", sched_getscheduler(0));
	OK("param", sched_getparam(0, &sp));
	say("priority=%d", sp.sched_priority);
	VAL("max-other", sched_get_priority_max(SCHED_OTHER));
	VAL("max-fifo", sched_get_priority_max(SCHED_FIFO));
	VAL("min-rr", sched_get_priority_min(SCHED_RR));
	OK("max-bad", sched_get_priority_max(77));
	OK("none", sched_getscheduler(999999));
	OK("negative", sched_getscheduler(-1));
	sp.sched_priority = 5;
	OK("other-with-priority", sched_setscheduler(0, SCHED_OTHER, &sp));
	OK("bad-policy", sched_setscheduler(0, 77, &sp));
	sp.sched_priority = 0;
	OK("batch", sched_setscheduler(0, SCHED_BATCH, &sp));
	VAL("policy2", sched_getscheduler(0));
	OK("fifo-0", sched_setscheduler(0, SCHED_FIFO, &sp));
	OK("setparam-bad", sched_setparam(0, NULL));
	OK("interval", sched_rr_get_interval(0, &t));
	OK("yield", sched_yield());
	OK("getaffinity", sched_getaffinity(0, sizeof c, &c));
	IS("some-cpu", CPU_COUNT(&c) > 0);
	say("raw-multiple-of-8=%d", syscall(SYS_sched_getaffinity, 0, sizeof m, m) % 8 == 0);
	OK("small", syscall(SYS_sched_getaffinity, 0, 3, m));
	OK("aff-none", sched_getaffinity(999999, sizeof c, &c));
	OK("aff-negative", sched_getaffinity(-1, sizeof c, &c));
	OK("setaff-negative", sched_setaffinity(-1, sizeof c, &c));
	OK("setaffinity-same", sched_setaffinity(0, sizeof c, &c));
	int first = 0;
	while (!CPU_ISSET(first, &c)) first++;
	cpu_set_t one;
	CPU_ZERO(&one);
	OK("empty", sched_setaffinity(0, sizeof one, &one));
	CPU_SET(first, &one);
	OK("one", sched_setaffinity(0, sizeof one, &one));
	sched_getaffinity(0, sizeof c, &c);
	say("count=%d", CPU_COUNT(&c));
	IS("on-it", sched_getcpu() == first);
	unsigned cpu = 99;
	OK("getcpu", syscall(SYS_getcpu, &cpu, NULL, NULL));
	IS("cpu", cpu == (unsigned)first);
	int s;
	pid_t p = child();
	if (p == 0) {
		sched_getaffinity(0, sizeof c, &c);
		_exit(CPU_COUNT(&c));
	}
	wait(&s);
	say_status("inherited", s);
	return 0;
}
