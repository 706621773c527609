/* timerfd: arming, reading, periodic, absolute, errnos. */
#include "probe.h"
#include <poll.h>
#include <sys/timerfd.h>

int main(void)
{
	uint64_t n;
	struct itimerspec t = { .it_value = { 0, 2000000 } }, o, off = { 0 };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	OK("create", fd);
	VAL("unarmed", read(fd, &n, 8));
	OK("gettime", timerfd_gettime(fd, &o));
	say("zero=%ld", (long)(o.it_value.tv_sec + o.it_value.tv_nsec));
	OK("set", timerfd_settime(fd, 0, &t, &o));
	struct pollfd f = { fd, POLLIN, 0 };
	VAL("poll", poll(&f, 1, -1));
	VAL("read", read(fd, &n, 8));
	say("expirations=%ld", (long)n);
	VAL("again", read(fd, &n, 8));
	timerfd_gettime(fd, &o);
	say("disarmed=%ld", (long)(o.it_value.tv_sec + o.it_value.tv_nsec));
	t.it_interval.tv_nsec = 1000000;
	timerfd_settime(fd, 0, &t, NULL);
	fcntl(fd, F_SETFL, 0);
	long total = 0;
	for (int i = 0; i < 3; i++) {
		read(fd, &n, 8);
		total += n;
	}
	IS("periodic", total >= 3);
	/* Of one that is due nothing may be left, while the host has yet to hear of it. */
	t.it_value = (struct timespec){ 100, 0 };
	timerfd_settime(fd, 0, &t, NULL);
	timerfd_gettime(fd, &o);
	say("interval=%ld", o.it_interval.tv_nsec);
	IS("left", o.it_value.tv_sec == 99 || (o.it_value.tv_sec == 100 && o.it_value.tv_nsec == 0));
	OK("off", timerfd_settime(fd, 0, &off, &o));
	say("old-interval=%ld", o.it_interval.tv_nsec);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	VAL("off-read", read(fd, &n, 8));
	t = (struct itimerspec){ .it_value = { 1, 0 } };
	OK("absolute-past", timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL));
	VAL("past-poll", poll(&f, 1, 5000));
	VAL("past-read", read(fd, &n, 8));
	VAL("short", (timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL), poll(&f, 1, 5000), read(fd, &n, 4)));
	VAL("write", write(fd, &n, 8));
	t.it_value.tv_nsec = 1000000000;
	OK("bad-nsec", timerfd_settime(fd, 0, &t, NULL));
	t.it_value = (struct timespec){ -1, 0 };
	OK("negative", timerfd_settime(fd, 0, &t, NULL));
	OK("flags", timerfd_settime(fd, 64, &off, NULL));
	OK("not-timerfd", timerfd_settime(0, 0, &off, NULL));
	OK("badfd", timerfd_gettime(99, &o));
	OK("clock", timerfd_create(99, 0));
	OK("create-flags", timerfd_create(CLOCK_MONOTONIC, 1));
	OK("realtime", timerfd_create(CLOCK_REALTIME, 0));
	OK("boottime", timerfd_create(CLOCK_BOOTTIME, 0));
	OK("cpu-clock", timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	OK("null", syscall(SYS_timerfd_settime, fd, 0, NULL, NULL));
	VAL("lseek", lseek(fd, 0, SEEK_CUR));
	return 0;
}
