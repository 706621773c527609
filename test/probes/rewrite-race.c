/* musl */
/* Threads that run through the same call sites at the same time, each site from its first call on: nobody gets a wrong result, or worse. */
#include "probe.h"
#include <pthread.h>

#define SITES 240
#define THREADS 4
#define CALLS 60

/* Sites of several shapes, at addresses that cross words and cache lines in every way. sites[i](nr, a, b). */
extern char sites[], sites_end[];
__asm__(
	".text\n.balign 64\n.globl sites\nsites:\n"
	".set i, 0\n.rept 60\n"
	/* 32 + 1 bytes each, so that the offsets wander */
	".set at, .\nmov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nsyscall\ncmp $-4095,%rax\njae 1f\nret\n1: neg %rax\nneg %rax\nret\n.fill 33-(.-at),1,0x90\n"
	".set at, .\nmov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nsyscall\nmov %rax,%rdx\nret\n.fill 33-(.-at),1,0x90\n"
	".set at, .\nmov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nsyscall\nret\nnop\nnop\nnop\n.fill 33-(.-at),1,0x90\n"
	".set at, .\nmov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nsyscall\ntest %eax,%eax\njs 1f\n1: ret\n.fill 33-(.-at),1,0x90\n"
	".endr\n.globl sites_end\nsites_end:\n");

typedef long (*site_fn)(long nr, long a, long b);

static pthread_barrier_t barrier;
static long pid;
static volatile int wrong;

static void *hammer(void *arg)
{
	struct timespec ts;
	long self = (long)arg;
	for (int s = 0; s < SITES; s++) {
		site_fn f = (site_fn)(sites + 33 * s);
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < CALLS; i++) {
			switch ((i + self) % 3) {
			case 0: if (f(SYS_getpid, 0, 0) != pid) wrong |= 1; break;
			case 1: if (f(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&ts) != 0) wrong |= 2; break;
			default: if (f(SYS_clock_gettime, CLOCK_MONOTONIC, 8) != -EFAULT) wrong |= 4; break;
			}
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];
	pid = getpid();
	IS("sites", sites_end - sites == 33 * SITES);
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (long i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, hammer, (void *)i);
	for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
	say("wrong=%d", wrong);
	return 0;
}
