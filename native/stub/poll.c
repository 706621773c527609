/*
 * poll(2), ppoll(2), select(2), pselect6(2) when every fd is a grant: the host's ppoll and pselect6 on a copy of what the guest asks.
 *
 * A granted fd's readiness is the host's own (servers/ipc/ready.ts: HOST, or always ready on both sides). One fd that is no grant, or not open at all, makes
 * the whole call the server's, as does anything that would be an error, so that the order of errors is in one place. A wait
 * that is interrupted by a signal without a handler goes on with what is left of its time; with a handler it ends
 * (EINTR whatever SA_RESTART says), and the time left has been stored where Linux stores it.
 */
#include "stub.h"

#define POLLNVAL_BIT 0x20

struct pfd {
	i32 fd;
	u16 events, revents;
};

/* Where a call keeps its limit, and in what form. */
struct limit {
	u64 at;
	enum { LIMIT_MS, LIMIT_TIMESPEC, LIMIT_TIMEVAL } form;
};

/* The limit of a call: 1 = *ts, 0 = none, R_SLOW when it cannot be read or is not valid. */
static long limit_of(const struct limit *l, struct ts *ts)
{
	i32 ms = (i32)l->at;

	if (l->form == LIMIT_MS) {
		*ts = (struct ts){ ms / 1000, (i64)(ms % 1000) * 1000000 };
		return ms >= 0;
	}
	if (l->at == 0)
		return 0;
	if (guest_read(ts, l->at, sizeof(*ts)) != 0)
		return R_SLOW;
	if (l->form == LIMIT_TIMEVAL) {
		if (ts->sec < 0 || ts->nsec < 0 || ts->nsec >= 1000000)
			return R_SLOW;
		ts->nsec *= 1000;
	}
	return ts_valid(ts) ? 1 : R_SLOW;
}

/* The time left, to the guest. Linux does not for a limit of 0, nor cares whether it can be written. */
static void store_left(const struct limit *l, const struct wait *w)
{
	struct ts left = w->left;

	if (l->form == LIMIT_MS || !w->limited || ts_zero(&w->end))
		return;
	if (l->form == LIMIT_TIMEVAL)
		left.nsec /= 1000;
	guest_write(l->at, &left, sizeof(left));
}

/*
 * A tracer sees the call end before it sees the signal; made again it goes on with the time left, which is in the guest's memory. Of poll it is not: with a
 * limit that goes on in place.
 */
static bool ends_for_tracer(const struct task *t, const struct limit *l, const struct wait *w)
{
	return t->slot->traced && (l->form != LIMIT_MS || !w->limited);
}

static const struct ts no_time;

/* A copy of the guest's array, or R_SLOW when an entry is not a grant. Negative fds are ignored by the host, too. */
static long take_fds(const struct task *t, struct pfd *p, u64 from, u32 n)
{
	if (guest_read(p, from, (u64)n * sizeof(*p)) != 0)
		return R_SLOW;
	for (u32 i = 0; i < n; i++)
		if (p[i].fd >= 0 && !granted(t, (u64)p[i].fd))
			return R_SLOW;
	return 0;
}

/* Only revents is the call's to write. */
static long give_revents(u64 to, const struct pfd *p, u32 n, bool found)
{
	u16 none = 0;

	for (u32 i = 0; i < n; i++)
		if (guest_write(to + i * sizeof(*p) + 6, found ? &p[i].revents : &none, 2) != 0)
			return -EFAULT;
	return 0;
}

static long poll_wait(struct task *t, struct ucontext *uc, const u64 a[6], const struct limit *l, const struct ts *ts)
{
	struct pfd p[CARRICK_POLL_FAST];
	u32 n = (u32)a[1];
	struct ts zero = no_time;
	struct wait w;
	long r = take_fds(t, p, a[0], n);

	if (r < 0)
		return r;
	begin_wait(&w, ts);
	w.call = (struct hostcall){ __NR_ppoll, { (u64)p, n, ts != NULL ? (u64)&w.left : 0, 0, 8 } };
	/* What is ready counts more than a signal that is pending already. */
	r = deliverable(t) ? host_back(__NR_ppoll, p, n, &zero, 0, 8) : 0;
	while (r == 0) {
		r = wait_once(t, &w);
		if (r != -EINTR)
			break;
		give_revents(a[0], p, n, false);
		store_left(l, &w);
		if (ends_for_tracer(t, l, &w))
			return -ERESTARTNOHAND;
		if (interrupt(t, uc, ERESTARTNOHAND))
			return R_DONE;
		r = 0;
	}
	for (u32 i = 0; i < n; i++)
		if (p[i].revents & POLLNVAL_BIT)
			return R_SLOW; /* its grant has not been received yet */
	store_left(l, &w);
	return r >= 0 && give_revents(a[0], p, n, true) < 0 ? -EFAULT : r;
}

/* ---- select ---- */

#define SELECT_MAX 1024
#define SET_WORDS (SELECT_MAX / 64)

struct sets {
	u64 w[3][SET_WORDS];
};

static long take_sets(const struct task *t, struct sets *s, const u64 a[6], u32 n)
{
	for (u32 k = 0; k < 3; k++) {
		if (a[1 + k] == 0)
			continue;
		if (guest_read(s->w[k], a[1 + k], (n + 63) / 64 * 8) != 0)
			return R_SLOW;
		for (u32 fd = 0; fd < n; fd++)
			if ((s->w[k][fd / 64] >> fd % 64 & 1) && !granted(t, fd))
				return R_SLOW;
	}
	return 0;
}

static long select_wait(struct task *t, struct ucontext *uc, const u64 a[6], const struct limit *l, const struct ts *ts)
{
	struct sets in, out;
	u32 n = (u32)a[0];
	struct ts zero = no_time;
	struct wait w;
	long r = take_sets(t, &in, a, n);

	if (r < 0)
		return r;
	out = in;
	begin_wait(&w, ts);
	w.call = (struct hostcall){ __NR_pselect6, { n, a[1] != 0 ? (u64)out.w[0] : 0, a[2] != 0 ? (u64)out.w[1] : 0,
						     a[3] != 0 ? (u64)out.w[2] : 0, ts != NULL ? (u64)&w.left : 0, 0 } };
	r = deliverable(t) ? host_back(__NR_pselect6, n, w.call.a[1], w.call.a[2], w.call.a[3], &zero, 0) : 0;
	while (r == 0) {
		out = in;
		r = wait_once(t, &w);
		if (r != -EINTR)
			break;
		store_left(l, &w);
		if (ends_for_tracer(t, l, &w))
			return -ERESTARTNOHAND;
		if (interrupt(t, uc, ERESTARTNOHAND))
			return R_DONE;
		r = 0;
	}
	if (r == -EBADF)
		return R_SLOW; /* a grant has not been received yet */
	store_left(l, &w);
	for (u32 k = 0; k < 3 && r >= 0; k++)
		if (a[1 + k] != 0 && guest_write(a[1 + k], out.w[k], (n + 63) / 64 * 8) != 0)
			r = -EFAULT;
	return r;
}

long poll_fast(struct task *t, struct ucontext *uc, long nr, const u64 a[6])
{
	bool sel = nr == __NR_select || nr == __NR_pselect6;
	struct limit l = { nr == __NR_poll || nr == __NR_ppoll ? a[2] : a[4],
			   nr == __NR_poll ? LIMIT_MS : nr == __NR_select ? LIMIT_TIMEVAL : LIMIT_TIMESPEC };
	u64 mask = 0, size = 8;
	struct ts ts;
	long limited;
	long r;

	if (sel ? (u32)a[0] > SELECT_MAX : (u32)a[1] > CARRICK_POLL_FAST || (u32)a[1] > mm.fdr || (t->pctx->flags & CARRICK_PF_FEW_FDS))
		return R_SLOW;
	limited = limit_of(&l, &ts);
	if (limited < 0)
		return R_SLOW;
	if ((nr == __NR_ppoll || nr == __NR_pselect6) && mask_arg(nr, a, &mask, &size) < 0)
		return R_SLOW;
	if (mask_begin(t, mask, size) < 0)
		return R_SLOW;
	r = (sel ? select_wait : poll_wait)(t, uc, a, &l, limited ? &ts : NULL);
	if (r != R_DONE && r != -ERESTARTNOHAND)
		mask_end(t);
	return r;
}
