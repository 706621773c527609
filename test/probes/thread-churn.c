/* Threads that exit before their maker has finished making them: none is forgotten. */
#include "probe.h"
#include <pthread.h>

static void *nothing(void *arg) { return arg; }

static int threads(void)
{
	char line[256];
	int n = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof line, f))
		sscanf(line, "Threads: %d", &n);
	if (f) fclose(f);
	return n;
}

int main(void)
{
	pthread_t t[4];

	/* More than any table of slots holds. */
	for (int i = 0; i < 300; i++) {
		for (int k = 0; k < 4; k++)
			if (pthread_create(&t[k], NULL, nothing, NULL)) {
				say("create failed in round %d", i);
				return 1;
			}
		for (int k = 0; k < 4; k++) pthread_join(t[k], NULL);
	}
	/* A joined thread may still be on its way out. */
	while (threads() != 1) usleep(1000);
	say("threads=1");
	return 0;
}
