/* epoll: level, edge, one-shot, errnos, nesting, closed and duplicated descriptors. */
#include "probe.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int ctl(int ep, int op, int fd, uint32_t events, int data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };
	return epoll_ctl(ep, op, fd, &e);
}

static void show(const char *key, int ep)
{
	struct epoll_event e[8];
	int n = epoll_wait(ep, e, 8, 0);
	char line[200] = "";
	for (int i = 1; i < n; i++)
		for (int k = i; k > 0 && e[k].data.u64 < e[k - 1].data.u64; k--) {
			struct epoll_event t = e[k];
			e[k] = e[k - 1];
			e[k - 1] = t;
		}
	for (int i = 0; i < n; i++) sprintf(line + strlen(line), " %d:%x", (int)e[i].data.u64, e[i].events);
	say("%s=%s%s", key, n < 0 ? errname(errno) : n == 0 ? "none" : "", line);
}

int main(void)
{
	int p[2], ep = epoll_create1(0), ep2 = epoll_create1(0);
	char b[16];
	MUST(pipe(p));
	put("f", "x");
	int file = open("f", O_RDWR);
	OK("add", ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	OK("add-again", ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	OK("mod-missing", ctl(ep, EPOLL_CTL_MOD, p[1], EPOLLIN, 1));
	OK("del-missing", ctl(ep, EPOLL_CTL_DEL, p[1], 0, 1));
	OK("file", ctl(ep, EPOLL_CTL_ADD, file, EPOLLIN, 1));
	OK("self", ctl(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 1));
	OK("badfd", ctl(ep, EPOLL_CTL_ADD, 99, EPOLLIN, 1));
	OK("bad-ep", ctl(99, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	OK("not-epoll", ctl(p[0], EPOLL_CTL_ADD, p[1], EPOLLIN, 1));
	OK("bad-op", ctl(ep, 77, p[1], EPOLLIN, 1));
	OK("null", epoll_ctl(ep, EPOLL_CTL_ADD, p[1], NULL));
	struct epoll_event e[2];
	OK("maxevents-0", epoll_wait(ep, e, 0, 0));
	OK("maxevents-minus", epoll_wait(ep, e, -1, 0));
	OK("wait-badfd", epoll_wait(99, e, 1, 0));
	OK("wait-not-epoll", epoll_wait(p[0], e, 1, 0));
	OK("create-flags", epoll_create1(1));
	OK("create-0", epoll_create(0));
	VAL("read", read(ep, b, 1));
	VAL("timeout", epoll_wait(ep, e, 1, 2));
	show("empty", ep);
	write(p[1], "ab", 2);
	show("level", ep);
	show("level-again", ep);
	read(p[0], b, 1);
	show("still", ep);
	OK("edge", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 2));
	show("edge", ep);
	show("edge-again", ep);
	write(p[1], "c", 1);
	show("edge-new-data", ep);
	read(p[0], b, 1);
	show("edge-after-read", ep);
	OK("oneshot", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 3));
	show("oneshot", ep);
	write(p[1], "d", 1);
	show("oneshot-spent", ep);
	OK("rearm", ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 4));
	show("rearmed", ep);
	OK("nest", ctl(ep2, EPOLL_CTL_ADD, ep, EPOLLIN, 9));
	show("nest-quiet", ep2);
	ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN, 5);
	show("nest-ready", ep2);
	OK("loop", ctl(ep, EPOLL_CTL_ADD, ep2, EPOLLIN, 9));
	ctl(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT, 6);
	show("two", ep);
	int d = dup(p[1]);
	close(p[1]);
	show("closed-but-dup", ep);
	close(d);
	show("hup", ep);
	read(p[0], b, 16);
	show("hup-empty", ep);
	close(p[0]);
	show("closed", ep);
	show("nest-after", ep2);
	int ev = eventfd(0, 0);
	OK("event-add", ctl(ep, EPOLL_CTL_ADD, ev, EPOLLIN | EPOLLOUT | EPOLLET, 7));
	show("event-out", ep);
	show("event-quiet", ep);
	eventfd_write(ev, 1);
	show("event-in", ep);
	eventfd_write(ev, 1);
	show("event-in-again", ep);
	int n = dup(ev);
	OK("dup-is-other", ctl(ep, EPOLL_CTL_ADD, n, EPOLLIN, 8));
	show("both", ep);
	OK("del", ctl(ep, EPOLL_CTL_DEL, ev, 0, 0));
	show("one", ep);
	OK("exclusive-mod", ctl(ep, EPOLL_CTL_MOD, n, EPOLLIN | EPOLLEXCLUSIVE, 8));
	struct gate g = new_gate();
	pid_t c = child();
	if (c == 0) {
		struct epoll_event x;
		int q = epoll_create1(0);
		ctl(q, EPOLL_CTL_ADD, g.fd[0], EPOLLIN, 1);
		int r = epoll_wait(q, &x, 1, -1);
		say("woken=%d %x", r, x.events);
		_exit(0);
	}
	char path[32];
	snprintf(path, 32, "/proc/%d", c);
	await_state(path, "S");
	open_gate(&g);
	say_status("child", reap(c));
	signal(SIGUSR1, SIG_IGN);
	sigset_t m;
	sigemptyset(&m);
	VAL("pwait-size", syscall(SYS_epoll_pwait, ep, e, 1, 0, &m, 4));
	return 0;
}
