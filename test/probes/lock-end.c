/*
 * Locks of a file that was only read end with the process that holds them, before anybody can wait for it: with its exit, with a signal, and with an exec that closes
 * the descriptor. A descriptor that somebody else still has keeps them.
 */
#include "probe.h"
#include <sys/file.h>

static int take(int fd) { return flock(fd, LOCK_EX | LOCK_NB) ? errno : 0; }

static int take_ofd(int fd)
{
	struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &l) ? errno : 0;
}

/* Can somebody else write-lock it (with a description of their own)? */
static int is_free(int (*by)(int))
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open("f", O_RDWR), r;

	MUST(fd);
	r = by == take ? take(fd) : fcntl(fd, F_OFD_SETLK, &l) ? errno : 0;
	close(fd);
	return r;
}

static void ends(const char *key, int (*lock)(int), int how)
{
	int held = 0, failed = 0;

	for (int i = 0; i < 30; i++) {
		struct gate locked = new_gate(), go = new_gate();
		int pid = fork(), st;

		if (pid == 0) {
			int fd = open("f", O_RDONLY | (how == 2 ? O_CLOEXEC : 0));

			failed |= fd < 0 || lock(fd) != 0;
			open_gate(&locked);
			pass_gate(&go);
			if (how == 1)
				kill(getpid(), SIGKILL);
			if (how == 2)
				execl("/proc/self/exe", "lock-end", "end", NULL);
			_exit(failed);
		}
		pass_gate(&locked);
		held += is_free(lock) != 0;
		open_gate(&go);
		MUST(waitpid(pid, &st, 0));
		failed |= is_free(lock) != 0 || (WIFEXITED(st) && WEXITSTATUS(st) != 0);
	}
	say("%s.held=%d failed=%d", key, held, failed);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return 0;
	put("f", "text");
	ends("flock.exit", take, 0);
	ends("flock.kill", take, 1);
	ends("flock.exec", take, 2);
	ends("ofd.exit", take_ofd, 0);
	ends("ofd.kill", take_ofd, 1);
	ends("ofd.exec", take_ofd, 2);

	int fd = open("f", O_RDONLY), st, pid;
	MUST(fd);
	MUST(flock(fd, LOCK_EX));
	pid = fork();
	if (pid == 0)
		_exit(0);
	MUST(waitpid(pid, &st, 0));
	say("kept=%s", errname(is_free(take)));
	close(fd);
	say("closed=%s", errname(is_free(take)));
	return 0;
}
