/* flock(2): per open file description, shared over fork and dup. */ /* musl */
#include "probe.h"
#include <sys/file.h>

int main(void)
{
	int s;
	put("f", "");
	int a = open("f", O_RDWR), b = open("f", O_RDONLY), d = dup(a);
	OK("ex", flock(a, LOCK_EX | LOCK_NB));
	OK("other-ex", flock(b, LOCK_EX | LOCK_NB));
	OK("other-sh", flock(b, LOCK_SH | LOCK_NB));
	OK("dup-same", flock(d, LOCK_EX | LOCK_NB));
	OK("downgrade", flock(d, LOCK_SH));
	OK("sh-sh", flock(b, LOCK_SH | LOCK_NB));
	OK("upgrade", flock(a, LOCK_EX | LOCK_NB));
	OK("un-b", flock(b, LOCK_UN));
	OK("ex-again", flock(a, LOCK_EX | LOCK_NB));
	pid_t pid = child();
	if (pid == 0) {
		OK("child-inherits", flock(a, LOCK_EX | LOCK_NB));
		OK("child-other", flock(open("f", O_RDONLY), LOCK_SH | LOCK_NB));
		close(a);
		close(d);
		_exit(0);
	}
	wait(&s);
	OK("kept-after-child", flock(b, LOCK_SH | LOCK_NB));
	close(a);
	OK("kept-by-dup", flock(b, LOCK_SH | LOCK_NB));
	close(d);
	OK("free-after-last", flock(b, LOCK_EX | LOCK_NB));
	OK("bad-op", flock(b, 77));
	OK("no-op", flock(b, LOCK_NB));
	OK("badfd", flock(99, LOCK_SH));
	OK("un-twice", (flock(b, LOCK_UN), flock(b, LOCK_UN)));
	/* A blocked locker gets it when the holder lets go. */
	MUST(flock(b, LOCK_EX));
	struct gate g = new_gate();
	pid = child();
	if (pid == 0) {
		int fd = open("f", O_RDONLY);
		open_gate(&g);
		OK("waited", flock(fd, LOCK_EX));
		_exit(0);
	}
	pass_gate(&g);
	char path[32];
	snprintf(path, sizeof path, "/proc/%d", pid);
	await_state(path, "SD");
	say("releasing=now");
	flock(b, LOCK_UN);
	s = reap(pid);
	say_status("child", s);
	OK("child-death-frees", flock(b, LOCK_EX | LOCK_NB));
	return 0;
}
