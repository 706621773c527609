/*
 * Slots: finding them, posting a request, waiting for its reply, giving it up.
 *
 *   READY ──stub──► POSTED ──server──► REPLIED ──stub──► READY
 *
 * The stub writes the whole request before it stores POSTED (release), the server the whole reply before REPLIED. While POSTED the slot belongs
 * to the server. A signal that becomes deliverable in between does not take the request back: it only asks (`cancel`) and goes on waiting, so a
 * request has exactly one reply.
 */
#include "stub.h"

u64 stack_at(u32 index) { return CARRICK_STACKS_ADDR + (u64)index * CARRICK_STACK_SIZE; }

slot_t *slot_at(u32 index)
{
	return (slot_t *)(CARRICK_AREA_ADDR + CARRICK_SLOT_OFF + (u64)index * CARRICK_SLOT_STRIDE);
}

pctx_t *pctx_at(u32 index)
{
	return (pctx_t *)(CARRICK_AREA_ADDR + CARRICK_PCTX_OFF + (u64)index * CARRICK_PCTX_STRIDE);
}

struct task *task_at(u32 index)
{
	return (struct task *)(stack_at(index) + CARRICK_STACK_SIZE - TASK_SIZE);
}

/* Fill the record of the task in this slot, from what the kernel wrote into the slot. The area's first word is its index. */
struct task *task_bind(u32 index)
{
	struct task *t = task_at(index);
	u32 area = *(volatile u32 *)CARRICK_AREA_ADDR;
	u32 px = slot_at(index)->pctx;

	if (index >= CARRICK_SLOT_MAX || px >= CARRICK_PCTX_MAX)
		die();
	t->self = t;
	t->slot = slot_at(index);
	t->pctx = pctx_at(px);
	t->stack = stack_at(index);
	t->id = area << CARRICK_SLOT_BITS | index;
	t->index = index;
	t->restart = 0;
	t->fetch = 0;
	t->raise = 0;
	t->seen = 0;
	memset(t->skip, 0, sizeof(t->skip));
	memset(t->backoff, 0, sizeof(t->backoff));
	t->owing = 0;
	t->bell = 0;
	t->clone_event = t->clone_vfork = t->traced_call = t->forced = 0;
	t->resume.what = RESUME_NOTHING;
	t->top = (u64)t - mm.frame_room;
	t->uc = NULL;
	t->tried = 0;
	memset(t->slot->owed, 0, sizeof(t->slot->owed));
	return t;
}

static void ring(u32 srv, u32 word)
{
	long r;

	do
		r = host_back(__NR_write, mm.fdr + CARRICK_FDR_DOORBELL + srv, &word, 4);
	while (r == -EINTR || r == -EAGAIN);
	if (r < 0)
		die(); /* carrick is gone */
}

static void store_posted(slot_t *s, u32 srv)
{
	s->server = srv;
	s->seq++;
	s->rflags = 0;
	s->ctl_need = 0;
	s->cancel = 0;
	__atomic_store_n(&s->state, CARRICK_SLOT_POSTED, __ATOMIC_SEQ_CST);
}

/*
 * A thread is unknown to the servers until the kernel has heard its maker's commit. The maker of a fork child may name it in a request: it waits until the
 * kernel has heard the child's commit, or has given it up.
 */
void born_wait(struct task *t)
{
	u32 *born = &t->slot->born;

	while (__atomic_load_n(born, __ATOMIC_ACQUIRE) == 0)
		host(__NR_futex, born, 0, 0, 0);
}

void slot_post(struct task *t, u32 srv)
{
	slot_t *s = t->slot;

	store_posted(s, srv);
	/* A server that watches the slot needs no bell; it looks once more after it has taken its bit back. */
	t->seen = (__atomic_load_n(&s->watched, __ATOMIC_SEQ_CST) & 1u << srv) != 0;
	if (!t->seen)
		ring(srv, t->id);
}

/*
 * Post a request to the kernel that need not wait for `born`: the kernel, when it has stored it, looks at the slot and rings by itself.
 * Both store before they look, so one of the two rings, or both, which does no harm.
 */
void slot_post_unborn(struct task *t)
{
	slot_t *s = t->slot;

	store_posted(s, CARRICK_SRV_KERNEL);
	t->seen = false;
	if (__atomic_load_n(&s->born, __ATOMIC_SEQ_CST) == 1 && !(__atomic_load_n(&s->watched, __ATOMIC_SEQ_CST) & 1u << CARRICK_SRV_KERNEL))
		ring(CARRICK_SRV_KERNEL, t->id);
}

/* Processor cycles to look for a reply before sleeping, looks between two yields, and a yield's cycles that mean that the core is wanted. */
#define LOOK_CYCLES 400000
#define LOOKS 40
#define WANTED_CYCLES 60000
#define SKIP_MAX 64
#define SKIP_WANTED_MAX 1024 /* a yield to somebody who computes costs some milliseconds */

/*
 * Look for the reply for a while: going to sleep and being woken costs more than most answers take, even if vfs has to be woken itself. Other servers'
 * answers are looked for only when they were awake (they saw the post without a bell): what they are asked is often a wait. Less and less often while looking
 * does not help, so that a busy machine loses nothing; what parks with one server says nothing of another's answers.
 */
static void look(struct task *t)
{
	slot_t *s = t->slot;
	u64 begin, turn, now;
	u32 srv = s->server % CARRICK_SRV_COUNT, more = 2, max = SKIP_MAX, next;

	if (!t->seen && srv != CARRICK_SRV_VFS)
		return;
	if (t->skip[srv] > 0) {
		t->skip[srv]--;
		return;
	}
	begin = turn = cycles();
	do {
		for (u32 i = 0; i < LOOKS; i++) {
			if (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) != CARRICK_SLOT_POSTED) {
				t->backoff[srv] = 0;
				return;
			}
			pause();
		}
		host(__NR_sched_yield);
		now = cycles();
		if (now - turn > WANTED_CYCLES) {
			more = 4;
			max = SKIP_WANTED_MAX;
			break;
		}
		turn = now;
	} while (turn - begin < LOOK_CYCLES);
	next = t->backoff[srv] * more + 1;
	t->skip[srv] = t->backoff[srv] = (u16)(next < max ? next : max);
}

/* Wait for the reply. Unless deaf, a deliverable signal cancels the request, once. */
void slot_wait(struct task *t, bool deaf)
{
	slot_t *s = t->slot;

	look(t);
	if (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) != CARRICK_SLOT_POSTED)
		return;
	/* From here on the server must wake us; it reads this after it has stored REPLIED. */
	__atomic_store_n(&s->waiting, 1, __ATOMIC_SEQ_CST);
	if (!deaf && stub_wait() != 0) {
		__atomic_store_n(&s->cancel, 1, __ATOMIC_SEQ_CST);
		ring(s->server, t->id | CARRICK_DB_CANCEL);
	}
	while (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == CARRICK_SLOT_POSTED)
		host(__NR_futex, &s->state, 0, CARRICK_SLOT_POSTED, 0);
	s->waiting = 0;
}

void slot_done(struct task *t)
{
	__atomic_store_n(&t->slot->state, CARRICK_SLOT_READY, __ATOMIC_RELEASE);
}

void slot_claim(struct task *t)
{
	u32 owing = t->owing;

	if (owing == OWING_NOTHING)
		return;
	t->owing = OWING_NOTHING;
	if (owing == OWING_BIRTH) {
		born_wait(t);
		return;
	}
	slot_wait(t, true);
	if (owing == OWING_OWN_BIRTH && (long)t->slot->ret < 0)
		die();
	slot_done(t);
}

static void fill_call(struct task *t, long nr, const u64 a[6])
{
	slot_t *s = t->slot;

	slot_claim(t);
	s->nr = (i32)nr;
	memcpy(s->args, a, sizeof(s->args));
	memset(s->argoff, 0, sizeof(s->argoff));
	memset(s->arglen, 0, sizeof(s->arglen));
	s->inlen = 0;
}

/* Post a call without pointers; the caller waits for the reply. */
static void post_call(struct task *t, u32 srv, long nr, const u64 a[6])
{
	fill_call(t, nr, a);
	born_wait(t);
	slot_post(t, srv);
}

void post_exit(struct task *t, const u64 a[6])
{
	fill_call(t, __NR_exit, a);
	slot_post_unborn(t);
}

void post_last(struct task *t, const u64 a[6])
{
	if (t->owing == OWING_BIRTH || __atomic_load_n(&t->slot->born, __ATOMIC_ACQUIRE) != 1 || __atomic_load_n(&t->slot->state, __ATOMIC_ACQUIRE) == CARRICK_SLOT_POSTED)
		return;
	t->owing = OWING_NOTHING;
	fill_call(t, __NR_exit_group, a);
	slot_post(t, CARRICK_SRV_KERNEL);
}

void post_later(struct task *t, u32 srv, i32 nr, u64 a0, u64 a1, u32 owing)
{
	const u64 a[6] = { a0, a1, 0, 0, 0, 0 };

	post_call(t, srv, nr, a);
	t->owing = owing;
}

/* A request of the stub's own: no pointers, no cancelling. The reply's payload stays valid until the next post. */
long post_own(struct task *t, u32 srv, i32 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	const u64 a[6] = { a0, a1, a2, a3, a4, a5 };
	long r;

	post_call(t, srv, nr, a);
	slot_wait(t, true);
	r = (long)t->slot->ret;
	slot_done(t);
	return r;
}
