/*
 * What the parts of the memory of names have in common: names.c, which keeps answers, names_ask.c (what calls ask), names_learn.c (what replies say), names_tell.c (how calls are told),
 * and beside them ahead.c, listing.c and early.c.
 */
#ifndef CARRICK_NAMES_H
#define CARRICK_NAMES_H

#include "stub.h"

#define TEXT_MAX 128u
#define STAT_BYTES 144 /* struct stat */
/* Numbers of descriptors that answers are remembered for. */
#define SERIALS 256u
/* ask.dirfd and entries: which open file a directory is, whatever its number. */
#define OPEN_FILE 0x10000
#define OPEN_FILE_MASK 0x3fffffffu

#define MODE_TYPE 0170000u
#define MODE_LINK 0120000u

/* What an entry says; access has a kind for each mode and flag. */
enum kind { NOTHING, FOLLOW = CARRICK_ASK_FOLLOW, NOFOLLOW = CARRICK_ASK_NOFOLLOW, OPENED = CARRICK_ASK_OPENED, ACCESS = CARRICK_ASK_ACCESS };
/* How a call wants to be told. */
enum form { AS_STAT, AS_STATX, AS_ACCESS, AS_LINK, AS_OPEN };

/* A call as the memory sees it. */
struct ask {
	u32 kind;
	enum form form;
	i32 dirfd;
	u32 len, hash;
	u32 arg; /* which argument the path is */
	u64 out, size; /* guest address; bytes of a link's buffer */
	u8 text[TEXT_MAX];
};

/* A file that vfs has opened ahead (ahead.c). */
enum { AHEAD_FREE, AHEAD_WAITING, AHEAD_TAKEN, AHEAD_GIVEN_BACK };
#define AHEAD_MAX 48u
struct ahead {
	u32 state; /* AHEAD_*; what is given back the servers have yet to be told of */
	i32 fd;	   /* the host's, -1 = it has none, or no longer. Of one that is opened again and again the process keeps it while it is taken */
	u32 view, epoch;
	struct carrick_answer ans;
	u8 text[TEXT_MAX]; /* absolute path, ans.target_len bytes */
};

/* The names of a directory that was opened (listing.c). */
#define LISTINGS 8u
struct listing {
	i32 fd; /* -1: of none now */
	u32 serial, view;
	u32 moves; /* directories that had been read or sought in when it came */
	struct carrick_answer ans; /* target_len: its bytes, 0 = there is none */
	u8 bytes[CARRICK_LISTING_MAX];
};

/* What came before the first question (early.c). */
struct early {
	u32 len, nfd; /* len 0: it has not come */
	i32 fd[CARRICK_START_FDS];
	u8 text[CARRICK_START_MAX];
};

/* The next of the further answers *from..end: into *a; what follows it, a->target_len bytes; NULL = there are no more. */
static inline const u8 *next_answer(struct carrick_answer *a, const u8 **from, const u8 *end)
{
	const u8 *text = *from + sizeof(*a);

	if (text > end)
		return NULL;
	memcpy(a, *from, sizeof(*a));
	if (a->target_len == 0 || a->target_len > (u64)(end - text))
		return NULL;
	*from = text + ((a->target_len + 7) & ~7u);
	return text;
}

static inline bool same_text(const u8 *a, const u8 *b, u32 len)
{
	for (u32 i = 0; i < len; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* The AHEAD_MAX entries. Needs mm.names == 2. */
struct ahead *names_ahead(void);
/* The LISTINGS entries. */
struct listing *names_listings(void);
struct early *names_early(void);
/* The memory; false when it cannot be had. */
bool names_ready(void);
/* Which meaning of its number an answer relative to fd holds for; 0 for what is no number. */
u32 names_serial_of(i32 dirfd);
/* Remember an answer to q. serial: names_serial_of(q->dirfd) when it was asked; target: of a link. */
void names_store(const struct task *t, const struct ask *q, u32 serial, const struct carrick_answer *a, const u8 *target, u32 target_len);
/* Does an answer about a path hold still? */
bool names_hold(const struct carrick_answer *a);

/* ---- names_ask.c ---- */
bool ask_understand(struct ask *q, long nr, const u64 a[6]);
bool ask_open_file(struct ask *q, u64 fd, enum form form, u64 out);
/* Read the path, and hash the question. False: it is none that is remembered (empty, long, relative to an fd out of range). */
bool ask_read(const struct task *t, struct ask *q, const void *path);
/* After a change of kind, dirfd or text. */
void ask_hash(struct ask *q);

/* ---- names_learn.c ---- */
/* Room for the answer in the request that is about to be posted. */
void names_make_room(struct task *t, slot_t *s);
void names_learn(struct task *t, const slot_t *s, long nr, const u64 a[6], long r);
/* What CTL_START brought: answers from..end, n fds. t->ask_epoch: for when they hold. */
void names_learn_early(struct task *t, const u8 *from, const u8 *end, const i32 *fds, u32 n);
/* fd is a new number for what the answer is about. */
void names_opened(struct task *t, u32 fd, const struct carrick_answer *a);

long ahead_open(struct task *t, const struct ask *q, u32 flags);
/* Where the host fds of files that were opened ahead are: of a reply (early NULL) in the control messages that `place` names, the last of which is kept here; of CTL_START among these. */
struct ahead_fds {
	const i32 *early;
	u32 nearly;
	u32 message; /* its number, 0 = none was taken yet */
	int n;
	int fds[8];
};
void ahead_told(struct task *t, const struct carrick_answer *a, const u8 *text, struct ahead_fds *f);
bool early_learn(struct task *t);
void listing_told(const struct task *t, i32 fd, const struct carrick_answer *a, const u8 *bytes);
void listing_taken(const struct task *t, const struct carrick_answer *a, u32 fd);

/* What the data decide of an open file's attributes: as of now. False: it is not granted. */
bool answer_refresh(const struct task *t, i32 fd, struct carrick_answer *a);
/* The call's result by an answer that holds, its output in the guest's memory; R_SLOW: a server has to be asked. */
long answer_tell(const struct task *t, const struct ask *q, const struct carrick_answer *a, const u8 *target, u32 target_len);

#endif
