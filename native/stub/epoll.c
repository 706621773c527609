/*
 * epoll_ctl(2), epoll_wait(2), epoll_pwait(2), epoll_pwait2(2) on granted instances.
 *
 * A guest's epoll instance is an epoll instance of the host. Members that are grants are added under the guest's own fd numbers and
 * with its own data, by the host's epoll_ctl, so what Linux says of triggering, duplicates, closing and nesting is what the host does. Other members are added
 * by the ipc server: under its own fd numbers if the host knows their readiness; if it does not, the server keeps a list of those that
 * are ready and rings the instance's bell while the list is not empty: one more member, whose data is BELL (epoll-set.ts).
 *
 * Whoever finds the bell among the events asks the server, which answers with what is on its list and in the host's set. Edge-triggered events that came
 * with the bell would be lost then, so they go to the guest first, without the bell, and the server is asked at the beginning of the next wait.
 * A guest's own data may look like the bell's: the server tells them apart.
 */
#include "stub.h"

#define EPOLLIN_BIT 1u
/* epoll_wait(2): maxevents is at most INT_MAX / sizeof(struct epoll_event). */
#define EVENTS_MAX 178956970u
#define CHUNK 32u

struct event {
	u32 events;
	u32 lo, hi;
};
_Static_assert(sizeof(struct event) == 12, "packed on x86-64");

static bool is_bell(const struct event *e)
{
	return e->lo == CARRICK_BELL_LO && e->hi == CARRICK_BELL_HI && e->events == EPOLLIN_BIT;
}

/* Position of the bell among n events in guest memory; n when it is not there. */
static u32 find_bell(u64 at, u32 n)
{
	struct event e[CHUNK];

	for (u32 i = 0; i < n; i += CHUNK) {
		u32 m = n - i < CHUNK ? n - i : CHUNK;

		if (guest_read(e, at + (u64)i * sizeof(*e), m * sizeof(*e)) != 0)
			return n;
		for (u32 k = 0; k < m; k++)
			if (is_bell(&e[k]))
				return i + k;
	}
	return n;
}

/* Take event `ix` of n out of guest memory; the last one fills the gap. */
static void take_out(u64 at, u32 ix, u32 n)
{
	struct event last;

	if (ix + 1 < n && guest_read(&last, at + (u64)(n - 1) * sizeof(last), sizeof(last)) == 0)
		guest_write(at + (u64)ix * sizeof(last), &last, sizeof(last));
}

/* What the server has now, without waiting. */
static long ask_server(struct task *t, const u64 a[6])
{
	const u64 b[6] = { a[0], a[1], a[2], 0, 0, 0 };

	t->bell = 0;
	return call_server(t, __NR_epoll_wait, b);
}

static long do_wait(struct task *t, const u64 a[6], const struct ts *limit, bool fine)
{
	struct wait w;
	long r = t->bell == (u32)a[0] + 1 ? ask_server(t, a) : 0;

	begin_wait(&w, limit);
	w.ms = !fine; /* older hosts know no timespec here */
	w.call = (struct hostcall){ fine ? __NR_epoll_pwait2 : __NR_epoll_pwait, { a[0], a[1], a[2], limit != NULL ? (u64)&w.left : 0, 0, 8 } };
	while (r == 0) {
		u32 n, at;

		/* What is ready counts more than a signal that is pending already. */
		r = deliverable(t) ? host_back(__NR_epoll_pwait, a[0], a[1], a[2], 0, 0, 8) : 0;
		if (r == 0)
			r = wait_once(t, &w);
		if (r <= 0)
			return r == -EBADF || r == -ENOSYS ? R_SLOW : r;
		n = (u32)r;
		at = find_bell(a[1], n);
		if (at == n)
			return r;
		if (n > 1) {
			take_out(a[1], at, n);
			t->bell = (u32)a[0] + 1;
			return r - 1;
		}
		r = ask_server(t, a);
	}
	return r;
}

/* epoll_ctl: the host's, if both are grants. What it does not find may be one of the server's own members. */
static long do_ctl(const struct task *t, const u64 a[6])
{
	long r;

	if (!granted(t, a[2]))
		return R_SLOW;
	r = host_back(__NR_epoll_ctl, a[0], a[1], a[2], a[3]);
	return r == -ENOENT || r == -EBADF ? R_SLOW : r;
}

long epoll_fast(struct task *t, long nr, const u64 a[6])
{
	bool fine = nr == __NR_epoll_pwait2, limited = true;
	u64 mask = 0, size = 8;
	struct ts ts = { 0, 0 };
	long r;

	if (!granted_for(t, a[0], CARRICK_HINT_EPOLL) || (fd_hint(t, a[0]) & CARRICK_HINT_OWNER) != CARRICK_SRV_IPC + 1)
		return R_SLOW;
	if (nr == __NR_epoll_ctl)
		return do_ctl(t, a);
	if ((u32)a[2] - 1 >= EVENTS_MAX)
		return R_SLOW;
	if (fine) {
		limited = a[3] != 0;
		if (limited && (guest_read(&ts, a[3], sizeof(ts)) != 0 || !ts_valid(&ts)))
			return R_SLOW;
	} else {
		limited = (i32)a[3] >= 0;
		ts = (struct ts){ (i32)a[3] / 1000, (i64)((i32)a[3] % 1000) * 1000000 };
	}
	if (nr != __NR_epoll_wait && (mask_arg(nr, a, &mask, &size) < 0 || mask_begin(t, mask, size) < 0))
		return R_SLOW;
	r = do_wait(t, a, limited ? &ts : NULL, fine);
	if (r != -EINTR)
		mask_end(t);
	return r;
}
