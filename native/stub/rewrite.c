/*
 * Rewriting of call sites: a `syscall` that has trapped often becomes a jump to a thunk, which enters the stub without the host (rewrite_x86_64.S).
 *
 * The trap stays the complete base: everything here may decline. Owned here, all in .bss, so per address space, copied by fork, empty after exec; the lock is
 * mm.rewrite_lock, beside what a fork writes anyway:
 *
 *   texts[]    where rewriting is allowed: private file mappings that were made executable and not writable, as mem.c and load.c report
 *              them. Any later change of such a mapping by the guest takes it out, with its code restored first if it lives on.
 *   sites[]    hash of sites seen in texts: trap count, or what became of it. Looked at without a lock, changed under it, or by compare-exchange.
 *   recs[]     rewritten sites: thunk, original bytes. Never reused: a thread may be in a thunk long after its site was restored.
 *   regions[]  memory of thunks within reach of a text. Thunks are never reused either; a region goes when the guest maps over it.
 *
 * How a site is changed while other threads run through it (`change`): no thread may ever execute a mixture of old and new bytes. First every byte
 * at which an instruction begins, old or new, becomes a trapping one: each a single store, so a thread sees the old instruction whole or traps.
 * Then the bytes in between, which nobody executes now; then the first byte. Between the steps membarrier makes every core that runs
 * this program fetch its instructions anew. A thread that trapped waits for the lock and looks again (rewrite_fixup).
 *
 * What stays for good is the trap of those who come to the middle of a site: to the instruction after its `syscall`, from a call that was
 * made before, from a handler's frame, or by a jump. They go on in the thunk. A site where that happens often is restored.
 *
 * Code that reads itself sees the jumps, except after it made the page writable: then it has its own bytes again.
 */
#include "rewrite.h"

#define SITES 512u
#define RECS 384u
#define TEXTS 256u
#define REGIONS 48u
#define REGION_SIZE 65536u
#define PAGE 4096u
#define HEADER_SIZE THUNK_SIZE
#define THUNKS_PER_PAGE ((PAGE - HEADER_SIZE) / THUNK_SIZE)
/* Sites changed in one go at most. */
#define BATCH 8u

/* A site of the same page is taken along when it has had this part of the traps that it would need (pctx.rw_after). */
#define TRAPS_ALONG 3u
/* Arrivals in the middle after which a site is restored. */
#define FIXUPS_MAX 200u

#define MEMBARRIER_SYNC_CORE (1 << 5)
#define MEMBARRIER_REGISTER_SYNC_CORE (1 << 6)
#define MAP_FIXED_NOREPLACE_BIT 0x100000
#define TRAP_TRACE_CODE 2
#define TF 0x100ull
#define INT3 0xcc

/* A site's word: address << 16 | state. A state below REWRITTEN and DECLINED is a count of traps. */
#define DECLINED 0x4000u
#define REWRITTEN 0x8000u

struct rec {
	u64 site, thunk;
	u8 old[JUMP_SIZE], new[JUMP_SIZE];
	u8 starts;
	bool active; /* its site has the jump */
	u32 fixups;
};

struct region {
	u64 base;
	u8 used[REGION_SIZE / PAGE][(THUNKS_PER_PAGE + 7) / 8]; /* a bit per thunk */
};

static struct {
	u32 nrec;
	u32 ntext;
	u32 nregion;
	u32 restored;  /* times that a site was given back; see rewrite_fixup */
	u32 evictions; /* regions lost to the guest's own mappings */
	u32 declined;  /* sites that were */
	bool registered;
	bool live; /* a site may be rewritten */
	const pctx_t *owner; /* whose process rewrites: a vfork child, which may be killed at any moment, does not */
	struct { u64 lo, hi; } text[TEXTS];
	struct region region[REGIONS];
	const struct region *open; /* whose thunks may be written; NULL = none */
	struct rec rec[RECS];
} rw;

static u64 sites[SITES] __attribute__((aligned(4096)));

static inline u64 site_of(u64 word) { return word >> 16; }
static inline u32 state_of(u64 word) { return word & 0xffff; }

/* ---- tables ---- */

/* The word of a site; with `add` a new one. NULL: not there, or the table is full. */
static u64 *site_find(u64 site, bool add)
{
	u32 at = (u32)((site * 0x9e3779b97f4a7c15ull) >> 55);

	for (u32 i = 0; i < SITES; i++, at = (at + 1) % SITES) {
		u64 word = __atomic_load_n(&sites[at], __ATOMIC_RELAXED);

		if (word == 0) {
			if (!add || i > 64)
				return NULL;
			if (__atomic_compare_exchange_n(&sites[at], &word, site << 16, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
				return &sites[at];
		}
		if (site_of(word) == site)
			return &sites[at];
	}
	return NULL;
}

static void site_set(u64 *word, u32 state) { __atomic_store_n(word, site_of(*word) << 16 | state, __ATOMIC_RELEASE); }

static struct rec *rec_of(const u64 *word)
{
	return word != NULL && (state_of(*word) & REWRITTEN) ? &rw.rec[state_of(*word) & (REWRITTEN - 1)] : NULL;
}

/* End of the text that holds the site whole; 0 = none. */
static u64 text_end(u64 site)
{
	for (u32 i = 0; i < rw.ntext; i++)
		if (site >= rw.text[i].lo && site + JUMP_SIZE <= rw.text[i].hi)
			return rw.text[i].hi;
	return 0;
}

static u64 end_of(u64 lo, u64 len) { return page_up(lo + len) >= lo ? page_up(lo + len) : ~0ull; }
static bool overlap(u64 lo, u64 hi, u64 from, u64 to) { return lo < to && from < hi; }

void rewrite_text(u64 lo, u64 len, u64 prot, u64 flags)
{
	if ((prot & 7) != 5 /* READ|EXEC */ || (flags & 0x23) != 2 /* PRIVATE, not ANONYMOUS */)
		return;
	lock(&mm.rewrite_lock);
	/* What was declined there was other code. */
	for (u32 i = 0; i < SITES && rw.declined != 0; i++)
		if (site_of(sites[i]) - lo < len && (state_of(sites[i]) & DECLINED))
			site_set(&sites[i], 0);
	if (rw.ntext < TEXTS) {
		rw.text[rw.ntext].lo = lo;
		rw.text[rw.ntext].hi = page_up(lo + len);
		__atomic_store_n(&rw.ntext, rw.ntext + 1, __ATOMIC_RELEASE);
	}
	unlock(&mm.rewrite_lock);
}

static void decline(struct task *t, u64 *word, u32 why)
{
	if (word != NULL) {
		site_set(word, DECLINED | why);
		rw.declined++;
	}
	__atomic_fetch_add(&t->pctx->rw_declined[why], 1, __ATOMIC_RELAXED);
}

/* ---- changing code ---- */

/* Every core that runs this program fetches its instructions anew. */
static bool sync_cores(void)
{
	if (!rw.registered || host(__NR_membarrier, MEMBARRIER_SYNC_CORE, 0, 0) < 0) {
		/* Not yet asked for, or lost: a fork child may have to ask again. */
		if (host(__NR_membarrier, MEMBARRIER_REGISTER_SYNC_CORE, 0, 0) < 0)
			return false;
		rw.registered = true;
		return host(__NR_membarrier, MEMBARRIER_SYNC_CORE, 0, 0) >= 0;
	}
	return true;
}

static long protect(u64 lo, u64 hi, u64 prot)
{
	lo = page_down(lo);
	return host(__NR_mprotect, lo, page_up(hi) - lo, prot);
}

static inline void poke(u64 at, u8 b) { __atomic_store_n((u8 *)at, b, __ATOMIC_SEQ_CST); }

/* Where an instruction begins, before or after the change. */
static inline bool is_start(const struct rec *r, u32 i) { return i == 0 || (i >= CALL_SIZE && (r->starts & 1u << (i - CALL_SIZE))); }

/* Put the new bytes of these sites in, or the old ones back. The pages are writable; sync_cores has worked once. */
static void change(struct rec *const *r, u32 n, bool to_new)
{
	for (u32 k = 0; k < n; k++)
		for (u32 i = 0; i < JUMP_SIZE; i++)
			if (is_start(r[k], i))
				poke(r[k]->site + i, i == 0 ? INT3 : r[k]->new[i]);
	sync_cores();
	for (u32 k = 0; k < n; k++)
		for (u32 i = 0; i < JUMP_SIZE; i++)
			if (!is_start(r[k], i))
				poke(r[k]->site + i, to_new ? r[k]->new[i] : r[k]->old[i]);
	sync_cores();
	for (u32 k = 0; k < n; k++) {
		for (u32 i = 1; i < JUMP_SIZE && !to_new; i++)
			if (is_start(r[k], i))
				poke(r[k]->site + i, r[k]->old[i]);
		poke(r[k]->site, to_new ? r[k]->new[0] : r[k]->old[0]);
		r[k]->active = to_new;
	}
	sync_cores();
}

/* Are these still our bytes? The guest may have dropped the page (MADV_DONTNEED) or have written it by other ways. */
static bool holds(u64 at, const u8 *bytes)
{
	u8 now[JUMP_SIZE];

	if (guest_read(now, at, JUMP_SIZE) != 0)
		return false;
	for (u32 i = 0; i < JUMP_SIZE; i++)
		if (now[i] != bytes[i])
			return false;
	return true;
}

static void restore(struct rec *r)
{
	u64 *word = site_find(r->site, false);

	if (holds(r->site, r->new) && protect(r->site, r->site + JUMP_SIZE, 7) == 0) {
		change(&r, 1, false);
		protect(r->site, r->site + JUMP_SIZE, 5);
	}
	r->active = false;
	if (word != NULL)
		site_set(word, 0);
	rw.restored++;
}

/* ---- thunks ---- */

static u64 thunk_at(const struct region *g, u32 page, u32 i) { return g->base + page * PAGE + HEADER_SIZE + i * THUNK_SIZE; }

/* Take a free thunk that the site can jump to; its region. */
static u64 thunk_find(u64 site, const struct tail *t, struct region **in)
{
	for (u32 k = 0; k < rw.nregion; k++) {
		struct region *g = &rw.region[k];

		if (g->base == 0)
			continue;
		for (u32 page = 0; page < REGION_SIZE / PAGE; page++) {
			for (u32 i = 0; i < THUNKS_PER_PAGE; i++) {
				if ((g->used[page][i / 8] & 1u << i % 8) || !jump_fits(site, thunk_at(g, page, i), t))
					continue;
				g->used[page][i / 8] |= (u8)(1u << i % 8);
				*in = g;
				return thunk_at(g, page, i);
			}
		}
	}
	return 0;
}

/* Done with writing thunks. */
static void thunks_close(void)
{
	if (rw.open != NULL)
		protect(rw.open->base, rw.open->base + REGION_SIZE, 5);
	rw.open = NULL;
}

/* A region that this site can use, and with luck its neighbours. */
static bool region_add(u64 site)
{
	struct region *g = &rw.region[rw.nregion];
	void (*const entry)(void) = stub_thunk;
	i32 d;

	if (rw.nregion == REGIONS)
		return false;
	for (u32 i = 0; (d = region_distance(i)) != 0; i++) {
		u64 base = page_up(site + JUMP_SIZE + (u64)(i64)d);

		if (base < 0x10000 || base > 0x7fffff000000ull || overlap(base, base + REGION_SIZE, STUB_LO, STUB_HI))
			continue;
		if ((u64)host(__NR_mmap, base, REGION_SIZE, 7, 0x22 | MAP_FIXED_NOREPLACE_BIT, -1, 0) != base)
			continue;
		memcpy((void *)base, &entry, sizeof(entry));
		thunks_close();
		memset(g, 0, sizeof(*g));
		g->base = base;
		rw.open = g;
		__atomic_store_n(&rw.nregion, rw.nregion + 1, __ATOMIC_RELEASE);
		return true;
	}
	return false;
}

/* Write a thunk, and leave its region, all of it, writable for the next of the batch: a page by itself would be split from its mapping and joined to it again each time. */
static bool thunk_put(const struct region *g, u64 thunk, u64 site, const u8 *code, const struct tail *t)
{
	u8 bytes[THUNK_SIZE];

	if (!thunk_write(bytes, thunk, g->base, site, code, t))
		return false;
	if (rw.open != g) {
		thunks_close();
		if (protect(g->base, g->base + REGION_SIZE, 7) < 0)
			return false;
		rw.open = g;
	}
	memcpy((void *)thunk, bytes, THUNK_SIZE);
	return true;
}

/* The region that holds ip. */
static const struct region *region_of(u64 ip)
{
	for (u32 k = 0; k < __atomic_load_n(&rw.nregion, __ATOMIC_ACQUIRE); k++)
		if (rw.region[k].base != 0 && ip - rw.region[k].base < REGION_SIZE)
			return &rw.region[k];
	return NULL;
}

/* ---- rewriting ---- */

/* Make record and thunk of one site; its text is unchanged yet. NULL: declined. */
static struct rec *prepare(struct task *t, u64 *word)
{
	u64 site = site_of(*word), end = text_end(site), thunk;
	struct rec *r = &rw.rec[rw.nrec];
	u8 code[CALL_SIZE + TAIL_MAX];
	struct region *g;
	struct tail tail;
	u32 n = sizeof(code);

	if (end == 0 || rw.nrec == RECS) {
		decline(t, word, end == 0 ? CARRICK_RW_NOT_TEXT : CARRICK_RW_FULL);
		return NULL;
	}
	if (end - site < n)
		n = (u32)(end - site);
	if (guest_read(code, site, n) != 0 || code[0] != 0x0f || code[1] != 0x05 || !tail_read(code + CALL_SIZE, n - CALL_SIZE, &tail)) {
		decline(t, word, CARRICK_RW_PATTERN);
		return NULL;
	}
	thunk = thunk_find(site, &tail, &g);
	if (thunk == 0 && region_add(site))
		thunk = thunk_find(site, &tail, &g);
	if (thunk == 0 || !thunk_put(g, thunk, site, code + CALL_SIZE, &tail)) {
		decline(t, word, CARRICK_RW_NO_ROOM);
		return NULL;
	}
	*r = (struct rec){ .site = site, .thunk = thunk, .starts = tail.starts };
	memcpy(r->old, code, JUMP_SIZE);
	jump_write(r->new, site, thunk);
	rw.nrec++;
	return r;
}

/* Records and thunks of the site at `word`, and of others of its page that look worth it: how many, 0 = it was declined. Their range grows in *lo, *hi. */
static u32 prepare_page(struct task *t, u64 *word, struct rec *r[BATCH], u64 *lo, u64 *hi)
{
	u64 page = page_down(site_of(*word)), along = t->pctx->rw_after / TRAPS_ALONG;
	u32 n = 0;

	if ((r[0] = prepare(t, word)) == NULL)
		return 0;
	n++;
	for (u32 i = 0; i < SITES && n < BATCH; i++) {
		u64 w = sites[i];

		if (&sites[i] == word || w == 0 || page_down(site_of(w)) != page || state_of(w) < along || state_of(w) >= DECLINED)
			continue;
		if ((r[n] = prepare(t, &sites[i])) == NULL)
			continue;
		if (r[n]->site < *lo)
			*lo = r[n]->site;
		if (r[n]->site + JUMP_SIZE > *hi)
			*hi = r[n]->site + JUMP_SIZE;
		n++;
	}
	return n;
}

/* The site at `word`, and what goes with it. */
static void rewrite_page(struct task *t, u64 *word)
{
	u64 lo = site_of(*word), hi = lo + JUMP_SIZE;
	struct rec *r[BATCH];
	u32 n = prepare_page(t, word, r, &lo, &hi);

	thunks_close();
	if (n == 0)
		return;
	if (!sync_cores() || protect(lo, hi, 7) < 0) {
		for (u32 i = 0; i < n; i++)
			decline(t, site_find(r[i]->site, false), CARRICK_RW_REFUSED);
		return;
	}
	/* Findable before the first byte changes: whoever traps looks it up. */
	for (u32 i = 0; i < n; i++)
		site_set(site_find(r[i]->site, false), REWRITTEN | (u32)(r[i] - rw.rec));
	rw.live = true;
	change(r, n, true);
	protect(lo, hi, 5);
	t->pctx->rw_sites += n;
	dbg("rewrite: site, thunk, n", (long)r[0]->site, (long)r[0]->thunk, n);
}

/* Calls that need a signal frame, or that do not come back: their sites are not worth it. */
static bool never_pays(long nr)
{
	switch (nr) {
	case __NR_clone: case __NR_clone3: case __NR_fork: case __NR_vfork: case __NR_execve: case __NR_execveat:
	case __NR_exit: case __NR_exit_group: case __NR_rt_sigreturn:
		return true;
	}
	return false;
}

void rewrite_trapped(struct task *t, u64 after, long nr)
{
	u64 site = after - CALL_SIZE, *word, was;
	u32 state, none = 0;

	if (never_pays(nr) || t->slot->traced || t->pctx->rw_after == 0 || t->pctx != rw.owner)
		return;
	word = site_find(site, false);
	if (word == NULL) {
		if (text_end(site) == 0) {
			decline(t, NULL, CARRICK_RW_NOT_TEXT);
			return;
		}
		word = site_find(site, true);
		if (word == NULL) {
			decline(t, NULL, CARRICK_RW_FULL);
			return;
		}
	}
	was = __atomic_load_n(word, __ATOMIC_RELAXED);
	state = state_of(was);
	if (state & DECLINED)
		return;
	if (!(state & REWRITTEN) && state + 1 < t->pctx->rw_after) {
		/* A count that is lost is no matter; a change under the lock must not be. */
		__atomic_compare_exchange_n(word, &was, was + 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
		return;
	}
	/* Somebody else is at it: the next trap will do. */
	if (!__atomic_compare_exchange_n(&mm.rewrite_lock, &none, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	state = state_of(*word);
	if (state & REWRITTEN) {
		struct rec *r = rec_of(word);

		/* A trap that came before the change; or the page has lost it. */
		if (!holds(site, r->new)) {
			r->active = false;
			site_set(word, 0);
		}
	} else if (!(state & DECLINED)) {
		rewrite_page(t, word);
	}
	unlock(&mm.rewrite_lock);
}

/* ---- what the guest may see, where it goes on ---- */

/* The thunk that holds ip, its bytes copied; 0 = none. */
static u64 thunk_of(u64 ip, u8 bytes[THUNK_SIZE])
{
	const struct region *g = region_of(ip);
	u64 thunk = ip & ~(u64)(THUNK_SIZE - 1);

	return g != NULL && (thunk - g->base) % PAGE != 0 && guest_read(bytes, thunk, THUNK_SIZE) == 0 ? thunk : 0;
}

/* A guest's context inside a thunk becomes one in the program. */
void rewrite_hide(struct ucontext *uc)
{
	u8 bytes[THUNK_SIZE];
	u64 ip = uc_ip(uc), thunk = thunk_of(ip, bytes);
	struct original o;

	if (thunk == 0 || !thunk_original(thunk, (u32)(ip - thunk), bytes, &o))
		return;
	if (o.pushed != 0)
		guest_write(uc_sp(uc), &o.pushed, sizeof(o.pushed));
	if (o.called)
		uc->uc_mcontext.rcx = o.ip;
	uc->uc_mcontext.rip = o.ip;
}

/* A context that would go on after the `syscall` of a rewritten site goes on in its thunk: it would trap there, which is right, but slow. */
void rewrite_resume(struct ucontext *uc)
{
	const struct rec *r;

	if (rw.nrec == 0)
		return;
	r = rec_of(site_find(uc_ip(uc) - CALL_SIZE, false));
	if (r != NULL && r->active)
		uc->uc_mcontext.rip = r->thunk + THUNK_TAIL;
}

u64 rewrite_after(u64 back)
{
	u8 bytes[THUNK_TAIL - THUNK_BACK];
	u64 after = 0;

	for (u32 i = 0; i < rw.nrec; i++)
		if (rw.rec[i].thunk + THUNK_BACK == back)
			return rw.rec[i].site + CALL_SIZE;
	if (guest_read(bytes, back, sizeof(bytes)) == 0)
		after = thunk_after(back, bytes);
	/* Not one of ours: somebody jumped into the stub by himself. He gets what he gave. */
	return after != 0 ? after : back;
}

u32 rewrite_evictions(void) { return __atomic_load_n(&rw.evictions, __ATOMIC_ACQUIRE); }

/* A thread that single-steps itself has stepped into a thunk: true when it shall go on without hearing of it. */
static bool stepped(struct task *t, struct ucontext *uc)
{
	u8 bytes[THUNK_SIZE];
	u64 ip = uc_ip(uc), thunk = thunk_of(ip, bytes);

	if (thunk == 0)
		return false;
	if (ip == thunk) {
		/*
		 * The jump was the `syscall`: make it here and now. As on the host, which masks the flag in it, the next step ends after the next
		 * instruction.
		 */
		rewrite_hide(uc);
		uc->uc_mcontext.rip += CALL_SIZE;
		uc->uc_mcontext.rcx = uc_ip(uc);
		uc->uc_mcontext.r11 = uc->uc_mcontext.eflags;
		trap_call(t, uc);
		return true;
	}
	/* What stands behind the program's instructions are none of its own. */
	return ip - thunk >= THUNK_TAIL + bytes[THUNK_LEN];
}

/*
 * The fault or trap of a thread that came to a site's middle, or to one that is being changed: true when it was one, and the context goes on
 * where it should. When a site has been restored meanwhile, the trap is out of date: the instruction is tried again, once per restoring and place.
 */
bool rewrite_fixup(struct task *t, int signo, const siginfo_t *info, struct ucontext *uc)
{
	u64 ip = uc_ip(uc);
	bool fixed = false;

	if (rw.nrec == 0 || signo == SIGBUS || signo == SIGFPE)
		return false;
	if (signo == SIGTRAP && info->si_code == TRAP_TRACE_CODE)
		return stepped(t, uc);
	if (signo == SIGTRAP)
		ip--;
	if (signo == SIGSEGV && info->si_code != 0x80 /* SI_KERNEL: not of an address */)
		return false;
	lock(&mm.rewrite_lock);
	for (u32 b = 0; b < JUMP_SIZE && !fixed; b++) {
		u64 *word = site_find(ip - b, false);
		struct rec *r = rec_of(word);

		if (word == NULL || b == 1)
			continue;
		if (r != NULL && r->active && b >= CALL_SIZE && is_start(r, b)) {
			uc->uc_mcontext.rip = r->thunk + THUNK_TAIL + b - CALL_SIZE;
			fixed = true;
			t->pctx->rw_fixups++;
			if (++r->fixups == FIXUPS_MAX) {
				restore(r);
				decline(t, word, CARRICK_RW_ENTERED);
			}
		} else if (b == 0 && signo == SIGTRAP && *(const volatile u8 *)ip != INT3) {
			uc->uc_mcontext.rip = ip;
			fixed = true;
		} else if (rw.restored != 0 && (t->tried_ip != ip || t->tried != rw.restored)) {
			t->tried_ip = ip;
			t->tried = rw.restored;
			uc->uc_mcontext.rip = ip;
			fixed = true;
		}
	}
	unlock(&mm.rewrite_lock);
	return fixed;
}

/* ---- the guest's own changes of its memory ---- */

bool rewrite_touches(u64 lo, u64 len)
{
	u64 hi = end_of(lo, len);

	for (u32 i = 0; i < __atomic_load_n(&rw.ntext, __ATOMIC_ACQUIRE); i++)
		if (overlap(rw.text[i].lo, rw.text[i].hi, lo, hi))
			return true;
	for (u32 i = 0; i < __atomic_load_n(&rw.nregion, __ATOMIC_ACQUIRE); i++)
		if (rw.region[i].base != 0 && overlap(rw.region[i].base, rw.region[i].base + REGION_SIZE, lo, hi))
			return true;
	return false;
}

/* Take [lo, hi) out of the texts. */
static void text_drop(u64 lo, u64 hi)
{
	for (u32 i = 0; i < rw.ntext; i++) {
		u64 a = rw.text[i].lo, b = rw.text[i].hi;

		if (!overlap(a, b, lo, hi))
			continue;
		if (a < lo)
			rw.text[i].hi = lo;
		else if (b > hi)
			rw.text[i].lo = hi;
		else
			rw.text[i--] = rw.text[--rw.ntext];
		/* What is left above a hole. Without room it is forgotten, which only costs speed. */
		if (a < lo && b > hi && rw.ntext < TEXTS) {
			rw.text[rw.ntext].lo = hi;
			rw.text[rw.ntext++].hi = b;
		}
	}
}

void rewrite_undo(const struct task *t)
{
	if (!rw.live || t->pctx != rw.owner)
		return;
	lock(&mm.rewrite_lock);
	for (u32 i = 0; i < rw.nrec; i++)
		if (rw.rec[i].active)
			restore(&rw.rec[i]);
	rw.live = false;
	unlock(&mm.rewrite_lock);
}

void rewrite_lock(void) { lock(&mm.rewrite_lock); }
void rewrite_unlock(void) { unlock(&mm.rewrite_lock); }

/*
 * The guest is about to change [lo, lo + len): called with the lock, which the caller holds until the host has done it. What stays mapped (`keep`)
 * gets its own code back. Sites whose thunks go are restored, too; calls that are being made from there find their way by rewrite_after.
 */
void rewrite_leave(u64 lo, u64 len, bool keep)
{
	u64 hi = end_of(lo, len);

	for (u32 i = 0; i < rw.nrec && keep; i++)
		if (rw.rec[i].active && overlap(rw.rec[i].site, rw.rec[i].site + JUMP_SIZE, lo, hi))
			restore(&rw.rec[i]);
	for (u32 i = 0; i < rw.nregion; i++) {
		if (rw.region[i].base == 0 || !overlap(rw.region[i].base, rw.region[i].base + REGION_SIZE, lo, hi))
			continue;
		for (u32 k = 0; k < rw.nrec; k++)
			if (rw.rec[k].active && rw.rec[k].thunk - rw.region[i].base < REGION_SIZE)
				restore(&rw.rec[k]);
		/* All of it, though the guest may want less. */
		host(__NR_munmap, rw.region[i].base, REGION_SIZE);
		rw.region[i].base = 0;
		__atomic_fetch_add(&rw.evictions, 1, __ATOMIC_SEQ_CST);
	}
}

/* [lo, lo + len), which stays mapped, is no longer code that may be rewritten. */
void rewrite_keep_out(u64 lo, u64 len) { text_drop(page_down(lo), end_of(lo, len)); }

/* [lo, lo + len) has gone, with the code that was there. */
void rewrite_gone(u64 lo, u64 len)
{
	u64 hi = end_of(lo, len);

	for (u32 i = 0; i < rw.nrec; i++) {
		struct rec *r = &rw.rec[i];
		u64 *word = site_find(r->site, false);

		if (!r->active || !overlap(r->site, r->site + JUMP_SIZE, lo, hi))
			continue;
		r->active = false;
		if (word != NULL)
			site_set(word, 0);
	}
	text_drop(page_down(lo), hi);
}

/* A program begins, or a fork child with its parent's tables, whose lock its parent held over the clone. Its pctx is nearly always where its parent's is; then the page is not written. */
void rewrite_begin(const struct task *t)
{
	if (rw.owner != t->pctx)
		rw.owner = t->pctx;
	mm.rewrite_lock = 0;
}
