/* What follows a `syscall` is read whole or refused; thunks hold what was displaced; jumps trap where instructions began. */
#include "test.h"
#include "../rewrite.h"

#define TEXT 0x7f1234567000ull

static struct tail tail;

static bool reads(const char *bytes, u32 n) { return tail_read((const u8 *)bytes, n, &tail); }

static void patterns(void)
{
	/* glibc: cmp $-4096,%rax; ja. Go: cmp $-4095,%rax; jbe. */
	CHECK(reads("\x48\x3d\x00\xf0\xff\xff\x77\x10", 8) && tail.len == 6 && tail.starts == 1 && tail.n == 1 && tail.insn[0].how == MOVE_PLAIN && !tail.ends);
	CHECK(reads("\x48\x3d\x01\xf0\xff\xff\x0f\x86\x10\x00\x00\x00", 12) && tail.len == 6);
	/* musl: mov %rax,%rdi; call. test %rax,%rax; jne. */
	CHECK(reads("\x48\x89\xc7\xe8\x00\x00\x00\x00", 8) && tail.len == 3 && tail.starts == 1);
	CHECK(reads("\x48\x85\xc0\x75\x10", 5) && tail.len == 3);
	/* mov %eax,%edx; cmp $-4096,%eax */
	CHECK(reads("\x89\xc2\x3d\x00\xf0\xff\xff", 7) && tail.len == 7 && tail.starts == 5);
	/* test %eax,%eax; js: the branch is written anew. */
	CHECK(reads("\x85\xc0\x78\x10", 4) && tail.len == 4 && tail.n == 2 && tail.insn[1].how == MOVE_SHORT && tail.insn[1].rel_at == 3 && !tail.ends);
	CHECK(reads("\x85\xc0\x0f\x88\xf0\xff\xff\xff", 8) && tail.len == 8 && tail.insn[1].how == MOVE_REL32 && tail.insn[1].rel_at == 4 && tail.insn[1].end == 8);
	/* ret and the function behind it: padding, or musl's jump that its cancellation enters. */
	CHECK(reads("\xc3\x0f\x1f\x84\x00\x00\x00\x00\x00", 9) && tail.len == 9 && tail.starts == 3 && !tail.ends);
	CHECK(reads("\xc3\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00", 11) && tail.len == 11);
	CHECK(reads("\xc3\xe9\xfb\xff\xff\xff", 6) && tail.len == 6 && tail.starts == 3 && tail.insn[1].how == MOVE_REL32 && tail.insn[1].rel_at == 2 && tail.ends);
	/* A loop's jump back and the function behind it; Go's padding; a trap behind exit. */
	CHECK(reads("\xeb\xf9\x66\x90", 4) && tail.len == 4 && tail.starts == 5 && tail.insn[0].how == MOVE_SHORT);
	CHECK(reads("\xeb\xb5\xe8\x71\xf9\xfa\xff", 7) && tail.insn[1].how == MOVE_CALL && tail.insn[1].rel_at == 3 && !tail.ends);
	CHECK(reads("\xc3\xcc\xcc", 3) && tail.starts == 7);
	CHECK(reads("\xcd\x03\xeb\xfe", 4) && tail.len == 4 && tail.ends);
	CHECK(reads("\xf4\x90\x90", 3));
	CHECK(reads("\x89\xc3\xe8\x02\xa6\x04\x00", 7) && tail.len == 7 && tail.insn[1].how == MOVE_CALL);
	/* Relative to rip, with and without an immediate behind. */
	CHECK(reads("\x48\x8b\x05\x10\x00\x00\x00", 7) && tail.insn[0].how == MOVE_REL32 && tail.insn[0].rel_at == 3);
	CHECK(reads("\xc7\x05\x5b\x69\x00\x00\x01\x00\x00\x00", 10) && tail.len == 10 && tail.insn[0].rel_at == 2);
	CHECK(reads("\x69\x45\x08\xe8\x03\x00\x00", 7) && tail.len == 7);
	CHECK(reads("\x66\x0f\xef\xc0", 4) && tail.len == 4);
	CHECK(reads("\x5b\x5d\xc3", 3) && tail.starts == 7 && tail.ends);
	CHECK(reads("\x48\x83\xc4\x08\xc3", 5) && tail.len == 4);
	CHECK(reads("\x48\x89\x44\x24\x18", 5) && tail.len == 5);
	CHECK(reads("\x64\x48\x8b\x14\x25\x28\x00\x00\x00", 9) && tail.len == 9);
	CHECK(reads("\x48\xc7\xc0\x0f\x00\x00\x00", 7) && tail.len == 7);
	CHECK(reads("\x66\x81\xc3\x34\x12", 5) && tail.len == 5);
	CHECK(reads("\xf3\x0f\x1e\xfa", 4) && tail.len == 4);
	/* Not moved: calls by register, what is not known, what is cut off. */
	CHECK(!reads("\xff\xd0\x90", 3));
	CHECK(!reads("\x90\x0f\x05\x90", 4));
	CHECK(!reads("\xe8\x00\x00\x00", 4));
	CHECK(!reads("\xc5\xf8\x77", 3));
	CHECK(!reads("\x48\x3d\x00\xf0\xff", 5));
	CHECK(!reads("", 0));
}

static i32 rel(const u8 *p)
{
	i32 x;

	memcpy(&x, p, 4);
	return x;
}

static void thunks(void)
{
	const u64 site = TEXT + 0x123, thunk = TEXT - 0x5000000, header = thunk & ~0xffffull;
	u8 b[THUNK_SIZE];

	reads("\x48\x3d\x00\xf0\xff\xff\x77\x10", 8);
	CHECK(thunk_write(b, thunk, header, site, (const u8 *)"\x48\x3d\x00\xf0\xff\xff\x77\x10", &tail));
	CHECK(thunk + 7 + (u64)(i64)rel(b + 3) == thunk + THUNK_BACK);
	CHECK(thunk + 13 + (u64)(i64)rel(b + 9) == header);
	CHECK(thunk_after(thunk + THUNK_BACK, b + THUNK_BACK) == site + 2);
	CHECK(memcmp(b + THUNK_TAIL, "\x48\x3d\x00\xf0\xff\xff", 6) == 0);
	CHECK(b[THUNK_TAIL + 6] == 0xe9 && thunk + THUNK_TAIL + 11 + (u64)(i64)rel(b + THUNK_TAIL + 7) == site + 8);
	CHECK(b[THUNK_LEN] == 6);
	CHECK(thunk_after(thunk, b) == thunk + THUNK_BACK); /* any lea will do: the stub asks only for THUNK_BACK */
	CHECK(thunk_after(thunk, b + 1) == 0);

	/* js +16: as long as before, led on behind the jump back. */
	reads("\x85\xc0\x78\x10", 4);
	CHECK(thunk_write(b, thunk, header, site, (const u8 *)"\x85\xc0\x78\x10", &tail));
	CHECK(memcmp(b + THUNK_TAIL, "\x85\xc0\x78\x05", 4) == 0);
	CHECK(b[THUNK_TAIL + 4] == 0xe9 && thunk + THUNK_TAIL + 9 + (u64)(i64)rel(b + THUNK_TAIL + 5) == site + 2 + 4);
	CHECK(b[THUNK_TAIL + 9] == 0xe9 && thunk + THUNK_TAIL + 14 + (u64)(i64)rel(b + THUNK_TAIL + 10) == site + 2 + 4 + 16);

	/* mov 16(%rip),%rax */
	reads("\x48\x8b\x05\x10\x00\x00\x00", 7);
	CHECK(thunk_write(b, thunk, header, site, (const u8 *)"\x48\x8b\x05\x10\x00\x00\x00", &tail));
	CHECK(thunk + THUNK_TAIL + 7 + (u64)(i64)rel(b + THUNK_TAIL + 3) == site + 2 + 7 + 16);

	/* mov %eax,%ebx; call +0x10: pushes the program's return address. */
	reads("\x89\xc3\xe8\x10\x00\x00\x00", 7);
	CHECK(thunk_write(b, thunk, header, site, (const u8 *)"\x89\xc3\xe8\x10\x00\x00\x00", &tail));
	u32 lead = THUNK_TAIL + 7 + (u32)rel(b + THUNK_TAIL + 3), at;
	u64 ret = site + 2 + 7;
	struct original o;

	CHECK(b[THUNK_TAIL + 2] == 0xe9 && lead == THUNK_TAIL + 12 && b[lead] == 0x68);
	CHECK((u32)rel(b + lead + 1) == (u32)ret && (u32)rel(b + lead + 9) == (u32)(ret >> 32));
	CHECK(b[lead + 13] == 0xe9 && thunk + lead + 18 + (u64)(i64)rel(b + lead + 14) == ret + 16);
	/* What the places of this thunk stand for. */
	for (at = 0; at < THUNK_BACK; at += 7)
		CHECK(thunk_original(thunk, at, b, &o) && o.ip == site && !o.called && o.pushed == 0);
	CHECK(thunk_original(thunk, THUNK_BACK, b, &o) && o.ip == site + 2 && o.called);
	CHECK(thunk_original(thunk, THUNK_TAIL, b, &o) && o.ip == site + 2 && !o.called);
	CHECK(thunk_original(thunk, THUNK_TAIL + 2, b, &o) && o.ip == site + 4);
	CHECK(thunk_original(thunk, THUNK_TAIL + 7, b, &o) && o.ip == ret && o.pushed == 0);
	CHECK(thunk_original(thunk, lead, b, &o) && o.ip == site + 4 && o.pushed == 0);
	CHECK(thunk_original(thunk, lead + 5, b, &o) && o.ip == ret + 16 && o.pushed == ret);
	CHECK(thunk_original(thunk, lead + 13, b, &o) && o.ip == ret + 16 && o.pushed == 0);
	CHECK(!thunk_original(thunk, THUNK_SIZE - 2, b, &o));

	/* ret; jmp: nothing behind it */
	reads("\xc3\xe9\xfb\xff\xff\xff", 6);
	CHECK(thunk_write(b, thunk, header, site, (const u8 *)"\xc3\xe9\xfb\xff\xff\xff", &tail));
	CHECK(b[THUNK_TAIL] == 0xc3 && b[THUNK_TAIL + 1] == 0xe9 && thunk + THUNK_TAIL + 6 + (u64)(i64)rel(b + THUNK_TAIL + 2) == site + 2 + 6 - 5);
	CHECK(thunk_original(thunk, THUNK_TAIL + 1, b, &o) && o.ip == site + 3);
	CHECK(b[THUNK_TAIL + 6] == 0xcc);

	/* out of reach */
	reads("\x48\x89\xc7", 3);
	CHECK(!thunk_write(b, site + 0x100000000ull, header, site, (const u8 *)"\x48\x89\xc7", &tail));
}

static void jumps(void)
{
	const u64 site = TEXT + 0x123;
	u8 b[JUMP_SIZE];
	u32 fit = 0;

	reads("\x48\x89\xc7", 3);
	for (u64 at = 0; at < 65536; at += THUNK_SIZE) {
		u64 thunk = site + JUMP_SIZE - 0x5000000 + at;

		if (!jump_fits(site, thunk, &tail))
			continue;
		fit++;
		jump_write(b, site, thunk);
		CHECK(b[0] == 0xe9 && byte_traps(b[2]));
		CHECK(site + JUMP_SIZE + (u64)(i64)rel(b + 1) == thunk);
	}
	/* Any 64 KiB have windows of 256 bytes for all trapping bytes. */
	CHECK(fit > 60);
	CHECK(!jump_fits(site, site + 0x80001000ull, &tail));

	/* Every distance for regions traps in its upper bytes, so three starts are no harder. */
	reads("\x5b\x5d\xc3", 3);
	for (u32 i = 0; region_distance(i) != 0; i++) {
		u32 d = (u32)region_distance(i);

		CHECK(byte_traps((u8)(d >> 16)) && byte_traps((u8)(d >> 24)));
		CHECK(jump_fits(site, site + JUMP_SIZE + (u64)(i64)(i32)(d | 0xcc00), &tail));
		CHECK(!jump_fits(site, site + JUMP_SIZE + (u64)(i64)(i32)(d | 0x9000), &tail));
	}
	CHECK(!byte_traps(0x90) && !byte_traps(0x0f) && !byte_traps(0x48) && !byte_traps(0xc3) && !byte_traps(0x62) && !byte_traps(0xd5));
}

int main(void)
{
	patterns();
	thunks();
	jumps();
	return report("thunk");
}
