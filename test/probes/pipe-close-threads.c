/* Threads that make and close pipes at the same time: a reader sees the end as soon as the last writer has closed. */
#include "probe.h"
#include <poll.h>
#include <pthread.h>

#define THREADS 6
#define ROUNDS 1500

static int stuck[THREADS];

static void *churn(void *arg)
{
	int *count = arg;

	for (int i = 0; i < ROUNDS && *count == 0; i++) {
		struct pollfd f = { .events = POLLIN };
		int p[2];
		char c;

		if (pipe2(p, O_CLOEXEC) < 0) {
			*count = errno;
			break;
		}
		close(p[1]);
		f.fd = p[0];
		if (poll(&f, 1, 5000) != 1 || !(f.revents & POLLHUP) || read(p[0], &c, 1) != 0)
			*count = -1;
		close(p[0]);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		MUST(-pthread_create(&t[i], NULL, churn, &stuck[i]));
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < THREADS; i++)
		say("stuck=%d", stuck[i]);
	return 0;
}
