/*
 * The guest processes that carrick starts itself (all others are forked by guests), and the stub's memfd that every guest execs.
 *
 * The first one is cloned with as many of the wanted namespaces as the host gives: first all, in a user namespace (also for root, so that no
 * capability over the host is kept), then fewer and fewer; what was had is told by namespacesGot. Without a pid namespace the guard is started.
 * Later ones (`carrick exec`) join the first one's namespaces. They are carrick's children on the host, and reapSpawned takes their zombies.
 * sandbox.cc is what the child does.
 */
#include <napi.h>

#include "addon.h"
#include "doorbell.h"
#include "exports.h"
#include "sandbox.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <string>
#include <vector>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

constexpr size_t CHILD_STACK = 64 * 1024;
/* Linux's __NEW_UTS_LEN. */
constexpr size_t HOSTNAME_MAX = 64;
/* Bytes of arguments that the host's process list shows. */
constexpr size_t SHOWN_BYTES = 4096;

static std::mutex spawn_lock;
static std::atomic<int> stub_fd{-1};
static std::atomic<uint32_t> namespaces_got{0};
static std::atomic<int> spawned_ns_pid{0};
/* Namespaces of the first process, with those whose purpose failed (see sandbox.cc); under spawn_lock, as the rest. */
static uint32_t namespaces_made;
static int first_pid;
/* Joined processes that were not reaped yet. */
static std::vector<int> joined;

uint32_t namespaces_had()
{
	return namespaces_got.load();
}

int stub_memfd()
{
	return stub_fd.load(std::memory_order_acquire);
}

/* build/stub, or build/stub-check, beside build/Release/carrick.node. */
static std::string default_stub()
{
	Dl_info info;

	if (dladdr(reinterpret_cast<const void *>(&default_stub), &info) == 0 || info.dli_fname == nullptr)
		return "";
	std::string path = info.dli_fname;

	for (int up = 0; up < 2; up++) {
		size_t slash = path.rfind('/');

		path = slash == std::string::npos ? "." : path.substr(0, slash);
	}
	const char *which = getenv("CARRICK_STUB");

	return path + (which != nullptr && strcmp(which, "check") == 0 ? "/stub-check" : "/stub");
}

static int copy_file(int to, int from)
{
	char buf[65536];

	for (;;) {
		ssize_t n = read(from, buf, sizeof(buf));

		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		for (ssize_t done = 0; done < n;) {
			ssize_t w = write(to, buf + done, static_cast<size_t>(n - done));

			if (w < 0)
				return -errno;
			done += w;
		}
	}
}

static int load_stub(const std::string &path)
{
	int from = open(path.c_str(), O_RDONLY | O_CLOEXEC);

	if (from < 0)
		return -errno;
	/* Hosts with vm.memfd_noexec want to be asked for an executable one; old kernels do not know the flag. */
	int fd = memfd_create("carrick-guest", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("carrick-guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r = fd < 0 ? -errno : copy_file(fd, from);

	close(from);
	if (r == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		r = -errno;
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	return fd_above_stdio(fd);
}

napi_value js_stubFd(napi_env env, napi_callback_info info)
{
	Napi::CallbackInfo args(env, info);
	std::lock_guard<std::mutex> hold(spawn_lock);

	if (stub_memfd() < 0) {
		int fd = load_stub(args[0].IsString() ? args[0].As<Napi::String>().Utf8Value() : default_stub());

		if (fd < 0)
			return num(env, fd);
		stub_fd.store(fd, std::memory_order_release);
	}
	return num(env, stub_memfd());
}

/* ---- clone ---- */

static int clone_flags(uint32_t namespaces)
{
	return ((namespaces & NS_USER) != 0 ? CLONE_NEWUSER : 0) | ((namespaces & NS_PID) != 0 ? CLONE_NEWPID : 0) |
	       ((namespaces & NS_MOUNT) != 0 ? CLONE_NEWNS : 0) | ((namespaces & NS_IPC) != 0 ? CLONE_NEWIPC : 0) |
	       ((namespaces & NS_UTS) != 0 ? CLONE_NEWUTS : 0) | ((namespaces & NS_NET) != 0 ? CLONE_NEWNET : 0);
}

/* One attempt. Host pid, or -errno; *pidfd is set on success. */
static int try_spawn(Sandbox *s, uint8_t *stack_top, int *pidfd)
{
	int fd = -1;

	s->stage = STAGE_NONE;
	s->error = 0;
	s->got = 0;
	int pid = clone(sandbox_child, stack_top, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD | clone_flags(s->namespaces), s, &fd);

	if (pid < 0)
		return -errno;
	if (s->stage == STAGE_NONE) {
		*pidfd = fd_above_stdio(fd);
		return pid;
	}
	close(fd);
	waitpid(pid, nullptr, 0);
	return s->error;
}

/* Ever fewer namespaces, until a process comes to life. */
static int spawn_with(Sandbox *s, uint32_t wanted, int *pidfd)
{
	/* Sets to be had, most wanted first; each is cut to what was asked for (and NS_USER). */
	static const uint32_t steps[] = {
		NS_ALL,
		NS_ALL & ~NS_USER,
		NS_USER | NS_PID | NS_MOUNT | NS_IPC | NS_UTS,
		NS_USER | NS_PID | NS_MOUNT,
		NS_USER | NS_PID,
		NS_PID | NS_MOUNT,
		NS_PID,
		NS_USER,
		0,
	};
	uint32_t before = ~0U;
	void *stack = mmap(nullptr, CHILD_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	int pid = -ENOMEM;
	sigset_t all, old;

	if (stack == MAP_FAILED)
		return -errno;
	/* A handler of carrick's must not run in the child, which shares its memory. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (uint32_t step : steps) {
		/* "None" is none: how the ways of hosts without namespaces are tested. */
		s->namespaces = wanted == 0 ? 0 : step & (wanted | NS_USER);
		if (s->namespaces == before)
			continue;
		before = s->namespaces;
		pid = try_spawn(s, static_cast<uint8_t *>(stack) + CHILD_STACK, pidfd);
		/* Past the ids, fewer namespaces would not help. */
		if (pid >= 0 || s->stage > STAGE_IDS)
			break;
	}
	pthread_sigmask(SIG_SETMASK, &old, nullptr);
	munmap(stack, CHILD_STACK);
	return pid;
}

/* ---- joining the first process's namespaces ---- */

/* Fds of what there is to enter; -errno when something cannot be opened. The first process lives, or is a zombie: its pid is its own. */
int open_namespaces(int fds[NS_KINDS], uint32_t which)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} kinds[NS_KINDS] = { { NS_USER, "user" }, { NS_PID, "pid" }, { NS_MOUNT, "mnt" }, { NS_IPC, "ipc" }, { NS_UTS, "uts" }, { NS_NET, "net" } };
	char path[48];

	for (int i = 0; i < NS_KINDS; i++) {
		if ((namespaces_made & which & kinds[i].bit) == 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", first_pid, kinds[i].name);
		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			return -errno;
	}
	return 0;
}

/* Host pid, or -errno. */
static int join_child(Sandbox *s, uint8_t *stack, int *pidfd)
{
	int between = clone(sandbox_join, stack + CHILD_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, s);

	if (between < 0)
		return -errno;
	waitpid(between, nullptr, 0);
	if (s->stage == STAGE_NONE && s->host_pid > 0) {
		/* Ours and not reaped: the number is still its own. */
		int fd = static_cast<int>(syscall(SYS_pidfd_open, s->host_pid, 0));

		if (fd >= 0) {
			*pidfd = fd_above_stdio(fd);
			return s->host_pid;
		}
		s->error = -errno;
		kill(s->host_pid, SIGKILL);
	}
	if (s->host_pid > 0)
		waitpid(s->host_pid, nullptr, 0);
	return s->error < 0 ? s->error : -EAGAIN;
}

static int spawn_joined(Sandbox *s, int *pidfd)
{
	int fds[NS_KINDS] = { -1, -1, -1, -1, -1, -1 };
	void *stacks = mmap(nullptr, 2 * CHILD_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	sigset_t all, old;

	if (stacks == MAP_FAILED)
		return -errno;
	int r = open_namespaces(fds, NS_ALL);

	if (r == 0) {
		s->join = fds;
		s->namespaces = namespaces_made;
		s->inner_stack_top = static_cast<uint8_t *>(stacks) + 2 * CHILD_STACK;
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		r = join_child(s, static_cast<uint8_t *>(stacks), pidfd);
		pthread_sigmask(SIG_SETMASK, &old, nullptr);
	}
	for (int fd : fds)
		if (fd >= 0)
			close(fd);
	munmap(stacks, 2 * CHILD_STACK);
	if (r < 0)
		return r;
	if ((namespaces_made & NS_PID) == 0) {
		int g = guard_add(r);

		if (g < 0) {
			kill(r, SIGKILL);
			waitpid(r, nullptr, 0);
			close(*pidfd);
			return g;
		}
	}
	joined.push_back(r);
	return r;
}

napi_value js_reapSpawned(napi_env env, napi_callback_info info)
{
	Args<1> args(env, info);
	std::lock_guard<std::mutex> hold(spawn_lock);
	auto at = std::find(joined.begin(), joined.end(), args.i32(0));

	if (at == joined.end())
		return num(env, -ECHILD);
	int pid = *at;
	int r = waitpid(pid, nullptr, WNOHANG);

	if (r == 0)
		return num(env, -EAGAIN);
	joined.erase(at);
	guard_remove(pid);
	return num(env, 0);
}

/* ---- options ---- */

static int64_t option(const Napi::Object &o, const char *name, int64_t missing)
{
	Napi::Value v = o.Get(name);

	return v.IsNumber() ? v.As<Napi::Number>().Int64Value() : missing;
}

static int fill_fds(Sandbox *s, const Napi::Object &o)
{
	Area *a = area_get(option(o, "area", -1));
	Napi::Value stdio = o.Get("stdio");

	if (a == nullptr)
		return -EINVAL;
	for (uint32_t i = 0; i < 3; i++) {
		Napi::Value v = stdio.IsArray() ? stdio.As<Napi::Array>().Get(i) : stdio;

		s->fds[i] = v.IsNumber() ? v.As<Napi::Number>().Int32Value() : -1;
	}
	int *reserved = s->fds + 3;

	reserved[CARRICK_FDR_CTL] = static_cast<int>(option(o, "ctlGuestFd", -1));
	reserved[CARRICK_FDR_AREA] = a->fd;
	reserved[CARRICK_FDR_STUB] = stub_memfd();
	for (int i = CARRICK_FDR_DOORBELL; i < CARRICK_FDR_COUNT; i++)
		reserved[i] = i - CARRICK_FDR_DOORBELL < CARRICK_SRV_COUNT ? doorbell_guest_fd(i - CARRICK_FDR_DOORBELL) : -1;
	return reserved[CARRICK_FDR_CTL] < 0 || s->fdr_base < 3 ? -EINVAL : 0;
}

/* The plan's arguments, as the stub shows them after an exec (stub/exec.c); nobody else writes the plan yet. */
static void fill_argv(Sandbox *s, const Area *a)
{
	const struct carrick_plan *p = reinterpret_cast<const struct carrick_plan *>(a->base + CARRICK_PLAN_OFF);
	uint64_t used = 0;
	int n = 0;

	if (p->stack_off < CARRICK_PLAN_MAX && p->stack_len <= CARRICK_PLAN_MAX - p->stack_off) {
		const char *blob = reinterpret_cast<const char *>(p) + p->stack_off;

		while (n < SHOWN_ARGS && static_cast<uint32_t>(n) < p->argc && used < p->stack_len && used < SHOWN_BYTES) {
			size_t room = std::min<uint64_t>(p->stack_len, SHOWN_BYTES) - used;
			size_t len = strnlen(blob + used, room);

			if (len == room)
				break;
			s->argv[n++] = blob + used;
			used += len + 1;
		}
	}
	if (n == 0)
		s->argv[n++] = "carrick-guest";
	s->argv[n] = nullptr;
}

/* Keep the namespace of the guests at hand, for translating tids. */
static void remember_pidns(int pid)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	process_set_pidns(fd < 0 ? -1 : fd_above_stdio(fd));
}

napi_value js_spawn(napi_env env, napi_callback_info info)
{
	Napi::CallbackInfo args(env, info);
	Sandbox s = {};

	if (!args[0].IsObject() || stub_memfd() < 0)
		return num(env, -EINVAL);
	Napi::Object o = args[0].As<Napi::Object>();
	Napi::Value name = o.Get("hostname");
	std::string hostname = name.IsString() ? name.As<Napi::String>().Utf8Value() : "";
	int pidfd = -1;

	s.fdr_base = static_cast<int>(option(o, "fdrBase", -1));
	int r = hostname.size() > HOSTNAME_MAX ? -ENAMETOOLONG : fill_fds(&s, o);

	if (r < 0)
		return num(env, r);
	s.hostname = hostname.c_str();
	snprintf(s.uid_map, sizeof(s.uid_map), "%u %u 1", geteuid(), geteuid());
	snprintf(s.gid_map, sizeof(s.gid_map), "%u %u 1", getegid(), getegid());
	snprintf(s.env_fdr, sizeof(s.env_fdr), "CARRICK_FDR=%d", s.fdr_base);
	fill_argv(&s, area_get(option(o, "area", -1)));
	std::lock_guard<std::mutex> hold(spawn_lock);
	Napi::Value join = o.Get("join");
	bool first = !join.IsBoolean() || !join.As<Napi::Boolean>().Value();
	int pid = first ? spawn_with(&s, static_cast<uint32_t>(option(o, "namespaces", 0)) & NS_ALL, &pidfd) : first_pid > 0 ? spawn_joined(&s, &pidfd) : -ESRCH;

	if (pid < 0)
		return num(env, pid);
	bool pidns = (s.got & NS_PID) != 0;

	worker.last_fd = pidfd;
	spawned_ns_pid.store(s.pid);
	if (!first)
		return num(env, pid);
	namespaces_got.store(s.got);
	namespaces_made = s.namespaces;
	first_pid = pid;
	process_set_init(pid, !pidns);
	if (pidns) {
		remember_pidns(pid);
	} else if ((r = guard_start(pid)) < 0) {
		/* Better no container than one whose processes could outlive it. */
		kill(pid, SIGKILL);
		waitpid(pid, nullptr, 0);
		close(pidfd);
		return num(env, r);
	}
	return num(env, pid);
}

napi_value js_namespacesGot(napi_env env, napi_callback_info)
{
	return num(env, namespaces_had());
}

napi_value js_spawnedNsPid(napi_env env, napi_callback_info)
{
	return num(env, spawned_ns_pid.load());
}
