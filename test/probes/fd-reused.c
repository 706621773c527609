/*
 * The number of a file that one thread closes is the next pipe's in another: the pipe is as new. Its end is told when its only writing end is closed, and what
 * is written to it comes out.
 */
#include "probe.h"
#include <poll.h>
#include <pthread.h>

#define ROUNDS 4000

static volatile int over;

static void *files(void *arg)
{
	while (!over) {
		int a = open("/etc/passwd", O_RDONLY), b = open("/etc/group", O_RDONLY);

		close(a);
		close(b);
	}
	return arg;
}

int main(void)
{
	int no_end = 0, no_data = 0;
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, files, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		struct pollfd f = { .events = POLLIN };
		char c = 0;
		int p[2];

		MUST(pipe2(p, i % 2 ? O_CLOEXEC : 0));
		f.fd = p[0];
		if (write(p[1], "x", 1) != 1 || read(p[0], &c, 1) != 1 || c != 'x')
			no_data++;
		close(p[1]);
		if (poll(&f, 1, 2000) != 1 || f.revents != POLLHUP)
			no_end++;
		close(p[0]);
	}
	over = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	say("without data %d, without an end %d", no_data, no_end);
	return 0;
}
