/*
 * How a call is told what is remembered about a name (names.c): as struct stat or statx, as a link's target, as the result of access, readlink and open.
 */
#include "names.h"

/* struct stat; asm/stat.h. time: atime, mtime, ctime, seconds and nanoseconds. */
struct stat_buf {
	u64 dev, ino, nlink;
	u32 mode, uid, gid, pad;
	u64 rdev, size, blksize, blocks, time[6], unused[3];
};
_Static_assert(sizeof(struct stat_buf) == STAT_BYTES, "struct stat");

static long tell_stat(const struct carrick_answer *a, u64 out)
{
	struct stat_buf s = { .dev = a->dev, .ino = a->ino, .nlink = a->nlink, .mode = a->mode, .uid = a->uid, .gid = a->gid, .rdev = a->rdev, .size = a->length,
		.blksize = a->blksize, .blocks = a->blocks, .time = { a->atime, a->nsec[0], a->mtime, a->nsec[3], a->ctime, a->nsec[2] } };

	return guest_write(out, &s, sizeof(s)) != 0 ? -EFAULT : 0;
}

static inline u32 major_of(u32 dev) { return dev >> 8 & 0xfff; }
static inline u32 minor_of(u32 dev) { return (dev & 0xff) | (dev >> 12 & 0xfff00); }

static long tell_statx(const struct carrick_answer *a, u64 out)
{
	struct {
		u32 mask, blksize;
		u64 attributes;
		u32 nlink, uid, gid, mode;
		u64 ino, size, blocks, attributes_mask;
		struct {
			u64 sec;
			u32 nsec, pad;
		} time[4];
		u32 rdev[2], dev[2];
		u64 mnt_id, unused[13];
	} s = { .mask = a->mask, .blksize = a->blksize, .nlink = a->nlink, .uid = a->uid, .gid = a->gid, .mode = a->mode, .ino = a->ino, .size = a->length,
		.blocks = a->blocks,
		.time = { { a->atime, a->nsec[0], 0 }, { a->btime, a->nsec[1], 0 }, { a->ctime, a->nsec[2], 0 }, { a->mtime, a->nsec[3], 0 } },
		.rdev = { major_of(a->rdev), minor_of(a->rdev) }, .dev = { major_of(a->dev), minor_of(a->dev) }, .mnt_id = a->mnt_id };

	_Static_assert(sizeof(s) == 256, "struct statx");
	return guest_write(out, &s, sizeof(s)) != 0 ? -EFAULT : 0;
}

/* What the data decide of an open file's attributes: as of now. False: it is not granted. */
bool answer_refresh(const struct task *t, i32 fd, struct carrick_answer *a)
{
	struct stat_buf s;

	if (!granted(t, (u64)fd) || host_back(__NR_fstat, fd, &s) < 0)
		return false;
	a->length = s.size;
	a->blksize = (u32)s.blksize;
	a->blocks = s.blocks;
	a->atime = s.time[0];
	a->nsec[0] = (u32)s.time[1];
	a->mtime = s.time[2];
	a->nsec[3] = (u32)s.time[3];
	/* Writing moves the host's, chmod and the like the inode's own: the later one counts. */
	if ((i64)s.time[4] > (i64)a->ctime || (s.time[4] == a->ctime && s.time[5] > a->nsec[2])) {
		a->ctime = s.time[4];
		a->nsec[2] = (u32)s.time[5];
	}
	return true;
}

/* A full table of fds comes before a missing name. There is room as long as the last number that may be used is free. */
static bool fd_room(const struct task *t)
{
	u64 limit = nofile_limit(t);
	u32 n = limit < CARRICK_HINT_FDS ? (u32)limit : CARRICK_HINT_FDS;

	return n > 0 && fd_hint(t, n - 1) == 0;
}

long answer_tell(const struct task *t, const struct ask *q, const struct carrick_answer *a, const u8 *target, u32 target_len)
{
	bool absent = a->kind == CARRICK_ANSWER_ABSENT;

	switch (q->form) {
	case AS_STAT:
		return absent ? -ENOENT : tell_stat(a, q->out);
	case AS_STATX:
		return absent ? -ENOENT : tell_statx(a, q->out);
	case AS_ACCESS:
		return absent ? -ENOENT : 0;
	case AS_LINK:
		if (absent)
			return -ENOENT;
		if ((a->mode & MODE_TYPE) != MODE_LINK)
			return -EINVAL;
		if (target_len == 0)
			return R_SLOW;
		if (target_len > q->size)
			target_len = (u32)q->size;
		return guest_write(q->out, target, target_len) != 0 ? -EFAULT : (long)target_len;
	default: /* AS_OPEN */
		return absent && fd_room(t) ? -ENOENT : R_SLOW;
	}
}
