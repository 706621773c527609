/* Open file description locks: F_OFD_SETLK. */
#include "lock.h"

int main(void)
{
	int s;
	put("f", "0123456789");
	int a = open("f", O_RDWR), b = open("f", O_RDWR), d = dup(a);
	OK("a", lk(a, F_OFD_SETLK, F_WRLCK, 0, 5));
	OK("b-conflict", lk(b, F_OFD_SETLK, F_WRLCK, 0, 1));
	OK("dup-same", lk(d, F_OFD_SETLK, F_RDLCK, 0, 5));
	OK("b-read", lk(b, F_OFD_SETLK, F_RDLCK, 1, 1));
	OK("a-upgrade", lk(a, F_OFD_SETLK, F_WRLCK, 0, 5));
	OK("posix-conflict", lk(a, F_SETLK, F_WRLCK, 0, 1));
	pid_t pid = child();
	if (pid == 0) {
		OK("child-shares", lk(a, F_OFD_SETLK, F_UNLCK, 0, 0));
		_exit(0);
	}
	wait(&s);
	OK("b-upgrade-after-child", lk(b, F_OFD_SETLK, F_WRLCK, 0, 5));
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	MUST(fcntl(a, F_OFD_GETLK, &l));
	say("getlk=%d pid=%d", l.l_type, l.l_pid);
	l = (struct flock){ .l_type = F_WRLCK, .l_pid = 5 };
	OK("pid-must-be-0", fcntl(a, F_OFD_SETLK, &l));
	close(b);
	OK("free-after-close", lk(a, F_OFD_SETLK, F_WRLCK, 0, 0));
	close(a);
	b = open("f", O_RDWR);
	OK("dup-holds", lk(b, F_OFD_SETLK, F_WRLCK, 0, 0));
	close(d);
	OK("gone", lk(b, F_OFD_SETLK, F_WRLCK, 0, 0));
	return 0;
}
