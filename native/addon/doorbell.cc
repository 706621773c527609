/*
 * Making and ringing doorbells. Each server has one: a pipe of words, and bits.
 *
 * Words of carrick's own workers: RINGS and CONTROL are bits in `Doorbell.flags`, the pipe only wakes; others go through the pipe, or `spill`
 * if it is full (never wait for a guest). The pipe has a blocking and a non-blocking reader, and guests have a write end of their own, so that
 * nobody's O_NONBLOCK is another's.
 *
 * Framing: writes of 4 bytes to a pipe are atomic, and the seccomp filter lets guests write nothing else to a doorbell.
 */
#include "doorbell.h"
#include "endpoint_layout.h"
#include "exports.h"

#include <fcntl.h>
#include <stdio.h>

Doorbell doorbells[CARRICK_SRV_COUNT];

int doorbell_guest_fd(int srv)
{
	return doorbells[srv].write_guest;
}

int post_word(uint64_t srv, uint32_t word)
{
	Doorbell &d = doorbells[srv];

	if (write(d.write_own, &word, sizeof(word)) == sizeof(word))
		return 0;
	if (errno != EAGAIN)
		return -errno;
	if (word == CARRICK_DB_RINGS || word == CARRICK_DB_CONTROL)
		return 0; /* A full pipe wakes the server too, and the bit is set. */
	std::lock_guard<std::mutex> hold(d.lock);

	d.spill.push_back(word);
	d.spilled.store(1, std::memory_order_release);
	return 0;
}

/* Mark a request as on its way to srv, so that its word is believed there. */
static int mark_forward(uint64_t srv, uint32_t id)
{
	Area *a = area_get(id >> CARRICK_SLOT_BITS);

	if (a == nullptr)
		return -EINVAL;
	a->bind[id & (CARRICK_SLOT_MAX - 1)].owner.store(OWNER_FORWARD | (srv + 1));
	return 0;
}

napi_value js_ringDoorbell(napi_env env, napi_callback_info info)
{
	Args<2> args(env, info);
	int64_t srv = args.i64(0);
	uint32_t word = args.u32(1);
	int r = 0;

	if (srv < 0 || srv >= CARRICK_SRV_COUNT || doorbells[srv].write_own < 0)
		return num(env, -EINVAL);
	if (word == CARRICK_DB_RINGS || word == CARRICK_DB_CONTROL) {
		uint32_t bit = word == CARRICK_DB_RINGS ? FLAG_RINGS : FLAG_CONTROL;

		/* Already rung and not yet seen: its word is still in the pipe. */
		if ((doorbells[srv].flags.fetch_or(bit) & bit) != 0)
			return num(env, 0);
	} else if ((word & CARRICK_DB_CANCEL) == 0 && (word & CARRICK_DB_FORWARD) != 0) {
		r = mark_forward(static_cast<uint64_t>(srv), word & ~CARRICK_DB_FORWARD);
	}
	return num(env, r < 0 ? r : post_word(static_cast<uint64_t>(srv), word));
}

/* The same pipe through a file description of its own; -errno. */
static int reopen(int fd, int flags)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int own = open(path, flags | O_CLOEXEC);

	return own < 0 ? -errno : fd_above_stdio(own);
}

static int create_doorbell(Doorbell &d)
{
	int p[2];

	if (d.read_nonblock >= 0)
		return 0;
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	p[0] = fd_above_stdio(p[0]);
	p[1] = fd_above_stdio(p[1]);
	int rn = reopen(p[0], O_RDONLY | O_NONBLOCK);
	int wo = reopen(p[1], O_WRONLY | O_NONBLOCK);

	if (rn < 0 || wo < 0) {
		int e = rn < 0 ? rn : wo;

		for (int fd : { p[0], p[1], rn, wo })
			if (fd >= 0)
				close(fd);
		return e;
	}
	/* Room for every task's word; when the host refuses, a full pipe only makes guests wait. */
	fcntl(p[1], F_SETPIPE_SZ, 256 * 1024);
	d.read_block = p[0];
	d.write_guest = p[1];
	d.read_nonblock = rn;
	d.write_own = wo;
	return 0;
}

napi_value js_createDoorbells(napi_env env, napi_callback_info)
{
	for (Doorbell &d : doorbells) {
		int r = create_doorbell(d);

		if (r < 0)
			return num(env, r);
	}
	return num(env, 0);
}

napi_value js_doorbellFd(napi_env env, napi_callback_info info)
{
	Args<1> args(env, info);
	int64_t srv = args.i64(0);

	return num(env, srv < 0 || srv >= CARRICK_SRV_COUNT || doorbells[srv].read_nonblock < 0 ? -EINVAL : doorbells[srv].read_nonblock);
}
