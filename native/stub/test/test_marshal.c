#include "test.h"

static u8 mem[CARRICK_SLOT_STRIDE] __attribute__((aligned(64)));
static slot_t *const s = (slot_t *)mem;
static u8 *const payload = mem + CARRICK_PAYLOAD_OFF;
static struct marshalled m;

static void in(const struct carrick_call *c, const u64 a[6])
{
	memset(mem, 0xee, sizeof(mem));
	marshal_in(c, s, payload, a, &m);
}

static const struct carrick_call open_call = { 1, 1, 3, 0, { { CK_STR, 0, 0 }, { CK_VAL, 0, 0 }, { CK_VAL, 0, 0 } } };
static const struct carrick_call rename_call = { 1, 1, 2, 0, { { CK_STR, 0, 0 }, { CK_STR, 0, 0 } } };
static const struct carrick_call read_call = { 1, 7, 3, 0, { { CK_VAL, 0, 0 }, { CK_OUTBUF, 2, 1 }, { CK_VAL, 0, 0 } } };
static const struct carrick_call write_call = { 1, 7, 3, 0, { { CK_VAL, 0, 0 }, { CK_INBUF, 2, 1 }, { CK_VAL, 0, 0 } } };
static const struct carrick_call writev_call = { 1, 7, 3, 0, { { CK_VAL, 0, 0 }, { CK_INBUF, 2, 16 }, { CK_VAL, 0, 0 } } };
static const struct carrick_call stat_call = { 1, 1, 2, 0, { { CK_STR, 0, 0 }, { CK_OUT, 0, 144 } } };
static const struct carrick_call inout_call = { 2, 1, 2, 0, { { CK_VAL, 0, 0 }, { CK_INOUT, 0, 4 } } };
static const struct carrick_call exec_call = { 0, 1, 3, 0, { { CK_STR, 0, 0 }, { CK_STRV, 0, 0 }, { CK_STRV, 0, 0 } } };
static const struct carrick_call two_bufs = { 2, 1, 4, 0, { { CK_OUTBUF, 1, 1 }, { CK_VAL, 0, 0 }, { CK_OUTBUF, 3, 1 }, { CK_VAL, 0, 0 } } };
static const struct carrick_call buf_then_struct = { 2, 1, 3, 0, { { CK_OUTBUF, 1, 1 }, { CK_VAL, 0, 0 }, { CK_OUT, 0, 16 } } };

static void strings(void)
{
	static char longest[4200];
	u64 a[6] = { (u64) "/etc/passwd" };

	in(&open_call, a);
	CHECK(s->arglen[0] == 11 && strcmp((char *)payload + s->argoff[0], "/etc/passwd") == 0);
	CHECK(s->inlen == 12);

	in(&rename_call, (u64[6]){ (u64) "ab", (u64) "cde" });
	CHECK(s->argoff[0] == 0 && s->argoff[1] == 8 && s->arglen[1] == 3 && s->inlen == 12);

	in(&open_call, (u64[6]){ 0 });
	CHECK(s->arglen[0] == 0 && s->argoff[0] == 0 && s->inlen == 0);

	in(&open_call, (u64[6]){ (u64)missing });
	CHECK(s->arglen[0] == CARRICK_ARG_FAULT && s->inlen == 0);

	/* 4095 bytes and the NUL are PATH_MAX; one more is too long. */
	memset(longest, 'x', sizeof(longest) - 1);
	longest[4095] = 0;
	in(&open_call, (u64[6]){ (u64)longest });
	CHECK(s->arglen[0] == 4095);
	longest[4095] = 'x';
	in(&open_call, (u64[6]){ (u64)longest });
	CHECK(s->arglen[0] == CARRICK_ARG_TOOLONG);
}

static void string_arrays(void)
{
	static char big[20000];
	const char *argv[] = { "ls", "", "-l", NULL }, *one[] = { big, NULL }, *bad[] = { "a", (const char *)missing, NULL };
	u32 count = 9;

	in(&exec_call, (u64[6]){ (u64) "/bin/ls", (u64)argv, (u64)&argv[3] });
	memcpy(&count, payload + s->argoff[1], 4);
	CHECK(count == 3 && s->argoff[1] == 8 && s->arglen[1] == 4 + 7 && memcmp(payload + s->argoff[1] + 4, "ls\0\0-l", 7) == 0);
	memcpy(&count, payload + s->argoff[2], 4);
	CHECK(count == 0 && s->argoff[2] == 24 && s->arglen[2] == 4 && s->inlen == 28);
	/* NULL is no array. */
	in(&exec_call, (u64[6]){ (u64) "/bin/ls", 0, 0 });
	CHECK(s->arglen[1] == 0 && s->arglen[2] == 0 && s->inlen == 8);
	/* What does not fit, or cannot be read, is the server's; the rest travels all the same. */
	memset(big, 'x', sizeof(big) - 1);
	in(&exec_call, (u64[6]){ (u64) "/bin/ls", (u64)one, (u64)argv });
	CHECK(s->arglen[1] == CARRICK_ARG_ELSEWHERE && s->argoff[2] == 8 && s->arglen[2] == 11);
	in(&exec_call, (u64[6]){ (u64) "/bin/ls", (u64)bad, (u64)missing });
	CHECK(s->arglen[1] == CARRICK_ARG_ELSEWHERE && s->arglen[2] == CARRICK_ARG_ELSEWHERE && s->inlen == 8);
}

static void in_buffers(void)
{
	static char big[20000];

	in(&write_call, (u64[6]){ 1, (u64) "hello", 5 });
	CHECK(s->arglen[1] == 5 && memcmp(payload + s->argoff[1], "hello", 5) == 0 && s->inlen == 5);
	in(&write_call, (u64[6]){ 1, (u64)big, CARRICK_PAYLOAD_MAX });
	CHECK(s->arglen[1] == CARRICK_PAYLOAD_MAX);
	in(&write_call, (u64[6]){ 1, (u64)big, CARRICK_PAYLOAD_MAX + 1 });
	CHECK(s->arglen[1] == CARRICK_ARG_ELSEWHERE && s->inlen == 0);
	in(&write_call, (u64[6]){ 1, (u64)missing, 3 });
	CHECK(s->arglen[1] == CARRICK_ARG_FAULT);
	in(&write_call, (u64[6]){ 1, (u64)big, 0 });
	CHECK(s->arglen[1] == 0);
	/* A product that wraps around is huge, not small. */
	in(&writev_call, (u64[6]){ 1, (u64)big, 0x1000000000000001ull });
	CHECK(s->arglen[1] == CARRICK_ARG_ELSEWHERE);
	in(&writev_call, (u64[6]){ 1, (u64)big, 2 });
	CHECK(s->arglen[1] == 32);
}

static void out_room(void)
{
	static u8 big[8192];
	u8 to[64] = { 0 };
	u64 a[6] = { 0, (u64)to, 64 };

	in(&read_call, a);
	CHECK(s->arglen[1] == 64 && s->inlen == 0 && m.room[1] == 64);
	memcpy(payload + m.off[1], "abcdef", 6);
	s->arglen[1] = 6;
	CHECK(marshal_out(s, payload, a, &m) == 0);
	CHECK(memcmp(to, "abcdef\0", 7) == 0);

	/* More than there was room for is not believed. */
	memset(to, 0, sizeof(to));
	s->arglen[1] = 65;
	CHECK(marshal_out(s, payload, a, &m) == 0 && to[0] == 0);
	/* Nor are offsets that changed meanwhile. */
	s->argoff[1] = 0xffff0000;
	s->arglen[1] = 6;
	CHECK(marshal_out(s, payload, a, &m) == 0 && to[0] == 'a');

	in(&read_call, (u64[6]){ 0, (u64)big, 1 << 20 });
	CHECK(s->arglen[1] == 8192);

	/* What cannot be reached is left to the server; so is a buffer of which only the start can. */
	in(&read_call, (u64[6]){ 0, (u64)missing, 64 });
	CHECK(s->arglen[1] == CARRICK_ARG_ELSEWHERE && m.room[1] == 0);
	in(&read_call, (u64[6]){ 0, (u64)missing - 8, 64 });
	CHECK(s->arglen[1] == CARRICK_ARG_ELSEWHERE);
	in(&read_call, (u64[6]){ 0, (u64)missing, 0 });
	CHECK(s->arglen[1] == 0);
	/* It was there, and is not any more. */
	in(&read_call, a);
	s->arglen[1] = 1;
	a[1] = (u64)missing;
	CHECK(marshal_out(s, payload, a, &m) == -EFAULT);

	in(&stat_call, (u64[6]){ (u64) "f", (u64)to });
	CHECK(s->argoff[1] == 8 && s->arglen[1] == 144 && s->inlen == 2);
}

static void sharing(void)
{
	static u8 x[8192];

	in(&two_bufs, (u64[6]){ (u64)x, 100000, (u64)x, 100000 });
	CHECK(s->arglen[0] != 0 && s->arglen[2] != 0);
	CHECK(s->argoff[0] + s->arglen[0] <= s->argoff[2]);
	CHECK(s->argoff[2] + s->arglen[2] <= CARRICK_PAYLOAD_MAX);
	in(&buf_then_struct, (u64[6]){ (u64)x, 100000, (u64)x });
	CHECK(s->arglen[2] == 16 && s->argoff[2] + 16 <= s->argoff[0]);
}

static void both_ways(void)
{
	u32 len = 128;
	u64 a[6] = { 3, (u64)&len };

	in(&inout_call, a);
	CHECK(s->arglen[1] == 4 && *(u32 *)(payload + s->argoff[1]) == 128 && s->inlen == 4);
	*(u32 *)(payload + m.off[1]) = 16;
	CHECK(marshal_out(s, payload, a, &m) == 0 && len == 16);
	/* Nothing produced: nothing written. */
	in(&inout_call, a);
	*(u32 *)(payload + m.off[1]) = 99;
	s->arglen[1] = 0;
	CHECK(marshal_out(s, payload, a, &m) == 0 && len == 16);
}

int main(void)
{
	strings();
	string_arrays();
	in_buffers();
	out_room();
	sharing();
	both_ways();
	return report("marshal");
}
