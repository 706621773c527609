/*
 * Executing a plan: mapping the images' segments and building the initial stack.
 *
 * The kernel has parsed the ELF files and checked them; the stub only maps, relocates and zeroes. The plan lies in memory that the guest could
 * have written (another thread of the old program, before exec), so offsets are checked, but a wrong plan can only harm this process. Placement follows
 * Linux: a program that may lie anywhere goes to 2/3 of the address space plus 28 random bits of pages; the interpreter where mmap puts it; the break
 * starts after the program. Sources: elf(5), getauxval(3), System V ABI AMD64 3.4.1 (initial stack).
 */
#include "stub.h"
#include <linux/auxvec.h>

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#define AT_RSEQ_ALIGN 28
#endif
#ifndef AT_HWCAP2
#define AT_HWCAP2 26
#endif
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

#define PIE_BASE 0x555555554000ull
#define MAP_PRIVATE_BIT 0x2
#define MAP_FIXED_BIT 0x10
#define MAP_ANON_BIT 0x20
#define MAP_NORESERVE_BIT 0x4000
#define MAP_FIXED_NOREPLACE_BIT 0x100000
#define PROT_WRITE_BIT 2

enum { IMAGE_FIXED, IMAGE_PIE, IMAGE_INTERP };

#define IMAGES_OFF 1024
#define SEGMENTS_OFF (1024 + 2 * 64)

static u64 random_bits(void)
{
	u64 x = 0;

	host(__NR_getrandom, &x, 8, 0);
	return x;
}

/* Find room for an image that may lie anywhere; its bias. */
static u64 place(const struct carrick_image *im)
{
	u64 len = im->hi - im->lo, align = im->align > 4096 ? im->align : 4096, base;
	long r;

	if (im->kind == IMAGE_FIXED)
		return 0;
	for (int tries = 0; tries < 8; tries++) {
		u64 hint = im->kind == IMAGE_PIE ? PIE_BASE + (random_bits() & 0xfffffff) * 4096 : 0;

		hint &= ~(align - 1);
		r = host(__NR_mmap, hint, len + (hint != 0 ? 0 : align - 4096), 0,
			 MAP_PRIVATE_BIT | MAP_ANON_BIT | MAP_NORESERVE_BIT | (hint != 0 ? MAP_FIXED_NOREPLACE_BIT : 0), -1, 0);
		if (r < 0)
			continue;
		host(__NR_munmap, r, len + (hint != 0 ? 0 : align - 4096));
		base = ((u64)r + align - 1) & ~(align - 1);
		return base - im->lo;
	}
	die();
}

static void map_at(u64 addr, u64 len, u32 prot, u32 flags, int fd, u64 off)
{
	long r = host(__NR_mmap, addr, len, prot, MAP_PRIVATE_BIT | MAP_FIXED_NOREPLACE_BIT | flags, fd, off);

	if ((u64)r != addr)
		die();
}

static void map_segment(const struct carrick_segment *s, u64 bias, int fd)
{
	u64 addr = s->vaddr + bias, file_end = addr + s->file_len, mem_end = page_up(addr + s->mem_len), anon = addr;
	static const u8 zeros[4096];

	if (s->file_len != 0) {
		map_at(addr, page_up(s->file_len), s->prot, 0, fd, s->file_off);
		rewrite_text(addr, page_up(s->file_len), s->prot, MAP_PRIVATE_BIT);
		anon = page_up(file_end);
		/* The rest of the last page is zero. Linux does the same only where the segment can be written. */
		if (s->mem_len > s->file_len && (s->prot & PROT_WRITE_BIT) && anon != file_end && guest_write(file_end, zeros, anon - file_end) != 0)
			die();
	}
	if (mem_end > anon)
		map_at(anon, mem_end - anon, s->prot, MAP_ANON_BIT, -1, 0);
}

static void map_image(const struct carrick_plan *p, const struct carrick_image *im, u64 bias, int fd)
{
	const struct carrick_segment *seg = (const struct carrick_segment *)((const u8 *)p + SEGMENTS_OFF);
	u64 limit = (CARRICK_PLAN_MAX - SEGMENTS_OFF) / sizeof(*seg);

	if ((u64)im->first_seg + im->nseg > limit)
		die();
	for (u32 i = 0; i < im->nseg; i++)
		map_segment(&seg[im->first_seg + i], bias, fd);
}

/* ---- the initial stack ---- */

struct aux {
	u64 v[2 * 80];
	u32 n;
};

static void aux_set(struct aux *x, u64 type, u64 value)
{
	for (u32 i = 0; i < x->n; i++) {
		if (x->v[2 * i] == type) {
			x->v[2 * i + 1] = value;
			return;
		}
	}
	if (x->n >= 78)
		die();
	x->v[2 * x->n] = type;
	x->v[2 * x->n + 1] = value;
	x->n++;
}

/* What only the host knows of this machine and process. */
static void aux_from_host(struct aux *x, const u64 *host_auxv)
{
	for (const u64 *h = host_auxv; h[0] != AT_NULL; h += 2) {
		switch (h[0]) {
		case AT_SYSINFO_EHDR:
		case AT_RANDOM:
		case AT_HWCAP:
		case AT_HWCAP2:
		case AT_MINSIGSTKSZ:
		case AT_RSEQ_FEATURE_SIZE:
		case AT_RSEQ_ALIGN:
			aux_set(x, h[0], h[1]);
		}
	}
}

static const char platform[] = "x86_64";

/* Strings go to the top, then (downwards) auxv, envp, argv, argc. Returns sp. */
static u64 build_stack(const struct carrick_plan *p, u64 top, struct aux *x)
{
	const char *blob = (const char *)p + p->stack_off;
	u64 len = p->stack_len, at, sp, pos = 0, words;
	u64 *w;

	if (p->stack_off > CARRICK_PLAN_MAX || len > CARRICK_PLAN_MAX - p->stack_off)
		die();
	at = (top - len - sizeof(platform)) & ~15ull;
	memcpy((void *)at, blob, len);
	memcpy((void *)(at + len), platform, sizeof(platform));
	aux_set(x, AT_PLATFORM, at + len);
	words = 1 + (u64)p->argc + 1 + p->envc + 1 + 2 * (x->n + 2);
	sp = (at - 8 * words) & ~15ull;
	w = (u64 *)sp;
	*w++ = p->argc;
	for (u64 i = 0; i < (u64)p->argc + p->envc; i++) {
		if (i == p->argc)
			*w++ = 0;
		if (pos >= len)
			die();
		*w++ = at + pos;
		pos += str_len((const char *)at + pos) + 1;
	}
	if (p->envc == 0)
		*w++ = 0;
	*w++ = 0;
	for (u32 i = p->argc + p->envc; i < p->execfn_index && pos < len; i++)
		pos += str_len((const char *)at + pos) + 1;
	if (pos < len)
		aux_set(x, AT_EXECFN, at + pos);
	memcpy(w, x->v, 16 * (u64)x->n);
	w += 2 * x->n;
	w[0] = w[1] = 0;
	mm.auxv_len = 16 * (x->n + 1);
	if (mm.auxv_len > sizeof(mm.auxv))
		die();
	memcpy(mm.auxv, w - 2 * x->n, mm.auxv_len);
	return sp;
}

/**
 * load_plan - map the images and build the initial stack.
 * @fds:       the images' files, as in the plan's fd_index
 * @stack_top: end of the initial stack; the host's stack below it is free
 * Return: the initial stack pointer; *entry gets the first instruction.
 */
u64 load_plan(const struct carrick_plan *p, const int *fds, int nfd, const u64 *host_auxv, u64 stack_top, u64 *entry)
{
	const struct carrick_image *im = (const struct carrick_image *)((const u8 *)p + IMAGES_OFF);
	u64 bias[2] = { 0, 0 };
	struct aux x = { .n = 0 };
	u64 sp;

	if (p->nimage < 1 || p->nimage > 2 || p->nauxv > 24)
		die();
	for (u32 i = 0; i < p->nimage; i++) {
		if (im[i].fd_index >= (u32)nfd)
			die();
		bias[i] = place(&im[i]);
		map_image(p, &im[i], bias[i], fds[im[i].fd_index]);
	}
	mm.brk_start = page_up(im[0].hi + bias[0]);
	if (p->brk_random)
		mm.brk_start += (random_bits() & 0x1fff) * 4096;
	mm.brk = mm.brk_start;

	for (u32 i = 0; i < p->nauxv; i++)
		aux_set(&x, p->auxv[2 * i], p->auxv[2 * i + 1]);
	aux_from_host(&x, host_auxv);
	aux_set(&x, AT_PAGESZ, 4096);
	aux_set(&x, AT_BASE, p->nimage > 1 ? im[1].lo + bias[1] : 0);
	if (im[0].phdr != 0)
		aux_set(&x, AT_PHDR, im[0].phdr + bias[0]);
	aux_set(&x, AT_ENTRY, im[0].entry + bias[0]);
	sp = build_stack(p, stack_top, &x);
	if (p->exec_stack)
		host(__NR_mprotect, page_down(sp), 4096, 7 | 0x01000000 /* PROT_GROWSDOWN */);
	*entry = p->nimage > 1 ? im[1].entry + bias[1] : im[0].entry + bias[0];
	return sp;
}
