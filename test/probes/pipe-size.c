/* F_SETPIPE_SZ and F_GETPIPE_SZ. */
#include "probe.h"

int main(void)
{
	int p[2];
	char b[65536] = { 0 };
	MUST(pipe2(p, O_NONBLOCK));
	VAL("default", fcntl(p[0], F_GETPIPE_SZ));
	VAL("set-4096", fcntl(p[1], F_SETPIPE_SZ, 4096));
	VAL("fits", write(p[1], b, 65536));
	VAL("grow-odd", fcntl(p[1], F_SETPIPE_SZ, 5000));
	VAL("more", write(p[1], b, 65536));
	VAL("shrink-busy", fcntl(p[0], F_SETPIPE_SZ, 4096));
	VAL("zero", fcntl(p[0], F_SETPIPE_SZ, 0));
	while (read(p[0], b, sizeof b) > 0)
		;
	VAL("shrink", fcntl(p[0], F_SETPIPE_SZ, 1));
	VAL("get", fcntl(p[1], F_GETPIPE_SZ));
	VAL("megabyte", fcntl(p[1], F_SETPIPE_SZ, 1 << 20));
	put("f", "");
	VAL("not-pipe", fcntl(open("f", O_RDWR), F_GETPIPE_SZ));
	VAL("huge", fcntl(p[1], F_SETPIPE_SZ, -1));
	return 0;
}
