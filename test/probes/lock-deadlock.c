/* fcntl(2) F_SETLKW finds a cycle of two: EDEADLK. */ /* musl */
#include "lock.h"

int main(void)
{
	put("f", "ab");
	int fd = open("f", O_RDWR);
	struct gate g = new_gate();
	char path[32];
	MUST(lk(fd, F_SETLK, F_WRLCK, 0, 1));
	pid_t pid = child();
	if (pid == 0) {
		MUST(lk(fd, F_SETLK, F_WRLCK, 1, 1));
		open_gate(&g);
		int r = lk(fd, F_SETLKW, F_WRLCK, 0, 1);
		_exit(r == 0 ? 7 : 8);
	}
	pass_gate(&g);
	snprintf(path, sizeof path, "/proc/%d", pid);
	await_state(path, "SD");
	OK("second-waits", lk(fd, F_SETLKW, F_WRLCK, 1, 1));
	OK("conflict", lk(fd, F_SETLK, F_WRLCK, 1, 1));
	OK("unlock", lk(fd, F_SETLK, F_UNLCK, 0, 1));
	say_status("first-got-it", reap(pid));
	OK("free", lk(fd, F_SETLK, F_WRLCK, 1, 1));
	return 0;
}
