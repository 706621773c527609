/*
 * What the process was told about names: stat, access, readlink and opens of missing files are answered from it, without a server.
 *
 * vfs sends an `answer` along with its replies to path calls: what the path means, and which *cells* that depends on. Cells are counters in one page
 * range that every guest maps read-only and only vfs writes: cell 0 for what paths lead through (directories, symlinks, mounts, rights on directories), one
 * for the last name, one for the attributes of what it names. vfs advances a cell before it changes what the cell stands for. So an answer holds as
 * long as its cells have the values that it came with, and nothing is shown to a process that it was not told itself, with its own rights.
 *
 * What else an answer depends on is the process's own doing, and is watched here, around the calls that do it:
 *
 *   mm.names_epoch   working directory or root changed (by any task of this address space): all answers end
 *   task.view        which credentials and which tables of files and directories; threads that share all of them have the same
 *   serial[fd]       what the fd number means, for answers about an open file or relative to a directory fd; advanced before and after a close
 *
 * An answer is stored with the epoch, view and serials of the moment before its request was posted: had one of them changed since, it
 * never matches. A process that shares its directory or fd table with another address space (CLONE_FS, CLONE_FILES without CLONE_VM) remembers nothing.
 *
 * What a call asks: names_ask.c. What is learned from replies: names_learn.c. How it is told: names_tell.c.
 *
 * The memory is made when first needed, private, and comes up empty in a fork child (MADV_WIPEONFORK). One writer at a time (`lock`; who finds it
 * taken stores nothing); readers look at an entry's `seq` before and after.
 */
#include "names.h"

/* Ten threads that are told of 90 names each (git status) have to find them again. */
#define ENTRIES 4096u
#define WAYS 4u
#define MADV_WIPEONFORK_ADVICE 18

#define CLONE_SHARES_ALL (0x100u | 0x200u | 0x400u | 0x10000u) /* VM, FS, FILES, THREAD */
#define CLONE_VM_BIT 0x100u
#define CLONE_FS_OR_FILES (0x200u | 0x400u)

struct entry {
	u32 seq; /* odd while it is written */
	u32 hash;
	u32 kind;
	u32 epoch, view, serial;
	i32 dirfd; /* AT_FDCWD: relative to the working directory; -1: absolute; OPEN_FILE + which: to a directory that is open, whatever its number */
	u16 len, target;
	struct carrick_answer ans;
	u8 text[TEXT_MAX]; /* path, then a symlink's target */
};

struct memory {
	u32 lock;
	u32 pad[15];
	u32 serial[SERIALS];
	struct entry entry[ENTRIES]; /* an answer is in one of the WAYS that its hash names */
	struct ahead ahead[AHEAD_MAX];
	struct listing listing[LISTINGS];
	struct early early;
};

_Static_assert(sizeof(struct entry) == 320, "an entry");

static inline struct memory *memory(void) { return (struct memory *)CARRICK_ANSWERS_ADDR; }

static inline u32 cell(u32 i) { return __atomic_load_n((const u32 *)CARRICK_NAMES_ADDR + (i & (CARRICK_NAMES_CELLS - 1)), __ATOMIC_ACQUIRE); }

/*
 * What /proc/self/exe leads to, told with the program: every static one asks, and so do many others. It holds as any other answer; the child of a fork runs the
 * same program.
 */
static struct {
	struct carrick_answer ans;
	u32 epoch, len;
	u8 text[sizeof(((struct carrick_plan *)NULL)->exe)];
} exe;

static const char exe_name[] = "/proc/self/exe";

/* Map the cells. Without them nothing is remembered. */
void names_start(int fd, const struct carrick_plan *p, bool nofast)
{
	u64 len = CARRICK_NAMES_WORDS * 4ull;

	mm.names = (u64)host(__NR_mmap, CARRICK_NAMES_ADDR, len, 1 /* PROT_READ */, 0x100001 /* SHARED|FIXED_NOREPLACE */, fd, 0) == CARRICK_NAMES_ADDR;
	mm.early_epoch = mm.names_epoch;
	if (mm.names && !nofast)
		early_expect();
	if (p->exe_len == 0 || p->exe_len > sizeof(exe.text))
		return;
	exe.ans.kind = CARRICK_ANSWER_FOUND;
	exe.ans.mode = MODE_LINK;
	exe.ans.gen = p->exe_gen;
	exe.ans.name_cell = p->exe_cell;
	exe.ans.name_val = p->exe_val;
	exe.epoch = mm.names_epoch;
	exe.len = p->exe_len;
	memcpy(exe.text, p->exe, sizeof(exe.text));
}

bool names_ready(void)
{
	u32 s = __atomic_load_n(&mm.names, __ATOMIC_ACQUIRE), one = 1;
	u64 at = CARRICK_ANSWERS_ADDR;

	if (s == 2)
		return true;
	if (s == 0 || !__atomic_compare_exchange_n(&mm.names, &one, 3, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return false;
	if ((u64)host(__NR_mmap, at, sizeof(struct memory), 3, 0x104022 /* PRIVATE|ANONYMOUS|NORESERVE|FIXED_NOREPLACE */, -1, 0) != at ||
	    host(__NR_madvise, at, sizeof(struct memory), MADV_WIPEONFORK_ADVICE) < 0) {
		__atomic_store_n(&mm.names, 0, __ATOMIC_RELEASE);
		return false;
	}
	__atomic_store_n(&mm.names, 2, __ATOMIC_RELEASE);
	return true;
}

static inline bool usable(const struct task *t)
{
	return __atomic_load_n(&mm.names, __ATOMIC_ACQUIRE) == 2 && !(t->pctx->flags & CARRICK_PF_NOFAST);
}

u32 names_serial_of(i32 fd) { return fd >= 0 && fd < OPEN_FILE ? __atomic_load_n(&memory()->serial[fd], __ATOMIC_ACQUIRE) : 0; }

u32 names_serial(u32 fd) { return fd < SERIALS ? names_serial_of((i32)fd) : 0; }

/* ---- looking ---- */

static bool same(const struct entry *e, const struct ask *q)
{
	return e->hash == q->hash && e->kind == q->kind && e->dirfd == q->dirfd && e->len == q->len && same_text(e->text, q->text, q->len);
}

static bool holds(const struct carrick_answer *a, u32 kind)
{
	/* What an open file is does not depend on the way to it. */
	return (kind == OPENED || (a->gen == cell(0) && (a->name_cell == 0 || a->name_val == cell(a->name_cell)))) &&
	       (a->inode_cell == 0 || a->inode_val == cell(a->inode_cell));
}

bool names_hold(const struct carrick_answer *a) { return holds(a, FOLLOW); }

struct ahead *names_ahead(void) { return memory()->ahead; }

struct listing *names_listings(void) { return memory()->listing; }

struct early *names_early(void) { return &memory()->early; }

static inline struct entry *ways_of(u32 hash) { return &memory()->entry[hash & (ENTRIES - WAYS)]; }

static bool look_at(const struct task *t, const struct entry *e, const struct ask *q, struct carrick_answer *out, u8 *target, u32 *target_len)
{
	u32 seq = __atomic_load_n(&e->seq, __ATOMIC_ACQUIRE);
	bool ok;

	if ((seq & 1) || !same(e, q))
		return false;
	ok = e->view == t->view && e->epoch == __atomic_load_n(&mm.names_epoch, __ATOMIC_ACQUIRE) && e->serial == names_serial_of(q->dirfd);
	*out = e->ans;
	*target_len = e->target;
	if (e->target > TEXT_MAX - e->len)
		return false;
	memcpy(target, e->text + e->len, e->target);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return ok && __atomic_load_n(&e->seq, __ATOMIC_RELAXED) == seq && holds(out, q->kind);
}

/* The answer to q into *out, a link's target into `target`. */
static bool look(const struct task *t, const struct ask *q, struct carrick_answer *out, u8 *target, u32 *target_len)
{
	const struct entry *e = ways_of(q->hash);

	for (u32 i = 0; i < WAYS; i++)
		if (look_at(t, &e[i], q, out, target, target_len))
			return true;
	return false;
}

/* The same for /proc/self/exe. Who may read it does not depend on anything. */
static bool look_exe(const struct ask *q, struct carrick_answer *out, u8 *target, u32 *target_len)
{
	if (q->form != AS_LINK || exe.len == 0 || q->len != sizeof(exe_name) - 1 || exe.epoch != __atomic_load_n(&mm.names_epoch, __ATOMIC_ACQUIRE) || !holds(&exe.ans, NOFOLLOW))
		return false;
	if (!same_text(q->text, (const u8 *)exe_name, q->len))
		return false;
	*out = exe.ans;
	*target_len = exe.len;
	memcpy(target, exe.text, exe.len);
	return true;
}

#ifdef CARRICK_STUB_CHECK
/* The server must say the same, unless something has changed meanwhile. */
static void check_told(struct task *t, const struct ask *q, const struct carrick_answer *a, long nr, const u64 args[6], long told)
{
	u8 mine[256], theirs[256];
	u32 n = q->form == AS_STAT ? STAT_BYTES : q->form == AS_STATX ? sizeof(mine) : 0;
	bool live = a->kind == CARRICK_ANSWER_LIVE;
	long r;

	if (told < 0 || live || guest_read(mine, q->out, n) != 0)
		n = 0;
	r = call_server(t, nr, args);
	if ((r <= -ERESTARTSYS && r >= -ERESTART_RESTARTBLOCK) || !holds(a, q->kind) || (told == -EFAULT && r < 0))
		return;
	HOLDS(r == told, "check: a name: told, server", told, r);
	if (n > 0 && guest_read(theirs, q->out, n) == 0)
		for (u32 i = 0; i < n; i++)
			HOLDS(mine[i] == theirs[i], "check: attributes differ at byte, of call", i, nr);
}
#else
#define check_told(t, q, a, nr, args, told) ((void)0)
#endif

/* The call's answer from memory, or R_SLOW. */
static long look_up(struct task *t, long nr, const u64 a[6])
{
	struct carrick_answer ans;
	u8 target[TEXT_MAX];
	struct ask q;
	u32 target_len;
	long r = R_SLOW;

	if (!names_ready() || !ask_understand(&q, nr, a))
		return R_SLOW;
	t->ask = 1;
	if (q.kind == NOTHING || !ask_read(t, &q, (const void *)a[q.arg]))
		return R_SLOW;
	if ((look_exe(&q, &ans, target, &target_len) || look(t, &q, &ans, target, &target_len)) && (ans.kind != CARRICK_ANSWER_LIVE || answer_refresh(t, q.dirfd, &ans)))
		r = answer_tell(t, &q, &ans, target, target_len);
	if (r == R_SLOW && q.kind >= ACCESS) {
		/* A name that is not there is not there for any mode. */
		q.kind = FOLLOW;
		ask_hash(&q);
		if (look(t, &q, &ans, target, &target_len) && ans.kind == CARRICK_ANSWER_ABSENT)
			r = -ENOENT;
	}
	if (r == R_SLOW && q.form == AS_OPEN && (r = ahead_open(t, &q, (u32)a[q.arg + 1])) != R_SLOW) {
		t->ask = 0;
		return r;
	}
	if (r != R_SLOW) {
		t->ask = 0;
		check_told(t, &q, &ans, nr, a, r);
	}
	return r;
}

/**
 * names_call - answer a call about a name from memory.
 * Return: its result, or R_SLOW: to be posted, after which names_after learns the answer.
 */
long names_call(struct task *t, long nr, const u64 a[6])
{
	long r = look_up(t, nr, a);

	/* What the program was told before it asked is looked at when something is missing. */
	return r == R_SLOW && t->ask && mm.early != 0 && early_learn(t) ? look_up(t, nr, a) : r;
}

/* ---- storing ---- */

/* Which of the ways: the one with this question, or without any, or whose answer has ended; else by turns. Needs the lock. */
static struct entry *place_of(const struct task *t, const struct ask *q)
{
	struct entry *e = ways_of(q->hash);
	u32 stored = 0;

	for (u32 i = 0; i < WAYS; i++)
		if (e[i].hash == 0 || same(&e[i], q))
			return &e[i];
	for (u32 i = 0; i < WAYS; i++) {
		if (e[i].view != t->view || !holds(&e[i].ans, e[i].kind))
			return &e[i];
		stored += e[i].seq / 2;
	}
	return &e[stored % WAYS];
}

/* Nobody holds it for long; who does not get it soon forgets what it was told. */
static bool lock_soon(u32 *word)
{
	for (u32 i = 0; i < 200; i++) {
		u32 free = 0;

		if (__atomic_compare_exchange_n(word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
		pause();
	}
	return false;
}

/* The lock is for one entry, not for all of a reply: threads that learn at the same time would forget all of theirs. */
void names_store(const struct task *t, const struct ask *q, u32 serial, const struct carrick_answer *a, const u8 *target, u32 target_len)
{
	struct entry *e;

	if (!lock_soon(&memory()->lock))
		return;
	e = place_of(t, q);
	if (target_len > TEXT_MAX - q->len)
		target_len = 0;
	__atomic_store_n(&e->seq, e->seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	e->hash = q->hash;
	e->kind = q->kind;
	e->epoch = t->ask_epoch;
	e->view = t->view;
	e->serial = serial;
	e->dirfd = q->dirfd;
	e->len = (u16)q->len;
	e->target = (u16)target_len;
	e->ans = *a;
	memcpy(e->text, q->text, q->len);
	memcpy(e->text + q->len, target, target_len);
	__atomic_store_n(&e->seq, e->seq + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&memory()->lock, 0, __ATOMIC_RELEASE);
}

/* ---- calls that end answers ---- */

static void advance_fds(u32 first, u32 last)
{
	if (mm.names != 2)
		return;
	__atomic_fetch_add(&mm.names_closes, 1, __ATOMIC_SEQ_CST);
	for (u32 fd = first; fd <= last && fd < SERIALS; fd++)
		__atomic_fetch_add(&memory()->serial[fd], 1, __ATOMIC_SEQ_CST);
}

/* The number means something else now. */
void names_fd_changed(u32 fd) { advance_fds(fd, fd); }

/* Before and after a call that changes what the process sees. */
static void advance(struct task *t, long nr, const u64 a[6])
{
	switch (nr) {
	case __NR_close:
		advance_fds((u32)a[0], (u32)a[0]);
		return;
	case __NR_dup2:
	case __NR_dup3:
		advance_fds((u32)a[1], (u32)a[1]);
		return;
	case __NR_close_range:
		advance_fds((u32)a[0], (u32)a[1]);
		return;
	case __NR_chdir:
	case __NR_fchdir:
	case __NR_chroot:
	case __NR_pivot_root:
		__atomic_fetch_add(&mm.names_epoch, 1, __ATOMIC_SEQ_CST);
		return;
	case __NR_unshare:
	case __NR_setns:
		__atomic_fetch_add(&mm.names_epoch, 1, __ATOMIC_SEQ_CST);
		/* fall through */
	case __NR_setuid:
	case __NR_setgid:
	case __NR_setreuid:
	case __NR_setregid:
	case __NR_setresuid:
	case __NR_setresgid:
	case __NR_setfsuid:
	case __NR_setfsgid:
	case __NR_setgroups:
	case __NR_capset:
	case __NR_prctl:
		t->view = __atomic_add_fetch(&mm.names_views, 1, __ATOMIC_SEQ_CST);
		return;
	}
}

/* A request is about to be posted. */
void names_before(struct task *t, long nr, const u64 a[6])
{
	if (t->ask)
		names_make_room(t, t->slot);
	else
		advance(t, nr, a);
}

/* It was answered. The slot still holds the reply. */
void names_after(struct task *t, long nr, const u64 a[6], long r)
{
	if (!t->ask) {
		advance(t, nr, a);
		return;
	}
	t->ask = 0;
	if (usable(t))
		names_learn(t, t->slot, nr, a, r);
}

/* A clone with these flags is about to be made: what shares directories or fds with another address space remembers nothing. */
void names_share(u32 flags)
{
	if (!(flags & CLONE_VM_BIT) && (flags & CLONE_FS_OR_FILES))
		__atomic_store_n(&mm.names, 0, __ATOMIC_SEQ_CST);
}

/* A task that shares our memory. Only a thread that shares everything else too sees the same. */
void names_child(struct task *child, const struct task *t, u32 flags)
{
	child->view = (flags & CLONE_SHARES_ALL) == CLONE_SHARES_ALL ? t->view : __atomic_add_fetch(&mm.names_views, 1, __ATOMIC_SEQ_CST);
}
