/* IPv6 socket options whose numbers lie among the packet filter's, and the control data they ask for. */
#include "probe.h"
#include <netinet/in.h>
#include <sys/socket.h>

static void option(const char *name, int fd, int opt, int value)
{
	int now = -1;
	socklen_t n = sizeof now;
	char key[40];
	snprintf(key, sizeof key, "%s-set", name);
	OK(key, setsockopt(fd, IPPROTO_IPV6, opt, &value, sizeof value));
	snprintf(key, sizeof key, "%s-get", name);
	OK(key, getsockopt(fd, IPPROTO_IPV6, opt, &now, &n));
	say("%s=%d", name, now);
}

int main(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	OK("socket", fd);
	option("tclass", fd, IPV6_TCLASS, 17);
	option("recvtclass", fd, IPV6_RECVTCLASS, 1);
	option("recvhoplimit", fd, IPV6_RECVHOPLIMIT, 1);
	option("hops", fd, IPV6_UNICAST_HOPS, 42);
	option("autoflowlabel", fd, 70, 0);
	option("addr-preferences", fd, 72, 0x0002);
	option("minhopcount", fd, 73, 0);
	option("v6only", fd, IPV6_V6ONLY, 1);
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	socklen_t alen = sizeof a;
	MUST(bind(fd, (struct sockaddr *)&a, sizeof a));
	MUST(getsockname(fd, (struct sockaddr *)&a, &alen));
	MUST(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof a));
	char b[8], ctrl[256];
	struct iovec v = { b, sizeof b };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = ctrl, .msg_controllen = sizeof ctrl };
	VAL("recv", recvmsg(fd, &m, 0));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
		int value;
		memcpy(&value, CMSG_DATA(c), sizeof value);
		say("cmsg level=%d type=%d len=%zu value=%d", c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len, value);
	}
	return 0;
}
