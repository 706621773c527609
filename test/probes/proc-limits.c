/* getrlimit, setrlimit, prlimit, getrusage, times, priorities. */
#include "probe.h"
#include <sys/times.h>
#include <sched.h>

int main(void)
{
	struct rlimit l, o;
	struct rusage r;
	struct tms t;
	int s;
	OK("get", getrlimit(RLIMIT_NOFILE, &l));
	IS("order", l.rlim_cur <= l.rlim_max);
	OK("bad", getrlimit(99, &l));
	OK("minus", syscall(SYS_getrlimit, -1, &l));
	OK("fault", syscall(SYS_getrlimit, RLIMIT_NOFILE, 16));
	getrlimit(RLIMIT_CORE, &l);
	l.rlim_cur = 0;
	OK("set", setrlimit(RLIMIT_CORE, &l));
	getrlimit(RLIMIT_CORE, &o);
	say("core=%ld", (long)o.rlim_cur);
	l.rlim_cur = l.rlim_max;
	l.rlim_max = l.rlim_max == 0 ? 0 : l.rlim_max;
	l.rlim_cur = 5;
	l.rlim_max = 4;
	OK("cur-over-max", setrlimit(RLIMIT_CORE, &l));
	l = (struct rlimit){ 3, 3 };
	OK("lower-hard", setrlimit(RLIMIT_MEMLOCK, &l));
	l.rlim_max = 4;
	OK("raise-hard", geteuid() ? setrlimit(RLIMIT_MEMLOCK, &l) : 0);
	OK("prlimit-both", prlimit(0, RLIMIT_STACK, NULL, &o));
	l = (struct rlimit){ 1 << 20, o.rlim_max };
	OK("prlimit-set", prlimit(getpid(), RLIMIT_STACK, &l, &o));
	prlimit(0, RLIMIT_STACK, NULL, &o);
	say("stack=%ld", (long)o.rlim_cur);
	OK("stack-fault", syscall(SYS_getrlimit, RLIMIT_STACK, 16));
	OK("stack-nothing", prlimit(0, RLIMIT_STACK, NULL, NULL));
	int go[2];
	char c;
	pipe(go);
	pid_t other = child();
	if (other == 0) {
		getrlimit(RLIMIT_STACK, &o);
		if (read(go[0], &c, 1) != 1) _exit(9);
		getrlimit(RLIMIT_STACK, &o);
		_exit(o.rlim_cur == 1 << 19);
	}
	l.rlim_cur = 1 << 19;
	OK("stack-other", prlimit(other, RLIMIT_STACK, &l, NULL));
	write(go[1], "x", 1);
	say("other=%d", waitpid(other, &s, 0) == other ? WEXITSTATUS(s) : -1);
	pid_t p = child();
	if (p == 0) {
		getrlimit(RLIMIT_STACK, &o);
		_exit(o.rlim_cur == 1 << 20);
	}
	wait(&s);
	say_status("inherited", s);
	OK("prlimit-none", prlimit(999999, RLIMIT_STACK, NULL, &o));
	/* The host samples user and system time by ticks, of thread and process apart: burn until it has seen user time of both. */
	struct rusage own;
	do
		for (volatile long i = 0; i < 1000000; i++)
			;
	while (getrusage(RUSAGE_SELF, &r) == 0 && getrusage(RUSAGE_THREAD, &own) == 0
	       && ((r.ru_utime.tv_sec == 0 && r.ru_utime.tv_usec == 0) || (own.ru_utime.tv_sec == 0 && own.ru_utime.tv_usec == 0)));
	OK("self", getrusage(RUSAGE_SELF, &r));
	IS("utime", r.ru_utime.tv_sec > 0 || r.ru_utime.tv_usec > 0);
	IS("maxrss", r.ru_maxrss > 100);
	IS("minflt", r.ru_minflt > 0);
	OK("thread", getrusage(RUSAGE_THREAD, &r));
	IS("thread-utime", r.ru_utime.tv_sec > 0 || r.ru_utime.tv_usec > 0);
	OK("who-bad", getrusage(77, &r));
	OK("children", getrusage(RUSAGE_CHILDREN, &r));
	p = child();
	if (p == 0) {
		do
			for (volatile long i = 0; i < 1000000; i++)
				;
		while (times(&t) == -1 || t.tms_utime < 3);
		_exit(0);
	}
	wait(&s);
	getrusage(RUSAGE_CHILDREN, &r);
	IS("children-utime", r.ru_utime.tv_sec > 0 || r.ru_utime.tv_usec > 0);
	IS("times", times(&t) != -1);
	IS("tms-cutime", t.tms_cutime > 0);
	errno = 0;
	say("nice=%d", getpriority(PRIO_PROCESS, 0));
	OK("renice", setpriority(PRIO_PROCESS, 0, 5));
	errno = 0;
	say("nice=%d", getpriority(PRIO_PROCESS, 0));
	OK("lower-nice", geteuid() ? setpriority(PRIO_PROCESS, 0, 0) : 0);
	OK("prio-bad-which", setpriority(9, 0, 0));
	OK("prio-none", setpriority(PRIO_PROCESS, 999999, 0));
	setpriority(PRIO_PROCESS, 0, 100);
	errno = 0;
	say("clamped=%d", getpriority(PRIO_PROCESS, 0));
	p = child();
	if (p == 0) {
		errno = 0;
		_exit(getpriority(PRIO_PROCESS, 0));
	}
	wait(&s);
	say_status("nice-inherited", s);
	return 0;
}
