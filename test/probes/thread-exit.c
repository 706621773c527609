/* Ends of threads and processes: exit of main, exec from a thread, exit_group, a fatal signal. */
#include "probe.h"
#include <pthread.h>

static struct gate g;

static void *exits_later(void *a)
{
	(void)a;
	char path[32];
	snprintf(path, sizeof path, "/proc/self/task/%d", getpid());
	await_state(path, "Z");
	say("main-thread=gone");
	exit(21);
	return NULL;
}

static void *forever(void *a)
{
	(void)a;
	open_gate(&g);
	for (;;) pause();
	return NULL;
}

static void *execs(void *a)
{
	(void)a;
	execl("/bin/sh", "sh", "-c", "[ $$ = $WANT ] && exit 12; exit 13", (char *)NULL);
	return NULL;
}

static void *quits(void *a)
{
	(void)a;
	_exit(23);
}

int main(void)
{
	int s;
	pthread_t t[4];
	g = new_gate();
	pid_t p = child();
	if (p == 0) {
		pthread_create(t, NULL, exits_later, NULL);
		pthread_exit(NULL);
	}
	waitpid(p, &s, 0);
	say_status("main-exits-first", s);
	p = child();
	if (p == 0) {
		for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, forever, NULL);
		for (int i = 0; i < 3; i++) pass_gate(&g);
		_exit(22);
	}
	waitpid(p, &s, 0);
	say_status("exit-with-threads", s);
	p = child();
	if (p == 0) {
		for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, forever, NULL);
		for (int i = 0; i < 3; i++) pass_gate(&g);
		char w[32];
		sprintf(w, "%d", getpid());
		setenv("WANT", w, 1);
		pthread_create(&t[3], NULL, execs, NULL);
		for (;;) pause();
	}
	waitpid(p, &s, 0);
	say_status("exec-from-thread", s);
	p = child();
	if (p == 0) {
		pthread_create(t, NULL, quits, NULL);
		for (;;) pause();
	}
	waitpid(p, &s, 0);
	say_status("exit-from-thread", s);
	p = child();
	if (p == 0) {
		struct rlimit c = { 0, 0 };
		setrlimit(RLIMIT_CORE, &c);
		pthread_create(t, NULL, forever, NULL);
		pass_gate(&g);
		pthread_kill(t[0], SIGTERM);
		for (;;) pause();
	}
	waitpid(p, &s, 0);
	say_status("thread-killed", s);
	p = child();
	if (p == 0) {
		pthread_create(t, NULL, forever, NULL);
		pass_gate(&g);
		syscall(SYS_exit, 5);
	}
	char path[64];
	snprintf(path, sizeof path, "/proc/%d", p);
	await_state(path, "Z");
	VAL("leader-zombie-not-waitable", waitpid(p, &s, WNOHANG));
	kill(p, SIGTERM);
	waitpid(p, &s, 0);
	say_status("then-killed", s);
	return 0;
}
