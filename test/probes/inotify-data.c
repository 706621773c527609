/* inotify: what is told of reading and writing, also by processes that have had the file open for long, through every call that moves data. */ /* musl */
#include "probe.h"
#include <sys/sendfile.h>
#include "inotify.h"

static int use(int fd, char *b)
{
	int n = 0;
	for (int i = 0; i < 20; i++) { lseek(fd, 0, SEEK_SET); n += read(fd, b, 3); }
	return n;
}

int main(void)
{
	char b[8192];
	memset(b, 'a', sizeof b);
	ifd = inotify_init1(IN_NONBLOCK);
	mkdir("d", 0755);
	put("d/old", "old content");
	put("d/read", "read content");
	/* Open and used before anybody watches. */
	int old = open("d/old", O_RDWR), rd = open("d/read", O_RDONLY), ap = open("d/old", O_WRONLY | O_APPEND);
	for (int i = 0; i < 20; i++) pwrite(old, "x", 1, 0);
	for (int i = 0; i < 20; i++) write(ap, "y", 1);
	say("used=%d %d", use(old, b), use(rd, b));
	struct gate go = new_gate(), done = new_gate();
	pid_t c = child();
	if (c == 0) {
		use(old, b);
		open_gate(&done);
		for (;;) {
			pass_gate(&go);
			if (write(ap, "z", 1) != 1 || pread(old, b, 1, 0) != 1) _exit(1);
			open_gate(&done);
		}
	}
	pass_gate(&done);
	OK("watch", watch("d", "d", IN_ALL_EVENTS));
	lseek(old, 2, SEEK_SET);
	events("begin");
	write(old, "1", 1);
	events("write");
	say("at=%d", (int)lseek(old, 0, SEEK_CUR));
	read(old, b, 1);
	events("read");
	pwrite(old, "2", 1, 0);
	events("pwrite");
	write(ap, "3", 1);
	events("append");
	lseek(rd, 0, SEEK_SET);
	read(rd, b, 1);
	events("read-only");
	read(rd, b, 0);
	lseek(rd, 0, SEEK_END);
	read(rd, b, 10);
	events("at-end");
	open_gate(&go);
	pass_gate(&done);
	events("by-child");
	kill(c, SIGKILL);
	reap(c);
	events("child-gone");
	OK("watch-old", watch("old", "d/old", IN_MODIFY | IN_CLOSE_WRITE));
	struct iovec v[2] = { { "ab", 2 }, { "cd", 2 } };
	writev(old, v, 2);
	events("writev");
	ftruncate(old, 5);
	events("ftruncate");
	truncate("d/old", 3);
	events("truncate");
	close(open("d/old", O_WRONLY | O_TRUNC));
	events("o-trunc");
	fallocate(old, 0, 0, 100);
	events("fallocate");
	off_t at = 0;
	sendfile(old, rd, &at, 4);
	events("sendfile");
	loff_t from = 0, to = 0;
	syscall(SYS_copy_file_range, rd, &from, old, &to, 4, 0);
	events("copy-range");
	int p[2];
	pipe(p);
	from = 0;
	splice(rd, &from, p[1], NULL, 4, 0);
	events("splice-out");
	splice(p[0], NULL, old, NULL, 4, 0);
	events("splice-in");
	char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, old, 0);
	m[0] = 'M';
	munmap(m, 4096);
	events("mmap");
	dup2(old, 100);
	write(100, "d", 1);
	events("dup");
	close(100);
	close(ap);
	events("close-ap");
	close(old);
	events("close-old");
	close(rd);
	events("close-rd");
	for (int i = 0; i < 30; i++) {
		int fd = open("d/read", O_RDONLY);
		for (int k = 0; k < 4; k++) pread(fd, b, 2, 0);
		close(fd);
	}
	int n = 0;
	struct pollfd pf = { ifd, POLLIN, 0 };
	while (poll(&pf, 1, 0) > 0) {
		ssize_t k = read(ifd, b, sizeof b);
		for (char *e = b; e < b + k; e += sizeof(struct inotify_event) + ((struct inotify_event *)e)->len) n++;
	}
	say("thirty-rounds=%d", n);
	int dir = open("d", O_RDONLY | O_DIRECTORY);
	syscall(SYS_getdents64, dir, b, sizeof b);
	events("getdents");
	close(dir);
	int path = open("d/read", O_PATH);
	close(path);
	events("o-path");
	c = child();
	if (c == 0) { int fd = open("d/child", O_CREAT | O_WRONLY, 0600); write(fd, "x", 1); _exit(0); }
	reap(c);
	events("exit-closes");
	c = child();
	if (c == 0) { int fd = open("d/child", O_RDONLY); (void)fd; raise(SIGKILL); }
	reap(c);
	events("kill-closes");
	return 0;
}
