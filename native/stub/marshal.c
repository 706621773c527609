/*
 * Marshalling: what a call's pointer arguments point to, copied into the slot's payload and back, as the generated table says.
 *
 * Pure but for the faultable copies. In arguments come first, in argument order, each 8-byte aligned; then room for the out arguments.
 * Fixed structs get their room before buffers do, so that a big buffer never starves a small result; a buffer gets at most
 * OUT_MAX, since what is larger goes straight to guest memory by the server.
 */
#include "stub.h"

/* Most of an out buffer that travels in the payload. */
#define OUT_MAX 8192u
/* Longest string with its NUL: PATH_MAX, linux/limits.h. */
#define STR_MAX 4096u

static inline u32 align8(u32 x) { return (x + 7) & ~7u; }

/* Bytes of buffer argument i, saturated. */
static u64 buffer_len(const struct carrick_arg *arg, const u64 a[6])
{
	u64 count = a[arg->len_arg], n;

	if (__builtin_mul_overflow(count, (u64)arg->size, &n))
		return ~0ull;
	return n;
}

/* Copy in argument i at *pos; the words for the slot. */
static void put_in(slot_t *s, u8 *payload, u32 i, u64 from, u64 n, u32 *pos)
{
	if (n > CARRICK_PAYLOAD_MAX - *pos) {
		s->arglen[i] = CARRICK_ARG_ELSEWHERE;
		return;
	}
	if (guest_read(payload + *pos, from, n) != 0) {
		s->arglen[i] = CARRICK_ARG_FAULT;
		return;
	}
	s->argoff[i] = *pos;
	s->arglen[i] = (u32)n;
	*pos += (u32)n;
}

static void put_str(slot_t *s, u8 *payload, u32 i, u64 from, u32 *pos)
{
	u32 room = CARRICK_PAYLOAD_MAX - *pos;
	long n = stub_copy_str(payload + *pos, (const void *)from, room < STR_MAX ? room : STR_MAX);

	if (n == -ENAMETOOLONG) {
		s->arglen[i] = room < STR_MAX ? CARRICK_ARG_ELSEWHERE : CARRICK_ARG_TOOLONG;
	} else if (n < 0) {
		s->arglen[i] = CARRICK_ARG_FAULT;
	} else {
		s->argoff[i] = *pos;
		s->arglen[i] = (u32)n;
		*pos += (u32)n + 1;
	}
}

/*
 * Strings, the number of them before them. Of an array that cannot be read, or does not fit, the server finds out itself what is wrong with it: which errno comes first depends
 * on more than the array.
 */
static void put_strings(slot_t *s, u8 *payload, u32 i, u64 from, u32 *pos)
{
	u32 at = *pos + 4, count = 0;
	u64 string;

	s->arglen[i] = CARRICK_ARG_ELSEWHERE;
	if (at > CARRICK_PAYLOAD_MAX)
		return;
	for (;; count++) {
		long n;

		if (guest_read(&string, from + 8ull * count, 8) != 0)
			return;
		if (string == 0)
			break;
		n = stub_copy_str(payload + at, (const void *)string, CARRICK_PAYLOAD_MAX - at);
		if (n < 0)
			return;
		at += (u32)n + 1;
	}
	memcpy(payload + *pos, &count, 4);
	s->argoff[i] = *pos;
	s->arglen[i] = at - *pos;
	*pos = at;
}

static void put_room(slot_t *s, u32 i, u32 n, u32 *pos, struct marshalled *m)
{
	s->argoff[i] = m->off[i] = *pos;
	s->arglen[i] = m->room[i] = n;
	*pos = align8(*pos + n);
}

/*
 * Can the ends of an out buffer be reached? The reply's bytes are copied after the server has moved its offset, too late to undo it; a buffer that is not
 * there is left to the server, which then learns of the fault in time. (A buffer that can only be read gets past this.)
 */
static bool reachable(u64 to, u64 n)
{
	u8 byte;

	return n == 0 || (guest_read(&byte, to, 1) == 0 && guest_read(&byte, to + n - 1, 1) == 0);
}

/**
 * marshal_in - fill the slot's argoff, arglen, inlen and payload for a call.
 * @m: what marshal_out needs: where each out argument's room is. The slot itself is writable by others and is not trusted for it.
 */
void marshal_in(const struct carrick_call *c, slot_t *s, u8 *payload, const u64 a[6], struct marshalled *m)
{
	u32 pos = 0, nbuf = 0;

	s->inlen = 0;
	for (u32 i = 0; i < 6; i++) {
		const struct carrick_arg *arg = &c->arg[i];

		s->argoff[i] = s->arglen[i] = 0;
		m->off[i] = m->room[i] = 0;
		if (a[i] == 0 || arg->kind <= CK_VAL)
			continue;
		pos = align8(pos);
		switch (arg->kind) {
		case CK_STR:
			put_str(s, payload, i, a[i], &pos);
			break;
		case CK_STRV:
			put_strings(s, payload, i, a[i], &pos);
			break;
		case CK_IN:
		case CK_INOUT:
			put_in(s, payload, i, a[i], arg->size, &pos);
			break;
		case CK_INBUF:
			put_in(s, payload, i, a[i], buffer_len(arg, a), &pos);
			break;
		case CK_OUTBUF:
			nbuf++;
			continue;
		default:
			continue;
		}
		if (s->arglen[i] >= CARRICK_ARG_TOOLONG)
			continue;
		s->inlen = pos;
		if (arg->kind == CK_INOUT) {
			m->off[i] = s->argoff[i];
			m->room[i] = arg->size;
		}
	}
	pos = align8(pos);
	for (u32 i = 0; i < 6; i++) {
		if (c->arg[i].kind != CK_OUT || a[i] == 0)
			continue;
		if (c->arg[i].size > CARRICK_PAYLOAD_MAX - pos)
			s->arglen[i] = CARRICK_ARG_ELSEWHERE;
		else
			put_room(s, i, c->arg[i].size, &pos, m);
	}
	for (u32 i = 0; i < 6 && nbuf > 0; i++) {
		u64 n;
		u32 share;

		if (c->arg[i].kind != CK_OUTBUF || a[i] == 0)
			continue;
		n = buffer_len(&c->arg[i], a);
		share = pos < CARRICK_PAYLOAD_MAX ? (CARRICK_PAYLOAD_MAX - pos) / nbuf & ~7u : 0;
		if (share > OUT_MAX)
			share = OUT_MAX;
		if (n < share)
			share = (u32)n;
		if (reachable(a[i], share))
			put_room(s, i, share, &pos, m);
		else
			s->arglen[i] = CARRICK_ARG_ELSEWHERE;
		nbuf--;
	}
}

/**
 * marshal_out - copy what a reply produced to the guest's pointers.
 * Return: 0 or -EFAULT.
 */
int marshal_out(const slot_t *s, const u8 *payload, const u64 a[6], const struct marshalled *m)
{
	for (u32 i = 0; i < 6; i++) {
		u32 n = s->arglen[i];

		if (n == 0 || n > m->room[i])
			continue;
		if (guest_write(a[i], payload + m->off[i], n) != 0)
			return -EFAULT;
	}
	return 0;
}
