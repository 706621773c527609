/* fcntl(2), F_GETLK: of several locks in the way, the owner's lowest, whenever it was set. */
#include "lock.h"

static void query(const char *key, int fd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	pid_t pid = fork();
	int status;

	MUST(pid);
	if (pid == 0) {
		MUST(fcntl(fd, F_GETLK, &l));
		say("%s=%s %ld+%ld", key, l.l_type == F_RDLCK ? "read" : l.l_type == F_WRLCK ? "write" : "none", (long)l.l_start, (long)l.l_len);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0));
}

int main(void)
{
	int fd = open("lock-order", O_RDWR | O_CREAT, 0600);

	MUST(fd);
	MUST(lk(fd, F_SETLK, F_WRLCK, 10, 5));
	query("one", fd);
	MUST(lk(fd, F_SETLK, F_RDLCK, 1, 5));
	query("a-lower-one-later", fd);
	MUST(lk(fd, F_SETLK, F_RDLCK, 20, 5));
	query("a-higher-one", fd);
	MUST(lk(fd, F_SETLK, F_WRLCK, 3, 1));
	query("one-split", fd);
	MUST(lk(fd, F_SETLK, F_UNLCK, 0, 3));
	query("its-first-part-gone", fd);
	MUST(lk(fd, F_SETLK, F_WRLCK, 0, 12));
	query("joined", fd);
	MUST(lk(fd, F_SETLK, F_UNLCK, 0, 0));
	query("none", fd);
	return 0;
}
