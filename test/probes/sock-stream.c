/* Streams and datagrams between connected sockets: send and recv flags, sendmsg, shutdown, EPIPE and SIGPIPE, options, time limits. */
#include "probe.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

static volatile sig_atomic_t pipes;
static void on_pipe(int s) { (void)s; pipes++; }

static void tcp(int sv[2], struct sockaddr_in *at)
{
	int l = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t n = sizeof *at;
	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	MUST(bind(l, (struct sockaddr *)at, n));
	MUST(listen(l, 1));
	MUST(getsockname(l, (struct sockaddr *)at, &n));
	MUST(sv[0] = socket(AF_INET, SOCK_STREAM, 0));
	MUST(connect(sv[0], (struct sockaddr *)at, n));
	MUST(sv[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC));
	close(l);
}

static void exercise(const char *name, int sv[2])
{
	char b[64], big[8192];
	memset(big, 'a', sizeof big);
	say("kind=%s", name);
	VAL("send", send(sv[0], "hello", 5, 0));
	VAL("peek", recv(sv[1], b, 3, MSG_PEEK));
	VAL("recv", recv(sv[1], b, sizeof b, 0));
	VAL("dontwait", recv(sv[1], b, sizeof b, MSG_DONTWAIT));
	struct iovec v[3] = { { "ab", 2 }, { "", 0 }, { "cde", 3 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 3 };
	VAL("sendmsg", sendmsg(sv[1], &m, MSG_NOSIGNAL));
	VAL("recv", recv(sv[0], b, sizeof b, 0));
	m.msg_iovlen = 1;
	VAL("sendmsg-one", sendmsg(sv[1], &m, 0));
	struct iovec w[2] = { { b, 1 }, { b + 1, 10 } };
	struct msghdr r = { .msg_iov = w, .msg_iovlen = 2, .msg_flags = 77 };
	VAL("recvmsg", recvmsg(sv[0], &r, 0));
	say("msg-flags=%x", r.msg_flags);
	m.msg_iovlen = 0;
	VAL("sendmsg-none", sendmsg(sv[1], &m, MSG_DONTWAIT));
	struct sockaddr_storage a;
	socklen_t n = sizeof a;
	VAL("recv-none", recv(sv[0], b, sizeof b, MSG_DONTWAIT));
	VAL("send-null", send(sv[0], NULL, 5, 0));
	VAL("recv-null", (send(sv[0], "x", 1, 0), recv(sv[1], NULL, 5, 0)));
	n = sizeof a;
	VAL("recvfrom", recvfrom(sv[1], b, sizeof b, MSG_DONTWAIT, (struct sockaddr *)&a, &n));
	say("addrlen=%d", (int)n);
	int val = -1;
	n = sizeof val;
	OK("so-error", getsockopt(sv[0], SOL_SOCKET, SO_ERROR, &val, &n));
	say("error=%d len=%d", val, (int)n);
	n = sizeof val;
	OK("so-type", getsockopt(sv[0], SOL_SOCKET, SO_TYPE, &val, &n));
	say("type=%d", val);
	val = 1;
	OK("keepalive", setsockopt(sv[0], SOL_SOCKET, SO_KEEPALIVE, &val, sizeof val));
	OK("short-option", setsockopt(sv[0], SOL_SOCKET, SO_KEEPALIVE, &val, 1));
	OK("nodelay", setsockopt(sv[0], IPPROTO_TCP, TCP_NODELAY, &val, sizeof val));
	n = sizeof val;
	OK("get-nodelay", getsockopt(sv[0], IPPROTO_TCP, TCP_NODELAY, &val, &n));
	/* Time limits. */
	struct timeval tv = { 0, 20000 };
	OK("rcvtimeo", setsockopt(sv[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	VAL("timed-out", recv(sv[1], b, sizeof b, 0));
	/* From files and pipes. */
	put("file", "0123456789");
	int f = open("file", O_RDONLY), p[2];
	off_t off = 3;
	MUST(pipe(p));
	VAL("sendfile", sendfile(sv[0], f, &off, 100));
	say("offset=%ld", (long)off);
	VAL("sendfile-end", sendfile(sv[0], f, &off, 100));
	VAL("splice-in", (int)splice(sv[1], NULL, p[1], NULL, 5, 0));
	VAL("splice-out", (int)splice(p[0], NULL, sv[1], NULL, 5, 0));
	VAL("echoed", recv(sv[0], b, sizeof b, 0));
	VAL("splice-both-sockets", (int)splice(sv[0], NULL, sv[1], NULL, 5, 0));
	recv(sv[1], b, sizeof b, MSG_DONTWAIT);
	/* A full peer. */
	long total = 0, k;
	while ((k = send(sv[0], big, sizeof big, MSG_DONTWAIT)) > 0) total += k;
	say("full=%s", errname(errno));
	struct pollfd o = { sv[0], POLLOUT, 0 };
	VAL("not-writable", poll(&o, 1, 0));
	tv = (struct timeval){ 0, 0 };
	setsockopt(sv[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	while (total > 0 && (k = recv(sv[1], big, sizeof big, 0)) > 0) total -= k;
	say("drained=%ld", total);
	/* The end. */
	OK("shut-bad", shutdown(sv[0], 5));
	OK("shut", shutdown(sv[0], SHUT_WR));
	VAL("eof", recv(sv[1], b, sizeof b, MSG_DONTWAIT));
	pipes = 0;
	VAL("epipe", send(sv[0], "x", 1, 0));
	say("sigpipe=%d", (int)pipes);
	VAL("nosignal", send(sv[0], "x", 1, MSG_NOSIGNAL));
	m.msg_iovlen = 3;
	VAL("epipe-sendmsg", sendmsg(sv[0], &m, 0));
	VAL("epipe-nosignal", sendmsg(sv[0], &m, MSG_NOSIGNAL));
	VAL("epipe-write", write(sv[0], "x", 1));
	say("sigpipe=%d", (int)pipes);
	close(f);
	close(p[0]);
	close(p[1]);
	close(sv[0]);
	close(sv[1]);
}

int main(void)
{
	int sv[2];
	struct sockaddr_in at, mine;
	socklen_t n = sizeof mine;
	signal(SIGPIPE, on_pipe);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	exercise("unix", sv);
	tcp(sv, &at);
	MUST(getpeername(sv[0], (struct sockaddr *)&mine, &n));
	IS("peer", mine.sin_port == at.sin_port && n == sizeof mine);
	n = 2;
	OK("short-name", getsockname(sv[0], (struct sockaddr *)&mine, &n));
	say("len=%d", (int)n);
	OK("name-null", getsockname(sv[0], NULL, &n));
	exercise("tcp", sv);

	char b[16];
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sv));
	say("kind=datagrams");
	VAL("empty", send(sv[0], "", 0, 0));
	VAL("empty-recv", recv(sv[1], b, sizeof b, MSG_DONTWAIT));
	VAL("none", recv(sv[1], b, sizeof b, MSG_DONTWAIT));
	VAL("long", send(sv[0], "0123456789", 10, 0));
	VAL("trunc", recv(sv[1], b, 4, MSG_TRUNC));
	struct iovec v[2] = { { "ab", 2 }, { "cde", 3 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	VAL("sendmsg", sendmsg(sv[0], &m, 0));
	VAL("whole", recv(sv[1], b, sizeof b, 0));
	pipes = 0;
	shutdown(sv[0], SHUT_WR);
	VAL("epipe", send(sv[0], "x", 1, 0));
	VAL("epipe-write", write(sv[0], "x", 1));
	say("sigpipe=%d", (int)pipes);
	close(sv[1]);
	VAL("not-a-socket", send(open("file", O_RDWR), "x", 1, 0));
	VAL("closed", recv(sv[1], b, 1, 0));
	int u = socket(AF_INET, SOCK_DGRAM, 0);
	VAL("unconnected", send(u, "x", 1, 0));
	OK("no-peer", getpeername(u, (struct sockaddr *)&mine, &n));
	int t = socket(AF_INET, SOCK_STREAM, 0);
	VAL("not-connected", send(t, "x", 1, MSG_NOSIGNAL));
	VAL("not-connected-recv", recv(t, b, 1, 0));
	OK("not-connected-shut", shutdown(t, SHUT_RD));
	return 0;
}
