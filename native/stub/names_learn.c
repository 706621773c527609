/*
 * Learning what vfs tells about names: with the reply to a call, or before a program asks (early.c).
 *
 * A reply has room for an answer to what was asked, behind everything else, and for further ones behind it. Each of those says what it is about (`asked`): a name beside the one that was asked
 * about, in a directory that was opened, or an absolute path, which are remembered (names.c); a file that was opened ahead (ahead.c); the names of a directory (listing.c).
 */
#include "names.h"

/* Room for the answer, behind everything else. */
void names_make_room(struct task *t, slot_t *s)
{
	u32 end = s->inlen;

	for (u32 i = 0; i < 6; i++)
		if (s->arglen[i] < CARRICK_ARG_TOOLONG && s->argoff[i] + s->arglen[i] > end)
			end = s->argoff[i] + s->arglen[i];
	/* A string's NUL may be one byte further. */
	end = (end + 8) & ~7u;
	t->ask_off = 0;
	if (end > CARRICK_PAYLOAD_MAX - sizeof(struct carrick_answer) - TEXT_MAX)
		return;
	t->ask_off = end;
	t->ask_epoch = __atomic_load_n(&mm.names_epoch, __ATOMIC_ACQUIRE);
	t->ask_closes = __atomic_load_n(&mm.names_closes, __ATOMIC_ACQUIRE);
	s->argoff[5] = end;
	s->arglen[5] = CARRICK_PAYLOAD_MAX - end;
}

/* The kind of a question by what came of it: of a missing name all that is to be known is that. */
static bool settle(const struct task *t, struct ask *q, const struct carrick_answer *a, const u8 *path)
{
	if (q->kind >= ACCESS && a->kind == CARRICK_ANSWER_ABSENT)
		q->kind = FOLLOW;
	return q->kind != NOTHING && ask_read(t, q, path);
}

/* Bytes of the text that name what an answer is about: behind a link's, and a NUL, is its target. */
static u32 name_len(const u8 *text, u32 n)
{
	u32 len = 0;

	while (len < n && text[len] != 0)
		len++;
	return len;
}

/* Further answers, and what they came with. */
struct further {
	bool names;		  /* those about names are to be remembered */
	u32 serial;		  /* of the directory fd of what was asked */
	i32 fd;			  /* the directory that was just opened, -1 = none */
	struct ask beside, other; /* about a name in the directory of the path that was asked about, which it begins with; about another path */
	u32 dir;		  /* bytes of that beginning */
	struct ahead_fds files;
};

/* q was answered: names beside its own are remembered, too. */
static void further_beside(struct further *f, const struct ask *q, u32 serial)
{
	u32 dir = q->len;

	while (dir > 0 && q->text[dir - 1] != '/')
		dir--;
	f->names = true;
	f->serial = serial;
	f->dir = dir;
	f->beside.kind = q->kind;
	f->beside.dirfd = q->dirfd;
	memcpy(f->beside.text, q->text, dir);
}

/* The question that a further answer answers, its text yet to come; NULL: it is none that is remembered. */
static struct ask *question(const struct task *t, struct further *f, const struct carrick_answer *a)
{
	struct ask *q = &f->other;
	u32 open;

	switch (a->asked) {
	case 0:
		return &f->beside;
	case CARRICK_ASK_IN_FOLLOW:
	case CARRICK_ASK_IN_NOFOLLOW:
		open = fds_open_file(t, (u64)a->fd);
		q->kind = a->asked == CARRICK_ASK_IN_FOLLOW ? FOLLOW : NOFOLLOW;
		q->dirfd = (i32)(OPEN_FILE + (open & OPEN_FILE_MASK));
		return open != 0 ? q : NULL;
	default:
		q->kind = a->asked;
		q->dirfd = -1;
		return q;
	}
}

/* A further answer about a name. */
static void name_told(const struct task *t, struct further *f, const struct carrick_answer *a, const u8 *text)
{
	struct ask *q = question(t, f, a);
	u32 n = name_len(text, a->target_len), dir = a->asked == 0 ? f->dir : 0, skip = n < a->target_len ? n + 1 : n;

	if (q == NULL || n > TEXT_MAX - dir || (q->kind != FOLLOW && q->kind != NOFOLLOW && q->kind < ACCESS) ||
	    (q->kind == FOLLOW && a->kind == CARRICK_ANSWER_FOUND && (a->mode & MODE_TYPE) == MODE_LINK))
		return;
	memcpy(q->text + dir, text, n);
	q->len = dir + n;
	ask_hash(q);
	names_store(t, q, a->asked == 0 ? f->serial : 0, a, text + skip, a->target_len - skip);
}

static void learn_further(struct task *t, struct further *f, const u8 *from, const u8 *end)
{
	struct carrick_answer a;
	const u8 *text;

	while ((text = next_answer(&a, &from, end)) != NULL) {
		if (a.asked == CARRICK_ASK_AHEAD)
			ahead_told(t, &a, text, &f->files);
		else if (a.asked == CARRICK_ASK_LISTING)
			listing_told(t, f->fd, &a, text);
		else if (f->names)
			name_told(t, f, &a, text);
	}
}

void names_learn_early(struct task *t, const u8 *from, const u8 *end, const i32 *fds, u32 n)
{
	struct further f = { .names = true, .fd = -1, .files = { .early = fds, .nearly = n } };

	learn_further(t, &f, from, end);
}

/* Remember what the call asked, if its answer is one that holds: q, with the path as the server saw it, and what goes for names beside it. */
static bool learn_asked(struct task *t, const slot_t *s, struct ask *q, const struct carrick_answer *a, const u8 *target, u32 *serial)
{
	/* The guest's own memory may have changed. */
	if (a->kind == CARRICK_ANSWER_NONE || s->argoff[q->arg] > CARRICK_PAYLOAD_MAX - TEXT_MAX || !settle(t, q, a, payload_of(t->slot) + s->argoff[q->arg]))
		return false;
	*serial = 0;
	if (q->dirfd >= 0) {
		*serial = names_serial_of(q->dirfd);
		/* Something was closed meanwhile, by another thread: what the number means now, nobody knows. */
		if (__atomic_load_n(&mm.names_closes, __ATOMIC_ACQUIRE) != t->ask_closes)
			return false;
	}
	names_store(t, q, *serial, a, target, a->target_len);
	return true;
}

/** What came with a reply, which the slot still holds. r: the call's result. */
void names_learn(struct task *t, const slot_t *s, long nr, const u64 a[6], long r)
{
	const u8 *from = payload_of(t->slot) + t->ask_off, *end = from + s->arglen[5];
	struct further f = { .fd = -1 };
	struct carrick_answer ans;
	bool asked = true;
	struct ask q;
	u32 serial;

	if (t->ask_off == 0 || s->arglen[5] < sizeof(ans) || s->arglen[5] > CARRICK_PAYLOAD_MAX - t->ask_off || !ask_understand(&q, nr, a))
		return;
	memcpy(&ans, from, sizeof(ans));
	from += sizeof(ans);
	if (ans.target_len > (u64)(end - from))
		return;
	if (q.form == AS_OPEN && r >= 0) {
		fds_opened(t, (u32)r, &ans);
		f.fd = (i32)r;
		asked = ans.fd == (i32)r && ask_open_file(&q, (u64)r, AS_STAT, 0);
	}
	if (asked && learn_asked(t, s, &q, &ans, from, &serial))
		further_beside(&f, &q, serial);
	learn_further(t, &f, from + ((ans.target_len + 7) & ~7u), end);
}

void names_opened(struct task *t, u32 fd, const struct carrick_answer *a)
{
	struct ask q = { .kind = OPENED };

	if (!ask_open_file(&q, fd, AS_STAT, 0) || !ask_read(t, &q, NULL))
		return;
	t->ask_epoch = __atomic_load_n(&mm.names_epoch, __ATOMIC_ACQUIRE);
	names_store(t, &q, names_serial_of((i32)fd), a, NULL, 0);
}
