/* Offsets and flags are shared over fork; the table of descriptors is not. */ /* musl */
#include "probe.h"

int main(void)
{
	char c;
	int s;
	put("f", "0123456789");
	int fd = open("f", O_RDWR);
	struct gate g = new_gate(), h = new_gate();
	pid_t pid = child();
	if (pid == 0) {
		MUST(read(fd, &c, 1));
		say("child-read=%c", c);
		fcntl(fd, F_SETFL, O_APPEND);
		close(fd);
		VAL("child-opens", open("f", O_RDONLY) == fd ? 0 : 1);
		open_gate(&g);
		pass_gate(&h);
		MUST(lseek(fd, 0, SEEK_END));
		_exit(0);
	}
	pass_gate(&g);
	MUST(read(fd, &c, 1));
	say("parent-read=%c", c);
	VAL("append-seen", fcntl(fd, F_GETFL) & O_APPEND);
	open_gate(&h);
	wait(&s);
	VAL("own-offset", lseek(fd, 0, SEEK_CUR));
	pid = child();
	if (pid == 0) {
		lseek(fd, 7, SEEK_SET);
		_exit(0);
	}
	wait(&s);
	VAL("moved-by-child", lseek(fd, 0, SEEK_CUR));
	pid = child();
	if (pid == 0) {
		close(fd);
		fcntl(0, F_SETFD, FD_CLOEXEC);
		_exit(0);
	}
	wait(&s);
	OK("still-open", fcntl(fd, F_GETFD));
	return 0;
}
