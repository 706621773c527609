/* membarrier: what needs a registration says so, after calls that were made so often that their sites may have been rewritten; registrations in a child and a new program. */
#include "probe.h"
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef MEMBARRIER_CMD_GET_REGISTRATIONS
#define MEMBARRIER_CMD_GET_REGISTRATIONS 512
#endif

static long mb(int cmd, unsigned flags) { long r = syscall(SYS_membarrier, cmd, flags, 0); return r < 0 ? -errno : r; }

static void show(const char *who)
{
	say("%s: private=%ld core=%ld flags=%ld global=%ld", who, mb(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), mb(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0),
	    mb(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 2), mb(MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0));
	say("%s: registrations=%ld", who, mb(MEMBARRIER_CMD_GET_REGISTRATIONS, 0));
}

int main(int argc, char **argv)
{
	int st;
	pid_t p;

	if (argc > 1) { show("program"); return 0; }
	for (int i = 0; i < 200; i++)
		syscall(SYS_getppid);
	show("before");
	say("register=%ld", mb(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0));
	show("after");
	p = fork();
	if (p == 0) {
		for (int i = 0; i < 200; i++)
			syscall(SYS_getppid);
		show("child");
		execl("/proc/self/exe", argv[0], "x", (char *)0);
		_exit(9);
	}
	waitpid(p, &st, 0);
	say("status=%d", WEXITSTATUS(st));
	return 0;
}
