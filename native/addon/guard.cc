/*
 * The guard: makes sure that no guest process outlives carrick where there is no pid namespace to do so.
 *
 * With a pid namespace PR_SET_PDEATHSIG on its first process is enough: its death ends the namespace. Without one, guests that were reparented
 * or forked would live on. All guest processes stay in the first one's host process group (the stub's filter has no setpgid and no setsid;
 * job control is carrick's own), so one kill of the group gets them all, atomically with respect to fork. A process of `carrick exec` and those
 * that it forks are a group of their own.
 *
 * Who sends it when carrick was killed with SIGKILL: the guard, a process that shares carrick's memory (no copy, no second program) but not its
 * fds. It reads a pipe whose only write end is carrick's; end of file means that carrick is gone. It uses nothing but raw system calls
 * and its own stack, blocks every signal, and leaves carrick's session so that no terminal signal reaches it.
 */
#include "addon.h"
#include "raw.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

constexpr size_t GUARD_STACK = 32 * 1024;

/* Groups at the same time: the container's first and those of exec. */
constexpr int GUARD_GROUPS = 256;

static struct {
	int read_end;
	int write_end = -1;
	/* 0 = free. The guard reads them in carrick's memory, which it keeps after carrick's death. Writer: spawn_lock's holder. */
	std::atomic<int> groups[GUARD_GROUPS];
	int pid;
} guard;

static void kill_groups()
{
	for (std::atomic<int> &group : guard.groups) {
		int pgid = group.load();

		if (pgid > 0)
			raw(SYS_kill, -static_cast<long>(pgid), static_cast<long>(SIGKILL));
	}
}

static int guard_main(void *)
{
	uint8_t byte = 0;
	long n;

	raw(SYS_setsid);
	raw(SYS_prctl, PR_SET_NAME, "carrick-guard");
	if (guard.read_end > 0)
		raw(SYS_close_range, 0L, static_cast<long>(guard.read_end) - 1, 0L);
	raw(SYS_close_range, static_cast<long>(guard.read_end) + 1, 0x7fffffffL, 0L);
	do {
		n = raw(SYS_read, static_cast<long>(guard.read_end), &byte, 1L);
	} while (n == -EINTR);
	if (n == 0)
		kill_groups();
	raw(SYS_exit_group, 0L);
	return 0;
}

int guard_start(int pgid)
{
	int p[2];

	if (guard.write_end >= 0)
		return -EBUSY;
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	p[0] = fd_above_stdio(p[0]);
	p[1] = fd_above_stdio(p[1]);
	void *stack = mmap(nullptr, GUARD_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (stack == MAP_FAILED) {
		int e = errno;

		close(p[0]);
		close(p[1]);
		return -e;
	}
	guard.read_end = p[0];
	guard.write_end = p[1];
	for (std::atomic<int> &group : guard.groups)
		group.store(0);
	guard.groups[0].store(pgid);
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	/* No exit signal: it is nobody's business. */
	guard.pid = clone(guard_main, static_cast<uint8_t *>(stack) + GUARD_STACK, CLONE_VM, nullptr);
	int r = guard.pid < 0 ? -errno : 0;

	pthread_sigmask(SIG_SETMASK, &old, nullptr);
	close(p[0]);
	if (r < 0) {
		close(p[1]);
		guard.write_end = -1;
		munmap(stack, GUARD_STACK);
	}
	return r;
}

int guard_add(int pgid)
{
	for (std::atomic<int> &group : guard.groups) {
		if (group.load() == 0) {
			group.store(pgid);
			return 0;
		}
	}
	return -EAGAIN;
}

void guard_remove(int pgid)
{
	for (std::atomic<int> &group : guard.groups)
		if (group.load() == pgid)
			group.store(0);
}

void guard_kill()
{
	kill_groups();
}

void guard_stop()
{
	uint8_t byte = 1;

	if (guard.write_end < 0)
		return;
	if (write(guard.write_end, &byte, 1) == 1)
		waitpid(guard.pid, nullptr, __WCLONE);
	close(guard.write_end);
	guard.write_end = -1;
}
