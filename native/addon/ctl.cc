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
enum { CTL_GRANT = 1, CTL_EXEC = 2, CTL_IMAGES = 4, CTL_START = 8 };

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

/* A control message: its head, fds, and text that follows. place: of the program that it is for (Proc.place), 0 = whichever the process has. */
struct Message {
	struct carrick_ctlmsg head;
	const void *fds;
	struct iovec text;
	uint32_t place;
};

static int64_t send_message(Proc *p, Message *m)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(CARRICK_START_FDS * sizeof(int))];
	struct iovec iov[2] = { { &m->head, sizeof(m->head) }, m->text };
	uint32_t nfd = m->head.nfd;
	struct msghdr h = {};

	h.msg_iov = iov;
	h.msg_iovlen = m->text.iov_len > 0 ? 2 : 1;
	if (nfd > 0) {
		memset(control, 0, sizeof(control));
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(nfd * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfd * sizeof(int));
		memcpy(CMSG_DATA(c), m->fds, nfd * sizeof(int));
	}
	std::lock_guard<std::mutex> hold(p->lock);

	if (p->ctl < 0)
		return -ESRCH;
	/* What follows CTL_EXEC is the next program's, which counts from 0 when it is bound. What is for one program comes after its images. */
	if (p->phase == Proc::LEAVING || (m->place != 0 && (m->place != p->place.load() || p->phase != Proc::BEGUN)))
		return -ESTALE;
	if (sendmsg(p->ctl, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	if (m->head.kind == CTL_IMAGES)
		p->phase = Proc::BEGUN;
	else if (m->head.kind == CTL_EXEC)
		p->phase = Proc::LEAVING;
	return ++p->ctl_sent;
}

napi_value js_ctlSend(napi_env env, napi_callback_info info)
{
	Args<6> args(env, info);
	Proc *p = proc_get(args.i64(0));
	uint32_t kind = args.u32(1);
	int64_t nfd = args.i64(2);
	Message m = {};

	if (p == nullptr)
		return num(env, -ESRCH);
	if (nfd < 0 || nfd > (kind == CTL_GRANT ? CTL_GRANT_MAX : CTL_FDS_MAX))
		return num(env, -EINVAL);
	int64_t bytes = nfd * static_cast<int64_t>(sizeof(int));

	m.fds = scratch_at(args.i64(3), bytes);
	if (m.fds == nullptr)
		return num(env, -EFAULT);
	m.head.kind = kind;
	m.head.nfd = static_cast<uint32_t>(nfd);
	if (kind == CTL_GRANT) {
		const uint8_t *nums = scratch_at(args.i64(4), bytes);
		const uint8_t *cloexec = scratch_at(args.i64(5), bytes);

		if (nums == nullptr || cloexec == nullptr)
			return num(env, -EFAULT);
		memcpy(reinterpret_cast<uint8_t *>(&m.head) + offsetof(struct carrick_ctlmsg, fd), nums, static_cast<size_t>(bytes));
		memcpy(reinterpret_cast<uint8_t *>(&m.head) + offsetof(struct carrick_ctlmsg, cloexec), cloexec, static_cast<size_t>(bytes));
	}
	return num(env, send_message(p, &m));
}

napi_value js_ctlStart(napi_env env, napi_callback_info info)
{
	Args<7> args(env, info);
	Proc *p = proc_get(args.i64(0));
	int64_t area = args.i64(1), pctx = args.i64(2), nfd = args.i64(3), len = args.i64(6);
	Message m = {};

	if (p == nullptr)
		return num(env, -ESRCH);
	if (nfd < 0 || nfd > CARRICK_START_FDS || len <= 0 || len > CARRICK_START_MAX || area < 0 || area >= CARRICK_AREA_MAX || pctx < 0 || pctx >= CARRICK_PCTX_MAX)
		return num(env, -EINVAL);
	m.fds = scratch_at(args.i64(4), nfd * static_cast<int64_t>(sizeof(int)));
	m.text = { scratch_at(args.i64(5), len), static_cast<size_t>(len) };
	if (m.fds == nullptr || m.text.iov_base == nullptr)
		return num(env, -EFAULT);
	m.head.kind = CTL_START;
	m.head.nfd = static_cast<uint32_t>(nfd);
	m.place = place_of(area, pctx);
	return num(env, send_message(p, &m));
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
