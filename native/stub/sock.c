/*
 * Calls on granted sockets: the host's own, on the host's socket, under the guest's fd number.
 *
 * What names another socket is a server's: addresses that are sent to (an AF_UNIX name of a guest is another one on the host), addresses of
 * AF_UNIX that are received, and control data, in which descriptors travel as tickets (servers/net/rights.ts). The filter sees to
 * it that nobody gets at them by a jump into the stub: it lets no destination pass, and no recvmsg or sendmsg on a grant. So
 * sendmsg(2) without both is a sendto(2) or writev(2) here, and recvmsg(2), whose flags those could not tell, is always a server's.
 *
 * An fd whose grant another thread has yet to receive gives EBADF or ENOTSOCK on the host: the call is then posted.
 */
#include "stub.h"

#define MSG_PEEK_BIT 0x2
#define MSG_TRUNC_BIT 0x20
#define MSG_DONTWAIT_BIT 0x40
#define MSG_EOR_BIT 0x80
#define MSG_WAITALL_BIT 0x100
#define MSG_NOSIGNAL_BIT 0x4000
#define MSG_MORE_BIT 0x8000

#define SEND_FLAGS (MSG_DONTWAIT_BIT | MSG_EOR_BIT | MSG_NOSIGNAL_BIT | MSG_MORE_BIT)
#define RECV_FLAGS (MSG_PEEK_BIT | MSG_TRUNC_BIT | MSG_DONTWAIT_BIT | MSG_WAITALL_BIT | MSG_NOSIGNAL_BIT)
#define IOV_MAX_COUNT 1024
#define SOCK_FLAGS 02004000 /* SOCK_CLOEXEC | SOCK_NONBLOCK */
#define O_NONBLOCK_BIT 04000
#define F_GETFL_CMD 3
#define SO_ACCEPTCONN_OPT 30
#define POLLIN_BIT 1

struct iov {
	u64 base, len;
};

struct msghdr64 {
	u64 name;
	u32 namelen, pad;
	u64 iov, iovlen, control, controllen;
	u32 flags, pad2;
};

/* fd is a granted socket, for what `bits` say. */
static bool granted_sock(const struct task *t, u64 fd, u8 bits)
{
	return granted_for(t, fd, bits) && (fd_hint(t, fd) & CARRICK_HINT_OWNER) == CARRICK_SRV_NET + 1;
}

static long unless_late(long r) { return r == -EBADF || r == -ENOTSOCK ? R_SLOW : r; }

static long sent(struct task *t, u64 fd, u32 flags, long r)
{
	if ((flags & MSG_NOSIGNAL_BIT) || !(fd_hint(t, fd) & CARRICK_HINT_STREAM))
		return unless_late(r);
	return unless_late(raise_sigpipe(t, r));
}

static long send(struct task *t, struct ucontext *uc, u64 fd, u64 buf, u64 len, u32 flags)
{
	return sent(t, fd, flags, sleep_call(t, uc, &(struct hostcall){ __NR_sendto, { fd, buf, len, flags, 0, 0 } }, ERESTARTSYS));
}

/**
 * sendmsg(2) without address and control data. One piece is a sendto; several are a writev, which knows no flags, and sends nothing at all
 * when they are all empty.
 */
static long do_sendmsg(struct task *t, struct ucontext *uc, const u64 a[6])
{
	u32 flags = (u32)a[2];
	struct msghdr64 m;
	struct iov v;

	if ((flags & ~SEND_FLAGS) || guest_read(&m, a[1], sizeof(m)) != 0 || m.name != 0 || m.controllen != 0)
		return R_SLOW;
	if (m.iovlen == 1) {
		if (guest_read(&v, m.iov, sizeof(v)) != 0)
			return R_SLOW;
		return send(t, uc, a[0], v.base, v.len, flags);
	}
	if (m.iovlen == 0 || m.iovlen > IOV_MAX_COUNT || (flags & ~MSG_NOSIGNAL_BIT) || !(fd_hint(t, a[0]) & CARRICK_HINT_STREAM))
		return R_SLOW;
	return sent(t, a[0], flags, sleep_call(t, uc, &(struct hostcall){ __NR_writev, { a[0], m.iov, m.iovlen } }, ERESTARTSYS));
}

/* Options of the filter's SOCKOPT check (filter.c). */
static bool plain_option(long nr, u32 level, u32 opt)
{
	if (level == 6 /* SOL_TCP */)
		return opt == 1 || opt == 3 || opt == 4 || opt == 5 || opt == 6 || opt == 12;
	if (level != 1 /* SOL_SOCKET */)
		return false;
	return opt == 2 || opt == 9 || (nr == __NR_getsockopt && (opt == 3 || opt == 4 || opt == 7 || opt == 8 || opt == SO_ACCEPTCONN_OPT));
}

/*
 * accept(2), accept4(2): making the new socket is a server's. But that a listening socket which must not wait has nothing to accept, as event loops ask
 * after each connection that they have taken, can be told from here.
 */
static long do_accept(const u64 a[6], u32 flags)
{
	struct {
		i32 fd;
		u16 events, revents;
	} p = { (i32)a[0], POLLIN_BIT, 0 };
	struct ts now = { 0, 0 };
	u32 listening = 0, len = sizeof(listening);

	if ((flags & ~SOCK_FLAGS) || host_back(__NR_ppoll, &p, 1, &now, 0, 8) != 0)
		return R_SLOW;
	if (!(host_back(__NR_fcntl, a[0], F_GETFL_CMD) & O_NONBLOCK_BIT))
		return R_SLOW;
	if (host_back(__NR_getsockopt, a[0], 1 /* SOL_SOCKET */, SO_ACCEPTCONN_OPT, &listening, &len) != 0 || listening == 0)
		return R_SLOW;
	return -EAGAIN;
}

long sock_fast(struct task *t, struct ucontext *uc, long nr, const u64 a[6])
{
	struct hostcall c = { nr, { a[0], a[1], a[2], a[3], a[4], a[5] } };
	u8 need = nr == __NR_recvfrom ? CARRICK_HINT_READ : nr == __NR_sendto || nr == __NR_sendmsg ? CARRICK_HINT_WRITE : 0;

	if (!granted_sock(t, a[0], need))
		return R_SLOW;
	switch (nr) {
	case __NR_accept:
		return do_accept(a, 0);
	case __NR_accept4:
		return do_accept(a, (u32)a[3]);
	case __NR_sendto:
		if (a[4] != 0 || ((u32)a[3] & ~SEND_FLAGS))
			return R_SLOW;
		return send(t, uc, a[0], a[1], a[2], (u32)a[3]);
	case __NR_sendmsg:
		return do_sendmsg(t, uc, a);
	case __NR_recvfrom:
		if (((u32)a[3] & ~RECV_FLAGS) || (a[4] != 0 && !(fd_hint(t, a[0]) & CARRICK_HINT_INET)))
			return R_SLOW;
		return unless_late(sleep_call(t, uc, &c, ERESTARTSYS));
	case __NR_getsockname:
	case __NR_getpeername:
		if (!(fd_hint(t, a[0]) & CARRICK_HINT_INET))
			return R_SLOW;
		break;
	case __NR_getsockopt:
	case __NR_setsockopt:
		if (!plain_option(nr, (u32)a[1], (u32)a[2]))
			return R_SLOW;
		break;
	}
	return unless_late(host_back(nr, a[0], a[1], a[2], a[3], a[4]));
}
