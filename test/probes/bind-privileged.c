/* bind(2), ip(7): a port below ip_unprivileged_port_start is for CAP_NET_BIND_SERVICE. */
#include "probe.h"
#include <netinet/in.h>
#include <sys/socket.h>

static int try_bind(int domain, int type, int port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(domain, type, 0);
	int r = fd < 0 ? -1 : bind(fd, domain == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6, domain == AF_INET ? sizeof v4 : sizeof v6);
	int e = errno;

	if (fd >= 0)
		close(fd);
	errno = e;
	return r;
}

/* Linux takes the wildcard without a family for AF_INET's. */
static int try_unspec(int domain, int type, int port)
{
	struct sockaddr_in any = { .sin_family = AF_UNSPEC, .sin_port = htons(port) };
	int fd = socket(domain, type, 0), r = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&any, sizeof any), e = errno;

	if (fd >= 0)
		close(fd);
	errno = e;
	return r;
}

int main(void)
{
	/* Whoever is root gives it up; an ordinary user has nothing to give up. */
	if (geteuid() == 0)
		MUST(seteuid(65534));
	OK("tcp4", try_bind(AF_INET, SOCK_STREAM, 463));
	OK("udp4", try_bind(AF_INET, SOCK_DGRAM, 463));
	OK("tcp6", try_bind(AF_INET6, SOCK_STREAM, 463));
	OK("tcp4-unspec", try_unspec(AF_INET, SOCK_STREAM, 463));
	OK("udp4-unspec", try_unspec(AF_INET, SOCK_DGRAM, 463));
	OK("tcp4-unspec-any", try_unspec(AF_INET, SOCK_STREAM, 0));
	OK("tcp4-any", try_bind(AF_INET, SOCK_STREAM, 0));
	OK("udp6-any", try_bind(AF_INET6, SOCK_DGRAM, 0));
	return 0;
}
