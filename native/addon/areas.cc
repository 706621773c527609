/*
 * Areas: the memory that a guest address space shares with the servers, and the reservation of pctx and slots in it.
 *
 *   areas[ix] ── Area ── base: the memfd mapped in carrick, for ever
 *                   ├── fd: the memfd, sent to the guest
 *                   └── bind[slot]: which task owns the slot (carrick's truth; the guest cannot write it)
 *
 * An Area object appears once and is never freed or unmapped, so that any worker may use a stale index without a fault; `live` says whether
 * it is in use. Freed areas are cleaned (area_clean) and used again, last freed first. Reservations belong to the kernel
 * worker, under areas_lock. The memfd is sealed against resizing: a guest that could shrink it would make carrick fault.
 *
 * A slot that is freed while its thread is still on its way out (the state is not DEAD yet) lingers: its stub stack is in use until the
 * thread has stored DEAD and left with registers only. slotAlloc takes it again after that.
 */
#include "addon.h"
#include "exports.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLOT_UNUSED = 0, SLOT_USED = 1, SLOT_LINGERS = 2 };

static std::atomic<Area *> areas[CARRICK_AREA_MAX];
static std::mutex areas_lock;
static uint32_t areas_made;
static uint32_t areas_freed[CARRICK_AREA_MAX];
static uint32_t areas_nfreed;

Area *area_get(int64_t ix)
{
	if (ix < 0 || ix >= CARRICK_AREA_MAX)
		return nullptr;
	Area *a = areas[ix].load(std::memory_order_acquire);

	return a != nullptr && a->live.load(std::memory_order_acquire) ? a : nullptr;
}

static int make_memfd(int *out)
{
	int fd = memfd_create("carrick-area", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	fd = fd_above_stdio(fd);
	if (fd < 0)
		return fd;
	if (ftruncate(fd, CARRICK_AREA_SIZE) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		int e = errno;

		close(fd);
		return -e;
	}
	*out = fd;
	return 0;
}

static int64_t area_make()
{
	if (areas_made == CARRICK_AREA_MAX)
		return -ENOMEM;
	int fd = -1;
	int r = make_memfd(&fd);

	if (r < 0)
		return r;
	void *base = mmap(nullptr, CARRICK_AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (base == MAP_FAILED) {
		r = -errno;
		close(fd);
		return r;
	}
	Area *a = new Area();

	a->base = static_cast<uint8_t *>(base);
	a->fd = fd;
	a->live.store(true, std::memory_order_relaxed);
	areas[areas_made].store(a, std::memory_order_release);
	return areas_made++;
}

napi_value js_areaAlloc(napi_env env, napi_callback_info)
{
	std::lock_guard<std::mutex> hold(areas_lock);

	if (areas_nfreed == 0) {
		int64_t made = area_make();

		if (made >= 0)
			store32(areas[made].load(std::memory_order_relaxed)->base, static_cast<uint32_t>(made));
		return num(env, made);
	}
	uint32_t ix = areas_freed[--areas_nfreed];
	Area *a = areas[ix].load(std::memory_order_relaxed);

	/* The area's first word is its index: the stub makes its slot ids of it. */
	store32(a->base, ix);
	a->live.store(true, std::memory_order_release);
	return num(env, ix);
}

/* Give a range's pages back. There are seldom any, and looking is much cheaper than punching. */
static int punch(const Area *a, size_t from, size_t to)
{
	if (from >= to)
		return 0;
	off_t data = lseek(a->fd, static_cast<off_t>(from), SEEK_DATA);

	if ((data < 0 && errno == ENXIO) || data >= static_cast<off_t>(to))
		return 0;
	return fallocate(a->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from), static_cast<off_t>(to - from));
}

/*
 * Make a freed area blank. The guest may have written anywhere, so all of it must go; but the few pages that every process uses are
 * zeroed in place: giving them back to the host and faulting them in again costs ten times as much as clearing them.
 */
static void area_clean(Area *a)
{
	constexpr uint32_t SLOTS_KEPT = 2;
	constexpr uint32_t PLAN_KEPT = 0x4000;
	constexpr size_t PAGE = 4096;
	size_t head = CARRICK_PCTX_OFF + static_cast<size_t>(a->pctx_top) * CARRICK_PCTX_STRIDE;
	size_t slots = static_cast<size_t>(a->slot_top < SLOTS_KEPT ? a->slot_top : SLOTS_KEPT) * CARRICK_SLOT_STRIDE;
	size_t plan = ((a->plan_top < PLAN_KEPT ? a->plan_top : PLAN_KEPT) + PAGE - 1) & ~(PAGE - 1);

	a->pctx_top = a->slot_top = a->plan_top = 0;
	memset(a->base, 0, head);
	memset(a->base + CARRICK_SLOT_OFF, 0, slots);
	memset(a->base + CARRICK_PLAN_OFF, 0, plan);
	if (punch(a, head, CARRICK_SLOT_OFF) < 0 || punch(a, CARRICK_SLOT_OFF + slots, CARRICK_PLAN_OFF) < 0 ||
	    punch(a, CARRICK_PLAN_OFF + plan, CARRICK_AREA_SIZE) < 0)
		memset(a->base, 0, CARRICK_AREA_SIZE);
}

napi_value js_areaFree(napi_env env, napi_callback_info info)
{
	Args<1> args(env, info);
	int64_t ix = args.i64(0);
	std::lock_guard<std::mutex> hold(areas_lock);
	Area *a = area_get(ix);

	if (a == nullptr)
		return num(env, -EINVAL);
	a->live.store(false, std::memory_order_release);
	for (SlotBind &b : a->bind) {
		b.task.store(0, std::memory_order_relaxed);
		b.tg.store(0, std::memory_order_relaxed);
		b.host_tid.store(0, std::memory_order_relaxed);
		b.owner.store(0, std::memory_order_release);
	}
	memset(a->pctx_used, 0, sizeof(a->pctx_used));
	memset(a->slot_used, 0, sizeof(a->slot_used));
	area_clean(a);
	areas_freed[areas_nfreed++] = static_cast<uint32_t>(ix);
	return num(env, 0);
}

napi_value js_areaFd(napi_env env, napi_callback_info info)
{
	Args<1> args(env, info);
	Area *a = area_get(args.i64(0));

	return num(env, a == nullptr ? -EINVAL : a->fd);
}

/* ---- pctx ---- */

napi_value js_pctxAlloc(napi_env env, napi_callback_info info)
{
	Args<1> args(env, info);
	std::lock_guard<std::mutex> hold(areas_lock);
	Area *a = area_get(args.i64(0));

	if (a == nullptr)
		return num(env, -EINVAL);
	for (uint32_t ix = 0; ix < CARRICK_PCTX_MAX; ix++) {
		if (a->pctx_used[ix])
			continue;
		a->pctx_used[ix] = true;
		if (ix >= a->pctx_top)
			a->pctx_top = ix + 1;
		return num(env, ix);
	}
	return num(env, -EAGAIN);
}

napi_value js_pctxFree(napi_env env, napi_callback_info info)
{
	Args<2> args(env, info);
	int64_t ix = args.i64(1);
	std::lock_guard<std::mutex> hold(areas_lock);
	Area *a = area_get(args.i64(0));

	if (a == nullptr || ix < 0 || ix >= CARRICK_PCTX_MAX)
		return num(env, -EINVAL);
	a->pctx_used[ix] = false;
	return num(env, 0);
}

/* Source: execve(2), "The dispositions of any signals that are being caught are reset to the default"; ignored ones stay ignored. */
static void reset_handlers(struct carrick_pctx *c)
{
	for (int i = 0; i < 64; i++) {
		if (c->sa_handler[i] != 1)
			c->sa_handler[i] = 0;
		c->sa_flags[i] = 0;
		c->sa_restorer[i] = 0;
		c->sa_mask[i] = 0;
	}
}

napi_value js_pctxInit(napi_env env, napi_callback_info info)
{
	Args<5> args(env, info);
	int64_t ix = args.i64(1);
	int64_t from_area = args.i64(2);
	int64_t from_ix = args.i64(3);
	struct carrick_pctx fresh;
	std::lock_guard<std::mutex> hold(areas_lock);
	Area *a = area_get(args.i64(0));

	if (a == nullptr || ix < 0 || ix >= CARRICK_PCTX_MAX)
		return num(env, -EINVAL);
	memset(&fresh, 0, sizeof(fresh));
	if (from_area >= 0) {
		Area *from = area_get(from_area);

		if (from == nullptr || from_ix < 0 || from_ix >= CARRICK_PCTX_MAX)
			return num(env, -EINVAL);
		const uint8_t *src = pctx_of(from, static_cast<uint32_t>(from_ix));

		/* sa_handler to the end: dispositions and hints. What stays zero is per process: tgid, pending signals, control messages seen. */
		memcpy(reinterpret_cast<uint8_t *>(&fresh) + PCTX_FIELD(sa_handler), src + PCTX_FIELD(sa_handler),
		       sizeof(fresh) - PCTX_FIELD(sa_handler));
		fresh.flags = load32(src + PCTX_FIELD(flags));
		fresh.fdr_base = load32(src + PCTX_FIELD(fdr_base));
		fresh.exit_word = 0;
		if (args.i64(4) != 0)
			reset_handlers(&fresh);
	}
	memcpy(pctx_of(a, static_cast<uint32_t>(ix)), &fresh, sizeof(fresh));
	a->pctx_used[ix] = true;
	if (static_cast<uint32_t>(ix) >= a->pctx_top)
		a->pctx_top = static_cast<uint32_t>(ix) + 1;
	return num(env, 0);
}

/* ---- slots ---- */

static bool slot_is_free(const Area *a, uint32_t slot)
{
	switch (a->slot_used[slot]) {
	case SLOT_UNUSED:
		return true;
	case SLOT_LINGERS:
		return load32(slot_of(a, slot) + SLOT_FIELD(state)) == CARRICK_SLOT_DEAD;
	default:
		return false;
	}
}

napi_value js_slotAlloc(napi_env env, napi_callback_info info)
{
	Args<2> args(env, info);
	int64_t want = args.i64(1);
	std::lock_guard<std::mutex> hold(areas_lock);
	Area *a = area_get(args.i64(0));

	if (a == nullptr || want >= CARRICK_SLOT_MAX)
		return num(env, -EINVAL);
	uint32_t first = want < 0 ? 0 : static_cast<uint32_t>(want);
	uint32_t last = want < 0 ? CARRICK_SLOT_MAX - 1 : first;

	for (uint32_t s = first; s <= last; s++) {
		if (!slot_is_free(a, s))
			continue;
		uint8_t *slot = slot_of(a, s);

		a->slot_used[s] = SLOT_USED;
		if (s >= a->slot_top)
			a->slot_top = s + 1;
		memset(slot, 0, sizeof(struct carrick_slot));
		store32(slot + SLOT_FIELD(born), 1);
		store32(slot + SLOT_FIELD(state), CARRICK_SLOT_READY);
		return num(env, s);
	}
	return num(env, -EAGAIN);
}

napi_value js_slotFree(napi_env env, napi_callback_info info)
{
	Args<2> args(env, info);
	int64_t s = args.i64(1);
	std::lock_guard<std::mutex> hold(areas_lock);
	Area *a = area_get(args.i64(0));

	if (a == nullptr || s < 0 || s >= CARRICK_SLOT_MAX)
		return num(env, -EINVAL);
	SlotBind &b = a->bind[s];
	uint8_t *state = slot_of(a, static_cast<uint32_t>(s)) + SLOT_FIELD(state);

	b.task.store(0, std::memory_order_relaxed);
	b.tg.store(0, std::memory_order_relaxed);
	b.host_tid.store(0, std::memory_order_relaxed);
	b.owner.store(0, std::memory_order_release);
	switch (load32(state)) {
	case CARRICK_SLOT_POSTED:
	case CARRICK_SLOT_REPLIED:
		a->slot_used[s] = SLOT_LINGERS;
		break;
	default:
		/* DEAD, or READY: a clone that never came to life. */
		store32(state, CARRICK_SLOT_FREE);
		a->slot_used[s] = SLOT_UNUSED;
	}
	return num(env, 0);
}

napi_value js_slotBind(napi_env env, napi_callback_info info)
{
	Args<3> args(env, info);
	uint32_t id = args.u32(0);
	Area *a = area_get(id >> CARRICK_SLOT_BITS);

	if (a == nullptr)
		return num(env, -EINVAL);
	SlotBind &b = a->bind[id & (CARRICK_SLOT_MAX - 1)];

	/* Zero the owner first: an answer to the slot's last request must not reach the new task. */
	b.owner.store(0, std::memory_order_release);
	b.host_tid.store(0, std::memory_order_relaxed);
	b.tg.store(args.u32(2), std::memory_order_relaxed);
	b.unborn.store(0, std::memory_order_relaxed);
	b.taken.store(0, std::memory_order_relaxed);
	b.task.store(args.u32(1), std::memory_order_release);
	return num(env, 0);
}

napi_value js_slotUnborn(napi_env env, napi_callback_info info)
{
	Args<2> args(env, info);
	uint32_t id = args.u32(0);
	Area *a = area_get(id >> CARRICK_SLOT_BITS);

	if (a == nullptr)
		return num(env, -EINVAL);
	a->bind[id & (CARRICK_SLOT_MAX - 1)].unborn.store(args.u32(1) != 0 ? 1 : 0, std::memory_order_release);
	return num(env, 0);
}

/* ---- words ---- */

/* The word at byte offset off of a slot's header, or null. */
static uint8_t *slot_word(uint32_t id, int64_t off, uint32_t size)
{
	Area *a = area_get(id >> CARRICK_SLOT_BITS);

	if (a == nullptr || off < 0 || off % size != 0 || off > CARRICK_PAYLOAD_OFF - static_cast<int64_t>(size))
		return nullptr;
	return slot_of(a, id & (CARRICK_SLOT_MAX - 1)) + off;
}

static uint8_t *pctx_word(int64_t area, int64_t ix, int64_t off, uint32_t size)
{
	Area *a = area_get(area);

	if (a == nullptr || ix < 0 || ix >= CARRICK_PCTX_MAX || off < 0 || off % size != 0 ||
	    off > CARRICK_PCTX_STRIDE - static_cast<int64_t>(size))
		return nullptr;
	return pctx_of(a, static_cast<uint32_t>(ix)) + off;
}

static uint64_t join(uint32_t lo, uint32_t hi)
{
	return static_cast<uint64_t>(hi) << 32 | lo;
}

static int64_t or64(uint8_t *p, uint64_t bits)
{
	if (p == nullptr)
		return -EINVAL;
	__atomic_fetch_or(reinterpret_cast<uint64_t *>(p), bits, __ATOMIC_SEQ_CST);
	return 0;
}

static int64_t clear64(uint8_t *p, uint64_t bits)
{
	if (p == nullptr)
		return -EINVAL;
	__atomic_fetch_and(reinterpret_cast<uint64_t *>(p), ~bits, __ATOMIC_SEQ_CST);
	return 0;
}

static int64_t load_word(const uint8_t *p)
{
	return p == nullptr ? -EINVAL : static_cast<int64_t>(load32(p));
}

static int64_t store_word(uint8_t *p, uint32_t x)
{
	if (p == nullptr)
		return -EINVAL;
	store32(p, x);
	return 0;
}

napi_value js_slotLoad(napi_env env, napi_callback_info info)
{
	Args<2> a(env, info);

	return num(env, load_word(slot_word(a.u32(0), a.i64(1), 4)));
}

napi_value js_slotStore(napi_env env, napi_callback_info info)
{
	Args<3> a(env, info);

	return num(env, store_word(slot_word(a.u32(0), a.i64(1), 4), a.u32(2)));
}

/* Store a word that a guest task may sleep on, and wake it. */
napi_value js_slotWake(napi_env env, napi_callback_info info)
{
	Args<3> a(env, info);
	uint8_t *p = slot_word(a.u32(0), a.i64(1), 4);
	int r = store_word(p, a.u32(2));

	/* What is looked at next may be what the task has stored before it looks at this word. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (r == 0)
		syscall(SYS_futex, p, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
	return num(env, r);
}

napi_value js_pctxLoad(napi_env env, napi_callback_info info)
{
	Args<3> a(env, info);

	return num(env, load_word(pctx_word(a.i64(0), a.i64(1), a.i64(2), 4)));
}

napi_value js_pctxStore(napi_env env, napi_callback_info info)
{
	Args<4> a(env, info);

	return num(env, store_word(pctx_word(a.i64(0), a.i64(1), a.i64(2), 4), a.u32(3)));
}

/* The words of scratch become those of the pctx, under their sequence word, which is odd meanwhile. */
napi_value js_pctxTell(napi_env env, napi_callback_info info)
{
	Args<6> a(env, info);
	int64_t len = a.i64(5);
	uint8_t *seq = pctx_word(a.i64(0), a.i64(1), a.i64(2), 4);
	uint8_t *to = pctx_word(a.i64(0), a.i64(1), a.i64(3), 4);
	const uint8_t *from = scratch_at(a.i64(4), len);

	if (seq == nullptr || to == nullptr || from == nullptr || len % 4 != 0 || a.i64(3) + len > CARRICK_PCTX_STRIDE)
		return num(env, -EINVAL);
	uint32_t odd = load32(seq) | 1;

	store32(seq, odd);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (int64_t i = 0; i < len; i += 4) {
		uint32_t word;

		memcpy(&word, from + i, sizeof(word));
		store32(to + i, word);
	}
	store32(seq, odd + 1);
	return num(env, 0);
}

napi_value js_pctxSwap(napi_env env, napi_callback_info info)
{
	Args<3> a(env, info);
	Proc *p = proc_get(a.i64(0));
	int64_t off = a.i64(1);

	if (p == nullptr || off < 0 || off % 4 != 0 || off > CARRICK_PCTX_STRIDE - 4)
		return num(env, -EINVAL);
	/* As pendProc: what the word says must not be taken from another. */
	std::lock_guard<std::mutex> hold(p->lock);
	uint8_t *pctx = proc_pctx(p);

	if (pctx == nullptr)
		return num(env, -ESRCH);
	return num(env, __atomic_exchange_n(reinterpret_cast<uint32_t *>(pctx + off), a.u32(2), __ATOMIC_SEQ_CST));
}

napi_value js_slotOr64(napi_env env, napi_callback_info info)
{
	Args<4> a(env, info);

	return num(env, or64(slot_word(a.u32(0), a.i64(1), 8), join(a.u32(2), a.u32(3))));
}

/*
 * What is pending, published where its owner looks. The sender is another thread than the one that gives areas away: who ends meanwhile must not leave bits
 * in what is another's by then. A process lets go of its area (procFree, procBind) before the kernel worker frees that, so while its lock is held, what it has is not freed.
 */
napi_value js_pendProc(napi_env env, napi_callback_info info)
{
	Args<4> a(env, info);
	Proc *p = proc_get(a.i64(0));

	if (p == nullptr)
		return num(env, -ESRCH);
	std::lock_guard<std::mutex> hold(p->lock);
	uint8_t *pctx = proc_pctx(p);

	if (pctx == nullptr)
		return num(env, -ESRCH);
	return num(env, a.u32(1) ? or64(pctx + PCTX_FIELD(sigpend), join(a.u32(2), a.u32(3))) : clear64(pctx + PCTX_FIELD(sigpend), join(a.u32(2), a.u32(3))));
}

napi_value js_pendTask(napi_env env, napi_callback_info info)
{
	Args<6> a(env, info);
	Proc *p = proc_get(a.i64(0));
	uint32_t task = a.u32(1), id = a.u32(2), s = id & (CARRICK_SLOT_MAX - 1);

	if (p == nullptr)
		return num(env, -ESRCH);
	std::lock_guard<std::mutex> hold(p->lock);
	uint32_t place = p->place.load(std::memory_order_acquire);
	Area *area = place == 0 || (place - 1) >> 8 != id >> CARRICK_SLOT_BITS ? nullptr : area_get(id >> CARRICK_SLOT_BITS);

	if (area == nullptr)
		return num(env, -ESRCH);
	/* A thread's slot is bound before the thread is known; one that is nobody's is the next thread's. */
	if (area->bind[s].task.load(std::memory_order_acquire) != task)
		return num(env, -ESRCH);
	uint8_t *word = slot_of(area, s) + SLOT_FIELD(sigpend);

	return num(env, a.u32(3) ? or64(word, join(a.u32(4), a.u32(5))) : clear64(word, join(a.u32(4), a.u32(5))));
}

napi_value js_sigDeliverable(napi_env env, napi_callback_info info)
{
	Args<1> args(env, info);
	uint32_t id = args.u32(0);
	Area *a = area_get(id >> CARRICK_SLOT_BITS);

	if (a == nullptr)
		return num(env, 0);
	uint32_t s = id & (CARRICK_SLOT_MAX - 1);
	const uint8_t *slot = slot_of(a, s);
	uint64_t pending = load64(slot + SLOT_FIELD(sigpend));
	/* Which pctx: what procBind said, not the slot's own word, which the guest can change. */
	Proc *p = proc_get(a->bind[s].tg.load(std::memory_order_relaxed));
	const uint8_t *pctx = p == nullptr ? nullptr : proc_pctx(p);

	if (pctx != nullptr)
		pending |= load64(pctx + PCTX_FIELD(sigpend));
	return num(env, (pending & ~load64(slot + SLOT_FIELD(sigmask))) != 0);
}

/* ---- the exec plan ---- */

static uint8_t *plan_at(int64_t area, int64_t off, int64_t len)
{
	Area *a = area_get(area);

	if (a == nullptr || off < 0 || len < 0 || off > CARRICK_PLAN_MAX || len > CARRICK_PLAN_MAX - off)
		return nullptr;
	return a->base + CARRICK_PLAN_OFF + off;
}

static napi_value plan_copy(napi_env env, napi_callback_info info, bool out)
{
	Args<4> args(env, info);
	int64_t len = args.i64(3);
	uint8_t *plan = plan_at(args.i64(0), args.i64(1), len);
	uint8_t *mine = scratch_at(args.i64(2), len);

	if (plan == nullptr || mine == nullptr)
		return num(env, -EINVAL);
	if (out) {
		memcpy(mine, plan, static_cast<size_t>(len));
	} else {
		Area *a = area_get(args.i64(0));
		uint32_t end = static_cast<uint32_t>(args.i64(1) + len);

		memcpy(plan, mine, static_cast<size_t>(len));
		if (a != nullptr && end > a->plan_top)
			a->plan_top = end;
	}
	return num(env, len);
}

napi_value js_planWrite(napi_env env, napi_callback_info info)
{
	return plan_copy(env, info, false);
}

napi_value js_planRead(napi_env env, napi_callback_info info)
{
	return plan_copy(env, info, true);
}
