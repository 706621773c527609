/*
 * The network namespace of a container without a network: its loopback, and sockets in it.
 *
 * A socket belongs for ever to the namespace of whoever made it, so only the making needs a process there. carrick's threads cannot enter (a user
 * namespace is only for single-threaded processes); so each socket is made by a short-lived child that shares carrick's memory and its table of
 * fds, enters the namespaces of the container's first process, makes the socket and ends. carrick's thread waits meanwhile (CLONE_VFORK). What
 * accept makes is in its listener's namespace anyway.
 */
#include "addon.h"
#include "exports.h"
#include "raw.h"
#include "sandbox.h"

#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

constexpr size_t MAKER_STACK = 16 * 1024;

static struct {
	std::mutex lock;
	/* Fds of the first process's user and net namespaces, opened at the first socket; -1 = none. */
	int user = -1;
	int net = -1;
	uint8_t *stack;
} ns;

struct Maker {
	int domain, type, protocol;
	volatile long result;
};

int sandbox_loopback_up()
{
	struct ifreq r = {};
	long fd = raw(SYS_socket, static_cast<long>(AF_INET), static_cast<long>(SOCK_DGRAM | SOCK_CLOEXEC), 0L);

	if (fd < 0)
		return static_cast<int>(fd);
	r.ifr_name[0] = 'l';
	r.ifr_name[1] = 'o';
	long e = raw(SYS_ioctl, fd, static_cast<long>(SIOCGIFFLAGS), &r);

	if (e == 0) {
		r.ifr_flags = static_cast<short>(r.ifr_flags | IFF_UP);
		e = raw(SYS_ioctl, fd, static_cast<long>(SIOCSIFFLAGS), &r);
	}
	raw(SYS_close, fd);
	return static_cast<int>(e);
}

/* Runs in carrick's memory: raw system calls only. */
static int make_socket(void *arg)
{
	Maker *m = static_cast<Maker *>(arg);
	long r = ns.user < 0 ? 0 : raw(SYS_setns, static_cast<long>(ns.user), static_cast<long>(CLONE_NEWUSER));

	if (r == 0)
		r = raw(SYS_setns, static_cast<long>(ns.net), static_cast<long>(CLONE_NEWNET));
	m->result = r < 0 ? r : raw(SYS_socket, static_cast<long>(m->domain), static_cast<long>(m->type | SOCK_CLOEXEC), static_cast<long>(m->protocol));
	return 0;
}

/* Under ns.lock. */
static int prepare()
{
	if (ns.net >= 0)
		return 0;
	if ((namespaces_had() & NS_NET) == 0)
		return -ENONET;
	int fds[NS_KINDS] = { -1, -1, -1, -1, -1, -1 };
	int r = open_namespaces(fds, NS_USER | NS_NET);

	if (r < 0) {
		for (int fd : fds)
			if (fd >= 0)
				close(fd);
		return r;
	}
	void *stack = mmap(nullptr, MAKER_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED)
		return -errno;
	ns.stack = static_cast<uint8_t *>(stack);
	ns.user = fds[0] < 0 ? -1 : fd_above_stdio(fds[0]);
	ns.net = fd_above_stdio(fds[NS_KINDS - 1]);
	return 0;
}

napi_value js_guestSocket(napi_env env, napi_callback_info info)
{
	Args<3> args(env, info);
	Maker m = { args.i32(0), args.i32(1), args.i32(2), -EAGAIN };
	std::lock_guard<std::mutex> hold(ns.lock);
	int r = prepare();

	if (r < 0)
		return num(env, r);
	sigset_t all, old;

	/* A handler of carrick's must not run in the child, which shares its memory. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	/* No exit signal: nobody but the wait below hears of it. */
	int pid = clone(make_socket, ns.stack + MAKER_STACK, CLONE_VM | CLONE_FILES | CLONE_VFORK, &m);

	r = pid < 0 ? -errno : 0;
	if (pid >= 0)
		waitpid(pid, nullptr, __WCLONE);
	pthread_sigmask(SIG_SETMASK, &old, nullptr);
	return num(env, r < 0 ? r : static_cast<double>(m.result));
}
