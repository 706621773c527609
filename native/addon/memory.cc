/*
 * Guest memory, by process_vm_readv and process_vm_writev: no mapping, no lock on the guest, faults are the host's answer.
 *
 * Works while the guest waits for a server, which is when servers ask. The target is found by the tg row's host pid. A pid could be reused
 * by a stranger once the guest process was reaped, so the process is checked before a write and after a read.
 */
#include "addon.h"
#include "exports.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum class Way { READ, WRITE };

static ssize_t transfer_with(int pid, uint64_t addr, void *mine, size_t len, Way way)
{
	struct iovec local = { mine, len };
	struct iovec remote = { reinterpret_cast<void *>(static_cast<uintptr_t>(addr)), len };

	return way == Way::WRITE ? process_vm_writev(pid, &local, 1, &remote, 1, 0) : process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

/* A group leader that has exited while its threads go on has no memory any more: ask through another thread. */
static ssize_t transfer_by_threads(int pid, uint64_t addr, void *mine, size_t len, Way way)
{
	char path[64];
	ssize_t r = -1;
	int err = ESRCH;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *dir = opendir(path);

	if (dir != nullptr) {
		while (struct dirent *e = readdir(dir)) {
			int tid = atoi(e->d_name);

			if (tid <= 0 || tid == pid)
				continue;
			r = transfer_with(tid, addr, mine, len, way);
			err = errno;
			if (r >= 0 || err != ESRCH)
				break;
		}
		closedir(dir);
	}
	errno = err;
	return r;
}

/* Bytes moved (> 0 unless len is 0), or -EFAULT when not even the first could be, or -ESRCH. */
static int64_t transfer(Proc *p, uint64_t addr, void *mine, size_t len, Way way)
{
	int pid = proc_host_pid(p);

	if (pid < 0)
		return -ESRCH;
	if (len == 0)
		return 0;
	if (way == Way::WRITE && proc_check(p) < 0)
		return -ESRCH;
	ssize_t r = transfer_with(pid, addr, mine, len, way);

	if (r < 0 && errno == ESRCH)
		r = transfer_by_threads(pid, addr, mine, len, way);
	if (r < 0)
		return errno == ESRCH ? -ESRCH : -EFAULT;
	if (way == Way::READ && proc_check(p) < 0)
		return -ESRCH;
	return r == 0 ? -EFAULT : r;
}

static napi_value move_memory(napi_env env, napi_callback_info info, Way way)
{
	Args<4> a(env, info);
	Proc *p = proc_get(a.i64(0));
	int64_t len = a.i64(3);
	uint8_t *mine = scratch_at(a.i64(2), len);

	if (p == nullptr)
		return num(env, -ESRCH);
	if (mine == nullptr)
		return num(env, -EINVAL);
	return num(env, transfer(p, static_cast<uint64_t>(a.i64(1)), mine, static_cast<size_t>(len), way));
}

napi_value js_readMemory(napi_env env, napi_callback_info info)
{
	return move_memory(env, info, Way::READ);
}

napi_value js_writeMemory(napi_env env, napi_callback_info info)
{
	return move_memory(env, info, Way::WRITE);
}

/*
 * As a debugger writes: also where the guest itself may not (its text). Through /proc/PID/mem, which the host lets write to what is mapped privately whatever the
 * protection, into a copy of the page.
 */
napi_value js_pokeMemory(napi_env env, napi_callback_info info)
{
	Args<4> a(env, info);
	Proc *p = proc_get(a.i64(0));
	int64_t addr = a.i64(1), len = a.i64(3);
	uint8_t *mine = scratch_at(a.i64(2), len);
	char path[64];

	if (p == nullptr)
		return num(env, -ESRCH);
	if (mine == nullptr || addr < 0)
		return num(env, -EINVAL);
	int pid = proc_host_pid(p);

	if (pid < 0)
		return num(env, -ESRCH);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return num(env, -EFAULT);
	/* The file is of the address space that it was opened for: if that is the right process now, it was. */
	ssize_t n = proc_check(p) < 0 ? -1 : pwrite(fd, mine, static_cast<size_t>(len), addr);

	close(fd);
	return num(env, n <= 0 ? -EFAULT : n);
}

napi_value js_readString(napi_env env, napi_callback_info info)
{
	constexpr uint64_t PAGE = 4096;
	Args<4> a(env, info);
	Proc *p = proc_get(a.i64(0));
	uint64_t addr = static_cast<uint64_t>(a.i64(1));
	int64_t max = a.i64(3);
	int64_t done = 0;
	/* The longest string still has a NUL behind it, which is read but must not pass for a byte of the string. */
	uint8_t *mine = scratch_at(a.i64(2), max < 0 ? -1 : max + 1);

	if (p == nullptr)
		return num(env, -ESRCH);
	if (mine == nullptr)
		return num(env, -EINVAL);
	while (done <= max) {
		/* Up to the page's end: the next page may not be there, and need not when the NUL comes first. */
		uint64_t room = PAGE - ((addr + static_cast<uint64_t>(done)) & (PAGE - 1));
		uint64_t left = static_cast<uint64_t>(max + 1 - done);
		int64_t n = transfer(p, addr + static_cast<uint64_t>(done), mine + done, static_cast<size_t>(room < left ? room : left), Way::READ);

		if (n < 0)
			return num(env, n);
		const void *nul = memchr(mine + done, 0, static_cast<size_t>(n));

		if (nul != nullptr)
			return num(env, static_cast<const uint8_t *>(nul) - mine);
		done += n;
	}
	return num(env, -ENAMETOOLONG);
}
