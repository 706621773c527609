/* inotify: errors, masks and their flags, removal of watches, sizes of reads, waiting, poll, epoll, the number of bytes, fork. */ /* musl */
#include "probe.h"
#include <sys/epoll.h>
#include "inotify.h"

static void on_alarm(int s) { (void)s; }

int main(void)
{
	char b[4096] __attribute__((aligned(8)));
	OK("init-flags", inotify_init1(1));
	ifd = inotify_init();
	OK("init", ifd);
	say("cloexec=%d flags=%x", fcntl(ifd, F_GETFD), fcntl(ifd, F_GETFL));
	close(ifd);
	ifd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	say("cloexec=%d flags=%x", fcntl(ifd, F_GETFD), fcntl(ifd, F_GETFL));
	struct stat st;
	fstat(ifd, &st);
	say("mode=%o", st.st_mode);
	ssize_t n = readlink("/proc/self/fd/3", b, sizeof b);
	say("link=%.*s", (int)n, b);
	mkdir("d", 0755);
	put("d/f", "text");
	symlink("d/f", "sym");
	OK("no-mask", inotify_add_watch(ifd, "d", 0));
	OK("bad-mask", inotify_add_watch(ifd, "d", 0x1000));
	OK("bad-fd", inotify_add_watch(99, "d", IN_OPEN));
	OK("other-fd", inotify_add_watch(1, "d", IN_OPEN));
	OK("add-and-create", inotify_add_watch(ifd, "d", IN_OPEN | IN_MASK_ADD | 0x10000000));
	OK("missing", inotify_add_watch(ifd, "nothing", IN_OPEN));
	OK("fault", inotify_add_watch(ifd, (void *)8, IN_OPEN));
	OK("empty", inotify_add_watch(ifd, "", IN_OPEN));
	OK("onlydir", inotify_add_watch(ifd, "d/f", IN_OPEN | IN_ONLYDIR));
	OK("onlydir-link", inotify_add_watch(ifd, "sym", IN_OPEN | IN_ONLYDIR | IN_DONT_FOLLOW));
	VAL("first", watch("f", "d/f", IN_OPEN));
	VAL("same", watch("f", "sym", IN_OPEN));
	VAL("link-itself", watch("sym", "sym", IN_ALL_EVENTS | IN_DONT_FOLLOW));
	OK("create-have", inotify_add_watch(ifd, "d/f", IN_OPEN | 0x10000000));
	VAL("dir", watch("d", "d", IN_CREATE));
	close(open("d/f", O_RDONLY));
	events("open-only");
	VAL("mask-add", watch("f", "d/f", IN_CLOSE_NOWRITE | IN_MASK_ADD));
	close(open("d/f", O_RDONLY));
	events("added");
	VAL("mask-replace", watch("f", "d/f", IN_CLOSE_NOWRITE));
	close(open("d/f", O_RDONLY));
	events("replaced");
	chmod("d", 0711);
	events("unwanted");
	OK("rm-none", inotify_rm_watch(ifd, 77));
	OK("rm-bad-fd", inotify_rm_watch(99, 1));
	OK("rm-other", inotify_rm_watch(1, 1));
	OK("rm", inotify_rm_watch(ifd, 1));
	OK("rm-again", inotify_rm_watch(ifd, 1));
	events("ignored");
	VAL("after-rm", watch("f2", "d/f", IN_OPEN | IN_ONESHOT));
	close(open("d/f", O_RDONLY));
	close(open("d/f", O_RDONLY));
	events("oneshot");
	OK("oneshot-gone", inotify_rm_watch(ifd, 4));
	VAL("excl", watch("d", "d", IN_ALL_EVENTS | IN_EXCL_UNLINK));
	put("d/gone", "x");
	int fd = open("d/gone", O_RDWR);
	unlink("d/gone");
	events("before-excl");
	write(fd, "y", 1);
	close(fd);
	events("excl");

	/* Reading. */
	put("d/0123456789abcde", "x");
	int bytes = -1;
	OK("fionread", ioctl(ifd, FIONREAD, &bytes));
	say("bytes=%d", bytes);
	OK("too-small", read(ifd, b, 16));
	VAL("one-event", read(ifd, b, 40));
	VAL("two-events", read(ifd, b, 79));
	OK("write", write(ifd, b, 1));
	OK("pread", pread(ifd, b, 100, 0));
	OK("lseek", lseek(ifd, 0, SEEK_SET));
	events("rest");
	VAL("empty-queue", read(ifd, b, 100));
	for (int i = 0; i < 5; i++) chmod("d/f", 0600 + i % 2);
	events("same-merged");
	struct pollfd p = { ifd, POLLIN | POLLOUT, 0 };
	VAL("poll-empty", poll(&p, 1, 0));
	int ep = epoll_create1(0);
	struct epoll_event ev = { EPOLLIN | EPOLLET, { .u32 = 1 } };
	epoll_ctl(ep, EPOLL_CTL_ADD, ifd, &ev);
	VAL("epoll-empty", epoll_wait(ep, &ev, 1, 0));
	chmod("d/f", 0600);
	VAL("epoll-event", epoll_wait(ep, &ev, 1, 5000));
	VAL("epoll-edge", epoll_wait(ep, &ev, 1, 0));
	chmod("d", 0700);
	VAL("epoll-again", epoll_wait(ep, &ev, 1, 5000));
	p.revents = 0;
	poll(&p, 1, 0);
	say("revents=%x", p.revents);
	events("epoll");
	fcntl(ifd, F_SETFL, 0);
	pid_t c = child();
	if (c == 0) { usleep(20000); close(open("d/late", O_CREAT | O_WRONLY, 0600)); _exit(0); }
	n = read(ifd, b, sizeof b);
	say("waited=%.8s", n > 16 ? ((struct inotify_event *)b)->name : "nothing");
	reap(c);
	while (p.revents = 0, poll(&p, 1, 0) > 0) read(ifd, b, sizeof b);
	struct sigaction sa = { .sa_handler = on_alarm };
	sigaction(SIGALRM, &sa, NULL);
	alarm_again_and_again();
	VAL("interrupted", read(ifd, b, sizeof b));
	alarm(DEADLINE);
	c = child();
	if (c == 0) { OK("child-add", watch("here", ".", IN_CREATE)); _exit(0); }
	reap(c);
	mkdir("made", 0755);
	n = read(ifd, b, sizeof b);
	say("shared-instance=%d", (int)((struct inotify_event *)b)->len);
	if (geteuid() != 0) {
		mkdir("secret", 0300);
		OK("unreadable", inotify_add_watch(ifd, "secret", IN_OPEN));
	} else {
		say("unreadable=EACCES");
	}
	/* A full queue. */
	int most = 0;
	sscanf(get("/proc/sys/fs/inotify/max_queued_events"), "%d", &most);
	say("limit=%d", most > 0);
	VAL("full-watch", watch("d", "d", IN_ATTRIB) > 0);
	put("d/g", "x");
	events("before-full");
	for (int i = 0; i < most / 2 + 10; i++) { chmod("d/f", 0600); chmod("d/g", 0600); }
	int count = 0, over = 0;
	while (poll(&p, 1, 0) > 0 && (n = read(ifd, b, sizeof b)) > 0)
		for (char *e = b; e < b + n; e += sizeof(struct inotify_event) + ((struct inotify_event *)e)->len) {
			count++;
			if (((struct inotify_event *)e)->mask & IN_Q_OVERFLOW) over = count;
		}
	say("overflow=%d last=%d", count == most + 1, over == count);
	chmod("d/f", 0644);
	events("after-overflow");
	return 0;
}
