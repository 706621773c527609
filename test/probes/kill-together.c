/* musl */
/* A signal to a process group ends all of it: nobody of a pipeline sees that another is gone, and ends by itself, before it is killed as well. */
#include "probe.h"

static int killed(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGINT; }

int main(void)
{
	int writers = 0, readers = 0;

	for (int i = 0; i < 200; i++) {
		int fd[2];
		pid_t w, r;
		char c, dir[32];

		MUST(pipe(fd));
		w = child();
		if (w == 0) {
			setpgid(0, 0);
			close(fd[0]);
			for (;;)
				pause();
		}
		setpgid(w, w);
		r = child();
		if (r == 0) {
			setpgid(0, w);
			close(fd[1]);
			_exit(read(fd[0], &c, 1) == 0 ? 0 : 1);
		}
		setpgid(r, w);
		close(fd[0]);
		close(fd[1]);
		if (i % 4 == 0) {
			snprintf(dir, sizeof dir, "/proc/%d", (int)r);
			await_state(dir, "S");
		}
		MUST(kill(-w, SIGINT));
		writers += killed(reap(w));
		readers += killed(reap(r));
	}
	say("writers=%d readers=%d", writers, readers);
	return 0;
}
