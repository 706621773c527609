/* ioprio_set, ioprio_get: classes and levels, whom they name, what is inherited. */
#include "probe.h"
#include <linux/ioprio.h>
#include <pthread.h>

static long ioget(int which, int who) { return syscall(SYS_ioprio_get, which, who); }
static long ioset(int which, int who, int prio) { return syscall(SYS_ioprio_set, which, who, prio); }
#define PRIO(class, level) IOPRIO_PRIO_VALUE(IOPRIO_CLASS_##class, level)

static void *other(void *arg)
{
	(void)arg;
	say("thread-inherits=%ld", ioget(IOPRIO_WHO_PROCESS, 0));
	OK("thread-idle", ioset(IOPRIO_WHO_PROCESS, 0, PRIO(IDLE, 0)));
	say("thread=%ld", ioget(IOPRIO_WHO_PROCESS, (int)syscall(SYS_gettid)));
	return NULL;
}

int main(void)
{
	pthread_t t;
	int s;
	pid_t p;

	setpgid(0, 0);
	VAL("at-first", ioget(IOPRIO_WHO_PROCESS, 0));
	VAL("of-pid", ioget(IOPRIO_WHO_PROCESS, getpid()));
	VAL("of-group", ioget(IOPRIO_WHO_PGRP, 0));
	setpriority(PRIO_PROCESS, 0, 10);
	VAL("of-group-nice-10", ioget(IOPRIO_WHO_PGRP, 0));
	VAL("of-pid-nice-10", ioget(IOPRIO_WHO_PROCESS, getpid()));
	OK("get-which", ioget(0, 0));
	OK("get-which-4", ioget(4, 0));
	OK("get-none", ioget(IOPRIO_WHO_PROCESS, 999999));
	OK("get-none-group", ioget(IOPRIO_WHO_PGRP, 999999));
	OK("get-negative", ioget(IOPRIO_WHO_PROCESS, -1));
	OK("set-which", ioset(0, 0, PRIO(BE, 4)));
	OK("set-none", ioset(IOPRIO_WHO_PROCESS, 999999, PRIO(BE, 4)));
	OK("set-none-group", ioset(IOPRIO_WHO_PGRP, 999999, PRIO(BE, 4)));
	OK("set-none-bad-class", ioset(IOPRIO_WHO_PROCESS, 999999, 5 << 13));
	OK("class-4", ioset(IOPRIO_WHO_PROCESS, 0, 4 << 13));
	OK("class-7", ioset(IOPRIO_WHO_PROCESS, 0, 7 << 13));
	OK("class-8", ioset(IOPRIO_WHO_PROCESS, 0, 8 << 13));
	OK("none-level", ioset(IOPRIO_WHO_PROCESS, 0, PRIO(NONE, 3)));
	OK("best-effort-8", ioset(IOPRIO_WHO_PROCESS, 0, 2 << 13 | 8));
	VAL("is", ioget(IOPRIO_WHO_PROCESS, 0));
	OK("realtime", geteuid() == 0 ? 0 : ioset(IOPRIO_WHO_PROCESS, 0, PRIO(RT, 3)));
	OK("best-effort-7", ioset(IOPRIO_WHO_PROCESS, 0, PRIO(BE, 7)));
	VAL("is", ioget(IOPRIO_WHO_PROCESS, 0));
	VAL("of-user", ioget(IOPRIO_WHO_USER, (int)getuid()) >= 0);
	p = child();
	if (p == 0) {
		say("child-inherits=%ld", ioget(IOPRIO_WHO_PROCESS, 0));
		OK("child", ioset(IOPRIO_WHO_PROCESS, 0, PRIO(BE, 1)));
		say("best-of-group=%ld", ioget(IOPRIO_WHO_PGRP, 0));
		OK("group", ioset(IOPRIO_WHO_PGRP, 0, PRIO(BE, 6)));
		_exit(0);
	}
	wait(&s);
	VAL("after-child", ioget(IOPRIO_WHO_PROCESS, 0));
	pthread_create(&t, NULL, other, NULL);
	pthread_join(t, NULL);
	VAL("after-thread", ioget(IOPRIO_WHO_PROCESS, 0));
	OK("idle", ioset(IOPRIO_WHO_PROCESS, getpid(), PRIO(IDLE, 0)));
	VAL("is", ioget(IOPRIO_WHO_PROCESS, 0));
	OK("none", ioset(IOPRIO_WHO_PROCESS, 0, 0));
	VAL("is", ioget(IOPRIO_WHO_PROCESS, 0));
	VAL("of-pid", ioget(IOPRIO_WHO_PROCESS, getpid()));
	return 0;
}
