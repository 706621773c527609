/*
 * Sleeping in the host on the guest's behalf: futexes, nanosleep, granted reads and writes, polls.
 *
 * A kick that brings no deliverable signal must not be seen by the guest, and one that does must end or restart the call as Linux would. So deadlines
 * are made absolute at the start, and the loop below decides: deliver; if a handler runs, the call has ended (EINTR, or a restart when SA_RESTART
 * says so); if none runs, sleep on.
 */
#include "stub.h"

#define FUTEX_WAIT_OP 0
#define FUTEX_WAIT_BITSET_OP 9
#define FUTEX_LOCK_PI_OP 6
#define FUTEX_WAIT_REQUEUE_PI_OP 11
#define FUTEX_LOCK_PI2_OP 13
#define FUTEX_CLOCK_RT 256

#define CLOCK_REALTIME_ID 0
#define CLOCK_MONOTONIC_ID 1

#define SO_RCVTIMEO_OPT 20
#define SO_SNDTIMEO_OPT 21

#define NSEC 1000000000ll

bool ts_zero(const struct ts *x) { return x->sec == 0 && x->nsec == 0; }
bool ts_valid(const struct ts *x) { return x->sec >= 0 && x->nsec >= 0 && x->nsec < NSEC; }

struct ts ts_now(int clock)
{
	struct ts now = { 0, 0 };

	host_back(__NR_clock_gettime, clock, &now);
	return now;
}

struct ts ts_add(struct ts a, struct ts b)
{
	struct ts r = { 0, a.nsec + b.nsec };

	if (__builtin_add_overflow(a.sec, b.sec, &r.sec) || r.sec == INT64_MAX)
		return (struct ts){ INT64_MAX, NSEC - 1 };
	if (r.nsec >= NSEC) {
		r.nsec -= NSEC;
		r.sec++;
	}
	return r;
}

/* a - b, not below 0. */
struct ts ts_sub(struct ts a, struct ts b)
{
	struct ts r = { a.sec - b.sec, a.nsec - b.nsec };

	if (r.nsec < 0) {
		r.nsec += NSEC;
		r.sec--;
	}
	return r.sec < 0 ? (struct ts){ 0, 0 } : r;
}

/*
 * What becomes of an interrupted call. On a socket with a time limit (SO_RCVTIMEO, SO_SNDTIMEO) it ends with EINTR whatever SA_RESTART says: signal(7),
 * "Interruption of system calls".
 */
static u32 restart_of(const struct task *t, const struct hostcall *c, u32 restart)
{
	struct {
		i64 sec, usec;
	} limit = { 0, 0 };
	u32 len = sizeof(limit);
	bool out;

	switch (c->nr) {
	case __NR_read:
	case __NR_readv:
	case __NR_recvfrom:
		out = false;
		break;
	case __NR_write:
	case __NR_writev:
	case __NR_sendto:
		out = true;
		break;
	default:
		return restart;
	}
	if ((fd_hint(t, c->a[0]) & CARRICK_HINT_OWNER) != CARRICK_SRV_NET + 1)
		return restart;
	host(__NR_getsockopt, c->a[0], 1 /* SOL_SOCKET */, out ? SO_SNDTIMEO_OPT : SO_RCVTIMEO_OPT, &limit, &len);
	return limit.sec != 0 || limit.usec != 0 ? ERESTARTNOHAND : restart;
}

/**
 * interrupt - deliver what has ended a host call of the guest's.
 * @restart: the ERESTART* code that Linux would use for the call
 * Return: true when a handler runs: the call is over (EINTR, or made again afterwards). False: nobody has seen anything of it, sleep on.
 */
bool interrupt(struct task *t, struct ucontext *uc, u32 restart)
{
	uc = take_frame(t, uc);
	uc_set_ret(uc, -EINTR);
	t->restart = restart;
	if (deliver(t, uc))
		return true;
	t->restart = 0;
	return false;
}

/**
 * sleep_call - a host call that may sleep, interrupted only by signals that are delivered.
 * @restart: the ERESTART* code that Linux would use for it. A signal that was there before the call had begun is Linux's to deliver before it: the call then
 *           begins after the handler, whatever SA_RESTART says.
 * Return: the host's result, or R_DONE when a handler's frame was built.
 */
long sleep_call(struct task *t, struct ucontext *uc, const struct hostcall *c, u32 restart)
{
	bool begun = false;
	long r;

	for (;;) {
		t->slot->sleeping = 1;
		r = stub_call_int(c);
		t->slot->sleeping = 0;
		if (r != -EINTR && r != -ERESTARTSYS)
			return r;
		begun |= r == -EINTR;
		if (!deliverable(t))
			continue;
		/* A tracer sees the call begin, and end before it sees the signal. */
		if (t->slot->traced) {
			t->resume.what = RESUME_NOTHING;
			return -(long)restart_of(t, c, restart);
		}
		if (interrupt(t, uc, begun ? restart_of(t, c, restart) : ERESTARTNOINTR))
			return R_DONE;
	}
}

void begin_wait(struct wait *w, const struct ts *limit)
{
	w->limited = limit != NULL;
	w->ms = false;
	w->left = w->end = limit != NULL ? *limit : (struct ts){ 0, 0 };
	if (limit != NULL && !ts_zero(limit))
		w->end = ts_add(ts_now(CLOCK_MONOTONIC_ID), *limit);
}

/* Milliseconds left, rounded up; -1 = no limit. */
static u64 ms_left(const struct wait *w)
{
	if (!w->limited)
		return (u64)-1;
	if (w->left.sec > INT32_MAX / 1000 - 1)
		return INT32_MAX;
	return (u64)(w->left.sec * 1000 + (w->left.nsec + 999999) / 1000000);
}

long wait_once(struct task *t, struct wait *w)
{
	const struct hostcall *c = &w->call;
	long r;

	for (;;) {
		if (w->ms)
			w->call.a[3] = ms_left(w);
		/* Without a sleep there is nothing to interrupt. */
		if (w->limited && ts_zero(&w->left))
			return stub_call(c);
		t->slot->sleeping = 1;
		r = stub_call_int(c);
		t->slot->sleeping = 0;
		if (w->limited)
			w->left = ts_sub(w->end, ts_now(CLOCK_MONOTONIC_ID));
		if (r != -EINTR && r != -ERESTARTSYS)
			return r;
		if (deliverable(t))
			return -EINTR;
	}
}

/* Wait on a futex until a moment of CLOCK_MONOTONIC. */
static long futex_until(struct task *t, struct ucontext *uc, struct resume w)
{
	struct ts end = { w.sec, w.nsec };
	struct hostcall c = { __NR_futex, { w.addr, (w.op & ~127u) | FUTEX_WAIT_BITSET_OP, w.value, (u64)&end, 0, 0xffffffff } };
	long r = sleep_call(t, uc, &c, ERESTART_RESTARTBLOCK);

	if (r == -ERESTART_RESTARTBLOCK)
		t->resume = w;
	return r;
}

/**
 * futex(2). Everything goes to the host as it is, but a relative FUTEX_WAIT with a timeout becomes a FUTEX_WAIT_BITSET with the same
 * moment as deadline (both count CLOCK_MONOTONIC), so that it can be resumed.
 * Errors: the host's; -EFAULT, -EINVAL for the timeout first, as Linux.
 */
long do_futex(struct task *t, struct ucontext *uc, const u64 a[6])
{
	struct hostcall c = { __NR_futex, { a[0], a[1], a[2], a[3], a[4], a[5] } };
	u32 op = (u32)a[1] & 127;
	struct ts ts;

	if (op == FUTEX_WAIT_OP && a[3] != 0 && !(a[1] & FUTEX_CLOCK_RT)) {
		if (guest_read(&ts, a[3], sizeof(ts)) != 0)
			return -EFAULT;
		if (!ts_valid(&ts))
			return -EINVAL;
		ts = ts_add(ts_now(CLOCK_MONOTONIC_ID), ts);
		return futex_until(t, uc, (struct resume){ .what = RESUME_FUTEX, .op = (u32)a[1], .addr = a[0], .value = a[2], .sec = ts.sec, .nsec = ts.nsec });
	}
	if (op == FUTEX_LOCK_PI_OP || op == FUTEX_LOCK_PI2_OP)
		return sleep_call(t, uc, &c, ERESTARTNOINTR);
	if (op == FUTEX_WAIT_OP || op == FUTEX_WAIT_BITSET_OP)
		return sleep_call(t, uc, &c, a[3] != 0 ? ERESTART_RESTARTBLOCK : ERESTARTSYS);
	if (op == FUTEX_WAIT_REQUEUE_PI_OP)
		return sleep_call(t, uc, &c, ERESTARTSYS);
	/* The others do not sleep. */
	return stub_call(&c);
}

/* Sleep until a moment of a clock; what is left then goes to w.addr. */
static long sleep_until(struct task *t, struct ucontext *uc, struct resume w)
{
	int clock = (int)w.op;
	struct ts end = { w.sec, w.nsec }, left;
	struct hostcall c = { __NR_clock_nanosleep, { (u64)clock, 1 /* TIMER_ABSTIME */, (u64)&end, 0 } };
	long r;

	for (;;) {
		t->slot->sleeping = 1;
		r = stub_call_int(&c);
		t->slot->sleeping = 0;
		if (r != -EINTR && r != -ERESTARTSYS)
			return r;
		if (!deliverable(t))
			continue;
		left = ts_sub(end, ts_now(clock));
		if (w.addr != 0 && guest_write(w.addr, &left, sizeof(left)) != 0)
			return -EFAULT;
		if (t->slot->traced) {
			t->resume = w;
			return -ERESTART_RESTARTBLOCK;
		}
		if (interrupt(t, uc, ERESTART_RESTARTBLOCK))
			return R_DONE;
	}
}

/**
 * nanosleep(2), clock_nanosleep(2).
 * Errors, in Linux's order: -EINVAL (clock), -EFAULT, -EINVAL (time), -EINTR with the rest in *rem.
 * A relative sleep on CLOCK_REALTIME is not moved by clock changes, so it is one on CLOCK_MONOTONIC.
 */
long do_nanosleep(struct task *t, struct ucontext *uc, int clock, bool absolute, u64 req, u64 rem)
{
	struct ts ts;
	struct hostcall c = { __NR_clock_nanosleep, { (u64)clock, 1, (u64)&ts, 0 } };
	long r;

	if (!absolute && clock == CLOCK_REALTIME_ID)
		c.a[0] = clock = CLOCK_MONOTONIC_ID;
	r = host(__NR_clock_getres, clock, 0);
	if (r < 0)
		return r;
	if (guest_read(&ts, req, sizeof(ts)) != 0)
		return -EFAULT;
	if (!ts_valid(&ts))
		return -EINVAL;
	if (absolute)
		return sleep_call(t, uc, &c, ERESTARTNOHAND);
	ts = ts_add(ts_now(clock), ts);
	return sleep_until(t, uc, (struct resume){ .what = RESUME_SLEEP, .op = (u32)clock, .addr = rem, .sec = ts.sec, .nsec = ts.nsec });
}

/** restart_syscall(2): go on with what was interrupted. -EINTR: nothing was. */
long do_resume(struct task *t, struct ucontext *uc)
{
	struct resume w = t->resume;

	t->resume.what = RESUME_NOTHING;
	switch (w.what) {
	case RESUME_SLEEP:
		return sleep_until(t, uc, w);
	case RESUME_FUTEX:
		return futex_until(t, uc, w);
	default:
		return -EINTR;
	}
}
