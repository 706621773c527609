/*
 * What the addon's files share: reading arguments, the worker's own state, the process-wide tables.
 *
 * The addon is loaded once per process and initialised once per worker. State is of three kinds:
 *   - the worker's own (`worker`, thread-local): scratch, last fd, its endpoint. A Node worker is one thread for life.
 *   - append-only process-wide tables (areas, processes): entries appear once, stay for ever and are read through atomics.
 *   - what several workers change (control sockets, pidfds): under the entry's own mutex.
 *
 * Hot functions use plain Node-API calls with the fewest possible checks: their callers are our own TypeScript, and a wrong type reads
 * as 0. What a *guest* can influence is checked everywhere.
 */
#ifndef CARRICK_ADDON_H
#define CARRICK_ADDON_H

#include <node_api.h>

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "layout.h"

struct Endpoint;

/* This worker's state. */
struct Worker {
	uint8_t *scratch = nullptr;
	uint64_t scratch_len = 0;
	napi_ref scratch_ref = nullptr;
	/* Second result of ctlPair and spawn. */
	int last_fd = -1;
	Endpoint *endpoint = nullptr;
};
extern thread_local Worker worker;

/* The arguments of a call, as numbers. Missing ones read as 0. */
template <size_t N> struct Args {
	napi_env env;
	napi_value v[N];

	Args(napi_env e, napi_callback_info info) : env(e)
	{
		size_t n = N;
		napi_get_cb_info(e, info, &n, v, nullptr, nullptr);
	}
	/* A Number truncated to 64 bits; guest addresses and sizes are exact. */
	int64_t i64(size_t i) const
	{
		int64_t x = 0;
		napi_get_value_int64(env, v[i], &x);
		return x;
	}
	int i32(size_t i) const { return static_cast<int>(i64(i)); }
	/* Also takes the negative Numbers that TypeScript's | and << make of big words. */
	uint32_t u32(size_t i) const { return static_cast<uint32_t>(i64(i)); }
};

static inline napi_value num(napi_env env, int64_t x)
{
	napi_value v = nullptr;

	if (x == static_cast<int32_t>(x))
		napi_create_int32(env, static_cast<int32_t>(x), &v);
	else
		napi_create_double(env, static_cast<double>(x), &v);
	return v;
}

/* A host call's result as >= 0 or -errno. */
static inline int64_t ret_errno(int64_t r)
{
	return r < 0 ? -static_cast<int64_t>(errno) : r;
}

/* `len` bytes of this worker's scratch at `off`, or null when they do not lie inside it. */
static inline uint8_t *scratch_at(int64_t off, int64_t len)
{
	if (off < 0 || len < 0 || static_cast<uint64_t>(off) > worker.scratch_len ||
	    static_cast<uint64_t>(len) > worker.scratch_len - static_cast<uint64_t>(off))
		return nullptr;
	return worker.scratch + off;
}

/* ---- areas.cc ---- */

/* Owner words of a request (SlotBind.owner, see endpoint.cc): the server in the low byte, plus 1. */
constexpr uint64_t OWNER_SRV = 0xff;
constexpr uint64_t OWNER_QUEUED = 0x100;
constexpr uint64_t OWNER_FORWARD = 0x200;
constexpr int OWNER_TICKET_SHIFT = 16;

/* What carrick knows of a slot, out of the guest's reach. */
struct SlotBind {
	/* Task row and tg row that own it; 0 = nobody. Written by the kernel worker, read by all. */
	std::atomic<uint32_t> task{0};
	std::atomic<uint32_t> tg{0};
	/* 1: of a task that is to commit itself; nothing else is taken from it. Writer: the kernel worker. */
	std::atomic<uint32_t> unborn{0};
	/* slot.seq of the request that was taken last. */
	std::atomic<uint32_t> taken{0};
	/* Which server has its request; see endpoint.cc. */
	std::atomic<uint64_t> owner{0};
	/* guest tid << 32 | host tid, a cache; 0 = not known. */
	std::atomic<uint64_t> host_tid{0};
};

struct Area {
	uint8_t *base;
	int fd;
	std::atomic<bool> live{false};
	/* Reservations; under areas_lock. */
	bool pctx_used[CARRICK_PCTX_MAX];
	uint8_t slot_used[CARRICK_SLOT_MAX];
	/* How far pctx, slots and plan (bytes) were ever used in this life of the area; see area_clean. */
	uint32_t pctx_top;
	uint32_t slot_top;
	uint32_t plan_top;
	SlotBind bind[CARRICK_SLOT_MAX];
};

/* A living area, or null. Its memory stays mapped even after it is freed, so a race with areaFree reads stale bytes, never faults. */
Area *area_get(int64_t ix);

static inline uint8_t *slot_of(const Area *a, uint32_t slot)
{
	return a->base + CARRICK_SLOT_OFF + static_cast<size_t>(slot) * CARRICK_SLOT_STRIDE;
}

static inline uint8_t *pctx_of(const Area *a, uint32_t ix)
{
	return a->base + CARRICK_PCTX_OFF + static_cast<size_t>(ix) * CARRICK_PCTX_STRIDE;
}

/* Words of shared memory that somebody else may change at any time. */
static inline uint32_t load32(const uint8_t *p)
{
	return __atomic_load_n(reinterpret_cast<const uint32_t *>(p), __ATOMIC_ACQUIRE);
}
static inline void store32(uint8_t *p, uint32_t x)
{
	__atomic_store_n(reinterpret_cast<uint32_t *>(p), x, __ATOMIC_RELEASE);
}
static inline uint64_t load64(const uint8_t *p)
{
	return __atomic_load_n(reinterpret_cast<const uint64_t *>(p), __ATOMIC_ACQUIRE);
}

#define SLOT_FIELD(f) offsetof(struct carrick_slot, f)
#define PCTX_FIELD(f) offsetof(struct carrick_pctx, f)

/* ---- process.cc ---- */

/* Rows of the tg table (shared/layout/tables.layout.ts). */
constexpr uint32_t TG_ROWS = 4096;

/* What a tg row is on the host. */
struct Proc {
	std::mutex lock;
	/* Under lock: whoever uses these holds it, so that procFree cannot close them (and the host reuse the number) under their feet. */
	int pidfd = -1;
	int ctl = -1;
	/* Control messages sent on ctl since the last (re)binding. */
	uint32_t ctl_sent = 0;
	std::atomic<int> host_pid{0};
	/* How far the program is that reads ctl: bound, has its images (CTL_IMAGES), is to be replaced (CTL_EXEC). Under lock. */
	enum { BOUND, BEGUN, LEAVING } phase = BOUND;
	/* place_of its area and pctx; 0 = not bound. */
	std::atomic<uint32_t> place{0};
};

constexpr uint32_t place_of(int64_t area, int64_t pctx)
{
	return (static_cast<uint32_t>(area) << 8 | static_cast<uint32_t>(pctx)) + 1;
}

Proc *proc_get(int64_t tg);
/* fdhint, sigpend etc. of a bound process, or null. */
uint8_t *proc_pctx(const Proc *p);
/* Host pid, or -ESRCH. */
int proc_host_pid(Proc *p);
/* 0 while the process's pid is its own (alive or zombie), else -ESRCH. */
int proc_check(Proc *p);
/* 0 when a pidfd that a guest sent stands for its process `guest`, or for one that is dead or dying, which can do no harm; else -EPERM (not of this container) or -EINVAL (another one). */
int pidfd_is_guest(int pidfd, int guest);
/* Host pid that a pidfd stands for, as carrick sees it; -ESRCH when that process is gone, -EBADF when it is no pidfd. */
int pidfd_pid(int pidfd);
/* Tell process.cc the pid namespace of the guests, once spawn has made one (-1 = none). Takes the fd. */
void process_set_pidns(int nsfd);
/* The container's first process on the host, and its process group when guests have no pid namespace (see guard.cc). */
void process_set_init(int pid, bool group);

/* ---- ctl.cc ---- */

/* The fd itself, or a close-on-exec copy above 2 in place of it when the host handed out 0..2. */
int fd_above_stdio(int fd);

/* ---- endpoint.cc ---- */

/* Free this worker's endpoint; at the environment's end. */
void endpoint_release(napi_env env);

/* ---- spawn.cc ---- */

/* The stub's memfd, or -1 before stubFd was called. */
int stub_memfd();

/* ---- guard.cc ---- */

/* Start the guard, of process group pgid to begin with. 0 or -errno. */
int guard_start(int pgid);
/* One group more (its leader is carrick's child, so the number stays its own until guard_remove). 0, or -EAGAIN when there are too many. */
int guard_add(int pgid);
/* One less; nothing happens when it is not there. */
void guard_remove(int pgid);
/* Kill every group now. */
void guard_kill();
/* Dismiss it without killing. */
void guard_stop();

#endif
