/*
 * A server's endpoint: from doorbell words to records in its inbox, and from records back to slots.
 *
 *   guest stub ──write slot id──► doorbell pipe ──► replyAndWait ──copy once──► record ──► TypeScript
 *   guest stub ◄──futex wake, state REPLIED──────── flush ◄──────────────────── record ◄──┘
 *
 * Everything in a slot is the guest's to scribble on at any moment, and any guest can write any word to a doorbell. So:
 *   - a slot counts only if carrick bound a task to it, and the request must have been posted to this very server;
 *   - the header is copied once and then checked in the copy;
 *   - who has a request is carrick's own word, SlotBind.owner, which also makes every answer go out at most once:
 *
 *        0 ──word──► TICKET(srv) ──reply──► 0         TICKET: unique per acceptance; the record remembers it, and only the
 *        │  no free record     │ ringDoorbell                  record whose ticket is still there may answer
 *        └──► QUEUED(srv) ─────┤ (DB_FORWARD)         QUEUED:  waits in this endpoint's overflow for a record
 *             └─record free──► ▼                      FORWARD: on its way to that server; a forward word from a guest finds
 *                          FORWARD(srv) ──word──► TICKET       no such state and is ignored
 *
 *   slotBind and slotFree set it to 0, so that an answer for a dead task cannot reach the slot's next owner.
 *
 * Waiting: with no host fd watched and no timeout one blocking read of the doorbell's pipe (doorbell.cc), else epoll.
 */
#include "addon.h"
#include "doorbell.h"
#include "endpoint_layout.h"
#include "spin.h"
#include "exports.h"
#include "slice.h"

#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include <vector>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

constexpr uint32_t SLOT_ID_MAX = CARRICK_AREA_MAX << CARRICK_SLOT_BITS;
constexpr size_t DOORBELL_WORDS = 512;
/* Most turns in a row that take requests from watched slots only. */
constexpr int UNREAD_MAX = 4;
constexpr uint64_t DOORBELL_TOKEN = 1ULL << 32;
/* Header bytes that come from the guest; what follows in a record is native's. */
constexpr size_t HEADER_COPY = REC_TASK;

static_assert(sizeof(struct carrick_slot) == CARRICK_PAYLOAD_OFF, "header");
static_assert(SLOT_FIELD(owed) + 4 * CARRICK_OWED_MAX <= REC_TASK, "the header's fields end before native's words");

struct Endpoint {
	uint64_t srv = 0;
	uint8_t *inbox = nullptr;
	int32_t *lists = nullptr;
	napi_ref inbox_ref = nullptr;
	napi_ref lists_ref = nullptr;
	int epfd = -1;
	/* Host fds added and not removed; an fd that was closed without removal only costs the short cut. */
	int watched = 0;
	uint64_t tickets = 0;
	/* Owner word that record r may answer; 0 = none. */
	uint64_t ticket[INBOX_RECORDS] = {};
	/* Posted slots that found no record, and cancels that found no room: for the next turn. */
	std::vector<uint32_t> overflow;
	std::vector<uint32_t> cancels;
	/* Words read, after the bytes of a word that was cut. */
	size_t partial = 0;
	uint32_t words[DOORBELL_WORDS + 1];
	Spinner spinner;
	/* Turns since the doorbell was read last. */
	int unread = 0;

	uint64_t me() const { return srv + 1; }
	uint8_t *record(uint32_t r) const { return inbox + static_cast<size_t>(r) * CARRICK_SLOT_STRIDE; }
};

static inline uint32_t rec32(const uint8_t *rec, size_t off)
{
	uint32_t x;

	memcpy(&x, rec + off, sizeof(x));
	return x;
}

static inline void set_rec32(uint8_t *rec, size_t off, uint32_t x)
{
	memcpy(rec + off, &x, sizeof(x));
}

/* ---- replies ---- */

static void free_record(Endpoint *ep, uint32_t r)
{
	int32_t n = ep->lists[LIST_NFREE];

	if (n < 0 || n >= INBOX_RECORDS)
		return;
	ep->lists[LIST_FREE + n] = static_cast<int32_t>(r);
	ep->lists[LIST_NFREE] = n + 1;
}

/* Copy what the handler produced. Offsets come from the guest by way of the record: checked here, whatever TypeScript did. */
static void copy_reply(const uint8_t *rec, uint8_t *slot)
{
	for (size_t i = 0; i < 6; i++) {
		uint32_t len = rec32(rec, SLOT_FIELD(arglen) + 4 * i);
		uint32_t off = rec32(rec, SLOT_FIELD(argoff) + 4 * i);

		if (len == 0 || off > CARRICK_PAYLOAD_MAX || len > CARRICK_PAYLOAD_MAX - off)
			continue;
		memcpy(slot + CARRICK_PAYLOAD_OFF + off, rec + CARRICK_PAYLOAD_OFF + off, len);
	}
	uint32_t rflags = rec32(rec, SLOT_FIELD(rflags));
	uint32_t lead = rec32(rec, SLOT_FIELD(inlen));

	if (((rflags & (CARRICK_RF_CLONE | CARRICK_RF_PIECES)) != 0 || rec32(rec, SLOT_FIELD(nr)) == CARRICK_NR_SIG_FETCH) && lead <= CARRICK_PAYLOAD_MAX)
		memcpy(slot + CARRICK_PAYLOAD_OFF, rec + CARRICK_PAYLOAD_OFF, lead);
	memcpy(slot + SLOT_FIELD(arglen), rec + SLOT_FIELD(arglen), 6 * 4);
	memcpy(slot + SLOT_FIELD(ret), rec + SLOT_FIELD(ret), 8);
	memcpy(slot + SLOT_FIELD(rflags), rec + SLOT_FIELD(rflags), 4);
	memcpy(slot + SLOT_FIELD(ctl_need), rec + SLOT_FIELD(ctl_need), 4);
	memcpy(slot + SLOT_FIELD(rpid), rec + SLOT_FIELD(rpid), 4);
}

/* Answer record r and free it. A request that is no longer this record's (task gone, forwarded, answered) is dropped silently. */
static int reply(Endpoint *ep, int64_t r)
{
	if (r < 0 || r >= INBOX_RECORDS || ep->ticket[r] == 0)
		return -EINVAL;
	const uint8_t *rec = ep->record(static_cast<uint32_t>(r));
	uint32_t id = rec32(rec, REC_SLOT);
	uint64_t ticket = ep->ticket[r];
	Area *a = area_get(id >> CARRICK_SLOT_BITS);

	ep->ticket[r] = 0;
	spin_note(ep->spinner, id, rec32(rec, offsetof(struct carrick_slot, nr)));
	if (a != nullptr) {
		uint32_t s = id & (CARRICK_SLOT_MAX - 1);
		uint8_t *slot = slot_of(a, s);
		uint32_t posted = CARRICK_SLOT_POSTED;

		/* The owner goes to 0 before the state says REPLIED: the stub may post again at once, and that word must find it free. */
		if (a->bind[s].owner.compare_exchange_strong(ticket, 0) && load32(slot + SLOT_FIELD(state)) == posted) {
			copy_reply(rec, slot);
			/* Compare: a task that dies without waiting has stored DEAD. */
			if (__atomic_compare_exchange_n(reinterpret_cast<uint32_t *>(slot + SLOT_FIELD(state)), &posted,
							CARRICK_SLOT_REPLIED, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
			    && load32(slot + SLOT_FIELD(waiting)) != 0)
				syscall(SYS_futex, slot + SLOT_FIELD(state), FUTEX_WAKE, 1, nullptr, nullptr, 0);
		}
	}
	free_record(ep, static_cast<uint32_t>(r));
	return 0;
}

/* ---- requests ---- */

/* Arguments that point outside the payload become faults, so that TypeScript need not doubt argoff and arglen. */
static void check_arguments(uint8_t *rec)
{
	for (size_t i = 0; i < 6; i++) {
		uint32_t len = rec32(rec, SLOT_FIELD(arglen) + 4 * i);
		uint32_t off = rec32(rec, SLOT_FIELD(argoff) + 4 * i);

		if (len >= CARRICK_ARG_TOOLONG || (off <= CARRICK_PAYLOAD_MAX && len <= CARRICK_PAYLOAD_MAX - off && off % 8 == 0))
			continue;
		set_rec32(rec, SLOT_FIELD(arglen) + 4 * i, CARRICK_ARG_FAULT);
		set_rec32(rec, SLOT_FIELD(argoff) + 4 * i, 0);
	}
}

/* What is owed is done once: a request that is forwarded has none left. The words are the stub's again when it is answered. */
static void take_owed(uint8_t *slot)
{
	for (size_t i = 0; i < CARRICK_OWED_MAX; i++)
		__atomic_store_n(reinterpret_cast<uint32_t *>(slot + SLOT_FIELD(owed) + 4 * i), 0, __ATOMIC_RELAXED);
}

/* An unborn task has nothing yet that a call could be about, nor descriptors to change. */
static void only_commit(uint8_t *rec)
{
	if (rec32(rec, SLOT_FIELD(nr)) != CARRICK_NR_CLONE_COMMIT)
		set_rec32(rec, SLOT_FIELD(nr), static_cast<uint32_t>(-1));
	set_rec32(rec, SLOT_FIELD(owed), 0);
}

static void copy_request(Endpoint *ep, SlotBind &b, uint8_t *slot, uint32_t id, uint32_t task)
{
	int32_t *lists = ep->lists;
	int32_t nfree = --lists[LIST_NFREE];
	uint32_t r = static_cast<uint32_t>(lists[LIST_FREE + nfree]) & (INBOX_RECORDS - 1);
	uint8_t *rec = ep->record(r);

	memcpy(rec, slot, HEADER_COPY);
	/* From here on only the copy counts; the compiler must not go back to the slot for a value it has seen. */
	__asm__ volatile("" ::: "memory");
	/* What is told for a trace changes nothing, or a program that is traced would owe less than others. */
	if (rec32(rec, SLOT_FIELD(nr)) == CARRICK_NR_TRACE)
		set_rec32(rec, SLOT_FIELD(owed), 0);
	else if (rec32(rec, SLOT_FIELD(owed)) != 0)
		take_owed(slot);
	b.taken.store(rec32(rec, SLOT_FIELD(seq)), std::memory_order_release);
	if (b.unborn.load(std::memory_order_relaxed) != 0)
		only_commit(rec);
	uint32_t inlen = rec32(rec, SLOT_FIELD(inlen));

	if (inlen > CARRICK_PAYLOAD_MAX) {
		inlen = CARRICK_PAYLOAD_MAX;
		set_rec32(rec, SLOT_FIELD(inlen), inlen);
	}
	memcpy(rec + CARRICK_PAYLOAD_OFF, slot + CARRICK_PAYLOAD_OFF, inlen);
	check_arguments(rec);
	set_rec32(rec, REC_TASK, task);
	set_rec32(rec, REC_TG, b.tg.load(std::memory_order_relaxed));
	set_rec32(rec, REC_SLOT, id);
	ep->ticket[r] = b.owner.load(std::memory_order_relaxed);
	lists[LIST_IN + lists[LIST_NIN]++] = static_cast<int32_t>(r);
}

/* Take the request of slot `id`, whose owner word is `from` if all is well. False when it has to wait for a free record. */
static bool accept(Endpoint *ep, uint32_t id, uint64_t from)
{
	Area *a = area_get(id >> CARRICK_SLOT_BITS);

	if (a == nullptr)
		return true;
	uint32_t s = id & (CARRICK_SLOT_MAX - 1);
	SlotBind &b = a->bind[s];
	uint32_t task = b.task.load(std::memory_order_acquire);
	uint8_t *slot = slot_of(a, s);
	uint32_t state = load32(slot + SLOT_FIELD(state));

	/* DEAD counts: exit is posted without waiting, so its thread may be gone before the word is read. */
	if (task == 0 || (state != CARRICK_SLOT_POSTED && state != CARRICK_SLOT_DEAD))
		return true;
	if (ep->srv != CARRICK_SRV_KERNEL && b.unborn.load(std::memory_order_acquire) != 0)
		return true;
	/*
	 * A forwarded request names the server it was first posted to. Any other is taken once, though its word may come late, when it was found without it: whoever
	 * it was forwarded to may just be answering it, and has given up the ownership.
	 */
	if ((from & OWNER_FORWARD) == 0
	    && (load32(slot + SLOT_FIELD(server)) != ep->srv || load32(slot + SLOT_FIELD(seq)) == b.taken.load(std::memory_order_acquire)))
		return true;
	bool room = ep->lists[LIST_NFREE] > 0 && ep->lists[LIST_NIN] < INBOX_RECORDS;
	uint64_t to = room ? ++ep->tickets << OWNER_TICKET_SHIFT | ep->me() : OWNER_QUEUED | ep->me();

	if (!b.owner.compare_exchange_strong(from, to))
		return true;
	if (room)
		copy_request(ep, b, slot, id, task);
	return room;
}

static void queue_request(Endpoint *ep, uint32_t id, uint64_t from)
{
	if (!accept(ep, id, from))
		ep->overflow.push_back(id);
}

static void take_cancel(Endpoint *ep, uint32_t id)
{
	Area *a = area_get(id >> CARRICK_SLOT_BITS);

	if (a == nullptr)
		return;
	uint32_t s = id & (CARRICK_SLOT_MAX - 1);

	/* The task asks for it by its own slot: a word alone could be another guest's. */
	if (a->bind[s].task.load(std::memory_order_acquire) == 0 || load32(slot_of(a, s) + SLOT_FIELD(cancel)) == 0)
		return;
	uint64_t holder = a->bind[s].owner.load() & OWNER_SRV;

	if (holder == 0)
		return;
	if (holder != ep->me()) {
		/* Forwarded: the cancel follows. Its word comes after the forward's, so the request is there before it. */
		post_word(holder - 1, id | CARRICK_DB_CANCEL);
		return;
	}
	int32_t n = ep->lists[LIST_NCANCEL];

	if (n >= LIST_CANCEL_MAX) {
		ep->cancels.push_back(id);
		return;
	}
	ep->lists[LIST_CANCEL + n] = static_cast<int32_t>(id);
	ep->lists[LIST_NCANCEL] = n + 1;
}

static void take_word(Endpoint *ep, uint32_t word)
{
	if (word == CARRICK_DB_RINGS) {
		ep->lists[LIST_FLAGS] |= FLAG_RINGS;
		return;
	}
	if (word == CARRICK_DB_CONTROL) {
		ep->lists[LIST_FLAGS] |= FLAG_CONTROL;
		return;
	}
	uint32_t id = word & ~(CARRICK_DB_CANCEL | CARRICK_DB_FORWARD);

	if (id >= SLOT_ID_MAX)
		return;
	if ((word & CARRICK_DB_CANCEL) != 0)
		take_cancel(ep, id);
	else
		queue_request(ep, id, (word & CARRICK_DB_FORWARD) != 0 ? OWNER_FORWARD | ep->me() : 0);
}

/* Requests and cancels that an earlier turn had no room for. */
static void take_leftovers(Endpoint *ep)
{
	if (!ep->cancels.empty()) {
		std::vector<uint32_t> list;

		list.swap(ep->cancels);
		for (uint32_t id : list)
			take_cancel(ep, id);
	}
	if (ep->overflow.empty())
		return;
	size_t done = 0;

	while (done < ep->overflow.size() && ep->lists[LIST_NFREE] > 0)
		accept(ep, ep->overflow[done++], OWNER_QUEUED | ep->me());
	ep->overflow.erase(ep->overflow.begin(), ep->overflow.begin() + static_cast<ptrdiff_t>(done));
}

static void take_spill(Endpoint *ep)
{
	Doorbell &d = doorbells[ep->srv];

	if (d.spilled.load(std::memory_order_acquire) == 0)
		return;
	std::vector<uint32_t> list;
	{
		std::lock_guard<std::mutex> hold(d.lock);

		list.swap(d.spill);
		d.spilled.store(0, std::memory_order_release);
	}
	for (uint32_t w : list)
		take_word(ep, w);
}

/* Read the pipe once and take every whole word. */
static void take_words(Endpoint *ep, int fd)
{
	uint8_t *buf = reinterpret_cast<uint8_t *>(ep->words);
	ssize_t n = read(fd, buf + ep->partial, DOORBELL_WORDS * 4);

	if (n > 0) {
		size_t bytes = ep->partial + static_cast<size_t>(n);
		size_t whole = bytes / 4;

		for (size_t i = 0; i < whole; i++)
			take_word(ep, ep->words[i]);
		ep->partial = bytes % 4;
		if (ep->partial > 0)
			memmove(buf, buf + whole * 4, ep->partial);
	}
	take_spill(ep);
}

/* ---- waiting ---- */

static int wait_events(int epfd, struct epoll_event *ev, int max, int64_t timeout_us)
{
	static std::atomic<bool> no_pwait2{false};

	if (timeout_us > 0 && !no_pwait2.load(std::memory_order_relaxed)) {
		struct timespec ts = { timeout_us / 1000000, timeout_us % 1000000 * 1000 };
		long n = syscall(SYS_epoll_pwait2, epfd, ev, max, &ts, nullptr, 0);

		if (n >= 0 || (errno != ENOSYS && errno != EPERM))
			return static_cast<int>(n);
		no_pwait2.store(true, std::memory_order_relaxed);
	}
	int64_t ms = timeout_us < 0 ? -1 : (timeout_us + 999) / 1000;

	return epoll_wait(epfd, ev, max, ms > INT_MAX ? INT_MAX : static_cast<int>(ms));
}

/* Something for this server other than a watched slot: a worker's ring, or a word that found the pipe full. */
static bool rung(void *arg)
{
	Doorbell &d = doorbells[static_cast<Endpoint *>(arg)->srv];

	return d.flags.load(std::memory_order_relaxed) != 0 || d.spilled.load(std::memory_order_relaxed) != 0;
}

/* What was posted without a bell. */
static void take_watched(Endpoint *ep)
{
	Spinner &s = ep->spinner;

	for (int i = 0; i < s.narmed; i++)
		queue_request(ep, s.armed[i], 0);
	for (int i = 0; i < s.nleft; i++)
		queue_request(ep, s.left[i], 0);
	s.nleft = 0;
}

/*
 * Watch instead of sleeping, if that is promising. True when requests were found that way and the doorbell and the host fds are not worth a system call
 * yet: others wait a few requests at most.
 */
static bool watch_slots(Endpoint *ep, int64_t *timeout_us)
{
	bool found = spin_watch(ep->spinner, static_cast<uint32_t>(ep->srv), rung, ep, ep->epfd);

	take_watched(ep);
	if (!ep->spinner.events && ep->lists[LIST_NIN] == 0 && !rung(ep)) {
		spin_leave(ep->spinner, static_cast<uint32_t>(ep->srv));
		take_watched(ep);
	}
	if (ep->spinner.events || ep->lists[LIST_NIN] > 0 || rung(ep))
		*timeout_us = 0;
	if (!found || ep->spinner.events || ep->lists[LIST_NIN] == 0 || ep->unread >= UNREAD_MAX)
		return false;
	ep->unread++;
	return true;
}

static void wait_and_take(Endpoint *ep, int64_t timeout_us)
{
	Doorbell &d = doorbells[ep->srv];

	if (timeout_us == 0)
		take_watched(ep);
	else if (watch_slots(ep, &timeout_us))
		return;
	ep->unread = 0;
	if (ep->watched == 0 && timeout_us <= 0) {
		take_words(ep, timeout_us < 0 ? d.read_block : d.read_nonblock);
		return;
	}
	struct epoll_event ev[LIST_FD_MAX];
	int n = wait_events(ep->epfd, ev, LIST_FD_MAX, timeout_us);
	int32_t nfd = 0;

	for (int i = 0; i < n; i++) {
		if (ev[i].data.u64 == DOORBELL_TOKEN) {
			take_words(ep, d.read_nonblock);
			continue;
		}
		ep->lists[LIST_FD + 2 * nfd] = static_cast<int32_t>(ev[i].data.u64);
		ep->lists[LIST_FD + 2 * nfd + 1] = static_cast<int32_t>(ev[i].events);
		nfd++;
	}
	ep->lists[LIST_NFD] = nfd;
}

static void flush_replies(Endpoint *ep)
{
	int32_t nout = ep->lists[LIST_NOUT];

	for (int32_t i = 0; i < nout && i < INBOX_RECORDS; i++)
		reply(ep, ep->lists[LIST_OUT + i]);
	ep->lists[LIST_NOUT] = 0;
}

napi_value js_replyAndWait(napi_env env, napi_callback_info info)
{
	Args<1> args(env, info);
	int64_t timeout_us = args.i64(0);
	Endpoint *ep = worker.endpoint;

	if (ep == nullptr)
		return num(env, -EINVAL);
	int32_t *lists = ep->lists;

	flush_replies(ep);
	lists[LIST_FLAGS] = 0;
	lists[LIST_NIN] = 0;
	lists[LIST_NCANCEL] = 0;
	lists[LIST_NFD] = 0;
	take_leftovers(ep);
	take_spill(ep);
	if (lists[LIST_NIN] > 0 || lists[LIST_NCANCEL] > 0 || lists[LIST_FLAGS] != 0)
		timeout_us = 0;
	wait_and_take(ep, timeout_us);
	/* After the words: whoever set a bit later than this has yet to ring. */
	lists[LIST_FLAGS] |= static_cast<int32_t>(doorbells[ep->srv].flags.exchange(0));
	return num(env, lists[LIST_NIN]);
}

napi_value js_flushReplies(napi_env env, napi_callback_info)
{
	if (worker.endpoint == nullptr)
		return num(env, -EINVAL);
	flush_replies(worker.endpoint);
	return num(env, 0);
}

napi_value js_expectSlot(napi_env env, napi_callback_info info)
{
	Args<1> args(env, info);

	if (worker.endpoint == nullptr)
		return num(env, -EINVAL);
	spin_expect(worker.endpoint->spinner, args.u32(0));
	return num(env, 0);
}

/* As if its doorbell word came. */
napi_value js_revisitSlot(napi_env env, napi_callback_info info)
{
	Args<1> args(env, info);

	if (worker.endpoint == nullptr)
		return num(env, -EINVAL);
	Doorbell &d = doorbells[worker.endpoint->srv];
	std::lock_guard<std::mutex> hold(d.lock);

	d.spill.push_back(args.u32(0));
	d.spilled.store(1, std::memory_order_release);
	return num(env, 0);
}

napi_value js_replyNow(napi_env env, napi_callback_info info)
{
	Args<1> args(env, info);

	return num(env, worker.endpoint == nullptr ? -EINVAL : reply(worker.endpoint, args.i64(0)));
}

/* ---- setting up ---- */

static void *view_data(napi_env env, napi_value v, napi_typedarray_type want, size_t least, napi_ref *ref)
{
	napi_typedarray_type type;
	size_t len = 0;
	void *data = nullptr;

	if (napi_get_typedarray_info(env, v, &type, &len, &data, nullptr, nullptr) != napi_ok || type != want || len < least)
		return nullptr;
	return napi_create_reference(env, v, 1, ref) == napi_ok ? data : nullptr;
}

void endpoint_release(napi_env env)
{
	Endpoint *ep = worker.endpoint;

	if (ep == nullptr)
		return;
	if (ep->inbox_ref != nullptr)
		napi_delete_reference(env, ep->inbox_ref);
	if (ep->lists_ref != nullptr)
		napi_delete_reference(env, ep->lists_ref);
	if (ep->epfd >= 0)
		close(ep->epfd);
	delete ep;
	worker.endpoint = nullptr;
}

napi_value js_endpointInit(napi_env env, napi_callback_info info)
{
	Args<3> args(env, info);
	int64_t srv = args.i64(0);

	if (srv < 0 || srv >= CARRICK_SRV_COUNT || doorbells[srv].read_nonblock < 0)
		return num(env, -EINVAL);
	endpoint_release(env);
	Endpoint *ep = new Endpoint();
	struct epoll_event ev = {};

	worker.endpoint = ep;
	slice_set(SLICE_SHORT);
	ep->srv = static_cast<uint64_t>(srv);
	ep->inbox = static_cast<uint8_t *>(view_data(env, args.v[1], napi_uint8_array,
						     static_cast<size_t>(INBOX_RECORDS) * CARRICK_SLOT_STRIDE, &ep->inbox_ref));
	ep->lists = static_cast<int32_t *>(view_data(env, args.v[2], napi_int32_array, LIST_WORDS, &ep->lists_ref));
	ep->epfd = epoll_create1(EPOLL_CLOEXEC);
	ev.events = EPOLLIN;
	ev.data.u64 = DOORBELL_TOKEN;
	if (ep->inbox == nullptr || ep->lists == nullptr || ep->epfd < 0 ||
	    epoll_ctl(ep->epfd, EPOLL_CTL_ADD, doorbells[srv].read_nonblock, &ev) < 0) {
		endpoint_release(env);
		return num(env, -EINVAL);
	}
	if (ep->lists[LIST_NFREE] == 0) {
		/* Highest on top, so that the first record used is 0. */
		for (int32_t r = 0; r < INBOX_RECORDS; r++)
			ep->lists[LIST_FREE + r] = INBOX_RECORDS - 1 - r;
		ep->lists[LIST_NFREE] = INBOX_RECORDS;
	}
	return num(env, 0);
}

napi_value js_watchFd(napi_env env, napi_callback_info info)
{
	Args<4> args(env, info);
	int op = args.i32(0);
	struct epoll_event ev = {};
	Endpoint *ep = worker.endpoint;

	if (ep == nullptr)
		return num(env, -EINVAL);
	ev.events = args.u32(2);
	ev.data.u64 = args.u32(3);
	if (epoll_ctl(ep->epfd, op, args.i32(1), &ev) < 0)
		return num(env, -errno);
	if (op == EPOLL_CTL_ADD)
		ep->watched++;
	else if (op == EPOLL_CTL_DEL)
		ep->watched--;
	return num(env, 0);
}
