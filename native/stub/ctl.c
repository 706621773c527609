/*
 * The control socket: fds that carrick sends.
 *
 * One SOCK_SEQPACKET socket per process (pctx). Messages are numbered in order, from 1 (pctx.ctl_seen counts them); a reply says by ctl_need which
 * number must have been read before it may be acted on. Whoever needs a message reads all before it, under pctx.ctl_lock:
 *
 *   CTL_GRANT    installed at once under the guest's fd numbers
 *   CTL_START    kept with its text (early.c)
 *   the others   kept for the task whose reply names their number
 *
 * The host gives a received fd the lowest free number, which may be one that a grant for the guest is just about to get. So numbers
 * below the reserve are received and left only under the lock; what is kept moves above the reserve first. They are close-on-exec.
 *
 * A kept table belongs to a pctx, not to the address space: a vfork child shares this memory but has its own socket and fds.
 */
#include "stub.h"

#define SCM_RIGHTS_TYPE 1
#define SOL_SOCKET_LEVEL 1
#define MSG_DONTWAIT_BIT 0x40
#define MSG_CMSG_CLOEXEC_BIT 0x40000000
#define MSG_NOSIGNAL_BIT 0x4000
#define F_SETFD_CMD 2
#define F_DUPFD_CLOEXEC_CMD 1030
#define O_CLOEXEC_BIT 02000000

#define FDS_MAX 8
#define KEPT_MAX 64

struct iov {
	void *base;
	u64 len;
};

struct msg {
	void *name;
	u32 namelen, pad0;
	struct iov *iov;
	u64 iovlen;
	void *control;
	u64 controllen;
	u32 flags, pad1;
};

struct cmsg {
	u64 len;
	i32 level, type;
	i32 fd[CARRICK_START_FDS]; /* of others than CTL_START at most FDS_MAX */
};

struct kept {
	u32 ordinal; /* 0 = free entry */
	u32 kind;
	u32 nfd;
	i32 fd[FDS_MAX];
};

static struct kept kept[CARRICK_PCTX_MAX][KEPT_MAX];

static struct kept *table_of(const struct task *t)
{
	return kept[((u64)t->pctx - CARRICK_AREA_ADDR - CARRICK_PCTX_OFF) / CARRICK_PCTX_STRIDE];
}

/* A new process begins with nothing kept. Nearly always there is nothing; then the page, which a fork child shares, is not written. */
void ctl_forget(u32 pctx_index)
{
	for (u32 i = 0; i < KEPT_MAX; i++)
		if (kept[pctx_index][i].ordinal != 0)
			kept[pctx_index][i].ordinal = 0;
}

/* Out of the guest's numbers. If the host has none left up there, where it is will have to do. */
static int move_up(int fd)
{
	long up = host(__NR_fcntl, fd, F_DUPFD_CLOEXEC_CMD, mm.fdr + CARRICK_FDR_COUNT);

	if (up < 0)
		return fd;
	host(__NR_close, fd);
	return (int)up;
}

/* What is kept for long must not lie where the guest's numbers are: -1 instead. */
static int above(int fd)
{
	if ((u32)fd >= mm.fdr + CARRICK_FDR_COUNT)
		return fd;
	host(__NR_close, fd);
	return -1;
}

static void install(int fd, i32 to, bool cloexec)
{
	if (to < 0 || (u32)to >= mm.fdr) {
		host(__NR_close, fd);
	} else if (fd == to) {
		if (!cloexec)
			host(__NR_fcntl, fd, F_SETFD_CMD, 0);
	} else {
		host(__NR_dup3, fd, to, cloexec ? O_CLOEXEC_BIT : 0);
		host(__NR_close, fd);
	}
}

/* Two fds of one message may each sit on the other's number, so several move up before any is installed. */
static void grant(const struct carrick_ctlmsg *m, int *fds, u32 n)
{
	for (u32 i = 0; i < n && n > 1; i++)
		fds[i] = move_up(fds[i]);
	for (u32 i = 0; i < n; i++) {
		if (i < 4)
			install(fds[i], m->fd[i], m->cloexec[i] != 0);
		else
			host(__NR_close, fds[i]);
	}
}

static void keep(struct task *t, u32 kind, u32 ordinal, const int *fds, u32 n)
{
	struct kept *k = table_of(t), *free = NULL;

	for (u32 i = 0; i < KEPT_MAX && free == NULL; i++)
		if (k[i].ordinal == 0)
			free = &k[i];
	for (u32 i = 0; i < n; i++) {
		if (free != NULL)
			free->fd[i] = kind == CTL_AHEAD ? above(move_up(fds[i])) : move_up(fds[i]);
		else
			host(__NR_close, fds[i]);
	}
	if (free != NULL) {
		free->kind = kind;
		free->nfd = n;
		free->ordinal = ordinal;
	}
}

/* What a program is told before it asks. Without room for the text it is of no use. */
static void keep_start(const u8 *room, int *fds, u32 n, u64 len)
{
	for (u32 i = 0; i < n; i++) {
		if (room != NULL)
			fds[i] = above(move_up(fds[i]));
		else
			host(__NR_close, fds[i]);
	}
	if (room != NULL)
		early_keep(fds, n, (u32)len);
}

/* Read one message; its kind, or 0 when there is none (flags MSG_DONTWAIT). Needs ctl_lock. */
static u32 receive(struct task *t, u32 flags)
{
	struct carrick_ctlmsg m;
	struct cmsg c;
	u8 *room = early_room();
	struct iov iov[2] = { { &m, sizeof(m) }, { room, CARRICK_START_MAX } };
	struct msg h = { .iov = iov, .iovlen = room != NULL ? 2 : 1, .control = &c, .controllen = sizeof(c) };
	u32 n = 0, ordinal = t->pctx->ctl_seen + 1;
	long r;

	memset(&m, 0, sizeof(m));
	do
		r = host(__NR_recvmsg, mm.fdr + CARRICK_FDR_CTL, &h, MSG_CMSG_CLOEXEC_BIT | flags);
	while (r == -EINTR);
	if (r == -EAGAIN)
		return 0;
	if (r <= 0)
		die(); /* carrick is gone */
	if (h.controllen >= 16 && c.level == SOL_SOCKET_LEVEL && c.type == SCM_RIGHTS_TYPE)
		n = (u32)((c.len - 16) / 4);
	dbg("ctl: kind, nfd, ordinal", m.kind, n, ordinal);
	check_linger();
	if (m.kind == CTL_GRANT)
		grant(&m, c.fd, n);
	else if (m.kind == CTL_START)
		keep_start(room, c.fd, n, (u64)r - sizeof(m));
	else
		keep(t, m.kind, ordinal, c.fd, n);
	/* Last: whoever sees it does not take the lock (ctl_sync), and may close what was installed. */
	__atomic_store_n(&t->pctx->ctl_seen, ordinal, __ATOMIC_RELEASE);
	return m.kind;
}

/* Another thread's execve has begun: nothing after CTL_EXEC is for this program. The host will end us. */
static _Noreturn void wait_for_end(struct task *t)
{
	u32 never = 0;

	unlock(&t->pctx->ctl_lock);
	for (;;)
		host(__NR_futex, &never, 128, 0, 0);
}

/* Read until `need` messages have been seen. Needs ctl_lock. */
static void read_up_to(struct task *t, u32 need)
{
	while ((i32)(need - t->pctx->ctl_seen) > 0)
		if (receive(t, 0) == CTL_EXEC)
			wait_for_end(t);
}

/*
 * A granted fd that the host does not know yet: its message is in the socket (grants are sent before hints are set), for another thread to read. Read what there is, so that
 * what is done to the fd next is not undone by it.
 */
void ctl_catch_up(struct task *t)
{
	u32 kind;

	lock(&t->pctx->ctl_lock);
	while ((kind = receive(t, MSG_DONTWAIT_BIT)) != 0)
		if (kind == CTL_EXEC)
			wait_for_end(t);
	unlock(&t->pctx->ctl_lock);
}

void ctl_sync(struct task *t, u32 need)
{
	if ((i32)(need - __atomic_load_n(&t->pctx->ctl_seen, __ATOMIC_ACQUIRE)) <= 0)
		return;
	lock(&t->pctx->ctl_lock);
	read_up_to(t, need);
	unlock(&t->pctx->ctl_lock);
}

static int take(struct task *t, u32 kind, u32 ordinal, int fds[8])
{
	struct kept *k = table_of(t);

	for (u32 i = 0; i < KEPT_MAX; i++) {
		if (k[i].ordinal == 0 || k[i].kind != kind || (ordinal != 0 && k[i].ordinal != ordinal))
			continue;
		memcpy(fds, k[i].fd, sizeof(k[i].fd));
		k[i].ordinal = 0;
		return (int)k[i].nfd;
	}
	return -ENOENT;
}

int ctl_take(struct task *t, u32 kind, u32 need, int fds[8])
{
	int n;

	lock(&t->pctx->ctl_lock);
	read_up_to(t, need);
	n = take(t, kind, need, fds);
	unlock(&t->pctx->ctl_lock);
	return n;
}

int ctl_take_first(struct task *t, u32 kind, int fds[8])
{
	int n;

	lock(&t->pctx->ctl_lock);
	while ((n = take(t, kind, 0, fds)) < 0)
		receive(t, 0);
	unlock(&t->pctx->ctl_lock);
	return n;
}

/* Send one fd to carrick. */
int ctl_send_fd(u32 kind, int fd)
{
	struct carrick_ctlmsg m;
	struct cmsg c;
	struct iov iov = { &m, sizeof(m) };
	struct msg h = { .iov = &iov, .iovlen = 1, .control = &c, .controllen = 24 };
	long r;

	memset(&m, 0, sizeof(m));
	m.kind = kind;
	m.nfd = 1;
	c.len = 20;
	c.level = SOL_SOCKET_LEVEL;
	c.type = SCM_RIGHTS_TYPE;
	c.fd[0] = fd;
	do
		r = host(__NR_sendmsg, mm.fdr + CARRICK_FDR_CTL, &h, MSG_NOSIGNAL_BIT);
	while (r == -EINTR);
	return r < 0 ? (int)r : 0;
}
