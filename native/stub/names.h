/*
 * What names.c, which remembers answers, and names_tell.c, which tells them, have in common.
 */
#ifndef CARRICK_NAMES_H
#define CARRICK_NAMES_H

#include "stub.h"

#define TEXT_MAX 128u
#define STAT_BYTES 144 /* struct stat */

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

/* What the data decide of an open file's attributes: as of now. False: it is not granted. */
bool answer_refresh(const struct task *t, i32 fd, struct carrick_answer *a);
/* The call's result by an answer that holds, its output in the guest's memory; R_SLOW: a server has to be asked. */
long answer_tell(const struct task *t, const struct ask *q, const struct carrick_answer *a, const u8 *target, u32 target_len);

#endif
