/* fcntl(2) record locks: ranges, owners, release rules. */ /* musl */
#include "lock.h"

static pid_t holder;

static void query(const char *key, int fd, short type, long start, long len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	if (fcntl(fd, F_GETLK, &l) < 0) say("%s=%s", key, errname(errno));
	else if (l.l_type == F_UNLCK)
		say("%s=free", key);
	else
		say("%s=%s %ld+%ld %s", key, l.l_type == F_RDLCK ? "read" : "write", (long)l.l_start,
		        (long)l.l_len, l.l_pid == holder ? "holder" : "other");
}

int main(void)
{
	int s;
	put("f", "0123456789");
	int fd = open("f", O_RDWR), ro = open("f", O_RDONLY), wo = open("f", O_WRONLY);
	holder = getpid();
	OK("write-0-5", lk(fd, F_SETLK, F_WRLCK, 0, 5));
	OK("own-overlap", lk(fd, F_SETLK, F_RDLCK, 2, 2));
	query("own-query", fd, F_WRLCK, 0, 0);
	struct gate g = new_gate(), h = new_gate();
	pid_t pid = child();
	if (pid == 0) {
		query("q-0", fd, F_WRLCK, 0, 1);
		query("q-2", fd, F_WRLCK, 2, 1);
		query("q-2-read", fd, F_RDLCK, 2, 2);
		query("q-4", fd, F_RDLCK, 4, 1);
		query("q-5", fd, F_WRLCK, 5, 0);
		query("q-all", fd, F_WRLCK, 0, 0);
		OK("child-conflict", lk(fd, F_SETLK, F_WRLCK, 0, 1));
		OK("child-read-shared", lk(fd, F_SETLK, F_RDLCK, 2, 2));
		OK("child-free-part", lk(fd, F_SETLK, F_WRLCK, 5, 0));
		open_gate(&g);
		pass_gate(&h);
		_exit(0);
	}
	pass_gate(&g);
	holder = pid;
	query("parent-q", fd, F_WRLCK, 0, 0);
	query("parent-q-100", fd, F_RDLCK, 100, 1);
	OK("parent-conflict", lk(fd, F_SETLK, F_WRLCK, 100, 1));
	OK("parent-upgrade-shared", lk(fd, F_SETLK, F_WRLCK, 2, 2));
	open_gate(&h);
	wait(&s);
	query("after-exit", fd, F_WRLCK, 0, 0);
	OK("rd-on-wo", lk(wo, F_SETLK, F_RDLCK, 0, 1));
	OK("wr-on-ro", lk(ro, F_SETLK, F_WRLCK, 0, 1));
	OK("bad-type", lk(fd, F_SETLK, 7, 0, 1));
	OK("negative-start", lk(fd, F_SETLK, F_RDLCK, -1, 1));
	OK("badfd", lk(99, F_SETLK, F_RDLCK, 0, 1));
	OK("negative-length", lk(fd, F_SETLK, F_RDLCK, 10, -5));
	int p[2];
	MUST(pipe(p));
	OK("null", fcntl(fd, F_SETLK, NULL));
	/* Closing any descriptor of the file drops all of the process's locks. */
	MUST(lk(fd, F_SETLK, F_WRLCK, 0, 0));
	close(ro);
	holder = getpid();
	pid = child();
	if (pid == 0) {
		query("after-close-of-other", fd, F_WRLCK, 0, 0);
		_exit(0);
	}
	wait(&s);
	MUST(lk(fd, F_SETLK, F_WRLCK, 0, 0));
	pid = child();
	if (pid == 0) {
		query("not-inherited", fd, F_WRLCK, 0, 0);
		open_gate(&g);
		OK("setlkw", lk(fd, F_SETLKW, F_WRLCK, 0, 0));
		_exit(0);
	}
	pass_gate(&g);
	char path[32];
	snprintf(path, sizeof path, "/proc/%d", pid);
	await_state(path, "SD");
	say("unlock=now");
	lk(fd, F_SETLK, F_UNLCK, 0, 0);
	say_status("waiter", reap(pid));
	return 0;
}
