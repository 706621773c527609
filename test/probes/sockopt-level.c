/* getsockopt(2), setsockopt(2): a level that the socket does not have, by family. */
#include "probe.h"
#include <netinet/in.h>
#include <sys/socket.h>

static void levels(const char *what, int domain, int type)
{
	int fd = socket(domain, type, 0);
	static const int level[] = { 500, 2, IPPROTO_TCP, IPPROTO_UDP };
	char key[64];

	if (fd < 0) {
		say("%s=%s", what, errname(errno));
		return;
	}
	for (unsigned i = 0; i < sizeof level / sizeof *level; i++) {
		int value = 1;
		socklen_t len = sizeof value;

		/* What one protocol has and the other has not. */
		if ((type == SOCK_STREAM && level[i] == IPPROTO_TCP) || (type == SOCK_DGRAM && level[i] == IPPROTO_UDP))
			continue;
		snprintf(key, sizeof key, "%s_get_%d", what, level[i]);
		OK(key, getsockopt(fd, level[i], 10, &value, &len));
		snprintf(key, sizeof key, "%s_set_%d", what, level[i]);
		OK(key, setsockopt(fd, level[i], 10, &value, sizeof value));
	}
	close(fd);
}

int main(void)
{
	levels("tcp4", AF_INET, SOCK_STREAM);
	levels("udp4", AF_INET, SOCK_DGRAM);
	levels("tcp6", AF_INET6, SOCK_STREAM);
	levels("udp6", AF_INET6, SOCK_DGRAM);
	levels("unix_stream", AF_UNIX, SOCK_STREAM);
	levels("unix_dgram", AF_UNIX, SOCK_DGRAM);
	return 0;
}
