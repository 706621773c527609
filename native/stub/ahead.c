/*
 * Files that vfs has opened ahead: a program's process gets what the program's other processes opened, before it asks (servers/vfs/ahead.ts).
 *
 * They come with the answers about names (names.c, ASK_AHEAD), each an OFD of its own in nobody's table, its host fd in a control message. An open of the
 * same path with the same flags takes one, as long as the answer holds: it gives it the lowest number, as fds_dup does, and owes the servers the place in
 * the table (OWED_OPEN). If it is closed before that was told, both never happened (ahead_closed). So reading a file, or mapping one, may take no trip.
 *
 * It then waits for its next open: many headers are read more than once. What nobody has opened, or again, when the process has made so many requests that it is no longer starting, and what nobody wants
 * because its answer has ended or the process makes threads, vfs lets go of when the process ends; one that lives on gives it back in words of slot.owed that are free when a request is posted
 * (ahead_before). What the process opens again and again (OPENED_AGAIN, servers/vfs/again.ts) waits for ever. The table lies in the memory of names.c, which is empty in a fork child; it is used only while the
 * process has one thread (mm.fds_off), whose view an entry has, so that a vfork child leaves it alone.
 */
#include "names.h"

#define O_NOCTTY_BIT 0400u
#define O_LARGEFILE_BIT 0100000u
#define O_CLOEXEC_BIT 02000000u
/* Requests of a process after which it is none that only starts, works and ends, so that what it does not need is worth a word. */
#define SETTLED 100u
/* And after which it has opened, and opened again, what it needs to start. */
#define STARTED 1000u

_Static_assert(sizeof(struct ahead) == 304, "an open made ahead");

/* The bits of a word that say which OFD. */
static inline u32 open_word(u32 row, u32 fd, bool cloexec) { return (u32)CARRICK_OWED_OPEN << CARRICK_OWED_OP | (u32)cloexec << 28 | (row & 0xffff) << 12 | fd; }

static void drop_fd(struct ahead *e)
{
	if (e->fd >= 0)
		host(__NR_close, e->fd);
	e->fd = -1;
}

static void forget(struct ahead *e)
{
	drop_fd(e);
	e->state = AHEAD_GIVEN_BACK;
	mm.ahead_back++;
	mm.ahead_waiting--;
}

/* The program has started: what it has not opened by now, or not again, it will not. */
static void settle(const struct task *t)
{
	struct ahead *table = names_ahead();

	for (u32 i = 0; i < AHEAD_MAX; i++)
		if (table[i].state == AHEAD_WAITING && table[i].view == t->view && !(table[i].ans.opened & CARRICK_OPENED_AGAIN))
			forget(&table[i]);
}

static void keep(const struct task *t, const struct carrick_answer *a, const u8 *text, i32 fd)
{
	struct ahead *table = names_ahead();

	for (u32 i = 0; i < AHEAD_MAX; i++) {
		struct ahead *e = &table[i];

		if (e->state != AHEAD_FREE)
			continue;
		e->state = AHEAD_WAITING;
		e->fd = fd;
		e->view = t->view;
		e->epoch = t->ask_epoch;
		e->ans = *a;
		e->ans.fd = -1;
		memcpy(e->text, text, a->target_len);
		mm.ahead_waiting++;
		return;
	}
	if (fd >= 0)
		host(__NR_close, fd);
}

/* The host fd at `place` of an answer: of a reply, which message brings it, and which of that message's it is; of CTL_START, which of its fds, counted from 1. -1 = it was not kept. */
static int sent_fd(struct task *t, struct ahead_fds *f, u32 place)
{
	if (f->early != NULL)
		return place <= f->nearly ? f->early[place - 1] : -1;
	if (place >> 3 != f->message) {
		f->message = place >> 3;
		f->n = ctl_take(t, CTL_AHEAD, f->message, f->fds);
	}
	return (int)(place & 7) < f->n ? f->fds[place & 7] : -1;
}

/* There is such a file. */
void ahead_told(struct task *t, const struct carrick_answer *a, const u8 *text, struct ahead_fds *f)
{
	int fd;

	if (a->target_len > TEXT_MAX)
		return;
	fd = a->place != 0 ? sent_fd(t, f, a->place) : -1;
	if (mm.fds_off && fd >= 0)
		host(__NR_close, fd);
	else if (!mm.fds_off && (a->place == 0 || fd >= 0))
		keep(t, a, text, fd);
}

/* One that has ended nobody will want. */
static struct ahead *find(const struct task *t, const struct ask *q, u32 flags)
{
	struct ahead *table = names_ahead();
	bool cloexec = flags & O_CLOEXEC_BIT;
	u32 oflags = (flags & ~(O_CLOEXEC_BIT | O_NOCTTY_BIT)) | O_LARGEFILE_BIT;

	for (u32 i = 0; i < AHEAD_MAX; i++) {
		struct ahead *e = &table[i];

		if (e->state != AHEAD_WAITING || e->ans.target_len != q->len || e->ans.oflags != oflags || ((e->ans.opened & CARRICK_OPENED_CLOEXEC) != 0) != cloexec)
			continue;
		if (!same_text(e->text, q->text, q->len) || e->view != t->view || e->epoch != __atomic_load_n(&mm.names_epoch, __ATOMIC_ACQUIRE))
			continue;
		if (names_hold(&e->ans))
			return e;
		forget(e);
	}
	return NULL;
}

/* Give the host's descriptor the guest's number. */
static bool install(struct task *t, i32 fd, u32 to, bool cloexec)
{
	long r;

	if (fd < 0)
		return true;
	lock(&t->pctx->ctl_lock);
	r = host_back(__NR_dup3, fd, to, cloexec ? O_CLOEXEC_BIT : 0);
	unlock(&t->pctx->ctl_lock);
	return r == (long)to;
}

/* The checking stub looks at what it was sent: the file that was told of, at its beginning. */
static void check_sent(const struct carrick_answer *a, u32 fd)
{
#ifdef CARRICK_STUB_CHECK
	u64 st[18] = { 0 };

	if (a->place == 0)
		return;
	host(__NR_fstat, fd, st);
	HOLDS(st[6] == a->length, "check: ahead: bytes of the file, told", (long)st[6], (long)a->length);
	HOLDS(host(__NR_lseek, fd, 0, 1 /* SEEK_CUR */) == 0, "check: ahead: not at its beginning", fd, 0);
#else
	(void)a;
	(void)fd;
#endif
}

/** open(2) of what was opened ahead: the descriptor, or R_SLOW. */
long ahead_open(struct task *t, const struct ask *q, u32 flags)
{
	struct ahead *e = mm.ahead_waiting != 0 && !mm.fds_off && q->dirfd == -1 ? find(t, q, flags) : NULL;
	struct carrick_answer a;
	long to;

	if (e == NULL)
		return R_SLOW;
	a = e->ans;
	to = fds_lowest(t, 0);
	if (to < 0 || !fds_may_owe(t) || !install(t, e->fd, (u32)to, a.opened & CARRICK_OPENED_CLOEXEC))
		return R_SLOW;
	/* It may have been open before. */
	if (e->fd >= 0)
		host_back(__NR_lseek, to, 0, 0 /* SEEK_SET */);
	e->state = AHEAD_TAKEN;
	mm.ahead_waiting--;
	mm.ahead_taken++;
	fds_take(t, (u32)to, open_word(a.row, (u32)to, a.opened & CARRICK_OPENED_CLOEXEC), &a);
	names_opened(t, (u32)to, &a);
	listing_taken(t, &a, (u32)to);
	check_sent(&a, (u32)to);
	return to;
}

static struct ahead *taken(u32 row)
{
	struct ahead *table = names_ahead();

	for (u32 i = 0; i < AHEAD_MAX; i++)
		if (table[i].state == AHEAD_TAKEN && (table[i].ans.row & 0xffff) == row)
			return &table[i];
	return NULL;
}

/**
 * Is fd, which is about to be closed and whose last word is i, a file that no server has been told of? Then nobody need be: the word is taken back. Not if somebody may have begun to
 * watch it: then it has to be open when it is closed. That a directory was read to its end is then nobody's business either.
 */
bool ahead_closed(struct task *t, u32 fd, u32 i)
{
	u32 listed = CARRICK_OWED_MAX, word = fds_word(t, i);
	struct ahead *e;

	if (word >> CARRICK_OWED_OP == CARRICK_OWED_LISTED) {
		listed = i;
		i = fds_last_word(t, fd, listed);
		word = fds_word(t, i);
	}
	if (mm.names != 2 || word >> CARRICK_OWED_OP != CARRICK_OWED_OPEN || (e = taken(word >> 12 & 0xffff)) == NULL || !names_hold(&e->ans))
		return false;
	if (listed != CARRICK_OWED_MAX)
		fds_unowe(t, listed);
	fds_unowe(t, i);
	mm.ahead_taken--;
	/* What needs no host fd, a directory, can be taken again. */
	if (e->fd >= 0 || e->ans.place == 0) {
		e->state = AHEAD_WAITING;
		mm.ahead_waiting++;
	} else {
		e->state = AHEAD_GIVEN_BACK;
		mm.ahead_back++;
	}
	return true;
}

/* The servers are about to be told of what was taken: it is a file like any other. */
static void told(const struct task *t)
{
	struct ahead *table = names_ahead();

	for (u32 i = 0; i < AHEAD_MAX && mm.ahead_taken > 0; i++) {
		if (table[i].state != AHEAD_TAKEN || table[i].view != t->view)
			continue;
		drop_fd(&table[i]);
		table[i].state = AHEAD_FREE;
		mm.ahead_taken--;
	}
}

/* A request is about to be posted. */
void ahead_before(struct task *t)
{
	struct ahead *table;

	if (mm.ahead_taken != 0 && mm.names == 2)
		told(t);
	if ((mm.ahead_back | mm.ahead_waiting) == 0 || mm.fds_off || mm.names != 2 || t->owing != OWING_NOTHING || ++mm.ahead_requests < SETTLED)
		return;
	if (mm.ahead_requests == STARTED)
		settle(t);
	table = names_ahead();
	for (u32 i = 0; i < AHEAD_MAX && mm.ahead_back > 0; i++) {
		/* A vfork child leaves its parent's alone. */
		if (table[i].state != AHEAD_GIVEN_BACK || table[i].view != t->view)
			continue;
		if (!fds_owe(t, open_word(table[i].ans.row, CARRICK_OWED_NOBODY, false)))
			return;
		table[i].state = AHEAD_FREE;
		mm.ahead_back--;
	}
}

/*
 * A clone with these flags is about to be made. What shares memory or the table of files for longer than a vfork ends this for good (fds_share). The child of a fork
 * closes what lies above the reserve (clone.c), and that of a vfork has it until it executes something.
 */
void ahead_share(const struct task *t, u32 flags)
{
	struct ahead *table;

	if (mm.ahead_waiting == 0 || !fds_shared(flags))
		return;
	table = names_ahead();
	for (u32 i = 0; i < AHEAD_MAX; i++)
		if (table[i].state == AHEAD_WAITING && table[i].view == t->view)
			forget(&table[i]);
}
