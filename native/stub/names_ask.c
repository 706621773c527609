/*
 * What a call asks about names: which calls may be answered from memory (names.c), what about, and how they want to be told.
 */
#include "names.h"

#define AT_FDCWD_FD (-100)
#define AT_SYMLINK_NOFOLLOW_FLAG 0x100
#define AT_EACCESS_FLAG 0x200
#define AT_NO_AUTOMOUNT_FLAG 0x800
#define AT_EMPTY_PATH_FLAG 0x1000
#define AT_STATX_SYNC_TYPE_FLAG 0x6000
#define STATX_RESERVED_BIT 0x80000000u

#define O_NOFOLLOW_BIT 0400000
/* Flags with which open of a missing name says ENOENT and nothing else: access mode, NOCTTY, TRUNC, APPEND, NONBLOCK, LARGEFILE, DIRECTORY, NOFOLLOW, NOATIME, CLOEXEC. */
#define O_PLAIN (3 | 0400 | 01000 | 02000 | 04000 | 0100000 | 0200000 | O_NOFOLLOW_BIT | 01000000 | 02000000)

static u32 hash_of(u32 kind, i32 dirfd, const u8 *text, u32 len)
{
	u64 h = 0x9e3779b97f4a7c15ull ^ kind ^ (u64)(u32)dirfd << 32;

	for (u32 i = 0; i < len; i += 8) {
		u64 w = 0;

		memcpy(&w, text + i, len - i < 8 ? len - i : 8);
		h = (h ^ w) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	/* 0 is no entry's. */
	return (u32)(h >> 16) | 0x80000000u;
}

void ask_hash(struct ask *q) { q->hash = hash_of(q->kind, q->dirfd, q->text, q->len); }

static bool about_path(struct ask *q, u64 dirfd, u32 arg, u32 kind, enum form form, u64 out)
{
	q->kind = kind;
	q->form = form;
	q->dirfd = (i32)dirfd;
	q->arg = arg;
	q->out = out;
	q->len = 0;
	return true;
}

/* Of what is open at fd. */
bool ask_open_file(struct ask *q, u64 fd, enum form form, u64 out)
{
	about_path(q, fd, 0, OPENED, form, out);
	return (u32)fd < SERIALS;
}

/* fstat by its path form: newfstatat(fd, "", ..., AT_EMPTY_PATH). */
static bool is_empty(u64 path)
{
	u8 c = 1;

	return guest_read(&c, path, 1) == 0 && c == 0;
}

static bool about_at(struct ask *q, const u64 a[6], u32 flags, enum form form, u64 out)
{
	if ((flags & AT_EMPTY_PATH_FLAG) && is_empty(a[1]))
		return ask_open_file(q, a[0], form, out);
	return about_path(q, a[0], 1, flags & AT_SYMLINK_NOFOLLOW_FLAG ? NOFOLLOW : FOLLOW, form, out);
}

static bool about_access(struct ask *q, u64 dirfd, u32 arg, u64 mode, u32 flags)
{
	if ((mode & 0xffffffff & ~7ull) || (flags & ~(u32)AT_EACCESS_FLAG))
		return false;
	return about_path(q, dirfd, arg, (mode & 7) == 0 ? FOLLOW : ACCESS + (u32)(mode & 7) + (flags ? CARRICK_ASK_EFFECTIVE : 0), AS_ACCESS, 0);
}

static bool about_link(struct ask *q, u64 dirfd, u32 arg, u64 out, u64 size)
{
	about_path(q, dirfd, arg, NOFOLLOW, AS_LINK, out);
	q->size = (u64)(i32)size;
	return (i32)size > 0;
}

/* NOTHING: the path may be created, so only what was opened can be told. */
static bool about_open(struct ask *q, u64 dirfd, u32 arg, u32 flags)
{
	return about_path(q, dirfd, arg, flags & ~(u32)O_PLAIN ? NOTHING : flags & O_NOFOLLOW_BIT ? NOFOLLOW : FOLLOW, AS_OPEN, 0);
}

/* What the call asks, but for the path. False: nothing that is remembered. */
bool ask_understand(struct ask *q, long nr, const u64 a[6])
{
	u64 cwd = (u64)AT_FDCWD_FD;
	u32 flags;

	switch (nr) {
	case __NR_stat:
		return about_path(q, cwd, 0, FOLLOW, AS_STAT, a[1]);
	case __NR_lstat:
		return about_path(q, cwd, 0, NOFOLLOW, AS_STAT, a[1]);
	case __NR_fstat:
		return ask_open_file(q, a[0], AS_STAT, a[1]);
	case __NR_newfstatat:
		flags = (u32)a[3];
		return !(flags & ~(AT_SYMLINK_NOFOLLOW_FLAG | AT_NO_AUTOMOUNT_FLAG | AT_EMPTY_PATH_FLAG)) && about_at(q, a, flags, AS_STAT, a[2]);
	case __NR_statx:
		flags = (u32)a[2];
		return !(flags & ~(AT_SYMLINK_NOFOLLOW_FLAG | AT_NO_AUTOMOUNT_FLAG | AT_EMPTY_PATH_FLAG | AT_STATX_SYNC_TYPE_FLAG)) &&
		       (flags & AT_STATX_SYNC_TYPE_FLAG) != AT_STATX_SYNC_TYPE_FLAG && !((u32)a[3] & STATX_RESERVED_BIT) && about_at(q, a, flags, AS_STATX, a[4]);
	case __NR_access:
		return about_access(q, cwd, 0, a[1], 0);
	case __NR_faccessat:
		return about_access(q, a[0], 1, a[2], 0);
	case __NR_faccessat2:
		return about_access(q, a[0], 1, a[2], (u32)a[3]);
	case __NR_readlink:
		return about_link(q, cwd, 0, a[1], a[2]);
	case __NR_readlinkat:
		return about_link(q, a[0], 1, a[2], a[3]);
	case __NR_open:
		return about_open(q, cwd, 0, (u32)a[1]);
	case __NR_openat:
		return about_open(q, a[0], 1, (u32)a[2]);
	}
	return false;
}

/* Read the path; false: it is none that is remembered (empty, long, relative to an fd out of range). */
bool ask_read(const struct task *t, struct ask *q, const void *path)
{
	u32 open;
	long n;

	if (q->kind == OPENED) {
		ask_hash(q);
		return true;
	}
	n = stub_copy_str(q->text, path, TEXT_MAX);
	if (n <= 0)
		return false;
	if (q->text[0] == '/')
		q->dirfd = -1;
	else if (q->dirfd != AT_FDCWD_FD && (u32)q->dirfd >= SERIALS)
		return false;
	else if (q->dirfd != AT_FDCWD_FD && (open = fds_open_file(t, (u64)q->dirfd)) != 0)
		q->dirfd = (i32)(OPEN_FILE + (open & OPEN_FILE_MASK));
	q->len = (u32)n;
	ask_hash(q);
	return true;
}
