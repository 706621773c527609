/* Mutexes of every type, condition variables, barriers, semaphores, read-write locks. */ /* musl */
#include "probe.h"
#include <pthread.h>
#include <semaphore.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t b;
static sem_t sem;
static long counter;
static int turn, serial;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;

static void *adder(void *a)
{
	(void)a;
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&m);
		counter++;
		pthread_mutex_unlock(&m);
	}
	return NULL;
}

static void *pinger(void *a)
{
	int me = (int)(long)a;
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&m);
		while (turn != me) pthread_cond_wait(&c, &m);
		turn = !me;
		counter++;
		pthread_cond_broadcast(&c);
		pthread_mutex_unlock(&m);
	}
	return NULL;
}

static void *barrier(void *a)
{
	(void)a;
	for (int i = 0; i < 50; i++)
		if (pthread_barrier_wait(&b) == PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *poster(void *a)
{
	(void)a;
	for (int i = 0; i < 1000; i++) sem_post(&sem);
	return NULL;
}

static void *reader(void *a)
{
	(void)a;
	long n = 0;
	for (int i = 0; i < 1000; i++) {
		pthread_rwlock_rdlock(&rw);
		n += counter >= 0;
		pthread_rwlock_unlock(&rw);
	}
	return (void *)n;
}
static void *trylock(void *a) { return (void *)(long)pthread_mutex_trylock(a); }

static void run(int n, void *(*f)(void *), int same)
{
	pthread_t t[8];
	for (long i = 0; i < n; i++) pthread_create(&t[i], NULL, f, (void *)(same ? 0 : i));
	for (int i = 0; i < n; i++) pthread_join(t[i], NULL);
}

int main(void)
{
	run(4, adder, 1);
	say("mutex=%ld", counter);
	counter = 0;
	run(2, pinger, 0);
	say("cond=%ld", counter);
	pthread_barrier_init(&b, NULL, 4);
	run(4, barrier, 1);
	say("barrier=%d", serial);
	sem_init(&sem, 0, 0);
	run(3, poster, 1);
	int v;
	sem_getvalue(&sem, &v);
	say("sem=%d", v);
	run(4, reader, 1);
	say("rwlock=ok");
	struct timespec past = { 1, 0 };
	pthread_mutex_lock(&m);
	RC("cond-timeout", pthread_cond_timedwait(&done, &m, &past));
	RC("mutex-timeout", pthread_mutex_timedlock(&m, &past));
	pthread_mutex_unlock(&m);
	sem_init(&sem, 0, 0);
	OK("sem-timeout", sem_timedwait(&sem, &past));
	OK("sem-try", sem_trywait(&sem));
	pthread_mutexattr_t a;
	pthread_mutex_t e;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&e, &a);
	RC("lock", pthread_mutex_lock(&e));
	RC("relock", pthread_mutex_lock(&e));
	RC("unlock", pthread_mutex_unlock(&e));
	RC("unlock-again", pthread_mutex_unlock(&e));
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&e, &a);
	RC("rec", pthread_mutex_lock(&e));
	RC("rec2", pthread_mutex_lock(&e));
	pthread_t t;
	void *r;
	pthread_create(&t, NULL, trylock, &e);
	pthread_join(t, &r);
	say("other-try=%s", errname((int)(long)r));
	/* Between processes. */
	struct {
		pthread_mutex_t m;
		long n;
		sem_t s;
	} *sh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&sh->m, &a);
	sem_init(&sh->s, 1, 0);
	int s;
	for (int i = 0; i < 3; i++)
		if (child() == 0) {
			for (int k = 0; k < 5000; k++) {
				pthread_mutex_lock(&sh->m);
				sh->n++;
				pthread_mutex_unlock(&sh->m);
			}
			sem_post(&sh->s);
			_exit(0);
		}
	for (int i = 0; i < 3; i++) sem_wait(&sh->s);
	for (int i = 0; i < 3; i++) wait(&s);
	say("shared=%ld", sh->n);
	return 0;
}
