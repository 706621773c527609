/* Threads: create, join, values, thread-local data, ids. */ /* musl */
#include "probe.h"
#include <pthread.h>

static __thread int tls = 7;
static _Atomic int count;
static pthread_key_t key;
static _Atomic int destroyed;
static pid_t pid;

static void destroy(void *p)
{
	(void)p;
	destroyed++;
}

static void *fn(void *a)
{
	count++;
	if (tls == 7) count += 100;
	tls = (int)(long)a;
	pthread_setspecific(key, a ? a : (void *)99);
	if (getpid() != pid || syscall(SYS_gettid) == pid) count += 10000;
	return (void *)((long)a * 2);
}

static void *nested(void *a)
{
	pthread_t t;
	void *r;
	pthread_create(&t, NULL, fn, a);
	pthread_join(t, &r);
	return r;
}

static void *exits(void *a)
{
	(void)a;
	pthread_exit((void *)55L);
}

static void *cancelled(void *a)
{
	char c;
	(void)!read((int)(long)a, &c, 1);
	return NULL;
}

int main(void)
{
	pthread_t t[32];
	void *r;
	long sum = 0;
	pid = getpid();
	pthread_key_create(&key, destroy);
	IS("main-tid", syscall(SYS_gettid) == pid);
	for (long i = 0; i < 32; i++) MUST(-pthread_create(&t[i], NULL, fn, (void *)i));
	for (int i = 0; i < 32; i++) {
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	say("sum=%ld count=%d tls=%d destroyed=%d", sum, count, tls, destroyed);
	pthread_create(t, NULL, nested, (void *)21);
	pthread_join(*t, &r);
	say("nested=%ld", (long)r);
	pthread_create(t, NULL, exits, NULL);
	pthread_join(*t, &r);
	say("pthread-exit=%ld", (long)r);
	int p[2];
	MUST(pipe(p));
	pthread_create(t, NULL, cancelled, (void *)(long)p[0]);
	RC("cancel", pthread_cancel(*t));
	pthread_join(*t, &r);
	IS("cancelled", r == PTHREAD_CANCELED);
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 1 << 20);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	struct gate g = new_gate();
	(void)g;
	RC("detached", pthread_create(t, &a, exits, NULL));
	for (int round = 0; round < 200; round++) {
		pthread_create(t, NULL, fn, NULL);
		pthread_join(*t, NULL);
	}
	say("two-hundred=%d", count);
	int s;
	pid_t c = child();
	if (c == 0) {
		IS("fork-has-one", syscall(SYS_gettid) == getpid());
		say("tls-in-child=%d", tls);
		_exit(0);
	}
	wait(&s);
	say_status("child", s);
	return 0;
}
