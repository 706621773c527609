/* musl */
/* inotify: a program is opened when it is executed, and closed when it ends, whether anybody asks for anything in between or not. */
#include "probe.h"
#include <poll.h>
#include <sys/inotify.h>

int main(int argc, char **argv)
{
	char b[65536];
	struct pollfd p = { .fd = inotify_init1(IN_NONBLOCK), .events = POLLIN };
	int from, to, opened = 0, closed = 0;
	ssize_t n;

	if (argc > 1)
		return 7;
	from = open("/proc/self/exe", O_RDONLY);
	MUST(from);
	to = open("prog", O_WRONLY | O_CREAT, 0755);
	MUST(to);
	while ((n = read(from, b, sizeof b)) > 0)
		MUST(write(to, b, n));
	close(from);
	close(to);
	MUST(inotify_add_watch(p.fd, "prog", IN_OPEN | IN_CLOSE));
	for (int i = 0; i < 3; i++) {
		pid_t pid = child();

		if (pid == 0) {
			execl("./prog", argv[0], "again", NULL);
			_exit(1);
		}
		say("status=%d", WEXITSTATUS(reap(pid)));
		/* It ends for its parent before it is closed, at times. */
		while (closed <= i && poll(&p, 1, 10000) > 0) {
			n = read(p.fd, b, sizeof b);
			for (char *e = b; e < b + n; e += sizeof(struct inotify_event) + ((struct inotify_event *)e)->len) {
				opened += !!(((struct inotify_event *)e)->mask & IN_OPEN);
				closed += !!(((struct inotify_event *)e)->mask & IN_CLOSE);
			}
		}
		say("opened=%d closed=%d", opened, closed);
	}
	from = open("prog", O_PATH);
	snprintf(b, sizeof b, "/proc/self/fd/%d", from);
	to = open(b, O_RDONLY);
	MUST(poll(&p, 1, 10000));
	n = read(p.fd, b, sizeof b);
	say("by a link of /proc: %x", ((struct inotify_event *)b)->mask);
	return 0;
}
