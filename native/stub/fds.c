/*
 * Descriptors: changes of the process's own table that the stub makes by itself and tells later.
 *
 * Closing or duplicating a descriptor changes nothing but the process's own numbers if the open file description goes on living, or if nobody can
 * tell when it ends: a file opened for reading only, or a directory, of the root file system, without locks. vfs says so when it opens one (OPENED_LATE).
 * Such a change is written into the slot as a word (slot.owed) and done by whichever server takes the process's next request, before that request and
 * in the order of the words. So a close costs no trip, and no server ever sees a request that comes before it. Until then /proc/PID/fd shows the
 * words' effect (servers/vfs/procfs/fd.ts), and the process's end closes everything anyway.
 *
 * What is known of a descriptor (`known`) comes with the answer to its open and holds as long as the number means the same (serial, names.c), the table is the
 * same (view) and nothing else has changed: mm.fds_epoch is advanced when another process may get the open file description (fork, sendmsg), and by F_SETFL.
 *
 * The number of a duplicate is the lowest without a hint; hints are the servers', and are changed here in advance as the servers will. That is only
 * true while nobody else changes the table: a process that shares its table or its memory with another for longer than a vfork, or locks files,
 * owes nothing from then on (mm.fds_off); one that makes threads owes nothing until they have ended.
 */
#include "stub.h"

#define KNOWN 256u

#define F_DUPFD 0
#define F_GETFD 1
#define F_SETFD 2
#define F_GETFL 3
#define F_SETFL 4
#define F_SETLK 6
#define F_SETLKW 7
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#define F_SETLEASE 1024
#define F_NOTIFY 1026
#define F_DUPFD_CLOEXEC 1030
#define TCGETS 0x5401
#define FIONBIO 0x5421
#define FIONCLEX 0x5450
#define FIOCLEX 0x5451
#define FIOASYNC 0x5452

#define CLONE_VM_BIT 0x100u
#define CLONE_FILES_BIT 0x400u
#define CLONE_VFORK_BIT 0x4000u
#define CLONE_THREAD_ALL 0x10500u /* THREAD, VM, FILES */

/* known.what beyond OPENED_*: its directory has been read to the end. */
#define AT_END 0x100u

static struct known {
	u32 what; /* OPENED_*, AT_END */
	u32 oflags;
	u32 serial, view, epoch;
	u32 seeks; /* mm.fds_seeks when AT_END was set */
	u32 open; /* which open file: a duplicate has the same */
} known[KNOWN];

/* What is known of fd, or NULL. */
static struct known *known_of(const struct task *t, u64 fd)
{
	struct known *k = &known[(u32)fd % KNOWN];

	if ((u32)fd >= KNOWN || k->what == 0 || mm.fds_off || mm.names != 2)
		return NULL;
	return k->serial == names_serial((u32)fd) && k->view == t->view && k->epoch == mm.fds_epoch ? k : NULL;
}

static void know(const struct task *t, u32 fd, u32 what, u32 oflags)
{
	if (fd < KNOWN)
		known[fd] = (struct known){ .what = what, .oflags = oflags, .serial = names_serial(fd), .view = t->view, .epoch = mm.fds_epoch, .open = ++mm.opens };
}

/* Which of the process's open files fd leads to, 0 = that is not known. What was told relative to a directory is remembered by it, since programs that walk through trees change numbers. */
u32 fds_open_file(const struct task *t, u64 fd)
{
	const struct known *k = known_of(t, fd);

	return k != NULL ? k->open : 0;
}

/* Other threads that there were have ended, and with them their calls; what was known before them they may have changed. */
static void alone_again(void)
{
	if (mm.fds_off != FDS_THREADS || __atomic_load_n(&mm.tasks, __ATOMIC_ACQUIRE) != 1)
		return;
	mm.fds_epoch++;
	mm.fds_off = 0;
}

/* open has returned fd. */
void fds_opened(const struct task *t, u32 fd, const struct carrick_answer *a)
{
	alone_again();
	if ((a->opened & CARRICK_OPENED_NEW) && a->fd == (i32)fd && !mm.fds_off)
		know(t, fd, a->opened & (CARRICK_OPENED_NEW | CARRICK_OPENED_CLOEXEC | CARRICK_OPENED_LATE), a->oflags);
}

bool fds_owe(struct task *t, u32 word)
{
	u32 i = 0;

	/* A request that nobody has waited for may still be read. */
	slot_claim(t);
	while (i < CARRICK_OWED_MAX && t->slot->owed[i] != 0)
		i++;
	if (i == CARRICK_OWED_MAX)
		return false;
	t->slot->owed[i] = word;
	return true;
}

static inline u32 owed_word(u32 op, u32 fd, u32 to, bool cloexec) { return op << CARRICK_OWED_OP | (u32)cloexec << 24 | to << 12 | fd; }

/* Has a word of a change room? */
bool fds_may_owe(struct task *t)
{
	slot_claim(t);
	return t->slot->owed[CARRICK_OWED_MAX - 1] == 0;
}

/* Is the word about this descriptor? */
static bool names_fd(u32 word, u32 fd)
{
	return word != 0 && ((word & 0xfff) == fd || (word >> CARRICK_OWED_OP == CARRICK_OWED_DUP && (word >> 12 & 0xfff) == fd));
}

static inline void set_hint(struct task *t, u32 fd, u8 hint) { __atomic_store_n(&t->pctx->fdhint[fd], hint, __ATOMIC_SEQ_CST); }

/* Take back word i. */
void fds_unowe(struct task *t, u32 i)
{
	u32 *owed = t->slot->owed;

	for (; i + 1 < CARRICK_OWED_MAX; i++)
		owed[i] = owed[i + 1];
	owed[CARRICK_OWED_MAX - 1] = 0;
}

/* The last word about fd before word `end`, CARRICK_OWED_MAX = there is none. */
u32 fds_last_word(struct task *t, u32 fd, u32 end)
{
	u32 i = end;

	slot_claim(t);
	while (i > 0 && !names_fd(t->slot->owed[i - 1], fd))
		i--;
	return i > 0 ? i - 1 : CARRICK_OWED_MAX;
}

/* Word i, 0 = there is none. */
u32 fds_word(const struct task *t, u32 i) { return i < CARRICK_OWED_MAX ? t->slot->owed[i] : 0; }

/* Is fd, which is about to be closed and whose last word is i, a duplicate that no server has been told of? Then nobody need be. */
static bool dup_closed(struct task *t, u32 fd, u32 i)
{
	u32 word = fds_word(t, i);

	if (word >> CARRICK_OWED_OP != CARRICK_OWED_DUP || (word >> 12 & 0xfff) != fd)
		return false;
	fds_unowe(t, i);
	return true;
}

/** close(2) of what nobody misses: 0, or R_SLOW. */
long fds_close(struct task *t, u64 fd)
{
	const struct known *k = known_of(t, fd);
	u32 last;

	if (k == NULL || !(k->what & CARRICK_OPENED_LATE))
		return R_SLOW;
	last = fds_last_word(t, (u32)fd, CARRICK_OWED_MAX);
	if (!ahead_closed(t, (u32)fd, last) && !dup_closed(t, (u32)fd, last) && !fds_owe(t, owed_word(CARRICK_OWED_CLOSE, (u32)fd, 0, false)))
		return R_SLOW;
	HOLDS((fd_hint(t, fd) & CARRICK_HINT_OWNER) == CARRICK_SRV_VFS + 1, "check: hint of what is closed", fd, fd_hint(t, fd));
	if (granted(t, fd))
		mirror_close(t, fd);
	set_hint(t, (u32)fd, 0);
	names_fd_changed((u32)fd);
	return 0;
}

/* The lowest number from min on that a new descriptor gets, or R_SLOW. */
long fds_lowest(struct task *t, u64 min)
{
	u32 to = (u32)min;

	while (to < KNOWN && fd_hint(t, to) != 0)
		to++;
	if (to >= KNOWN || to >= nofile_limit(t) || to >= mm.fdr)
		return R_SLOW;
	check_fd(t, to, F_GETFD, -1);
	return (long)to;
}

/* A file that was opened ahead gets number `to`; word: what is owed of it, for which there is room. */
void fds_take(struct task *t, u32 to, u32 word, const struct carrick_answer *a)
{
	fds_owe(t, word);
	names_fd_changed(to);
	set_hint(t, to, (u8)(a->opened / CARRICK_OPENED_HINT));
	know(t, to, a->opened & (CARRICK_OPENED_NEW | CARRICK_OPENED_CLOEXEC | CARRICK_OPENED_LATE), a->oflags);
}

/** dup(2), F_DUPFD, F_DUPFD_CLOEXEC: the new number, or R_SLOW (errors are the server's). */
long fds_dup(struct task *t, u64 fd, u64 min, bool cloexec)
{
	const struct known *k = known_of(t, fd);
	u32 to;
	long r;

	if (k == NULL || !(k->what & CARRICK_OPENED_LATE))
		return R_SLOW;
	r = fds_lowest(t, min);
	if (r == R_SLOW)
		return R_SLOW;
	to = (u32)r;
	if (!fds_owe(t, owed_word(CARRICK_OWED_DUP, (u32)fd, to, cloexec)))
		return R_SLOW;
	names_fd_changed(to);
	set_hint(t, to, fd_hint(t, fd));
	mirror_dup(t, (u32)fd, to, granted(t, fd), false, cloexec);
	know(t, to, (k->what & ~CARRICK_OPENED_CLOEXEC) | (cloexec ? CARRICK_OPENED_CLOEXEC : 0), k->oflags);
	known[to].seeks = k->seeks;
	known[to].open = k->open;
	return (long)to;
}

/** fcntl(2), commands on descriptors and status flags. */
long fds_fcntl(struct task *t, const u64 a[6])
{
	const struct known *k = known_of(t, a[0]);
	u32 cmd = (u32)a[1];
	bool cloexec;

	if (k == NULL)
		return R_SLOW;
	cloexec = (k->what & CARRICK_OPENED_CLOEXEC) != 0;
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return fds_dup(t, a[0], a[2], cmd == F_DUPFD_CLOEXEC);
	case F_GETFD:
		check_fd(t, (u32)a[0], F_GETFD, cloexec);
		return cloexec;
	case F_SETFD:
		return (a[2] & 1) == cloexec ? 0 : R_SLOW;
	case F_GETFL:
		check_fd(t, (u32)a[0], F_GETFL, (long)k->oflags);
		return (long)k->oflags;
	}
	return R_SLOW;
}

/** ioctl(2): whether it is a terminal is asked of every file that a library opens. A regular file or directory is none. */
long fds_ioctl(const struct task *t, const u64 a[6])
{
	return (u32)a[1] == TCGETS && known_of(t, a[0]) != NULL ? -ENOTTY : R_SLOW;
}

/** getdents64(2), getdents(2): of a directory that was read to its end, or whose names came with its open; R_SLOW. */
long fds_getdents(struct task *t, long nr, const u64 a[6])
{
	struct known *k = known_of(t, a[0]);
	long r;

	if (k == NULL)
		return R_SLOW;
	if ((k->what & AT_END) && k->seeks == mm.fds_seeks)
		return 0;
	r = nr == __NR_getdents64 ? listing_read(t, a[0], a[1], a[2]) : R_SLOW;
	if (r != R_SLOW) {
		k->what |= AT_END;
		k->seeks = mm.fds_seeks;
	}
	return r;
}

/* For good. */
static void share(void) { __atomic_fetch_or(&mm.fds_off, FDS_SHARED, __ATOMIC_SEQ_CST); }

static void before_fcntl(struct task *t, const u64 a[6])
{
	struct known *k;

	switch ((u32)a[1]) {
	case F_SETFD:
		k = known_of(t, a[0]);
		if (k != NULL)
			k->what = (k->what & ~CARRICK_OPENED_CLOEXEC) | (a[2] & 1 ? CARRICK_OPENED_CLOEXEC : 0);
		return;
	case F_SETFL:
		mm.fds_epoch++;
		return;
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
	case F_SETLEASE:
	case F_NOTIFY:
		share();
		return;
	}
}

/* A request is about to be posted: what it ends of what is known. */
void fds_before(struct task *t, long nr, const u64 a[6])
{
	ahead_before(t);
	switch (nr) {
	case __NR_fcntl:
		before_fcntl(t, a);
		return;
	case __NR_flock:
		share();
		return;
	case __NR_ioctl:
		if ((u32)a[1] == FIONBIO || (u32)a[1] == FIOASYNC || (u32)a[1] == FIONCLEX || (u32)a[1] == FIOCLEX)
			mm.fds_epoch++;
		return;
	case __NR_sendmsg:
	case __NR_sendmmsg:
		mm.fds_epoch++;
		return;
	case __NR_lseek:
		mm.fds_seeks++;
		return;
	case __NR_getdents:
	case __NR_getdents64:
		mm.fds_reads++;
		return;
	}
}

/* getdents was answered; the slot still holds the reply. */
void fds_read(struct task *t, u64 fd, long r)
{
	struct known *k = known_of(t, fd);

	if (k == NULL || r < 0)
		return;
	if (t->slot->rflags & CARRICK_RF_DIR_END) {
		k->what |= AT_END;
		k->seeks = mm.fds_seeks;
	} else {
		k->what &= ~AT_END;
	}
}

/* Does a clone with these flags share the table, or the memory for longer than a vfork? */
bool fds_shared(u32 flags) { return (flags & CLONE_FILES_BIT) || (flags & (CLONE_VM_BIT | CLONE_VFORK_BIT)) == CLONE_VM_BIT; }

/* A clone with these flags is about to be made. */
void fds_share(const struct task *t, u32 flags)
{
	mm.fds_epoch++;
	if ((flags & CLONE_THREAD_ALL) == CLONE_THREAD_ALL && t->pctx == mm.owner)
		__atomic_fetch_or(&mm.fds_off, FDS_THREADS, __ATOMIC_SEQ_CST);
	else if (fds_shared(flags))
		share();
}

/* A thread comes (1), or goes (-1), whose process is `of`. A vfork child's count for nobody. */
void fds_thread(const pctx_t *of, i32 change)
{
	if (of == mm.owner)
		__atomic_fetch_add(&mm.tasks, (u32)change, __ATOMIC_SEQ_CST);
}

/* A program or a fork child begins: it is alone, and knows of no descriptor. */
void fds_alone(const struct task *t)
{
	mm.owner = t->pctx;
	mm.tasks = 1;
	mm.fds_epoch++;
	mm.fds_off = 0;
	mm.ahead_waiting = mm.ahead_taken = mm.ahead_back = 0;
	mm.listings = 0;
	mm.early = 0;
}
