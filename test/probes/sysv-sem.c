/* System V semaphores: values, several operations at once, who waits and in what order it goes on, undo at the end of a process, removal. */ /* musl */
#include "probe.h"
#include <pthread.h>
#include <sys/ipc.h>
#include <sys/sem.h>

union arg { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; };

static int id;
static int ctl(int num, int cmd, int val) { return semctl(id, num, cmd, (union arg){ .val = val }); }
static int op(int num, int by, int flags) { struct sembuf s = { num, by, flags }; return semop(id, &s, 1); }
static void values(const char *what)
{
	unsigned short v[4] = { 0 };
	semctl(id, 0, GETALL, (union arg){ .array = v });
	say("%s=%d %d %d %d", what, v[0], v[1], v[2], v[3]);
}
/* Until so many calls wait for a semaphore. */
static void until(int num, int cmd, int n) { while (ctl(num, cmd, 0) != n) usleep(1000); }

static pid_t waiter(const struct sembuf *s, int n, int status)
{
	pid_t c = child();
	if (c == 0) {
		struct sembuf mine[4];
		memcpy(mine, s, n * sizeof *s);
		int r = semop(id, mine, n);
		_exit(r == 0 ? status : errno == EIDRM ? 100 : errno == ERANGE ? 101 : 102);
	}
	return c;
}
static void on_alarm(int s) { (void)s; }

int main(void)
{
	key_t key = 0x7d000000 | getpid();
	OK("none", semget(key, 1, 0));
	OK("negative-n", semget(key, -1, IPC_CREAT | 0600));
	OK("zero-n", semget(key, 0, IPC_CREAT | 0600));
	OK("too-many", semget(key, 32001, IPC_CREAT | 0600));
	id = semget(key, 4, IPC_CREAT | 0600);
	OK("create", id);
	VAL("same", semget(key, 0, 0) == id && semget(key, 4, 0) == id);
	OK("more", semget(key, 5, 0));
	OK("excl", semget(key, 4, IPC_CREAT | IPC_EXCL));
	values("fresh");
	OK("setval", ctl(0, SETVAL, 5));
	OK("setval-range", ctl(0, SETVAL, 32768));
	OK("setval-negative", ctl(0, SETVAL, -1));
	OK("setval-num", ctl(4, SETVAL, 1));
	VAL("getval", ctl(0, GETVAL, 0));
	VAL("getpid", ctl(0, GETPID, 0) == getpid());
	VAL("getpid-other", ctl(1, GETPID, 0));
	unsigned short v[4] = { 1, 2, 3, 40000 };
	OK("setall-range", semctl(id, 0, SETALL, (union arg){ .array = v }));
	v[3] = 4;
	OK("setall", semctl(id, 0, SETALL, (union arg){ .array = v }));
	values("all");
	OK("setall-fault", semctl(id, 0, SETALL, (union arg){ .array = (void *)8 }));
	OK("num-negative", ctl(-1, GETVAL, 0));
	OK("bad-cmd", ctl(0, 99, 0));
	OK("bad-id", semctl(id + 12345678, 0, GETVAL));

	struct sembuf both[3] = { { 0, -1, IPC_NOWAIT }, { 1, -3, IPC_NOWAIT }, { 2, 1, 0 } };
	OK("all-or-none", semop(id, both, 3));
	values("unchanged");
	both[1].sem_op = -2;
	OK("all", semop(id, both, 3));
	values("changed");
	OK("zero-now", op(0, 0, IPC_NOWAIT));
	OK("zero-not", op(2, 0, IPC_NOWAIT));
	OK("range", op(2, 32767, 0));
	OK("beyond", op(4, 1, 0));
	OK("no-ops", semop(id, both, 0));
	OK("many-ops", semop(id, both, 501));
	OK("ops-fault", semop(id, (void *)8, 1));
	OK("neg-id", semop(-1, both, 1));
	struct sembuf twice[2] = { { 0, 1, 0 }, { 0, -1, 0 } };
	OK("same-sem-twice", semop(id, twice, 2));
	struct timespec ts = { 0, 20000000 }, bad = { 0, 1000000000 };
	struct sembuf one = { 0, -1, 0 };
	OK("timeout", semtimedop(id, &one, 1, &ts));
	OK("timeout-bad", semtimedop(id, &one, 1, &bad));
	ts.tv_nsec = 0;
	OK("timeout-zero", semtimedop(id, &one, 1, &ts));
	OK("timeout-fault", semtimedop(id, &one, 1, (void *)8));
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &sa, NULL);
	alarm_again_and_again();
	OK("signal", op(0, -1, 0));
	alarm(DEADLINE);
	signal(SIGALRM, SIG_DFL);

	/* Who waits. */
	memset(v, 0, sizeof v);
	semctl(id, 0, SETALL, (union arg){ .array = v });
	struct sembuf take1 = { 0, -1, 0 }, take3 = { 0, -3, 0 }, zero = { 1, 0, 0 };
	pid_t a = waiter(&take3, 1, 3);
	until(0, GETNCNT, 1);
	pid_t b = waiter(&take1, 1, 1);
	until(0, GETNCNT, 2);
	op(0, 1, 0);
	say("small-first=%d", WEXITSTATUS(reap(b)));
	VAL("ncnt", ctl(0, GETNCNT, 0));
	b = waiter(&take1, 1, 1);
	until(0, GETNCNT, 2);
	op(0, 3, 0);
	say("first-first=%d", WEXITSTATUS(reap(a)));
	VAL("still", ctl(0, GETNCNT, 0));
	op(0, 1, 0);
	reap(b);
	values("empty");
	ctl(1, SETVAL, 1);
	a = waiter(&zero, 1, 7);
	until(1, GETZCNT, 1);
	VAL("zcnt-n", ctl(1, GETNCNT, 0));
	struct sembuf pulse[2] = { { 1, -1, 0 }, { 1, 1, 0 } };
	OK("pulse", semop(id, pulse, 2));
	VAL("zcnt-pulse", ctl(1, GETZCNT, 0));
	op(1, -1, 0);
	say("zero=%d", WEXITSTATUS(reap(a)));
	struct sembuf pair[2] = { { 0, -1, 0 }, { 2, -1, 0 } };
	a = waiter(pair, 2, 9);
	until(0, GETNCNT, 1);
	op(0, 1, 0);
	until(2, GETNCNT, 1);
	VAL("blocked-by-second", ctl(0, GETNCNT, 0));
	values("not-half");
	op(2, 1, 0);
	say("pair=%d", WEXITSTATUS(reap(a)));
	struct sembuf chain[2] = { { 0, -1, 0 }, { 1, 1, 0 } }, last = { 1, -1, 0 };
	a = waiter(&last, 1, 11);
	until(1, GETNCNT, 1);
	b = waiter(chain, 2, 12);
	until(0, GETNCNT, 1);
	op(0, 1, 0);
	say("chain=%d %d", WEXITSTATUS(reap(b)), WEXITSTATUS(reap(a)));
	values("after-chain");
	a = waiter(&take1, 1, 1);
	until(0, GETNCNT, 1);
	ctl(0, SETVAL, 1);
	say("by-setval=%d", WEXITSTATUS(reap(a)));
	struct sembuf high[2] = { { 0, -1, 0 }, { 3, 32767, 0 } };
	ctl(3, SETVAL, 1);
	a = waiter(high, 2, 1);
	until(0, GETNCNT, 1);
	op(0, 1, 0);
	say("error-while-waiting=%d", WEXITSTATUS(reap(a)));
	values("after-error");
	ctl(0, SETVAL, 0);
	a = waiter(&take1, 1, 1);
	until(0, GETNCNT, 1);
	kill(a, SIGKILL);
	say_status("killed", reap(a));
	VAL("killed-waits-not", ctl(0, GETNCNT, 0));

	/* Undo. */
	memset(v, 0, sizeof v);
	v[0] = 3;
	semctl(id, 0, SETALL, (union arg){ .array = v });
	for (int how = 0; how < 5; how++) {
		a = child();
		if (a == 0) {
			op(0, -2, SEM_UNDO);
			op(1, 1, SEM_UNDO);
			op(2, 1, 0);
			if (how == 1) _exit(3);
			if (how == 2) abort();
			if (how == 3) raise(SIGKILL);
			if (how == 4) execl("/bin/true", "true", NULL);
			exit(0);
		}
		int status = reap(a);
		char key[32];
		snprintf(key, sizeof key, "undone-%d", how);
		values(key);
		if (how == 3) VAL("undo-pid", ctl(0, GETPID, 0) == a);
		(void)status;
	}
	struct gate g = new_gate(), ready = new_gate();
	ctl(0, SETVAL, 1);
	a = child();
	if (a == 0) { op(0, -1, SEM_UNDO); open_gate(&ready); pass_gate(&g); _exit(0); }
	pass_gate(&ready);
	b = waiter(&take1, 1, 5);
	until(0, GETNCNT, 1);
	kill(a, SIGKILL);
	say("waits-for-undo=%d", WEXITSTATUS(reap(b)));
	reap(a);
	a = child();
	if (a == 0) { op(0, 2, SEM_UNDO); open_gate(&ready); pass_gate(&g); _exit(0); }
	pass_gate(&ready);
	ctl(0, SETVAL, 9);
	open_gate(&g);
	reap(a);
	VAL("setval-clears-undo", ctl(0, GETVAL, 0));
	a = child();
	if (a == 0) { op(0, 20, SEM_UNDO); open_gate(&ready); pass_gate(&g); _exit(0); }
	pass_gate(&ready);
	op(0, -15, 0);
	open_gate(&g);
	reap(a);
	VAL("not-below-zero", ctl(0, GETVAL, 0));
	a = child();
	if (a == 0) {
		op(0, 5, SEM_UNDO);
		if (fork() == 0) _exit(0);
		wait(NULL);
		open_gate(&ready);
		pass_gate(&g);
		_exit(0);
	}
	pass_gate(&ready);
	VAL("child-undoes-not", ctl(0, GETVAL, 0));
	open_gate(&g);
	reap(a);
	VAL("parent-undoes", ctl(0, GETVAL, 0));

	/* Rights, times, limits, removal. */
	struct semid_ds ds;
	OK("stat", semctl(id, 0, IPC_STAT, (union arg){ .buf = &ds }));
	say("nsems=%lu mode=%o otime=%d ctime=%d", (unsigned long)ds.sem_nsems, ds.sem_perm.mode, ds.sem_otime != 0, ds.sem_ctime != 0);
	ds.sem_perm.mode = 0444;
	OK("set", semctl(id, 0, IPC_SET, (union arg){ .buf = &ds }));
	a = child();
	if (a == 0) {
		if (geteuid() == 0) { setgid(4242); setuid(4242); }
		OK("read-zero", op(0, 0, IPC_NOWAIT));
		OK("alter-refused", op(0, 1, 0));
		VAL("getval-ok", ctl(0, GETVAL, 0));
		OK("setval-refused", ctl(0, SETVAL, 1));
		OK("get-refused", semget(key, 0, 0600));
		_exit(0);
	}
	reap(a);
	ds.sem_perm.mode = 0600;
	semctl(id, 0, IPC_SET, (union arg){ .buf = &ds });
	struct seminfo si;
	VAL("info", semctl(0, 0, IPC_INFO, (union arg){ .info = &si }) >= 0);
	say("semmap=%d mni=%d mns=%d mnu=%d msl=%d opm=%d ume=%d usz=%d vmx=%d aem=%d", si.semmap, si.semmni, si.semmns, si.semmnu, si.semmsl, si.semopm, si.semume, si.semusz, si.semvmx, si.semaem);
	a = waiter(&take1, 1, 1);
	until(0, GETNCNT, 1);
	OK("rmid", ctl(0, IPC_RMID, 0));
	say("eidrm=%d", WEXITSTATUS(reap(a)));
	OK("gone", op(0, 1, 0));
	OK("key-gone", semget(key, 0, 0));
	return 0;
}
