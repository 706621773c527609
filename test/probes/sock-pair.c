/* socketpair of AF_UNIX: stream, datagram, seqpacket; shutdown, peeking, options. */
#include "probe.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(void)
{
	int s[2], n;
	char b[64] = "";
	socklen_t l = sizeof n;
	signal(SIGPIPE, SIG_IGN);
	OK("stream", socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	VAL("write", write(s[0], "abc", 3));
	VAL("write2", send(s[0], "def", 3, 0));
	VAL("peek", recv(s[1], b, 2, MSG_PEEK));
	VAL("joined", read(s[1], b, 64));
	say("data=%.6s", b);
	VAL("other-way", write(s[1], "x", 1));
	VAL("fionread", (ioctl(s[0], FIONREAD, &n), n));
	read(s[0], b, 64);
	VAL("dontwait", recv(s[0], b, 1, MSG_DONTWAIT));
	VAL("waitall", (write(s[0], "12", 2), write(s[0], "34", 2), recv(s[1], b, 4, MSG_WAITALL)));
	OK("shut-wr", shutdown(s[0], SHUT_WR));
	VAL("eof", read(s[1], b, 1));
	VAL("shut-write", write(s[0], "x", 1));
	VAL("back-still", write(s[1], "y", 1));
	struct pollfd f = { s[1], POLLIN | POLLOUT | POLLRDHUP, 0 };
	poll(&f, 1, 0);
	say("rdhup=%x", f.revents);
	OK("shut-bad", shutdown(s[0], 7));
	close(s[1]);
	f.fd = s[0];
	poll(&f, 1, 0);
	say("hup=%x", f.revents);
	VAL("last", read(s[0], b, 8));
	VAL("eof2", read(s[0], b, 8));
	close(s[0]);
	OK("dgram", socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	write(s[0], "one", 3);
	write(s[0], "three", 5);
	VAL("d1", read(s[1], b, 64));
	VAL("d2-cut", read(s[1], b, 2));
	VAL("d3-none", recv(s[1], b, 2, MSG_DONTWAIT));
	VAL("zero-dgram", send(s[0], "", 0, 0));
	VAL("zero-read", recv(s[1], b, 8, MSG_DONTWAIT));
	VAL("trunc", (send(s[0], "longer", 6, 0), recv(s[1], b, 2, MSG_TRUNC)));
	close(s[0]);
	VAL("peer-gone", recv(s[1], b, 1, MSG_DONTWAIT));
	VAL("send-gone", send(s[1], "x", 1, 0));
	OK("seqpacket", socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	write(s[0], "aa", 2);
	write(s[0], "bbb", 3);
	VAL("s1", read(s[1], b, 64));
	VAL("s2", read(s[1], b, 64));
	close(s[0]);
	VAL("seq-eof", read(s[1], b, 64));
	OK("inet", socketpair(AF_INET, SOCK_STREAM, 0, s));
	OK("bad-family", socketpair(99, SOCK_STREAM, 0, s));
	OK("bad-type", socketpair(AF_UNIX, 77, 0, s));
	OK("bad-proto", socketpair(AF_UNIX, SOCK_STREAM, 77, s));
	OK("fault", socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)16));
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	OK("so-type", getsockopt(s[0], SOL_SOCKET, SO_TYPE, &n, &l));
	say("type=%d", n);
	OK("so-error", getsockopt(s[0], SOL_SOCKET, SO_ERROR, &n, &l));
	say("error=%d", n);
	OK("so-domain", getsockopt(s[0], SOL_SOCKET, SO_DOMAIN, &n, &l));
	say("domain=%d", n);
	OK("accept", accept(s[0], NULL, NULL));
	OK("listen", listen(s[0], 1));
	OK("not-socket", send(0, b, 1, 0));
	OK("shutdown-file", shutdown(0, SHUT_RD));
	VAL("lseek", lseek(s[0], 0, SEEK_CUR));
	struct ucred u;
	l = sizeof u;
	OK("peercred", getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &l));
	IS("cred", u.pid == getpid() && u.uid == geteuid());
	VAL("oob-flag", send(s[0], "x", 1, MSG_NOSIGNAL));
	return 0;
}
