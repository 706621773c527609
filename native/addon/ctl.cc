/*
 * Control sockets: how host fds reach a guest process, and how its children's pidfds come back.
 *
 * A socket is a SOCK_SEQPACKET pair, one end in carrick (Proc.ctl), one at fdr_base + FDR_CTL in the guest. carrick sends any number of messages
 * without waiting; each has an ordinal, and a reply says how many must have been received before it is acted on (slot.ctl_need).
 *
 * A guest may send anything. An fd that claims to be a child's pidfd is believed only if the process lives in the guests' pid namespace or, where
 * that cannot be told, runs carrick's stub, by the inode of its executable, which nobody else has: without a pid namespace a guest could otherwise
 * name any process of the same user.
 */
#include "addon.h"
#include "exports.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

constexpr int CTL_FDS_MAX = 8;
constexpr int CTL_GRANT_MAX = 4;
enum { CTL_GRANT = 1 };

int fd_above_stdio(int fd)
{
	if (fd < 0 || fd > 2)
		return fd;
	int up = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int e = errno;

	close(fd);
	return up < 0 ? -e : up;
}

napi_value js_ctlPair(napi_env env, napi_callback_info)
{
	int s[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) < 0)
		return num(env, -errno);
	worker.last_fd = fd_above_stdio(s[1]);
	return num(env, fd_above_stdio(s[0]));
}

napi_value js_lastFd(napi_env env, napi_callback_info)
{
	return num(env, worker.last_fd);
}

static int64_t send_message(Proc *p, const struct carrick_ctlmsg *m, const void *fds, uint32_t nfd)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(CTL_FDS_MAX * sizeof(int))];
	struct iovec iov = { const_cast<struct carrick_ctlmsg *>(m), sizeof(*m) };
	struct msghdr h = {};

	h.msg_iov = &iov;
	h.msg_iovlen = 1;
	if (nfd > 0) {
		memset(control, 0, sizeof(control));
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(nfd * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfd * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfd * sizeof(int));
	}
	std::lock_guard<std::mutex> hold(p->lock);

	if (p->ctl < 0)
		return -ESRCH;
	if (sendmsg(p->ctl, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	return ++p->ctl_sent;
}

napi_value js_ctlSend(napi_env env, napi_callback_info info)
{
	Args<6> args(env, info);
	Proc *p = proc_get(args.i64(0));
	uint32_t kind = args.u32(1);
	int64_t nfd = args.i64(2);
	struct carrick_ctlmsg m;

	if (p == nullptr)
		return num(env, -ESRCH);
	if (nfd < 0 || nfd > (kind == CTL_GRANT ? CTL_GRANT_MAX : CTL_FDS_MAX))
		return num(env, -EINVAL);
	int64_t bytes = nfd * static_cast<int64_t>(sizeof(int));
	const uint8_t *fds = scratch_at(args.i64(3), bytes);

	if (fds == nullptr)
		return num(env, -EFAULT);
	memset(&m, 0, sizeof(m));
	m.kind = kind;
	m.nfd = static_cast<uint32_t>(nfd);
	if (kind == CTL_GRANT) {
		const uint8_t *nums = scratch_at(args.i64(4), bytes);
		const uint8_t *cloexec = scratch_at(args.i64(5), bytes);

		if (nums == nullptr || cloexec == nullptr)
			return num(env, -EFAULT);
		memcpy(reinterpret_cast<uint8_t *>(&m) + offsetof(struct carrick_ctlmsg, fd), nums, static_cast<size_t>(bytes));
		memcpy(reinterpret_cast<uint8_t *>(&m) + offsetof(struct carrick_ctlmsg, cloexec), cloexec, static_cast<size_t>(bytes));
	}
	return num(env, send_message(p, &m, fds, static_cast<uint32_t>(nfd)));
}

static int receive_fd(int ctl)
{
	struct carrick_ctlmsg m;
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr h = {};

	h.msg_iov = &iov;
	h.msg_iovlen = 1;
	h.msg_control = control;
	/* LEN, not SPACE: the padding would be room for a second fd. */
	h.msg_controllen = CMSG_LEN(sizeof(int));
	ssize_t n = recvmsg(ctl, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	if (n == 0)
		return -EPIPE;
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	int fd = -1;

	if (c == nullptr || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd_above_stdio(fd);
}

napi_value js_ctlReceivePidfd(napi_env env, napi_callback_info info)
{
	Args<2> args(env, info);
	Proc *p = proc_get(args.i64(0));

	if (p == nullptr)
		return num(env, -ESRCH);
	std::lock_guard<std::mutex> hold(p->lock);

	if (p->ctl < 0)
		return num(env, -ESRCH);
	int fd = receive_fd(p->ctl), r = fd < 0 ? fd : pidfd_is_guest(fd, args.i32(1));

	if (fd >= 0 && r < 0)
		close(fd);
	return num(env, r < 0 ? r : fd);
}
