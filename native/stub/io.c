/*
 * Grants: host fds that the process holds under the guest's own fd numbers.
 *
 * The hint byte of an fd says whether it is granted and for what. Reads and writes on a granted fd go to the host. Calls that change fd
 * numbers are the servers', and are mirrored here on the host's fd table: close before posting (afterwards the number may already be
 * somebody else's), dup and fcntl after the answer. An fd whose grant message another thread has yet to read gives EBADF on the host: a read or write is then posted, and
 * what changes the fd reads the message first, which would otherwise be installed when the number is free again or somebody else's.
 *
 * ctl_lock is held for mirrored dups, so that no fd that is being received is overwritten (ctl.c).
 */
#include "stub.h"

#define F_DUPFD 0
#define F_SETFD 2
#define F_DUPFD_CLOEXEC 1030
#define O_CLOEXEC_BIT 02000000
#define FIONCLEX 0x5450
#define FIOCLEX 0x5451
#define CLOSE_RANGE_UNSHARE 2
#define CLOSE_RANGE_CLOEXEC 4

u8 fd_hint(const struct task *t, u64 fd)
{
	u32 n = (u32)fd;

	return n < CARRICK_HINT_FDS ? __atomic_load_n(&t->pctx->fdhint[n], __ATOMIC_RELAXED) : 0;
}

/* The host's SIGPIPE is ignored (start.c): the guest's comes from the signal server. */
long raise_sigpipe(struct task *t, long r)
{
	if (r == -EPIPE)
		post_own(t, CARRICK_SRV_SIGNAL, CARRICK_NR_SIG_RAISE, SIGPIPE, 0, 0, 0, 0, 0);
	return r;
}

/* EPIPE of a pipe or a stream brings SIGPIPE; of another socket it does not (unix(7), "SOCK_DGRAM"). */
static long write_end(struct task *t, u64 fd, long r)
{
	u8 hint = fd_hint(t, fd);

	if ((hint & CARRICK_HINT_OWNER) == CARRICK_SRV_NET + 1 && !(hint & CARRICK_HINT_STREAM))
		return r;
	return raise_sigpipe(t, r);
}

long io_fast(struct task *t, struct ucontext *uc, long nr, const u64 a[6])
{
	struct hostcall c = { nr, { a[0], a[1], a[2], a[3], a[4], a[5] } };
	bool write = nr == __NR_write || nr == __NR_writev || nr == __NR_pwrite64 || nr == __NR_pwritev;
	u8 need = nr == __NR_lseek ? CARRICK_HINT_SEEK : write ? CARRICK_HINT_WRITE : CARRICK_HINT_READ;
	long r;

	if (!granted_for(t, a[0], need))
		return R_SLOW;
	r = sleep_call(t, uc, &c, ERESTARTSYS);
	if (r == -EBADF)
		return R_SLOW;
	return write ? write_end(t, a[0], r) : r;
}

/**
 * sendfile(2), splice(2), tee(2) between two grants: the host's, which looks at the access modes itself.
 * -EBADF and -EINVAL are left to the servers: theirs is the last word on what can be spliced.
 */
long copy_fast(struct task *t, struct ucontext *uc, long nr, const u64 a[6])
{
	struct hostcall c = { nr, { a[0], a[1], a[2], a[3], a[4], a[5] } };
	u64 from = nr == __NR_sendfile ? a[1] : a[0], to = nr == __NR_sendfile ? a[0] : nr == __NR_tee ? a[1] : a[2];
	long r;

	if (!granted_for(t, from, CARRICK_HINT_READ) || !granted_for(t, to, CARRICK_HINT_WRITE))
		return R_SLOW;
	r = sleep_call(t, uc, &c, ERESTARTSYS);
	if (r == -EBADF || r == -EINVAL)
		return R_SLOW;
	return write_end(t, to, r);
}

/* Close a granted fd on the host. */
void mirror_close(struct task *t, u64 fd)
{
	if (host_back(__NR_close, fd) != -EBADF)
		return;
	ctl_catch_up(t);
	host(__NR_close, fd);
}

static long dup_to(struct task *t, u32 from, u32 to, bool cloexec)
{
	long r;

	lock(&t->pctx->ctl_lock);
	r = host_back(__NR_dup3, from, to, cloexec ? O_CLOEXEC_BIT : 0);
	unlock(&t->pctx->ctl_lock);
	return r;
}

/* The host's copy of a successful dup: `from` was granted or not, `to` may have been. */
void mirror_dup(struct task *t, u32 from, u32 to, bool from_granted, bool to_granted, bool cloexec)
{
	long r = -EBADF;

	if (to >= mm.fdr || from == to)
		return;
	if (from_granted) {
		r = dup_to(t, from, to, cloexec);
		if (r == -EBADF) {
			ctl_catch_up(t);
			r = dup_to(t, from, to, cloexec);
		}
	}
	if (r == -EBADF && to_granted)
		mirror_close(t, to);
}

static void mirror_cloexec(struct task *t, u64 fd, bool on)
{
	if (granted(t, fd) && host_back(__NR_fcntl, fd, F_SETFD, on) == -EBADF) {
		ctl_catch_up(t);
		host(__NR_fcntl, fd, F_SETFD, on);
	}
}

static long do_close_range(struct task *t, long nr, const u64 a[6])
{
	u32 first = (u32)a[0], last = (u32)a[1], flags = (u32)a[2];
	bool cloexec = flags & CLOSE_RANGE_CLOEXEC;
	long r;

	if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) || first > last)
		return call_server(t, nr, a);
	if (last >= mm.fdr)
		last = mm.fdr - 1;
	for (u32 fd = first; fd <= last && !cloexec; fd++)
		if (granted(t, fd))
			mirror_close(t, fd);
	r = call_server(t, nr, a);
	for (u32 fd = first; fd <= last && cloexec && r >= 0; fd++)
		mirror_cloexec(t, fd, true);
	return r;
}

/* close, close_range, dup*, fcntl, ioctl: posted, and mirrored on the host's fd table. */
long io_posted(struct task *t, long nr, const u64 a[6])
{
	bool from = granted(t, a[0]), to;
	u32 cmd = (u32)a[1];
	long r;

	switch (nr) {
	case __NR_close:
		if (from)
			mirror_close(t, a[0]);
		return call_server(t, nr, a);
	case __NR_close_range:
		return do_close_range(t, nr, a);
	case __NR_dup2:
	case __NR_dup3:
		to = granted(t, a[1]);
		r = call_server(t, nr, a);
		if (r >= 0)
			mirror_dup(t, (u32)a[0], (u32)r, from, to, nr == __NR_dup3 && (a[2] & O_CLOEXEC_BIT));
		return r;
	case __NR_dup:
		r = call_server(t, nr, a);
		if (r >= 0)
			mirror_dup(t, (u32)a[0], (u32)r, from, false, false);
		return r;
	case __NR_fcntl:
		r = call_server(t, nr, a);
		if (r >= 0 && (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC))
			mirror_dup(t, (u32)a[0], (u32)r, from, false, cmd == F_DUPFD_CLOEXEC);
		else if (r >= 0 && cmd == F_SETFD)
			mirror_cloexec(t, a[0], a[2] & 1);
		return r;
	default: /* ioctl */
		r = call_server(t, nr, a);
		if (r >= 0 && (cmd == FIOCLEX || cmd == FIONCLEX))
			mirror_cloexec(t, a[0], cmd == FIOCLEX);
		return r;
	}
}
