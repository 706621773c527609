/*
 * What vfs tells a program before it asks: the answers, opened files and listings that programs of its kind need when they start (servers/vfs/start-names.ts), in one control message,
 * CTL_START, while the host makes the process. The first question that cannot be answered looks for it; so a program that asks what it asked the last time asks nobody.
 *
 *   vfs: prepared ──CTL_START──► control socket ──early_room, early_keep (ctl.c receives)──► kept ──early_learn──► the memory of names.c, ahead.c, listing.c
 *
 * If the message is not there yet, the question is posted, and the next one looks again: vfs either has sent it by then, or tells the same with its reply. What is told was looked up with the
 * rights and from the root with which the program began; if these have changed, it is dropped. All is under ctl_lock but the learning, which the one who takes `mm.early` does.
 */
#include "names.h"

/* Questions that look for it. */
#define TRIES 16u

/* A program begins, and it may be told. */
void early_expect(void) { __atomic_store_n(&mm.early, TRIES, __ATOMIC_RELEASE); }

/* Where the text of the next control message may be put, CARRICK_START_MAX bytes, or NULL: none is expected. Needs ctl_lock. */
u8 *early_room(void)
{
	return __atomic_load_n(&mm.early, __ATOMIC_ACQUIRE) != 0 && names_ready() ? names_early()->text : NULL;
}

/* CTL_START has come: n fds, which are none of the guest's numbers, and len bytes where early_room said. Needs ctl_lock. */
void early_keep(const int *fds, u32 n, u32 len)
{
	struct early *e = names_early();

	memcpy(e->fd, fds, n * sizeof(*fds));
	e->nfd = n;
	__atomic_store_n(&e->len, len, __ATOMIC_RELEASE);
}

static void drop(struct early *e)
{
	for (u32 i = 0; i < e->nfd; i++)
		if (e->fd[i] >= 0)
			host(__NR_close, e->fd[i]);
}

/** Learn what was told early, if it has come. True: there is something new to look for. */
bool early_learn(struct task *t)
{
	struct early *e = names_early();
	u32 left = __atomic_load_n(&mm.early, __ATOMIC_ACQUIRE), len;

	if (left == 0)
		return false;
	ctl_catch_up(t);
	len = __atomic_load_n(&e->len, __ATOMIC_ACQUIRE);
	if (!__atomic_compare_exchange_n(&mm.early, &left, len != 0 ? 0 : left - 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED) || len == 0)
		return false;
	t->ask_epoch = __atomic_load_n(&mm.names_epoch, __ATOMIC_ACQUIRE);
	if (t->view != mm.ids_view || t->ask_epoch != mm.early_epoch) {
		drop(e);
		return false;
	}
	names_learn_early(t, e->text, e->text + len, e->fd, e->nfd);
	return true;
}
