/*
 * Reading what follows a `syscall` and writing the thunk that replaces it, x86-64. Pure functions on bytes; rewrite.h has the picture.
 *
 * Instructions are moved that mean the same at another address, or can be made to: with a displacement from rip corrected, a short branch led on, a
 * call made of a push and a jump. What is not known here is not moved. Source: Intel SDM volume 2, appendix A (opcode maps).
 */
#include "rewrite.h"

struct insn {
	u8 len;	   /* 0 = not moved */
	u8 how;	   /* MOVE_* */
	u8 rel_at; /* offset of the displacement in it */
	bool ends; /* control does not go on after it */
};

static inline i32 imm32(const u8 *p) { return (i32)((u32)p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24); }

/* Bytes of ModRM, SIB and displacement at p; 0 = beyond n. */
static u32 modrm_len(const u8 *p, u32 n)
{
	u32 len = 1, mod, rm;

	if (n < 1)
		return 0;
	mod = p[0] >> 6;
	rm = p[0] & 7;
	if (mod == 3)
		return 1;
	if (mod == 0 && rm == 5)
		return n < 5 ? 0 : 5; /* relative to rip */
	if (rm == 4) {
		if (n < 2)
			return 0;
		len++;
		if (mod == 0 && (p[1] & 7) == 5)
			len += 4;
	}
	len += mod == 1 ? 1 : mod == 2 ? 4 : 0;
	return len <= n ? len : 0;
}

/* What follows an opcode of the one-byte map: bytes of immediate, and whether there is a ModRM; -1 = not moved. */
static int operands(u8 op, u8 modrm, bool wide, bool word, bool *has_modrm)
{
	int imm = word ? 2 : 4;

	*has_modrm = true;
	if (op < 0x40) {
		if ((op & 7) > 5)
			return -1;
		*has_modrm = (op & 7) < 4;
		return (op & 7) < 4 ? 0 : (op & 7) == 4 ? 1 : imm;
	}
	switch (op) {
	case 0x63: case 0x84 ... 0x8b: case 0x8d: case 0xd0 ... 0xd3:
		return 0;
	case 0x6b: case 0x80: case 0x83: case 0xc0: case 0xc1:
		return 1;
	case 0x69: case 0x81:
		return imm;
	case 0xc6:
		return (modrm & 0x38) == 0 ? 1 : -1;
	case 0xc7:
		return (modrm & 0x38) == 0 ? imm : -1;
	case 0xf6:
		return (modrm & 0x38) < 0x10 ? 1 : 0;
	case 0xf7:
		return (modrm & 0x38) < 0x10 ? imm : 0;
	case 0xfe:
		return (modrm & 0x38) < 0x10 ? 0 : -1;
	case 0xff:
		return (modrm & 0x38) < 0x10 || (modrm & 0x38) == 0x30 ? 0 : -1;
	}
	*has_modrm = false;
	switch (op) {
	case 0x50 ... 0x5f: case 0x90: case 0x98: case 0x99: case 0xc9: case 0xcc: case 0xf4:
		return 0;
	case 0xa8: case 0xb0 ... 0xb7: case 0xcd:
		return 1;
	case 0xa9:
		return imm;
	case 0xb8 ... 0xbf:
		return wide ? 8 : imm;
	}
	return -1;
}

/* The two-byte map: no immediates among what is moved. */
static bool two_byte(u8 op)
{
	switch (op) {
	case 0x1f: case 0x40 ... 0x4f: case 0x90 ... 0x9f: case 0xaf: case 0xb6: case 0xb7: case 0xbe: case 0xbf:
	/* moves and logic of vector registers */
	case 0x10: case 0x11: case 0x16: case 0x28: case 0x29: case 0x57: case 0x6c: case 0x6e: case 0x6f: case 0x7e: case 0x7f: case 0xd6: case 0xef:
		return true;
	}
	return false;
}

/* Opcode and prefixes are `at` bytes, ModRM follows, then the immediate. */
static struct insn with_modrm(const u8 *p, u32 n, u32 at, u32 imm)
{
	u32 m = modrm_len(p + at, n - at);
	struct insn x = { 0 };

	if (m == 0 || at + m + imm > n)
		return x;
	x.len = (u8)(at + m + imm);
	if ((p[at] & 0xc7) == 5) {
		x.how = MOVE_REL32;
		x.rel_at = (u8)(at + 1);
	}
	return x;
}

/* Branches have no prefixes among what is moved. */
static bool branch_read(const u8 *p, u32 n, struct insn *x)
{
	if (p[0] == 0xeb || (p[0] & 0xf0) == 0x70)
		*x = (struct insn){ .len = n >= 2 ? 2 : 0, .how = MOVE_SHORT, .rel_at = 1, .ends = p[0] == 0xeb };
	else if (p[0] == 0xe9 || p[0] == 0xe8)
		*x = (struct insn){ .len = n >= 5 ? 5 : 0, .how = p[0] == 0xe9 ? MOVE_REL32 : MOVE_CALL, .rel_at = 1, .ends = p[0] == 0xe9 };
	else if (n >= 2 && p[0] == 0x0f && (p[1] & 0xf0) == 0x80)
		*x = (struct insn){ .len = n >= 6 ? 6 : 0, .how = MOVE_REL32, .rel_at = 2 };
	else
		return false;
	return true;
}

static struct insn insn_read(const u8 *p, u32 n)
{
	struct insn x = { 0 };
	bool word = false, wide = false, has_modrm;
	u32 i = 0;
	int imm;

	if (n == 0 || branch_read(p, n, &x))
		return x;
	if (n >= 4 && p[0] == 0xf3 && p[1] == 0x0f && p[2] == 0x1e && p[3] == 0xfa) /* endbr64 */
		return (struct insn){ .len = 4 };
	for (; i < n && (p[i] == 0x66 || p[i] == 0x2e || p[i] == 0x64 || p[i] == 0xf2 || p[i] == 0xf3); i++)
		word |= p[i] == 0x66;
	if (i < n && (p[i] & 0xf0) == 0x40)
		wide = p[i++] & 8;
	if (i >= n)
		return x;
	if (p[i] == 0xc3)
		return (struct insn){ .len = (u8)(i + 1), .ends = true };
	if (p[i] == 0x0f)
		return i + 1 < n && two_byte(p[i + 1]) ? with_modrm(p, n, i + 2, 0) : x;
	imm = operands(p[i], i + 1 < n ? p[i + 1] : 0, wide, word, &has_modrm);
	if (imm < 0)
		return x;
	if (has_modrm)
		return with_modrm(p, n, i + 1, (u32)imm);
	if (i + 1 + (u32)imm <= n)
		x.len = (u8)(i + 1 + (u32)imm);
	return x;
}

bool tail_read(const u8 *p, u32 n, struct tail *t)
{
	u32 at = 0;

	if (n > TAIL_MAX)
		n = TAIL_MAX;
	*t = (struct tail){ 0 };
	while (at < JUMP_SIZE - CALL_SIZE) {
		struct insn x = insn_read(p + at, n - at);

		if (x.len == 0)
			return false;
		t->starts |= (u8)(1u << at);
		t->insn[t->n].how = x.how;
		t->insn[t->n].rel_at = (u8)(at + x.rel_at);
		t->ends = x.ends;
		at += x.len;
		t->insn[t->n++].end = (u8)at;
	}
	t->len = (u8)at;
	return true;
}

bool byte_traps(u8 b)
{
	switch (b) {
	/* int3; hlt, cli, sti, in, out, ins, outs, which are the kernel's */
	case 0xcc: case 0xf4: case 0xfa: case 0xfb: case 0x6c ... 0x6f: case 0xe4 ... 0xe7: case 0xec ... 0xef:
	/* no instructions in 64-bit mode */
	case 0x06: case 0x07: case 0x0e: case 0x16: case 0x17: case 0x1e: case 0x1f: case 0x27: case 0x2f: case 0x37: case 0x3f: case 0x60: case 0x61:
	case 0x9a: case 0xce: case 0xea:
		return true;
	}
	return false;
}

bool jump_fits(u64 site, u64 thunk, const struct tail *t)
{
	i64 d = (i64)(thunk - (site + JUMP_SIZE));

	if (d != (i32)d)
		return false;
	for (u32 i = 0; i < JUMP_SIZE - CALL_SIZE; i++)
		if ((t->starts & 1u << i) && !byte_traps((u8)((u64)d >> (8 * (i + 1)))))
			return false;
	return true;
}

static void put32(u8 *to, i64 v)
{
	u32 x = (u32)v;

	to[0] = (u8)x;
	to[1] = (u8)(x >> 8);
	to[2] = (u8)(x >> 16);
	to[3] = (u8)(x >> 24);
}

void jump_write(u8 to[JUMP_SIZE], u64 site, u64 thunk)
{
	to[0] = 0xe9;
	put32(to + 1, (i64)(thunk - (site + JUMP_SIZE)));
}

/* A displacement from `end` to `target` at `to`: false when it does not reach. */
static bool put_rel(u8 *to, u64 end, u64 target)
{
	i64 d = (i64)(target - end);

	put32(to, d);
	return d == (i32)d;
}

/* A jump at offset *at of the thunk. */
static bool put_jump(u8 *to, u64 thunk, u32 *at, u64 target)
{
	u32 i = *at;

	*at += 5;
	if (*at > THUNK_LEN)
		return false;
	to[i] = 0xe9;
	return put_rel(to + i + 1, thunk + *at, target);
}

/*
 * push $low; movl $high,4(%rsp): the address to return to. `push` extends the sign, so the upper half is always written. Flags stay as they are.
 */
static bool put_push(u8 *to, u32 *at, u64 value)
{
	static const u8 store[4] = { 0xc7, 0x44, 0x24, 0x04 };
	u32 i = *at;

	*at += 13;
	if (*at > THUNK_LEN)
		return false;
	to[i] = 0x68;
	put32(to + i + 1, (i64)value);
	memcpy(to + i + 5, store, 4);
	put32(to + i + 9, (i64)(value >> 32));
	return true;
}

bool thunk_write(u8 to[THUNK_SIZE], u64 thunk, u64 header, u64 site, const u8 *code, const struct tail *t)
{
	static const u8 lea[3] = { 0x48, 0x8d, 0x0d };
	u64 after = site + CALL_SIZE;
	u32 at = THUNK_TAIL + t->len;
	bool ok = true;

	memset(to, 0xcc, THUNK_SIZE);
	memcpy(to, lea, 3);
	ok &= put_rel(to + 3, thunk + 7, thunk + THUNK_BACK);
	to[7] = 0xff;
	to[8] = 0x25;
	ok &= put_rel(to + 9, thunk + THUNK_BACK, header);
	memcpy(to + THUNK_BACK, lea, 3);
	ok &= put_rel(to + THUNK_BACK + 3, thunk + THUNK_TAIL, after);
	memcpy(to + THUNK_TAIL, code, t->len);
	to[THUNK_LEN] = t->len;
	if (!t->ends)
		ok &= put_jump(to, thunk, &at, after + t->len);
	for (u32 i = 0; i < t->n && ok; i++) {
		u32 end = t->insn[i].end, rel = t->insn[i].rel_at;
		u64 old_end = after + end;

		switch (t->insn[i].how) {
		case MOVE_REL32:
			/* An immediate may follow the displacement; both ends move by the same distance. */
			ok &= put_rel(to + THUNK_TAIL + rel, thunk + THUNK_TAIL, after + (u64)(i64)imm32(code + rel));
			break;
		case MOVE_SHORT:
			to[THUNK_TAIL + rel] = (u8)(at - THUNK_TAIL - end);
			ok &= put_jump(to, thunk, &at, old_end + (u64)(i64)(signed char)code[rel]);
			break;
		case MOVE_CALL:
			to[THUNK_TAIL + rel - 1] = 0xe9;
			ok &= put_rel(to + THUNK_TAIL + rel, thunk + THUNK_TAIL + end, thunk + at);
			ok &= put_push(to, &at, old_end) && put_jump(to, thunk, &at, old_end + (u64)(i64)imm32(code + rel));
			break;
		}
	}
	return ok;
}

u64 thunk_after(u64 back, const u8 b[THUNK_TAIL - THUNK_BACK])
{
	if (b[0] != 0x48 || b[1] != 0x8d || b[2] != 0x0d)
		return 0;
	return back + (THUNK_TAIL - THUNK_BACK) + (u64)(i64)imm32(b + 3);
}

bool thunk_original(u64 thunk, u32 at, const u8 b[THUNK_SIZE], struct original *o)
{
	u64 after = thunk_after(thunk + THUNK_BACK, b + THUNK_BACK);
	u32 jump = at;

	*o = (struct original){ 0 };
	if (after == 0)
		return false;
	if (at < THUNK_BACK) {
		o->ip = after - CALL_SIZE;
		return true;
	}
	if (at < THUNK_TAIL || at - THUNK_TAIL < b[THUNK_LEN]) {
		o->called = at < THUNK_TAIL;
		o->ip = at < THUNK_TAIL ? after : after + at - THUNK_TAIL;
		return true;
	}
	/* Behind them: an instruction of the program that was begun is the call as long as nothing is pushed, else done. */
	if (b[at] == 0x68 && at + 18 <= THUNK_LEN) {
		o->ip = ((u64)(u32)imm32(b + at + 9) << 32 | (u32)imm32(b + at + 1)) - 5;
		return true;
	}
	if (b[at] == 0xc7 && at + 13 <= THUNK_LEN) {
		o->pushed = (u64)(u32)imm32(b + at + 4) << 32 | (u32)imm32(b + at - 4);
		jump += 8;
	}
	if (b[jump] != 0xe9 || jump + 5 > THUNK_LEN)
		return false;
	o->ip = thunk + jump + 5 + (u64)(i64)imm32(b + jump + 1);
	return true;
}

/*
 * Upper byte (trapping) and the byte below it: a tenth of a GiB below the code first, where neither the heap, which grows up from the program, nor
 * the next libraries, which come right below, will want to be; then further down; then far above, for programs at low addresses.
 */
i32 region_distance(u32 i)
{
	static const u8 upper[] = { 0xfa, 0xfb, 0xf4, 0xef, 0xee, 0xec, 0xe7, 0xe4, 0x6f, 0x6e, 0x6d, 0x6c, 0x61, 0x60, 0x3f, 0x37, 0x2f };
	static const u8 lower[] = { 0xfa, 0xcc, 0x9a, 0x60, 0x2f };

	if (i >= sizeof(upper) * sizeof(lower))
		return 0;
	return (i32)((u32)upper[i % sizeof(upper)] << 24 | (u32)lower[i / sizeof(upper)] << 16);
}
