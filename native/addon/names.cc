/*
 * The cells of names: counters that tell guests whether what they remember of names still holds (native/stub/names.c).
 *
 * One memfd for all guests, mapped in carrick for ever. It is sealed against any further writable mapping (F_SEAL_FUTURE_WRITE), so the guests' copies of the fd can
 * only be read, and against resizing. Writer: the vfs worker, one word at a time; of the words behind the cells (NAMES_SYSTEM) the kernel worker.
 */
#include "addon.h"
#include "exports.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

constexpr size_t BYTES = CARRICK_NAMES_WORDS * sizeof(uint32_t);

static std::mutex names_lock;
static int names_fd = -1;
static std::atomic<uint32_t *> cells{nullptr};

/* Make them; an errno is kept, since what the host refuses once it refuses again. */
static int names_make()
{
	int fd = memfd_create("carrick-names", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	fd = fd_above_stdio(fd);
	if (fd < 0)
		return fd;
	void *at = ftruncate(fd, BYTES) < 0 ? MAP_FAILED : mmap(nullptr, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0) {
		int e = errno;

		if (at != MAP_FAILED)
			munmap(at, BYTES);
		close(fd);
		return -e;
	}
	cells.store(static_cast<uint32_t *>(at), std::memory_order_release);
	return fd;
}

static int names_get()
{
	std::lock_guard<std::mutex> hold(names_lock);

	if (names_fd == -1)
		names_fd = names_make();
	return names_fd;
}

napi_value js_namesFd(napi_env env, napi_callback_info)
{
	return num(env, names_get());
}

/* Word i; NULL when there is none. */
static uint32_t *names_word(uint32_t i)
{
	uint32_t *at = cells.load(std::memory_order_acquire);

	if (at == nullptr && names_get() >= 0)
		at = cells.load(std::memory_order_acquire);
	return at == nullptr || i >= CARRICK_NAMES_WORDS ? nullptr : at + i;
}

napi_value js_namesStore(napi_env env, napi_callback_info info)
{
	Args<2> args(env, info);
	uint32_t *word = names_word(args.u32(0));

	if (word == nullptr)
		return num(env, -EINVAL);
	__atomic_store_n(word, args.u32(1), __ATOMIC_SEQ_CST);
	return num(env, 0);
}

napi_value js_namesLoad(napi_env env, napi_callback_info info)
{
	Args<1> args(env, info);
	const uint32_t *word = names_word(args.u32(0));

	return num(env, word == nullptr ? -EINVAL : static_cast<int64_t>(__atomic_load_n(word, __ATOMIC_SEQ_CST)));
}
