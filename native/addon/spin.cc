/*
 * Watching for the next request instead of sleeping.
 *
 * Waking an idle core costs ten times what answering a call costs. So a server that has just answered keeps looking at the slots it answered
 * last, for some tens of microseconds, and says so in slot.watched: the stub then posts without ringing. The bit stays while the server finds
 * something to do, so that a row of calls does not pay for it. Leaving is Dekker's dance: the server
 * clears its bit and looks once more; the stub stores POSTED and then reads the bit; one of the two sees the other.
 *
 * It must never cost a busy machine its cores: every turn gives the core away (sched_yield), a yield that took long means that somebody
 * wanted it (and has had it for a whole slice), and a failed watch is followed by plain sleeps, ever more of them, after the same call: what a program does
 * after a call is what it did the last time (a shell forks when it has waited, and computes when it has forked). Only one server watches at a time (the last to begin), and
 * none on a single core.
 */
#include "spin.h"
#include <algorithm>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How long to watch, and how long a turn may take before the core counts as wanted. ns */
static constexpr int64_t WATCH_NS = 50000;
/* vfs is asked again and again by whoever starts or looks through files, and most of its answers come before a sleeper would have been woken. A child is made in less. */
static constexpr int64_t WATCH_LONG_NS = 200000;
static constexpr int64_t WANTED_NS = 20000;
/* Looks between two yields. */
static constexpr int LOOKS = 40;
static constexpr uint32_t BACKOFF_MAX = 64;
/* A yield to somebody who computes costs some milliseconds: as many sleeps as make that little. */
static constexpr uint32_t BACKOFF_WANTED_MAX = 1024;

static std::atomic<uint32_t> watcher{0};

static int64_t now_ns()
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static bool several_cores()
{
	static const bool several = sysconf(_SC_NPROCESSORS_ONLN) > 1;

	return several;
}

static inline void cpu_relax()
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	asm volatile("yield");
#endif
}

static uint8_t *slot_bytes(uint32_t id)
{
	Area *a = area_get(id >> CARRICK_SLOT_BITS);

	return a == nullptr ? nullptr : slot_of(a, id & (CARRICK_SLOT_MAX - 1));
}

static uint32_t *slot_watched(uint8_t *slot)
{
	return reinterpret_cast<uint32_t *>(slot + offsetof(struct carrick_slot, watched));
}

/* A request that nobody has taken: one that is parked here stays POSTED, too. */
static bool posted(uint32_t id, uint32_t srv)
{
	Area *a = area_get(id >> CARRICK_SLOT_BITS);
	uint32_t s = id & (CARRICK_SLOT_MAX - 1);

	if (a == nullptr)
		return false;
	const uint8_t *slot = slot_of(a, s);

	return load32(slot + offsetof(struct carrick_slot, state)) == CARRICK_SLOT_POSTED
		&& load32(slot + offsetof(struct carrick_slot, server)) == srv && a->bind[s].owner.load(std::memory_order_relaxed) == 0;
}

static void put_first(Spinner &s, uint32_t slot_id)
{
	int at = 0;

	while (at < s.n && s.recent[at] != slot_id)
		at++;
	if (at == s.n && s.n < Spinner::SLOTS)
		s.n++;
	if (at == Spinner::SLOTS)
		at--;
	memmove(s.recent + 1, s.recent, static_cast<size_t>(at) * sizeof(s.recent[0]));
	s.recent[0] = slot_id;
}

void spin_note(Spinner &s, uint32_t slot_id, uint32_t nr)
{
	s.last = static_cast<int>((nr ^ nr >> 6) % Spinner::CALLS);
	put_first(s, slot_id);
}

void spin_expect(Spinner &s, uint32_t slot_id)
{
	put_first(s, slot_id);
	s.expecting = true;
}

/* One look at every armed slot. */
static bool any_posted(const Spinner &s, uint32_t srv)
{
	for (int i = 0; i < s.narmed; i++)
		if (posted(s.armed[i], srv))
			return true;
	return false;
}

static bool among(const uint32_t *list, int n, uint32_t id)
{
	for (int i = 0; i < n; i++)
		if (list[i] == id)
			return true;
	return false;
}

/* Take our bit back from the armed slots that are not among the n of `keep`. */
static void disarm(Spinner &s, uint32_t srv, const uint32_t *keep, int n)
{
	int kept = 0;

	for (int i = 0; i < s.narmed; i++) {
		uint32_t id = s.armed[i];
		uint8_t *slot = slot_bytes(id);

		if (slot != nullptr && among(keep, n, id)) {
			s.armed[kept++] = id;
			continue;
		}
		if (slot != nullptr)
			__atomic_fetch_and(slot_watched(slot), ~(1u << srv), __ATOMIC_SEQ_CST);
		s.left[s.nleft++] = id;
	}
	s.narmed = kept;
}

/* Give it to the recent ones. */
static void arm(Spinner &s, uint32_t srv)
{
	disarm(s, srv, s.recent, s.n);
	for (int i = 0; i < s.n; i++) {
		uint8_t *slot = slot_bytes(s.recent[i]);

		if (slot == nullptr || among(s.armed, s.narmed, s.recent[i]))
			continue;
		__atomic_fetch_or(slot_watched(slot), 1u << srv, __ATOMIC_SEQ_CST);
		s.armed[s.narmed++] = s.recent[i];
	}
}

bool spin_watch(Spinner &s, uint32_t srv, bool (*more)(void *), void *arg, int epfd)
{
	bool expecting = s.expecting;

	s.events = s.expecting = false;
	if (s.n == 0 || !several_cores())
		return false;
	uint16_t &skip = s.skip[s.last];
	uint16_t &backoff = s.backoff[s.last];

	if (skip > 0) {
		skip--;
		return false;
	}
	arm(s, srv);
	watcher.store(srv + 1, std::memory_order_relaxed);
	bool found = false;
	bool wanted = false;
	int64_t limit = srv == CARRICK_SRV_VFS || expecting ? WATCH_LONG_NS : WATCH_NS;
	int64_t begin = now_ns();
	int64_t turn = begin;

	while (!found && !wanted && turn - begin < limit && watcher.load(std::memory_order_relaxed) == srv + 1) {
		for (int i = 0; i < LOOKS && !found; i++) {
			found = any_posted(s, srv) || more(arg);
			cpu_relax();
		}
		if (found)
			break;
		sched_yield();
		int64_t t = now_ns();

		struct pollfd p = { epfd, POLLIN, 0 };

		/* Other guests ring the bell, and host fds become ready. */
		found = s.events = poll(&p, 1, 0) > 0;
		wanted = t - turn > WANTED_NS;
		turn = t;
	}
	if (found) {
		backoff = 0;
		return true;
	}
	uint32_t next = wanted ? backoff * 4u + 3 : backoff * 2u + 1;

	skip = backoff = static_cast<uint16_t>(std::min(next, wanted ? BACKOFF_WANTED_MAX : BACKOFF_MAX));
	return false;
}

void spin_leave(Spinner &s, uint32_t srv)
{
	disarm(s, srv, nullptr, 0);
}
