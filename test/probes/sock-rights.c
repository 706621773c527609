/* sendmsg and recvmsg: gather, scatter, passing descriptors. */
#include "probe.h"
#include <sys/socket.h>

static union {
	struct cmsghdr h;
	char space[CMSG_SPACE(4 * sizeof(int))];
} u;

static long pass(int s, int *fds, int n)
{
	struct iovec v = { "x", 1 };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &u,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	return sendmsg(s, &m, 0);
}

static int take(int s, int *fds, int room, int flags, int *mflags)
{
	char b;
	struct iovec v = { &b, 1 };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &u,
		.msg_controllen = CMSG_SPACE(room * sizeof(int)) };
	if (recvmsg(s, &m, flags) < 0) return -errno;
	*mflags = m.msg_flags;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS) return 0;
	int n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	return n;
}

int main(void)
{
	int s[2], fds[4], got[8], f = 0, n;
	char a[4] = "", b[8] = "";
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	put("f", "content");
	struct iovec w[2] = { { "ab", 2 }, { "cdef", 4 } }, r[2] = { { a, 3 }, { b, 8 } };
	struct msghdr m = { .msg_iov = w, .msg_iovlen = 2 };
	VAL("sendmsg", sendmsg(s[0], &m, 0));
	m.msg_iov = r;
	VAL("recvmsg", recvmsg(s[1], &m, 0));
	say("parts=%s %s", a, b);
	fds[0] = open("f", O_RDONLY);
	lseek(fds[0], 3, SEEK_SET);
	pipe(fds + 1);
	VAL("send-two", pass(s[0], fds, 3));
	close(fds[0]);
	n = take(s[1], got, 4, 0, &f);
	say("received=%d flags=%x", n, f);
	VAL("read-passed", read(got[0], b, 8));
	say("text=%.4s", b);
	VAL("pipe-works", (write(got[2], "z", 1), read(fds[1], b, 1)));
	VAL("cloexec-no", fcntl(got[1], F_GETFD));
	pass(s[0], fds + 1, 2);
	n = take(s[1], got, 4, MSG_CMSG_CLOEXEC, &f);
	say("again=%d", n);
	VAL("cloexec-yes", fcntl(got[0], F_GETFD));
	pass(s[0], fds + 1, 2);
	n = take(s[1], got, 0, 0, &f);
	say("no-room=%d trunc=%d", n, !!(f & MSG_CTRUNC));
	fds[0] = 99;
	OK("bad-fd", pass(s[0], fds, 1));
	/* A descriptor in flight keeps its object alive, and a message never received frees it. */
	pipe(fds);
	pass(s[0], fds + 1, 1);
	close(fds[1]);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	VAL("in-flight-alive", read(fds[0], b, 1));
	close(s[1]);
	VAL("dropped", read(fds[0], b, 1));
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	pid_t c = child();
	if (c == 0) {
		close(s[0]);
		n = take(s[1], got, 4, 0, &f);
		say("child-got=%d", n);
		write(got[0], "from child", 10);
		_exit(0);
	}
	close(s[1]);
	pipe(fds);
	pass(s[0], fds + 1, 1);
	close(fds[1]);
	fcntl(fds[0], F_SETFL, 0);
	VAL("reply", read(fds[0], (char[16]){ 0 }, 16));
	reap(c);
	VAL("eof", read(fds[0], b, 1));
	m.msg_iovlen = 1025;
	OK("iov-1025", sendmsg(s[0], &m, 0));
	OK("msg-fault", sendmsg(s[0], (void *)16, 0));
	return 0;
}
