/*
 * Socket options that servers and clients set, for every kind of socket: what setting answers, what is read back, with which length, and what a connection inherits. Left out: what
 * only an administrator may set, which is not the guest's even when carrick is root's, and SO_ZEROCOPY, which is not offered.
 */
#include "probe.h"
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

struct option { const char *name; int level, opt, value; };

static const struct option options[] = {
	{ "type", SOL_SOCKET, SO_TYPE, 1 },
	{ "domain", SOL_SOCKET, SO_DOMAIN, 1 },
	{ "protocol", SOL_SOCKET, SO_PROTOCOL, 1 },
	{ "acceptconn", SOL_SOCKET, SO_ACCEPTCONN, 1 },
	{ "error", SOL_SOCKET, SO_ERROR, 1 },
	{ "reuseaddr", SOL_SOCKET, SO_REUSEADDR, 1 },
	{ "reuseport", SOL_SOCKET, SO_REUSEPORT, 1 },
	{ "keepalive", SOL_SOCKET, SO_KEEPALIVE, 7 },
	{ "broadcast", SOL_SOCKET, SO_BROADCAST, 1 },
	{ "dontroute", SOL_SOCKET, SO_DONTROUTE, 1 },
	{ "oobinline", SOL_SOCKET, SO_OOBINLINE, 1 },
	{ "sndbuf", SOL_SOCKET, SO_SNDBUF, 20000 },
	{ "rcvbuf", SOL_SOCKET, SO_RCVBUF, 30000 },
	{ "sndbuf-small", SOL_SOCKET, SO_SNDBUF, 1 },
	{ "rcvbuf-negative", SOL_SOCKET, SO_RCVBUF, -1 },
	{ "rcvlowat", SOL_SOCKET, SO_RCVLOWAT, 3 },
	{ "sndlowat", SOL_SOCKET, SO_SNDLOWAT, 3 },
	{ "priority", SOL_SOCKET, SO_PRIORITY, 5 },
	{ "timestamp", SOL_SOCKET, SO_TIMESTAMP, 1 },
	{ "timestampns", SOL_SOCKET, SO_TIMESTAMPNS, 1 },
	{ "passcred", SOL_SOCKET, SO_PASSCRED, 1 },
	{ "passsec", SOL_SOCKET, SO_PASSSEC, 0 },
	{ "peek-off", SOL_SOCKET, SO_PEEK_OFF, 2 },
	{ "busy-poll", SOL_SOCKET, SO_BUSY_POLL, 0 },
	{ "no-check", SOL_SOCKET, SO_NO_CHECK, 1 },
	{ "rxq-ovfl", SOL_SOCKET, SO_RXQ_OVFL, 1 },
	{ "nofcs", SOL_SOCKET, SO_NOFCS, 1 },
	{ "select-err-queue", SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1 },
	{ "unknown", SOL_SOCKET, 9999, 1 },
	{ "nodelay", IPPROTO_TCP, TCP_NODELAY, 1 },
	{ "maxseg", IPPROTO_TCP, TCP_MAXSEG, 1000 },
	{ "cork", IPPROTO_TCP, TCP_CORK, 1 },
	{ "keepidle", IPPROTO_TCP, TCP_KEEPIDLE, 77 },
	{ "keepidle-0", IPPROTO_TCP, TCP_KEEPIDLE, 0 },
	{ "keepintvl", IPPROTO_TCP, TCP_KEEPINTVL, 33 },
	{ "keepcnt", IPPROTO_TCP, TCP_KEEPCNT, 5 },
	{ "keepcnt-500", IPPROTO_TCP, TCP_KEEPCNT, 500 },
	{ "syncnt", IPPROTO_TCP, TCP_SYNCNT, 4 },
	{ "linger2", IPPROTO_TCP, TCP_LINGER2, 20 },
	{ "defer-accept", IPPROTO_TCP, TCP_DEFER_ACCEPT, 1 },
	{ "window-clamp", IPPROTO_TCP, TCP_WINDOW_CLAMP, 20000 },
	{ "quickack", IPPROTO_TCP, TCP_QUICKACK, 0 },
	{ "user-timeout", IPPROTO_TCP, TCP_USER_TIMEOUT, 5000 },
	{ "fastopen", IPPROTO_TCP, TCP_FASTOPEN, 5 },
	{ "fastopen-connect", IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1 },
	{ "notsent-lowat", IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384 },
	{ "save-syn", IPPROTO_TCP, TCP_SAVE_SYN, 1 },
	{ "tcp-unknown", IPPROTO_TCP, 999, 1 },
	{ "udp-cork", IPPROTO_UDP, UDP_CORK, 1 },
	{ "udp-segment", IPPROTO_UDP, 103, 500 },
	{ "udp-gro", IPPROTO_UDP, 104, 1 },
	{ "tos", IPPROTO_IP, IP_TOS, 0x10 },
	{ "ttl", IPPROTO_IP, IP_TTL, 33 },
	{ "ttl-300", IPPROTO_IP, IP_TTL, 300 },
	{ "recvtos", IPPROTO_IP, IP_RECVTOS, 1 },
	{ "recvttl", IPPROTO_IP, IP_RECVTTL, 1 },
	{ "pktinfo", IPPROTO_IP, IP_PKTINFO, 1 },
	{ "recvopts", IPPROTO_IP, IP_RECVOPTS, 1 },
	{ "recverr", IPPROTO_IP, IP_RECVERR, 1 },
	{ "mtu-discover", IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO },
	{ "mtu", IPPROTO_IP, IP_MTU, 1 },
	{ "freebind", IPPROTO_IP, IP_FREEBIND, 1 },
	{ "bind-address-no-port", IPPROTO_IP, 24, 1 },
	{ "minttl", IPPROTO_IP, IP_MINTTL, 2 },
	{ "multicast-ttl", IPPROTO_IP, IP_MULTICAST_TTL, 4 },
	{ "multicast-loop", IPPROTO_IP, IP_MULTICAST_LOOP, 0 },
	{ "multicast-all", IPPROTO_IP, IP_MULTICAST_ALL, 0 },
	{ "ip-unknown", IPPROTO_IP, 63, 1 },
	{ "v6only", IPPROTO_IPV6, IPV6_V6ONLY, 1 },
	{ "v6-hops", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9 },
	{ "v6-multicast-hops", IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 3 },
	{ "v6-multicast-loop", IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0 },
	{ "v6-recvpktinfo", IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 },
	{ "v6-recvhoplimit", IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1 },
	{ "v6-recverr", IPPROTO_IPV6, IPV6_RECVERR, 1 },
	{ "v6-tclass", IPPROTO_IPV6, IPV6_TCLASS, 8 },
	{ "v6-mtu-discover", IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO },
	{ "v6-dontfrag", IPPROTO_IPV6, IPV6_DONTFRAG, 1 },
	{ "v6-checksum", IPPROTO_IPV6, IPV6_CHECKSUM, 2 },
	{ "level-unknown", 77, 1, 1 },
	{ "level-igmp", IPPROTO_IGMP, 10, 1 },
	{ "level-500", 500, 10, 1 },
};

/* Before, whether it can be set, and after. */
static void each(const char *kind, int domain, int type)
{
	for (unsigned i = 0; i < sizeof options / sizeof *options; i++) {
		const struct option *o = &options[i];
		int fd = socket(domain, type | SOCK_CLOEXEC, 0), before = -99, after = -99, gb, ga, set;
		MUST(fd);
		socklen_t n = sizeof before, m = sizeof after;
		gb = getsockopt(fd, o->level, o->opt, &before, &n) ? errno : 0;
		set = setsockopt(fd, o->level, o->opt, &o->value, sizeof o->value) ? errno : 0;
		ga = getsockopt(fd, o->level, o->opt, &after, &m) ? errno : 0;
		if (gb) say("%s-%s get=%s set=%s", kind, o->name, errname(gb), errname(set));
		else say("%s-%s before=%d/%u set=%s after=%s %d/%u", kind, o->name, before, n, errname(set), errname(ga), after, m);
		close(fd);
	}
}

/* Lengths and pointers that are not what the option wants. */
static void lengths(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	char b[64];
	socklen_t n;
	for (int len = 0; len <= 5; len++) {
		char key[40];
		snprintf(key, sizeof key, "set-len-%d", len);
		OK(key, setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, len));
		snprintf(key, sizeof key, "set-tos-len-%d", len);
		OK(key, setsockopt(fd, IPPROTO_IP, IP_TOS, &one, len));
		memset(b, 0x55, sizeof b);
		n = len;
		int r = getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, b, &n);
		say("get-len-%d=%s %u %02x%02x%02x%02x%02x", len, errname(r ? errno : 0), n, b[0], b[1], b[2], b[3], b[4]);
		memset(b, 0x55, sizeof b);
		n = len;
		r = getsockopt(fd, IPPROTO_IP, IP_TOS, b, &n);
		say("get-tos-len-%d=%s %u %02x%02x%02x%02x%02x", len, errname(r ? errno : 0), n, b[0], b[1], b[2], b[3], b[4]);
	}
	OK("set-negative", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, -1));
	OK("set-null", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, NULL, 4));
	OK("set-bad-pointer", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, (void *)16, 4));
	OK("set-unknown-bad-pointer", setsockopt(fd, SOL_SOCKET, 9999, (void *)16, 4));
	n = -1;
	OK("get-negative", getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, b, &n));
	n = 4;
	OK("get-bad-pointer", getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, (void *)16, &n));
	OK("get-bad-length", getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, b, (void *)16));
	OK("get-null-length", getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, b, NULL));
	n = 60;
	OK("get-long", getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, b, &n));
	VAL("get-long-is", n);
	OK("set-closed", setsockopt(99, SOL_SOCKET, SO_KEEPALIVE, &one, 4));
	OK("set-no-socket", setsockopt(open("/dev/null", O_RDONLY), SOL_SOCKET, SO_KEEPALIVE, &one, 4));
	OK("set-o-path", setsockopt(open("/", O_PATH), SOL_SOCKET, SO_KEEPALIVE, &one, 4));
	close(fd);
}

/* Those whose value is no int. */
static void structures(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct linger l = { 1, 5 };
	struct timeval t = { 2, 500000 }, bad = { 0, 2000000 }, negative = { -1, 0 };
	char name[40] = "";
	socklen_t n;
	OK("linger", setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l));
	OK("linger-short", setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, 4));
	memset(&l, 0, sizeof l);
	n = sizeof l;
	OK("linger-get", getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &n));
	say("linger-is=%d %d %u", l.l_onoff, l.l_linger, n);
	OK("rcvtimeo", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
	OK("rcvtimeo-short", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, 4));
	OK("rcvtimeo-bad", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof bad));
	OK("sndtimeo-negative", setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &negative, sizeof negative));
	memset(&t, 0, sizeof t);
	n = sizeof t;
	OK("rcvtimeo-get", getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, &n));
	say("rcvtimeo-is=%ld.%06ld %u", (long)t.tv_sec, (long)t.tv_usec, n);
	n = sizeof t;
	OK("sndtimeo-get", getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, &n));
	say("sndtimeo-is=%ld.%06ld", (long)t.tv_sec, (long)t.tv_usec);
	OK("bindtodevice-lo", setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	n = sizeof name;
	OK("bindtodevice-get", getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &n));
	say("bindtodevice-is=%s %u", name, n);
	OK("bindtodevice-none", setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nothere", 8));
	n = sizeof name;
	memset(name, 0, sizeof name);
	OK("congestion-get", getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &n));
	say("congestion=%s %u", name, n);
	OK("congestion-set", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, strlen(name)));
	OK("congestion-none", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nothere", 7));
	struct ip_mreqn m = { .imr_multiaddr.s_addr = htonl(0xe00000fb), .imr_ifindex = 1 };
	int u = socket(AF_INET, SOCK_DGRAM, 0);
	OK("multicast-if", setsockopt(u, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof m));
	OK("add-membership", setsockopt(u, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
	OK("add-again", setsockopt(u, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
	OK("drop-membership", setsockopt(u, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m));
	OK("drop-again", setsockopt(u, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m));
	close(fd);
	close(u);
}

/* What an accepted connection has from its listener, and what is asked of connections. */
static void connection(int domain, const char *kind)
{
	struct sockaddr_storage a = { .ss_family = domain };
	if (domain == AF_INET) ((struct sockaddr_in *)&a)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else ((struct sockaddr_in6 *)&a)->sin6_addr = in6addr_loopback;
	socklen_t n = domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6), one = 1, tos = 0x20, idle = 55, buf = 40000;
	int l = socket(domain, SOCK_STREAM, 0), c = socket(domain, SOCK_STREAM, 0), s, v;
	MUST(setsockopt(l, SOL_SOCKET, SO_KEEPALIVE, &one, 4));
	MUST(setsockopt(l, SOL_SOCKET, SO_RCVBUF, &buf, 4));
	MUST(setsockopt(l, IPPROTO_TCP, TCP_NODELAY, &one, 4));
	MUST(setsockopt(l, IPPROTO_TCP, TCP_KEEPIDLE, &idle, 4));
	if (domain == AF_INET) MUST(setsockopt(l, IPPROTO_IP, IP_TOS, &tos, 4));
	MUST(bind(l, (struct sockaddr *)&a, n));
	MUST(getsockname(l, (struct sockaddr *)&a, &n));
	MUST(listen(l, 5));
	struct tcp_info info;
	socklen_t len = sizeof info;
	MUST(getsockopt(l, IPPROTO_TCP, TCP_INFO, &info, &len));
	say("%s-listener state=%d", kind, info.tcpi_state);
	MUST(connect(c, (struct sockaddr *)&a, n));
	MUST(s = accept(l, NULL, NULL));
	const struct { const char *name; int fd, level, opt; } ask[] = {
		{ "listening", l, SOL_SOCKET, SO_ACCEPTCONN }, { "accepted-listening", s, SOL_SOCKET, SO_ACCEPTCONN }, { "keepalive", s, SOL_SOCKET, SO_KEEPALIVE },
		{ "rcvbuf", s, SOL_SOCKET, SO_RCVBUF }, { "nodelay", s, IPPROTO_TCP, TCP_NODELAY }, { "keepidle", s, IPPROTO_TCP, TCP_KEEPIDLE }, { "tos", s, IPPROTO_IP, IP_TOS },
		{ "client-keepalive", c, SOL_SOCKET, SO_KEEPALIVE }, { "mtu", c, IPPROTO_IP, IP_MTU }, { "v6-mtu", c, IPPROTO_IPV6, IPV6_MTU }, { "error", c, SOL_SOCKET, SO_ERROR },
		{ "maxseg", c, IPPROTO_TCP, TCP_MAXSEG }, { "v6only-late", l, IPPROTO_IPV6, IPV6_V6ONLY },
	};
	for (unsigned i = 0; i < sizeof ask / sizeof *ask; i++) {
		char key[60];
		snprintf(key, sizeof key, "%s-%s", kind, ask[i].name);
		v = -1;
		len = sizeof v;
		if (getsockopt(ask[i].fd, ask[i].level, ask[i].opt, &v, &len)) say("%s=%s", key, errname(errno));
		else say("%s=%d", key, v);
	}
	say("%s-v6only-set=%s", kind, errname(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &one, 4) ? errno : 0));
	len = sizeof info;
	MUST(getsockopt(c, IPPROTO_TCP, TCP_INFO, &info, &len));
	say("%s-info state=%d len-ok=%d", kind, info.tcpi_state, len > 100);
	len = 4;
	memset(&info, 0xff, sizeof info);
	MUST(getsockopt(c, IPPROTO_TCP, TCP_INFO, &info, &len));
	say("%s-info-short state=%d len=%u next=%x", kind, info.tcpi_state, len, ((unsigned char *)&info)[4]);
	struct ucred u = { 1, 1, 1 };
	len = sizeof u;
	v = getsockopt(c, SOL_SOCKET, SO_PEERCRED, &u, &len) ? errno : 0;
	say("%s-peercred=%s %d %d %d", kind, errname(v), u.pid, (int)u.uid, (int)u.gid);
	struct sockaddr_storage peer;
	len = sizeof peer;
	v = getsockopt(c, SOL_SOCKET, SO_PEERNAME, &peer, &len) ? errno : 0;
	say("%s-peername=%s %u %d", kind, errname(v), len, peer.ss_family == domain);
	/* A corked segment waits until it is uncorked; a lingering reset is seen by the peer. */
	int off = 0;
	char b[16];
	MUST(setsockopt(c, IPPROTO_TCP, TCP_CORK, &one, 4));
	MUST(send(c, "ab", 2, 0));
	VAL("corked", recv(s, b, sizeof b, MSG_DONTWAIT));
	MUST(send(c, "cd", 2, 0));
	MUST(setsockopt(c, IPPROTO_TCP, TCP_CORK, &off, 4));
	VAL("uncorked", recv(s, b, sizeof b, 0));
	struct linger reset = { 1, 0 };
	MUST(setsockopt(c, SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
	close(c);
	struct pollfd p = { s, POLLIN, 0 };
	poll(&p, 1, -1);
	say("%s-reset revents=%x", kind, p.revents);
	len = 4;
	MUST(getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &len));
	say("%s-reset-error=%s", kind, errname(v));
	MUST(getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &len));
	say("%s-reset-error-again=%s", kind, errname(v));
	close(s);
	close(l);
}

/* A receive that is limited ends when its time is up, also with a signal handler about; SO_RCVLOWAT holds a stream back. */
static void limits(void)
{
	int p[2], low = 4;
	char b[16];
	struct timeval t = { 0, 30000 };
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	MUST(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
	VAL("timed-recv", recv(p[0], b, sizeof b, 0));
	VAL("timed-read", read(p[0], b, sizeof b));
	MUST(setsockopt(p[1], SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t));
	static char big[1 << 20];
	long sent = send(p[1], big, sizeof big, 0);
	IS("timed-send-part", sent > 0 && sent < (long)sizeof big);
	VAL("timed-send", send(p[1], big, sizeof big, 0));
	close(p[0]);
	close(p[1]);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
	MUST(bind(l, (struct sockaddr *)&a, n));
	MUST(listen(l, 1));
	MUST(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
	VAL("timed-accept", accept(l, NULL, NULL));
	MUST(getsockname(l, (struct sockaddr *)&a, &n));
	MUST(connect(c, (struct sockaddr *)&a, n));
	int s = accept(l, NULL, NULL);
	OK("accept", s);
	MUST(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
	MUST(setsockopt(s, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low));
	MUST(send(c, "ab", 2, 0));
	struct pollfd f = { s, POLLIN, 0 };
	VAL("low-poll", poll(&f, 1, 20));
	MUST(send(c, "cd", 2, 0));
	VAL("low-poll-enough", poll(&f, 1, -1));
	VAL("low-recv", recv(s, b, sizeof b, 0));
	VAL("low-timed", recv(s, b, sizeof b, 0));
	close(s);
	close(c);
	close(l);
}

/* Control data that options ask for, and errors that come by the queue. */
static void datagrams(void)
{
	int u = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	struct timeval t = { 5, 0 };
	MUST(bind(u, (struct sockaddr *)&a, n));
	MUST(getsockname(u, (struct sockaddr *)&a, &n));
	MUST(setsockopt(u, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
	MUST(setsockopt(u, IPPROTO_IP, IP_PKTINFO, &one, 4));
	MUST(setsockopt(u, IPPROTO_IP, IP_RECVTTL, &one, 4));
	MUST(setsockopt(u, IPPROTO_IP, IP_RECVTOS, &one, 4));
	MUST(setsockopt(u, SOL_SOCKET, SO_TIMESTAMP, &one, 4));
	MUST(sendto(u, "hello", 5, 0, (struct sockaddr *)&a, n));
	char b[64], control[512];
	struct iovec v = { b, sizeof b };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	VAL("pktinfo-recv", recvmsg(u, &m, 0));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		say("cmsg %d/%d len=%zu", c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len);
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo i;
			memcpy(&i, CMSG_DATA(c), sizeof i);
			say("pktinfo if=%d to=%x spec=%x", i.ipi_ifindex, ntohl(i.ipi_addr.s_addr), ntohl(i.ipi_spec_dst.s_addr));
		}
	}
	/* A source chosen by control data. */
	struct in_pktinfo from = { .ipi_spec_dst.s_addr = htonl(0x7f000005) };
	memset(control, 0, sizeof control);
	v.iov_len = 3;
	m = (struct msghdr){ .msg_name = &a, .msg_namelen = n, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof from) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof from);
	memcpy(CMSG_DATA(c), &from, sizeof from);
	int w = socket(AF_INET, SOCK_DGRAM, 0);
	VAL("pktinfo-send", sendmsg(w, &m, 0));
	struct sockaddr_in who;
	n = sizeof who;
	VAL("pktinfo-from", recvfrom(u, b, sizeof b, 0, (struct sockaddr *)&who, &n));
	say("from=%x", ntohl(who.sin_addr.s_addr));
	/* Nobody there any more: the refusal comes by the error queue, with the datagram that was refused. */
	MUST(setsockopt(w, IPPROTO_IP, IP_RECVERR, &one, 4));
	close(u);
	MUST(connect(w, (struct sockaddr *)&a, sizeof a));
	VAL("refused-send", send(w, "lost", 4, 0));
	struct pollfd p = { w, POLLIN, 0 };
	poll(&p, 1, 5000);
	say("refused-revents=%x", p.revents);
	v.iov_len = sizeof b;
	m = (struct msghdr){ .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	VAL("queue", recvmsg(w, &m, MSG_ERRQUEUE));
	say("queue-flags=%x data=%.4s", m.msg_flags, b);
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) {
			struct sock_extended_err e;
			memcpy(&e, CMSG_DATA(c), sizeof e);
			say("queued=%s origin=%d type=%d code=%d", errname(e.ee_errno), e.ee_origin, e.ee_type, e.ee_code);
		}
	VAL("queue-empty", recvmsg(w, &m, MSG_ERRQUEUE));
	int e = 0;
	n = 4;
	OK("so-error", getsockopt(w, SOL_SOCKET, SO_ERROR, &e, &n));
	say("so-error-is=%s", errname(e));
	close(w);
}

/* Two listeners of one port. */
static void sharing(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	int one = 1, x = socket(AF_INET, SOCK_STREAM, 0), y = socket(AF_INET, SOCK_STREAM, 0), z = socket(AF_INET, SOCK_STREAM, 0);
	MUST(setsockopt(x, SOL_SOCKET, SO_REUSEPORT, &one, 4));
	MUST(setsockopt(y, SOL_SOCKET, SO_REUSEPORT, &one, 4));
	MUST(setsockopt(z, SOL_SOCKET, SO_REUSEADDR, &one, 4));
	MUST(bind(x, (struct sockaddr *)&a, n));
	MUST(getsockname(x, (struct sockaddr *)&a, &n));
	OK("reuseport-bind", bind(y, (struct sockaddr *)&a, n));
	OK("reuseaddr-bind", bind(z, (struct sockaddr *)&a, n));
	OK("listen-1", listen(x, 1));
	OK("listen-2", listen(y, 1));
	OK("plain-bind", bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, n));
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	each("tcp", AF_INET, SOCK_STREAM);
	each("udp", AF_INET, SOCK_DGRAM);
	each("tcp6", AF_INET6, SOCK_STREAM);
	each("udp6", AF_INET6, SOCK_DGRAM);
	each("unix", AF_UNIX, SOCK_STREAM);
	each("unix-dgram", AF_UNIX, SOCK_DGRAM);
	each("seqpacket", AF_UNIX, SOCK_SEQPACKET);
	each("netlink", AF_NETLINK, SOCK_RAW);
	lengths();
	structures();
	connection(AF_INET, "inet");
	connection(AF_INET6, "inet6");
	limits();
	datagrams();
	sharing();
	return 0;
}
