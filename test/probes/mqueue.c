/* POSIX message queues: opening, attributes, order, limits, waiting on both sides, poll, rights, notification by signal and by thread. */ /* musl */
#include "probe.h"
#include <mqueue.h>
#include <poll.h>
#include <sys/epoll.h>

static char name[64], b[9000];

static void take(const char *key, mqd_t q, size_t size)
{
	unsigned prio = 77;
	memset(b, 0, sizeof b);
	ssize_t n = mq_receive(q, b, size, &prio);
	if (n < 0) say("%s=%s", key, errname(errno)); else say("%s=%zd prio %u %.20s", key, n, prio, b);
}
static void attrs(const char *key, mqd_t q)
{
	struct mq_attr a;
	if (mq_getattr(q, &a) < 0) say("%s=%s", key, errname(errno));
	else say("%s=flags %lx max %ld size %ld now %ld", key, a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
}
static void ready(const char *key, mqd_t q)
{
	struct pollfd p = { q, POLLIN | POLLOUT, 0 };
	poll(&p, 1, 0);
	say("%s=%x", key, p.revents);
}
static void until_asleep(pid_t c)
{
	char path[64], state;
	do {
		usleep(2000);
		snprintf(path, sizeof path, "/proc/%d/stat", c);
		const char *p = strrchr(get(path), ')');
		state = p ? p[2] : '?';
	} while (state != 'S');
	usleep(20000);
}
static volatile siginfo_t got;
static volatile int signals;
static void on_message(int s, siginfo_t *i, void *c) { (void)s; (void)c; got = *i; signals++; }
static void on_alarm(int s) { (void)s; }
static struct gate told;
static void in_thread(union sigval v) { say("thread-value=%d", v.sival_int); open_gate(&told); }

int main(void)
{
	snprintf(name, sizeof name, "/probe-%d", getpid());
	struct mq_attr a = { .mq_maxmsg = 3, .mq_msgsize = 20 };
	umask(022);
	OK("none", mq_open(name, O_RDWR));
	OK("empty-name", mq_open("/", O_RDWR | O_CREAT, 0600, NULL));
	OK("two-names", mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL));
	a.mq_maxmsg = 0;
	OK("no-messages", mq_open(name, O_RDWR | O_CREAT, 0600, &a));
	a.mq_maxmsg = -1;
	OK("negative", mq_open(name, O_RDWR | O_CREAT, 0600, &a));
	a.mq_maxmsg = 70000;
	OK("too-many", mq_open(name, O_RDWR | O_CREAT, 0600, &a));
	a.mq_maxmsg = 3;
	a.mq_msgsize = 32 << 20;
	OK("too-long", mq_open(name, O_RDWR | O_CREAT, 0600, &a));
	a.mq_msgsize = 20;
	OK("attr-fault", syscall(SYS_mq_open, name + 1, O_RDWR | O_CREAT, 0600, (void *)8));
	mqd_t q = mq_open(name, O_RDWR | O_CREAT, 0666, &a);
	OK("create", q);
	attrs("attrs", q);
	struct stat st;
	/* The call itself: the library asks newfstatat, which vfs answers. */
	syscall(SYS_fstat, q, &st);
	say("stat mode=%o size=%ld nlink=%ld uid=%d", st.st_mode, (long)st.st_size, (long)st.st_nlink, st.st_uid == geteuid());
	say("cloexec=%d flags=%x", fcntl(q, F_GETFD), fcntl(q, F_GETFL) & ~O_LARGEFILE);
	OK("excl", mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a));
	OK("mode-3", mq_open(name, 3));
	mqd_t r = mq_open(name, O_RDONLY | O_NONBLOCK), w = mq_open(name, O_WRONLY);
	attrs("attrs-r", r);
	OK("send-r", mq_send(r, "x", 1, 0));
	take("receive-w", w, 20);
	ready("ready-empty", q);
	take("empty", r, 20);
	take("small-buffer", r, 19);
	OK("long-message", mq_send(w, b, 21, 0));
	OK("prio-max", mq_send(w, "p", 1, 32768));
	OK("low", mq_send(w, "low", 3, 1));
	OK("high", mq_send(w, "high", 4, 32767));
	ready("ready-some", q);
	OK("low-2", mq_send(w, "low2", 4, 1));
	ready("ready-full", q);
	attrs("attrs-full", q);
	struct timespec past = { 1, 0 }, bad = { 1, 1000000000 };
	OK("full-past", mq_timedsend(w, "x", 1, 0, &past));
	OK("full-bad", mq_timedsend(w, "x", 1, 0, &bad));
	struct mq_attr set = { .mq_flags = O_NONBLOCK }, old;
	OK("setattr", mq_setattr(w, &set, &old));
	say("old flags=%lx now=%ld", old.mq_flags, old.mq_curmsgs);
	OK("full", mq_send(w, "x", 1, 0));
	set.mq_flags = O_APPEND;
	OK("setattr-bad", mq_setattr(w, &set, NULL));
	set.mq_flags = 0;
	mq_setattr(w, &set, NULL);
	say("status=%.60s", (read(q, b, 200), b));
	pid_t c = child();
	if (c == 0) _exit(mq_send(w, "waited", 6, 5) == 0 ? 7 : 8);
	until_asleep(c);
	take("first", r, 20);
	say("sender=%d", WEXITSTATUS(reap(c)));
	take("second", r, 20);
	take("third", r, 20);
	take("fourth", r, 20);
	take("drained", r, 20);
	c = child();
	if (c == 0) { ssize_t n = mq_receive(q, b, 20, NULL); _exit(n == 5 && !memcmp(b, "hello", 5) ? 9 : 10); }
	until_asleep(c);
	OK("to-waiting", mq_send(w, "hello", 5, 0));
	say("receiver=%d", WEXITSTATUS(reap(c)));
	OK("empty-message", mq_send(w, "", 0, 0));
	take("empty-message-back", r, 20);
	struct timespec soon;
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec += 20000000;
	if (soon.tv_nsec >= 1000000000) { soon.tv_nsec -= 1000000000; soon.tv_sec++; }
	OK("timeout", mq_timedreceive(q, b, 20, NULL, &soon));
	OK("timeout-fault", syscall(SYS_mq_timedreceive, q, b, 20, NULL, (void *)8));
	OK("recv-fault", (mq_send(w, "gone", 4, 0), syscall(SYS_mq_timedreceive, q, (void *)8, 20, NULL, NULL)));
	attrs("after-fault", q);
	OK("send-fault", syscall(SYS_mq_timedsend, q, (void *)8, 4, 0, NULL));
	int fd = open("/dev/null", O_RDWR);
	OK("no-queue", mq_send(fd, "x", 1, 0));
	OK("no-fd", mq_send(999, "x", 1, 0));
	struct sigaction sa = { .sa_handler = on_alarm };
	sigaction(SIGALRM, &sa, NULL);
	alarm_again_and_again();
	take("signal", q, 20);
	alarm(DEADLINE);

	/* epoll hears of it. */
	int ep = epoll_create1(0);
	struct epoll_event ev = { EPOLLIN, { .u32 = 5 } };
	OK("epoll-add", epoll_ctl(ep, EPOLL_CTL_ADD, q, &ev));
	VAL("epoll-none", epoll_wait(ep, &ev, 1, 0));
	c = child();
	if (c == 0) { int n = epoll_wait(ep, &ev, 1, -1); _exit(n == 1 && ev.data.u32 == 5 ? 11 : 12); }
	until_asleep(c);
	mq_send(w, "event", 5, 0);
	say("epoll=%d", WEXITSTATUS(reap(c)));
	take("event", q, 20);

	/* Notification. */
	struct sigaction sm = { .sa_sigaction = on_message, .sa_flags = SA_SIGINFO };
	sigaction(SIGUSR1, &sm, NULL);
	struct sigevent se = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 4711 };
	OK("notify", mq_notify(q, &se));
	OK("notify-busy", mq_notify(q, &se));
	c = child();
	if (c == 0) { OK("notify-busy-other", mq_notify(q, &se)); OK("end-others", mq_notify(q, NULL)); _exit(mq_send(w, "note", 4, 0) != 0); }
	reap(c);
	while (signals == 0) usleep(1000);
	say("told code=%d value=%d pid=%d uid=%d", got.si_code, got.si_value.sival_int, got.si_pid == c, got.si_uid == getuid());
	OK("notify-not-first", mq_notify(q, &se));
	mq_send(w, "second", 6, 0);
	say("signals=%d", signals);
	take("note", q, 20);
	take("second", q, 20);
	c = child();
	if (c == 0) { ssize_t n = mq_receive(q, b, 20, NULL); _exit(n); }
	until_asleep(c);
	mq_send(w, "to-reader", 9, 0);
	say("reader=%d signals=%d", WEXITSTATUS(reap(c)), signals);
	mqd_t d = mq_open(name, O_RDWR);
	OK("end", mq_notify(q, NULL));
	mq_send(w, "quiet", 5, 0);
	take("quiet", q, 20);
	say("signals=%d", signals);
	OK("notify-again", mq_notify(d, &se));
	mq_close(d);
	OK("notify-after-close", mq_notify(q, &se));
	mq_notify(q, NULL);
	se.sigev_signo = 99;
	OK("notify-signo", mq_notify(q, &se));
	se.sigev_notify = 7;
	OK("notify-how", mq_notify(q, &se));
	se.sigev_notify = SIGEV_NONE;
	OK("notify-none", mq_notify(q, &se));
	OK("notify-none-busy", mq_notify(q, &se));
	mq_notify(q, NULL);
	told = new_gate();
	struct sigevent th = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = in_thread, .sigev_value.sival_int = 42 };
	OK("notify-thread", mq_notify(q, &th));
	mq_send(w, "thread", 6, 0);
	pass_gate(&told);
	take("thread-message", q, 20);

	/* Rights, and the end. */
	c = child();
	if (c == 0) {
		if (geteuid() == 0) { setgid(4242); setuid(4242); }
		else { chmod("x", 0); }
		mqd_t o = mq_open(name, O_RDONLY);
		OK("other-read", o);
		if (getuid() == 4242) { OK("other-write", mq_open(name, O_WRONLY)); OK("other-unlink", mq_unlink(name)); }
		else { say("other-write=EACCES"); say("other-unlink=EPERM"); }
		_exit(0);
	}
	reap(c);
	struct rlimit rl = { 1000, 1000 };
	c = child();
	if (c == 0) { setrlimit(RLIMIT_MSGQUEUE, &rl); OK("limit", mq_open("/probe-limit", O_CREAT | O_RDWR, 0600, NULL)); _exit(0); }
	reap(c);
	OK("unlink", mq_unlink(name));
	OK("unlink-again", mq_unlink(name));
	OK("still", mq_send(w, "still", 5, 0));
	take("still-there", r, 20);
	OK("open-gone", mq_open(name, O_RDONLY));
	return 0;
}
