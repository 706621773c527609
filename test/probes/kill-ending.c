/* musl */
/* What is sent to a process while it ends is nobody else's: the next child, which may get its place, ends as it should. */
#include "probe.h"
#include <stdatomic.h>

static void nothing(int signo) { (void)signo; }

int main(void)
{
	_Atomic pid_t *target = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t sender;
	int good = 0, fd[2];

	signal(SIGUSR1, nothing);
	signal(SIGUSR2, nothing);
	sender = child();
	if (sender == 0)
		for (pid_t last = 0;;) {
			pid_t p = *target;

			for (int n = 0; p != last && n < 30; n++) {
				kill(p, SIGUSR1);
				kill(p, SIGUSR2);
			}
			last = p;
			usleep(20);
		}
	for (int i = 0; i < 120; i++) {
		pid_t p[3];

		/* Nobody waits for the first while it ends and the others are made. */
		for (int k = 0; k < 3; k++) {
			p[k] = child();
			if (p[k] == 0) {
				/* Something to let go of. */
				MUST(pipe(fd));
				_exit(0);
			}
			*target = p[k];
			for (volatile int n = 0; n < 40000 * (i % 8); n++)
				;
		}
		for (int k = 0; k < 3; k++)
			good += reap(p[k]) == 0;
	}
	MUST(kill(sender, SIGKILL));
	say("sender=%d good=%d", WTERMSIG(reap(sender)), good);
	return 0;
}
