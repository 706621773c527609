/* Robust and priority-inheriting mutexes: a dead owner, in a thread and in a process. */
#include "probe.h"
#include <pthread.h>

static void *dies(void *m)
{
	pthread_mutex_lock(m);
	return NULL;
}

static void *locks(void *m)
{
	int r = pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
	return (void *)(long)r;
}
static void *tries(void *m) { return (void *)(long)pthread_mutex_trylock(m); }

static void play(const char *name, pthread_mutex_t *m)
{
	pthread_t t;
	void *r;
	char k[64];
#define KEY(x) (snprintf(k, sizeof k, "%s-%s", name, x), k)
	pthread_create(&t, NULL, dies, m);
	pthread_join(t, NULL);
	RC(KEY("owner-died"), pthread_mutex_lock(m));
	RC(KEY("consistent"), pthread_mutex_consistent(m));
	RC(KEY("unlock"), pthread_mutex_unlock(m));
	RC(KEY("again"), pthread_mutex_lock(m));
	pthread_create(&t, NULL, tries, m);
	pthread_join(t, &r);
	say("%s=%s", KEY("try-held"), errname((int)(long)r));
	pthread_create(&t, NULL, locks, m);
	char path[64];
	(void)path;
	RC(KEY("release"), pthread_mutex_unlock(m));
	pthread_join(t, &r);
	say("%s=%s", KEY("waiter"), errname((int)(long)r));
	int s;
	pid_t p = child();
	if (p == 0) {
		pthread_mutex_lock(m);
		kill(getpid(), SIGKILL);
	}
	waitpid(p, &s, 0);
	RC(KEY("process-died"), pthread_mutex_lock(m));
	RC(KEY("unlock-inconsistent"), pthread_mutex_unlock(m));
	RC(KEY("not-recoverable"), pthread_mutex_lock(m));
	pthread_mutex_destroy(m);
}

int main(void)
{
	pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	RC("init", pthread_mutex_init(m, &a));
	play("plain", m);
	RC("set-pi", pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
	RC("init-pi", pthread_mutex_init(m, &a));
	play("pi", m);
	pthread_mutexattr_t b;
	pthread_mutexattr_init(&b);
	pthread_mutexattr_setprotocol(&b, PTHREAD_PRIO_INHERIT);
	pthread_mutex_t pi;
	pthread_mutex_init(&pi, &b);
	RC("pi-lock", pthread_mutex_lock(&pi));
	pthread_t t;
	void *r;
	pthread_create(&t, NULL, locks, &pi);
	struct timespec past = { 1, 0 };
	(void)past;
	RC("pi-unlock", pthread_mutex_unlock(&pi));
	pthread_join(t, &r);
	say("pi-waiter=%s", errname((int)(long)r));
	return 0;
}
