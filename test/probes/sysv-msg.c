/* System V message queues: types, order, limits, waiting on both sides, copies, removal. */ /* musl */
#include "probe.h"
#include <sys/ipc.h>
#include <sys/msg.h>

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif
#ifndef MSG_EXCEPT
#define MSG_EXCEPT 020000
#endif

struct text { long type; char text[9000]; };
static struct text m;
static int id;

static long put_msg(long type, const char *text, int flags)
{
	m.type = type;
	strcpy(m.text, text);
	return msgsnd(id, &m, strlen(text), flags);
}
static void take(const char *key, long type, size_t size, int flags)
{
	memset(&m, 0, sizeof m);
	long n = msgrcv(id, &m, size, type, flags);
	if (n < 0) say("%s=%s", key, errname(errno == ENOMSG ? EAGAIN : errno));
	else say("%s=%ld type %ld %.20s", key, n, m.type, m.text);
}
static pid_t receiver(long type, size_t size, int flags)
{
	pid_t c = child();
	if (c == 0) {
		long n = msgrcv(id, &m, size, type, flags);
		_exit(n < 0 ? (errno == EIDRM ? 100 : errno == E2BIG ? 101 : errno == EINTR ? 102 : 103) : n);
	}
	return c;
}
static struct msqid_ds stat_now(void) { struct msqid_ds ds; msgctl(id, IPC_STAT, &ds); return ds; }
/* Is the process asleep in the kernel? */
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
static void on_alarm(int s) { (void)s; }

int main(void)
{
	key_t key = 0x7c000000 | getpid();
	OK("none", msgget(key, 0));
	id = msgget(key, IPC_CREAT | 0600);
	OK("create", id);
	VAL("same", msgget(key, 0) == id);
	OK("excl", msgget(key, IPC_CREAT | IPC_EXCL));
	struct msqid_ds ds = stat_now();
	say("fresh qnum=%d qbytes=%d mode=%o stime=%d rtime=%d ctime=%d lspid=%d lrpid=%d", (int)ds.msg_qnum, (int)ds.msg_qbytes, ds.msg_perm.mode, ds.msg_stime != 0, ds.msg_rtime != 0, ds.msg_ctime != 0, ds.msg_lspid, ds.msg_lrpid);
	take("empty", 0, 100, IPC_NOWAIT);
	OK("type-zero", put_msg(0, "x", 0));
	OK("type-negative", put_msg(-3, "x", 0));
	OK("too-long", msgsnd(id, &m, 8193, 0));
	OK("negative-size", msgsnd(id, &m, -1, 0));
	OK("fault", msgsnd(id, (void *)8, 1, 0));
	OK("bad-id", msgsnd(id + 1234567, &m, 1, 0));
	m.type = 1;
	OK("bad-id-type", msgsnd(id + 1234567, &m, 1, 0));
	OK("one", put_msg(1, "one", 0));
	OK("two", put_msg(2, "two", 0));
	OK("three", put_msg(3, "three", 0));
	OK("two-again", put_msg(2, "zwei", 0));
	OK("empty-text", put_msg(9, "", 0));
	ds = stat_now();
	say("qnum=%d lspid=%d stime=%d", (int)ds.msg_qnum, ds.msg_lspid == getpid(), ds.msg_stime != 0);
	take("copy-0", 0, 100, MSG_COPY | IPC_NOWAIT);
	take("copy-2", 2, 100, MSG_COPY | IPC_NOWAIT);
	take("copy-9", 9, 100, MSG_COPY | IPC_NOWAIT);
	take("copy-waits", 0, 100, MSG_COPY);
	take("copy-except", 0, 100, MSG_COPY | MSG_EXCEPT | IPC_NOWAIT);
	take("small", 2, 2, 0);
	take("equal", 2, 100, 0);
	take("except", 1, 100, MSG_EXCEPT);
	take("up-to", -2, 100, 0);
	take("noerror", -5, 2, MSG_NOERROR);
	take("any", 0, 100, 0);
	take("none-left", 0, 100, IPC_NOWAIT);
	take("negative-recv", 0, -1, IPC_NOWAIT);
	ds = stat_now();
	say("qnum=%d lrpid=%d rtime=%d", (int)ds.msg_qnum, ds.msg_lrpid == getpid(), ds.msg_rtime != 0);

	/* Limits and waiting for room. */
	m.type = 1;
	memset(m.text, 'a', sizeof m.text);
	OK("8192", msgsnd(id, &m, 8192, IPC_NOWAIT));
	OK("8191", msgsnd(id, &m, 8191, IPC_NOWAIT));
	OK("full", msgsnd(id, &m, 2, IPC_NOWAIT));
	OK("fits", msgsnd(id, &m, 1, IPC_NOWAIT));
	OK("empty-fits", msgsnd(id, &m, 0, IPC_NOWAIT));
	pid_t c = child();
	if (c == 0) { strcpy(m.text, "waited"); m.type = 77; _exit(msgsnd(id, &m, 6, 0) == 0 ? 5 : 6); }
	until_asleep(c);
	VAL("sender-waits", (long)stat_now().msg_qnum);
	take("room", 0, 8192, 0);
	say("sender=%d", WEXITSTATUS(reap(c)));
	take("waited", 77, 100, IPC_NOWAIT);
	while (msgrcv(id, &m, 9000, 0, IPC_NOWAIT) >= 0) ;
	ds = stat_now();
	ds.msg_qbytes = 10;
	OK("set-less", msgctl(id, IPC_SET, &ds));
	OK("ten", put_msg(1, "0123456789", IPC_NOWAIT));
	OK("eleven", put_msg(1, "0", IPC_NOWAIT));
	take("ten-back", 0, 100, 0);
	ds.msg_qbytes = 16384;
	OK("set-back", msgctl(id, IPC_SET, &ds));
	c = child();
	if (c == 0) {
		if (geteuid() == 0) { setgid(4242); setuid(4242); }
		ds.msg_qbytes = 16385;
		OK("stat-refused", msgctl(id, IPC_STAT, &ds));
		OK("set-refused", msgctl(id, IPC_SET, &ds));
		OK("send-refused", put_msg(1, "x", IPC_NOWAIT));
		take("recv-refused", 0, 100, IPC_NOWAIT);
		OK("get-refused", msgget(key, 0600));
		_exit(0);
	}
	reap(c);

	/* Waiting for messages. */
	pid_t a = receiver(5, 100, 0), b = receiver(0, 100, 0);
	until_asleep(a);
	until_asleep(b);
	put_msg(6, "sixsix", 0);
	say("any-got=%d", WEXITSTATUS(reap(b)));
	put_msg(5, "five!", 0);
	say("typed-got=%d", WEXITSTATUS(reap(a)));
	VAL("left", (long)stat_now().msg_qnum);
	a = receiver(0, 2, 0);
	until_asleep(a);
	b = receiver(0, 100, 0);
	until_asleep(b);
	put_msg(1, "long message", 0);
	say("too-small=%d next=%d", WEXITSTATUS(reap(a)), WEXITSTATUS(reap(b)));
	a = receiver(0, 2, MSG_NOERROR);
	until_asleep(a);
	put_msg(1, "long message", 0);
	say("cut=%d", WEXITSTATUS(reap(a)));
	a = receiver(-3, 100, 0);
	until_asleep(a);
	put_msg(4, "four", 0);
	put_msg(3, "thr", 0);
	say("up-to-waited=%d", WEXITSTATUS(reap(a)));
	take("four-left", 0, 100, IPC_NOWAIT);
	a = receiver(1, 100, 0);
	until_asleep(a);
	kill(a, SIGKILL);
	reap(a);
	OK("after-kill", put_msg(1, "kept", 0));
	take("kept", 0, 100, IPC_NOWAIT);
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &sa, NULL);
	alarm_again_and_again();
	take("signal", 0, 100, 0);
	alarm(DEADLINE);
	signal(SIGALRM, SIG_DFL);
	a = receiver(1, 100, 0);
	until_asleep(a);
	struct msginfo mi;
	VAL("info", msgctl(0, IPC_INFO, (void *)&mi) >= 0);
	say("pool=%d map=%d max=%d mnb=%d mni=%d ssz=%d tql=%d seg=%d", mi.msgpool, mi.msgmap, mi.msgmax, mi.msgmnb, mi.msgmni, mi.msgssz, mi.msgtql, mi.msgseg);
	OK("bad-cmd", msgctl(id, 99, &ds));
	OK("negative-id", msgctl(-1, IPC_STAT, &ds));
	OK("rmid", msgctl(id, IPC_RMID, NULL));
	say("eidrm=%d", WEXITSTATUS(reap(a)));
	OK("gone", msgctl(id, IPC_RMID, NULL));
	OK("key-gone", msgget(key, 0));
	return 0;
}
