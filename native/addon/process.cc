/*
 * Guest processes on the host: pidfd, control socket, host pid and tids, signals.
 *
 * One Proc per tg row, in a fixed table. The pidfd is what keeps signals safe: it never means another process. Pids and tids are looked up from
 * it and cached, because process_vm_readv and tgkill take numbers; before these are used the pidfd is asked whether the number still holds.
 *
 * Guests usually live in a pid namespace of their own: the numbers they know are not carrick's. A pidfd's number as carrick sees it comes from
 * PIDFD_GET_INFO (Linux 6.13) or /proc/self/fdinfo; a tid's from NS_GET_PID_FROM_PIDNS (Linux 6.12) or the NSpid lines of
 * /proc/PID/task/TID/status, whose last column is the number in the innermost namespace, where the task itself lives.
 */
#include "addon.h"
#include "exports.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* linux/pidfd.h of 6.13; older headers lack it. */
struct pidfd_info_v0 {
	uint64_t mask;
	uint64_t cgroupid;
	uint32_t pid;
	uint32_t tgid;
	uint32_t ppid;
	uint32_t ids[8];
	int32_t exit_code;
};
static_assert(sizeof(pidfd_info_v0) == 64, "PIDFD_INFO_SIZE_VER0");
#define CARRICK_PIDFD_GET_INFO _IOWR(0xff, 11, struct pidfd_info_v0)
/* linux/nsfs.h of 6.12. */
#define CARRICK_NS_GET_PID_FROM_PIDNS _IOR(0xb7, 0x6, int)
#define CARRICK_NS_GET_TGID_FROM_PIDNS _IOR(0xb7, 0x7, int)
#define CARRICK_NS_GET_TGID_IN_PIDNS _IOR(0xb7, 0x9, int)

static Proc procs[TG_ROWS];
/* The guests' pid namespace, for translating tids; -1 = none or not known. */
static std::atomic<int> pidns_fd{-1};
static std::atomic<int> init_pid{0};
static std::atomic<bool> init_group{false};

Proc *proc_get(int64_t tg)
{
	return tg > 0 && tg < static_cast<int64_t>(TG_ROWS) ? &procs[tg] : nullptr;
}

uint8_t *proc_pctx(const Proc *p)
{
	uint32_t place = p->place.load(std::memory_order_acquire);

	if (place == 0)
		return nullptr;
	Area *a = area_get((place - 1) >> 8);

	return a == nullptr ? nullptr : pctx_of(a, (place - 1) & 0xff);
}

void process_set_pidns(int nsfd)
{
	int old = pidns_fd.exchange(nsfd);

	if (old >= 0)
		close(old);
}

void process_set_init(int pid, bool group)
{
	init_group.store(group);
	init_pid.store(pid);
}

/* ---- numbers ---- */

/* The number after `key` at the start of a line of a /proc file: the first one, or the last of the line. */
static int proc_line(const char *path, const char *key, bool last)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -ESRCH;
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	if (n <= 0)
		return -ESRCH;
	text[n] = 0;
	char *at = strstr(text, key);

	if (at == nullptr)
		return -ESRCH;
	at += strlen(key);
	int value = -ESRCH;

	for (;;) {
		char *end = nullptr;
		long x = strtol(at, &end, 10);

		if (end == at)
			break;
		value = static_cast<int>(x);
		at = end;
		if (!last || *at == '\n')
			break;
	}
	return value;
}

int pidfd_pid(int pidfd)
{
	struct pidfd_info_v0 info;

	memset(&info, 0, sizeof(info));
	info.mask = 1; /* PIDFD_INFO_PID */
	if (ioctl(pidfd, CARRICK_PIDFD_GET_INFO, &info) == 0)
		return info.pid > 0 ? static_cast<int>(info.pid) : -ESRCH;
	if (errno == ESRCH)
		return -ESRCH;
	char path[48];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	int pid = proc_line(path, "\nPid:\t", false);

	/* -1: reaped; 0: in no namespace of ours; no such line: no pidfd. */
	return pid > 0 ? pid : pid == -1 || pid == 0 ? -ESRCH : -EBADF;
}

/* The number that a process has in the container's pid namespace; -ENOTTY: there is none, or the host is older than Linux 6.12. */
static int pid_within(int pid)
{
	int ns = pidns_fd.load(std::memory_order_relaxed);

	return ns < 0 ? -ENOTTY : static_cast<int>(ret_errno(ioctl(ns, CARRICK_NS_GET_TGID_IN_PIDNS, static_cast<unsigned long>(pid))));
}

/* Whether a process, whose pidfd is at hand, runs the stub; or is on its way out, when it has no executable any more. */
static bool runs_stub(int pid)
{
	char path[40];
	struct stat exe, stub;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (stat(path, &exe) < 0)
		return errno == ENOENT || errno == ESRCH;
	return fstat(stub_memfd(), &stub) == 0 && exe.st_dev == stub.st_dev && exe.st_ino == stub.st_ino;
}

int pidfd_is_guest(int pidfd, int guest)
{
	int pid = pidfd_pid(pidfd), is;
	char path[48];

	if (pid < 0)
		return pid == -ESRCH ? 0 : -EPERM;
	is = pid_within(pid);
	if (is <= 0) {
		if (!runs_stub(pid))
			return -EPERM;
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
		is = proc_line(path, "\nNSpid:\t", true);
		if (is < 0)
			is = proc_line(path, "\nPid:\t", false);
	}
	/* One that was reaped meanwhile tells no number. */
	return is <= 0 || is == guest ? 0 : -EINVAL;
}

int proc_host_pid(Proc *p)
{
	int pid = p->host_pid.load(std::memory_order_acquire);

	if (pid > 0)
		return pid;
	std::lock_guard<std::mutex> hold(p->lock);

	if (p->pidfd < 0)
		return -ESRCH;
	pid = pidfd_pid(p->pidfd);
	if (pid <= 0)
		return -ESRCH;
	p->host_pid.store(pid, std::memory_order_release);
	return pid;
}

int proc_check(Proc *p)
{
	std::lock_guard<std::mutex> hold(p->lock);

	if (p->pidfd < 0)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, p->pidfd, 0, nullptr, 0) == 0 ? 0 : -ESRCH;
}

/* Look through a process's tasks for the one that calls itself `tid`. */
static int scan_tasks(int pid, int tid)
{
	char path[64];
	int found = -ESRCH;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *dir = opendir(path);

	if (dir == nullptr)
		return -ESRCH;
	while (struct dirent *e = readdir(dir)) {
		int host = atoi(e->d_name);

		if (host <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, host);
		int inner = proc_line(path, "\nNSpid:\t", true);

		/* A kernel without pid namespaces has no such line, and only one number. */
		if (inner == tid || (inner < 0 && host == tid)) {
			found = host;
			break;
		}
	}
	closedir(dir);
	return found;
}

static int find_host_tid(int pid, int tid)
{
	int ns = pidns_fd.load(std::memory_order_relaxed);

	if (ns >= 0) {
		int host = ioctl(ns, CARRICK_NS_GET_PID_FROM_PIDNS, static_cast<unsigned long>(tid));

		if (host > 0)
			return host;
		if (errno == ESRCH)
			return -ESRCH;
	}
	return scan_tasks(pid, tid);
}

/* Host tid of guest tid `tid`, from the slot's cache unless `fresh`. */
static int host_tid(Proc *p, uint32_t id, int tid, bool fresh)
{
	Area *a = area_get(id >> CARRICK_SLOT_BITS);
	std::atomic<uint64_t> *cache = a == nullptr ? nullptr : &a->bind[id & (CARRICK_SLOT_MAX - 1)].host_tid;
	uint64_t key = static_cast<uint64_t>(static_cast<uint32_t>(tid)) << 32;

	if (tid <= 0)
		return -ESRCH;
	if (cache != nullptr && !fresh) {
		uint64_t have = cache->load(std::memory_order_acquire);

		if ((have & ~0xffffffffULL) == key && (have & 0xffffffffULL) != 0)
			return static_cast<int>(have & 0xffffffffULL);
	}
	int pid = proc_host_pid(p);

	if (pid < 0)
		return pid;
	int host = find_host_tid(pid, tid);

	if (host > 0 && cache != nullptr)
		cache->store(key | static_cast<uint32_t>(host), std::memory_order_release);
	return host;
}

napi_value js_pidfdByNumber(napi_env env, napi_callback_info info)
{
	Args<1> args(env, info);
	int guest = args.i32(0), ns = pidns_fd.load(std::memory_order_relaxed);

	if (ns < 0)
		return num(env, -ENOTTY);
	int pid = static_cast<int>(ret_errno(ioctl(ns, CARRICK_NS_GET_TGID_FROM_PIDNS, static_cast<unsigned long>(guest))));
	int fd = pid < 0 ? pid : fd_above_stdio(static_cast<int>(ret_errno(syscall(SYS_pidfd_open, pid, 0))));
	/* Meanwhile the number may have become another's. */
	int r = fd < 0 ? fd : pidfd_is_guest(fd, guest);

	if (fd >= 0 && r < 0)
		close(fd);
	return num(env, r < 0 ? r : fd);
}

napi_value js_hostPid(napi_env env, napi_callback_info info)
{
	Args<1> args(env, info);
	Proc *p = proc_get(args.i64(0));

	return num(env, p == nullptr ? -ESRCH : proc_host_pid(p));
}

napi_value js_hostTid(napi_env env, napi_callback_info info)
{
	Args<3> args(env, info);
	Proc *p = proc_get(args.i64(0));

	return num(env, p == nullptr ? -ESRCH : host_tid(p, args.u32(1), args.i32(2), false));
}

/* ---- binding ---- */

static void replace_fd(int *slot, int fd)
{
	if (*slot >= 0 && *slot != fd)
		close(*slot);
	*slot = fd;
}

napi_value js_procBind(napi_env env, napi_callback_info info)
{
	Args<5> args(env, info);
	Proc *p = proc_get(args.i64(0));
	int pidfd = args.i32(1);
	int ctl = args.i32(2);
	int64_t area = args.i64(3);
	int64_t pctx = args.i64(4);

	if (p == nullptr || area_get(area) == nullptr || pctx < 0 || pctx >= CARRICK_PCTX_MAX)
		return num(env, -EINVAL);
	std::lock_guard<std::mutex> hold(p->lock);
	uint32_t place = place_of(area, pctx);

	/* The receiver counts from 0 with a new pctx or socket. */
	if (p->place.load() != place || p->ctl != ctl) {
		p->ctl_sent = 0;
		p->phase = Proc::BOUND;
	}
	if (p->pidfd != pidfd)
		p->host_pid.store(0, std::memory_order_release);
	replace_fd(&p->pidfd, pidfd);
	replace_fd(&p->ctl, ctl);
	p->place.store(place, std::memory_order_release);
	return num(env, 0);
}

/*
 * The container's first process, carrick's own child, is over or has to be: nothing of it may go on. A pid namespace sees to that itself; else the
 * group is killed, while the process, not yet reaped, still holds the group's number. Waits for the death that it has just ordered.
 */
static void end_init(int pid, int pidfd)
{
	int expected = pid;
	siginfo_t si;

	if (pid <= 0 || !init_pid.compare_exchange_strong(expected, 0))
		return;
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
	if (init_group.load()) {
		guard_kill();
		guard_stop();
	}
	while (syscall(SYS_waitid, P_PIDFD, pidfd, &si, WEXITED | __WALL, nullptr) < 0 && errno == EINTR)
		;
	process_set_pidns(-1);
}

napi_value js_procFree(napi_env env, napi_callback_info info)
{
	Args<1> args(env, info);
	Proc *p = proc_get(args.i64(0));

	if (p == nullptr)
		return num(env, -EINVAL);
	std::lock_guard<std::mutex> hold(p->lock);

	if (p->pidfd >= 0) {
		int pid = p->host_pid.load();

		end_init(pid > 0 ? pid : pidfd_pid(p->pidfd), p->pidfd);
	}
	replace_fd(&p->pidfd, -1);
	replace_fd(&p->ctl, -1);
	p->ctl_sent = 0;
	p->phase = Proc::BOUND;
	p->host_pid.store(0, std::memory_order_release);
	p->place.store(0, std::memory_order_release);
	return num(env, 0);
}

/* ---- signals ---- */

napi_value js_killProcess(napi_env env, napi_callback_info info)
{
	Args<2> args(env, info);
	Proc *p = proc_get(args.i64(0));

	if (p == nullptr)
		return num(env, -ESRCH);
	std::lock_guard<std::mutex> hold(p->lock);

	if (p->pidfd < 0)
		return num(env, -ESRCH);
	return num(env, ret_errno(syscall(SYS_pidfd_send_signal, p->pidfd, args.i32(1), nullptr, 0)));
}

static int kick(Proc *p, uint32_t id, int tid, bool fresh)
{
	int host = host_tid(p, id, tid, fresh);

	if (host < 0)
		return host;
	int pid = proc_host_pid(p);

	if (pid < 0 || proc_check(p) < 0)
		return -ESRCH;
	return static_cast<int>(ret_errno(syscall(SYS_tgkill, pid, host, CARRICK_KICK_SIGNAL)));
}

napi_value js_kickTask(napi_env env, napi_callback_info info)
{
	Args<3> args(env, info);
	Proc *p = proc_get(args.i64(0));

	if (p == nullptr)
		return num(env, -ESRCH);
	int r = kick(p, args.u32(1), args.i32(2), false);

	/* The cached number may be of the tid's life before an exec. */
	return num(env, r == -ESRCH ? kick(p, args.u32(1), args.i32(2), true) : r);
}

/* ---- fd hints ---- */

napi_value js_hintSet(napi_env env, napi_callback_info info)
{
	Args<3> args(env, info);
	Proc *p = proc_get(args.i64(0));
	int64_t fd = args.i64(1);
	uint8_t *pctx = p == nullptr ? nullptr : proc_pctx(p);

	if (pctx == nullptr)
		return num(env, -ESRCH);
	if (fd < 0 || fd >= CARRICK_HINT_FDS)
		return num(env, -EBADF);
	__atomic_store_n(pctx + PCTX_FIELD(fdhint) + fd, static_cast<uint8_t>(args.u32(2)), __ATOMIC_RELEASE);
	return num(env, 0);
}

napi_value js_hintGet(napi_env env, napi_callback_info info)
{
	Args<2> args(env, info);
	Proc *p = proc_get(args.i64(0));
	int64_t fd = args.i64(1);
	uint8_t *pctx = p == nullptr ? nullptr : proc_pctx(p);

	if (pctx == nullptr)
		return num(env, -ESRCH);
	if (fd < 0 || fd >= CARRICK_HINT_FDS)
		return num(env, -EBADF);
	return num(env, __atomic_load_n(pctx + PCTX_FIELD(fdhint) + fd, __ATOMIC_ACQUIRE));
}
