/*
 * Rewritten call sites: what thunk_x86_64.c (pure: reading code, writing thunks) and rewrite.c (memory, locks, tables) share.
 *
 * A site is a `syscall` instruction of the guest. It is rewritten by five bytes from its own first on, a jump to a thunk:
 *
 *      0f 05            syscall                e9 d0 d1 d2 d3     jmp thunk
 *      48 3d 01 f0 ..   cmp $-4095,%rax        f0 ff ff           (what is left of it, never reached)
 *      0f 83 ..         jae error              0f 83 ..
 *
 * The instructions that lose bytes go into the thunk. Somebody may still come to them in place: by a jump, or by returning from a call that was made
 * before. So the place of the thunk is chosen such that each byte of the displacement that stands where an instruction began (d1 always)
 * is by itself an instruction that traps: the trap's handler then goes on in the thunk. After J. Duck, Gao and Roychoudhury, "Binary
 * Rewriting without Control Flow Recovery" (PLDI 2020), which does this without traps.
 */
#ifndef CARRICK_REWRITE_H
#define CARRICK_REWRITE_H

#include "stub.h"

#pragma GCC visibility push(hidden)

/* Bytes of the jump; bytes of `syscall`. */
#define JUMP_SIZE 5u
#define CALL_SIZE 2u
/* Bytes after a site's `syscall` that are looked at, at most. */
#define TAIL_MAX 20u

/*
 * A thunk, from its start:
 *
 *    0  lea  13(thunk),%rcx          where the stub comes back to
 *    7  jmp  *header(%rip)           the header of the region holds stub_thunk's address
 *   13  lea  after(%rip),%rcx        as `syscall` leaves rcx; it names the site, too
 *   20  the displaced instructions   each as long as it was, so that offsets agree
 *       jmp  after + their length    unless they end in a jump or return
 *       what they lead to that is out of their reach: a jump for a short branch; for a call, a push of the program's own return address and a jump
 *   63  their length
 */
#define THUNK_SIZE 64u
#define THUNK_BACK 13u
#define THUNK_TAIL 20u
#define THUNK_LEN 63u

/* How an instruction is moved. */
enum { MOVE_PLAIN, MOVE_REL32, MOVE_SHORT, MOVE_CALL };

/* The instructions after a `syscall` that a jump would cut, whole. */
struct tail {
	u8 len;	   /* bytes */
	u8 starts; /* bit i: an instruction begins at byte i; i < 3 */
	u8 ends;   /* control does not go on after the last one */
	u8 n;
	struct {
		u8 how, end; /* MOVE_*; offset of its end */
		u8 rel_at;   /* offset of its displacement, but for MOVE_PLAIN */
	} insn[3];
};

/* Read the tail at p, of which n bytes may be looked at: false when it holds something that cannot be moved. */
bool tail_read(const u8 *p, u32 n, struct tail *t);
/* Does this byte, wherever execution meets it in 64-bit user code, trap? */
bool byte_traps(u8 b);
/* May the site's jump lead to `thunk`: in reach, and with trapping bytes where instructions began? */
bool jump_fits(u64 site, u64 thunk, const struct tail *t);
void jump_write(u8 to[JUMP_SIZE], u64 site, u64 thunk);
/* The bytes of a thunk at address `thunk`: false when something is out of reach. */
bool thunk_write(u8 to[THUNK_SIZE], u64 thunk, u64 header, u64 site, const u8 *code, const struct tail *t);
/* The address after the `syscall` that a thunk stands for, read from its bytes at THUNK_BACK; 0 = this is no thunk. */
u64 thunk_after(u64 back, const u8 bytes[THUNK_TAIL - THUNK_BACK]);
/* What of the program a place in a thunk stands for. */
struct original {
	u64 ip;
	u64 pushed;  /* not 0: a return address of which only the lower half is on the stack yet */
	bool called; /* the call is over, but rcx not as `syscall` leaves it */
};
/* The place at offset `at` of a thunk, of which b are the bytes: false when it is none. */
bool thunk_original(u64 thunk, u32 at, const u8 b[THUNK_SIZE], struct original *o);
/* Displacements for a new region, best first, 0 = no more: with all upper bytes trapping. */
i32 region_distance(u32 i);

#pragma GCC visibility pop
#endif
