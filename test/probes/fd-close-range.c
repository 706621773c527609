/* close_range(2). */
#include "probe.h"
#include <linux/close_range.h>

static void show(const char *key)
{
	char line[200] = "";
	for (int i = 3; i < 30; i++)
		if (fcntl(i, F_GETFD) >= 0)
			sprintf(line + strlen(line), " %d%s", i, fcntl(i, F_GETFD) ? "c" : "");
	say("%s=%s", key, line);
}
#define CR(a, b, f) syscall(SYS_close_range, a, b, f)

int main(void)
{
	for (int i = 3; i < 64; i++) close(i);
	for (int i = 3; i < 20; i++) dup(1);
	show("start");
	OK("middle", CR(8, 11, 0));
	show("middle");
	OK("cloexec", CR(15, 17, CLOSE_RANGE_CLOEXEC));
	show("cloexec");
	OK("reversed", CR(9, 5, 0));
	OK("flags", CR(3, 5, 64));
	OK("empty", CR(500, 600, 0));
	OK("rest", CR(14, ~0u, 0));
	show("rest");
	int s;
	pid_t pid = child();
	if (pid == 0) {
		OK("unshare", CR(3, ~0u, CLOSE_RANGE_UNSHARE));
		show("child");
		_exit(0);
	}
	waitpid(pid, &s, 0);
	show("parent");
	VAL("lowest", dup(1));
	return 0;
}
