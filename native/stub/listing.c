/*
 * Names of directories that vfs has told with their open (servers/vfs/listings.ts): getdents64 is answered from them, and the servers are told by a word of slot.owed
 * (OWED_LISTED) that the directory has been read to its end.
 *
 *   the answer to an open ──listing_told──► what descriptor fd lists ──listing_read──► the guest's buffer, all of it or nothing ──► forgotten
 *   CTL_START, a directory that was opened ahead ──listing_told──► nobody's ──ahead_open: listing_taken──► what fd lists ──listing_read──► nobody's, until it is opened again
 *
 * A listing holds as long as the number means the same, what is known of the descriptor does (fds.c), nothing has changed in the directory, and no directory was read or sought
 * in by request: the position belongs to the open file, which a duplicate or a later request may have moved. It lies in the memory of names.c, empty in a fork child.
 */
#include "names.h"

/* Directories that were read or sought in by request. */
static inline u32 moves(void) { return mm.fds_seeks + mm.fds_reads; }

static void bind(const struct task *t, struct listing *l, i32 fd)
{
	l->fd = fd;
	l->serial = fd >= 0 ? names_serial((u32)fd) : 0;
	l->view = t->view;
	l->moves = moves();
}

/* These are the names of the directory that was just opened as fd, or (-1) of one that was opened ahead. */
void listing_told(const struct task *t, i32 fd, const struct carrick_answer *a, const u8 *bytes)
{
	struct listing *l;

	if (mm.fds_off || a->fd != fd || a->target_len > CARRICK_LISTING_MAX)
		return;
	l = &names_listings()[mm.listings++ % LISTINGS];
	bind(t, l, fd);
	l->ans = *a;
	memcpy(l->bytes, bytes, a->target_len);
}

/* What was opened ahead, and a tells of, is fd now. */
void listing_taken(const struct task *t, const struct carrick_answer *a, u32 fd)
{
	struct listing *all = names_listings();

	for (u32 i = 0; i < LISTINGS && mm.listings != 0; i++) {
		const struct carrick_answer *b = &all[i].ans;

		if (b->target_len != 0 && b->row == a->row && b->row != 0 && b->ino == a->ino && b->dev == a->dev && all[i].view == t->view)
			bind(t, &all[i], (i32)fd);
	}
}

/* What fd lists, or NULL. */
static struct listing *find(const struct task *t, u32 fd)
{
	struct listing *all = names_listings();

	for (u32 i = 0; i < LISTINGS; i++) {
		struct listing *l = &all[i];

		if (l->ans.target_len != 0 && l->fd == (i32)fd && l->serial == names_serial(fd) && l->view == t->view && l->moves == moves())
			return l;
	}
	return NULL;
}

/* The checking stub asks the server, which must say the same unless something has changed meanwhile. */
static void check_read(struct task *t, u64 fd, u64 to, u64 size, const struct listing *l)
{
#ifdef CARRICK_STUB_CHECK
	u64 args[6] = { fd, to, size, 0, 0, 0 };
	long r = call_server(t, __NR_getdents64, args);
	u8 b;

	if (r < 0 || !names_hold(&l->ans))
		return;
	HOLDS(r == (long)l->ans.target_len, "check: listing: bytes told, by the server", l->ans.target_len, r);
	for (u32 i = 0; i < l->ans.target_len && guest_read(&b, to + i, 1) == 0; i++)
		HOLDS(b == l->bytes[i], "check: listing: differs at byte, of fd", i, fd);
#else
	(void)t;
	(void)fd;
	(void)to;
	(void)size;
	(void)l;
#endif
}

/** getdents64(2) of a directory that has not been read: its bytes, or R_SLOW. The caller knows that nobody else has the open file. */
long listing_read(struct task *t, u64 fd, u64 to, u64 size)
{
	struct listing *l = mm.listings != 0 ? find(t, (u32)fd) : NULL;
	u32 n;

	if (l == NULL || l->ans.target_len > (u32)size || !names_hold(&l->ans) || !fds_may_owe(t) || guest_write(to, l->bytes, l->ans.target_len) != 0)
		return R_SLOW;
	n = l->ans.target_len;
	check_read(t, fd, to, size, l);
	l->fd = -1;
	if (l->ans.row == 0)
		l->ans.target_len = 0;
	fds_owe(t, (u32)CARRICK_OWED_LISTED << CARRICK_OWED_OP | (u32)fd);
	return (long)n;
}
