/*
 * The way of a guest process that carrick starts itself from clone to the stub: the first one, and those of `carrick exec`.
 *
 * It runs in carrick's memory while carrick's thread waits (CLONE_VFORK), so: raw system calls only, no allocation, nothing written but its own
 * stack and the Sandbox. In order, each step while the rights for it are still there:
 *
 *   ids        in a new user namespace, its own uid and gid mapped to themselves, nothing else; setgroups denied
 *   terminal   away from carrick's, and a process group of its own
 *   name, root host name; an empty read-only tmpfs instead of the host's file system
 *   loopback   of a network namespace: set up
 *              (a process that joins the first one's namespaces finds all that done)
 *   fds        stdio and the reserved fds in their places, everything else closed
 *   rights     capabilities dropped for good (bounding set, securebits, no_new_privs)
 *   death      SIGKILL when carrick dies; with a pid namespace that takes every guest process along (else see guard.cc)
 *   exec       the stub's memfd
 *
 * Dropping capabilities clears nothing of PR_SET_PDEATHSIG, but a change of ids would: so it comes last.
 */
#include "sandbox.h"

#include "addon.h"
#include "raw.h"
#include "slice.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static long raw_strlen(const char *s)
{
	long n = 0;

	while (s[n] != 0)
		n++;
	return n;
}

static int write_file(const char *path, const char *text)
{
	long fd = raw(SYS_openat, static_cast<long>(AT_FDCWD), path, static_cast<long>(O_WRONLY | O_CLOEXEC));

	if (fd < 0)
		return static_cast<int>(fd);
	long n = raw(SYS_write, fd, text, raw_strlen(text));

	raw(SYS_close, fd);
	return n < 0 ? static_cast<int>(n) : 0;
}

int sandbox_map_ids(const char *uid_map, const char *gid_map)
{
	/* Kernels before 3.19 have no such file; writing gid_map then needs no denial. */
	int r = write_file("/proc/self/setgroups", "deny");

	if (r < 0 && r != -ENOENT)
		return r;
	r = write_file("/proc/self/uid_map", uid_map);
	return r < 0 ? r : write_file("/proc/self/gid_map", gid_map);
}

int sandbox_empty_root()
{
	/* Any directory will do as the place to hang the new root from before it becomes the root. */
	static const char *const places[] = { "/proc", "/tmp", "/dev", "/usr" };
	const char *place = nullptr;
	long r = raw(SYS_mount, nullptr, "/", nullptr, static_cast<long>(MS_REC | MS_PRIVATE), nullptr);

	if (r < 0)
		return static_cast<int>(r);
	for (const char *p : places) {
		r = raw(SYS_mount, "carrick", p, "tmpfs", static_cast<long>(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC),
			"size=4k,nr_inodes=2,mode=555");
		if (r == 0) {
			place = p;
			break;
		}
	}
	if (place == nullptr)
		return static_cast<int>(r);
	r = raw(SYS_chdir, place);
	if (r < 0)
		return static_cast<int>(r);
	/* The old root ends up on top of the new one, whence it is detached. */
	r = raw(SYS_pivot_root, ".", ".");
	if (r == 0) {
		r = raw(SYS_umount2, ".", static_cast<long>(MNT_DETACH));
	} else {
		/* pivot_root refuses when the host's root is an initramfs: cover it instead. */
		r = raw(SYS_mount, ".", "/", nullptr, static_cast<long>(MS_MOVE), nullptr);
		if (r == 0)
			r = raw(SYS_chroot, ".");
	}
	return r < 0 ? static_cast<int>(r) : static_cast<int>(raw(SYS_chdir, "/"));
}

static int set_limit(int what, rlim_t soft, rlim_t hard)
{
	struct rlimit l = { soft, hard };

	return static_cast<int>(raw(SYS_prlimit64, 0L, static_cast<long>(what), &l, nullptr));
}

/* A copy of fd that is out of the way of every place it may have to go to. */
static long dup_aside(int fd, int fdr_base)
{
	long n = raw(SYS_fcntl, static_cast<long>(fd), static_cast<long>(F_DUPFD_CLOEXEC), 3L);

	if (n >= fdr_base && n < fdr_base + CARRICK_FDR_COUNT)
		n = raw(SYS_fcntl, static_cast<long>(fd), static_cast<long>(F_DUPFD_CLOEXEC), static_cast<long>(fdr_base + CARRICK_FDR_COUNT));
	return n;
}

static int place_fds(Sandbox *s)
{
	long aside[SANDBOX_FDS];
	struct rlimit limit;
	long r = raw(SYS_prlimit64, 0L, static_cast<long>(RLIMIT_NOFILE), nullptr, &limit);

	if (r < 0)
		return static_cast<int>(r);
	set_limit(RLIMIT_NOFILE, limit.rlim_max, limit.rlim_max);
	for (int i = 0; i < SANDBOX_FDS; i++) {
		aside[i] = s->fds[i] < 0 ? -1 : dup_aside(s->fds[i], s->fdr_base);
		if (s->fds[i] >= 0 && aside[i] < 0)
			return static_cast<int>(aside[i]);
	}
	for (int i = 0; i < SANDBOX_FDS; i++) {
		long to = i < 3 ? i : s->fdr_base + i - 3;

		r = aside[i] < 0 ? raw(SYS_close, to) : raw(SYS_dup3, aside[i], to, 0L);
		if (aside[i] >= 0 && r < 0)
			return static_cast<int>(r);
	}
	r = raw(SYS_close_range, 3L, static_cast<long>(s->fdr_base) - 1, 0L);
	if (r == 0)
		r = raw(SYS_close_range, static_cast<long>(s->fdr_base) + CARRICK_FDR_COUNT, 0x7fffffffL, 0L);
	if (r < 0)
		return static_cast<int>(r);
	/* Room above the reserved fds for what a control message brings while all below are taken. */
	rlim_t want = static_cast<rlim_t>(s->fdr_base) + CARRICK_FDR_COUNT + CARRICK_FDR_ROOM;

	set_limit(RLIMIT_NOFILE, want < limit.rlim_max ? want : limit.rlim_max, limit.rlim_max);
	return 0;
}

static int drop_rights(const Sandbox *s)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2];

	if ((s->namespaces & NS_USER) == 0)
		raw(SYS_setgroups, 0L, nullptr); /* Root only; others keep groups that are their own. */
	raw(SYS_prctl, static_cast<long>(PR_SET_SECUREBITS),
	    static_cast<long>(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED));
	for (long cap = 0; cap < 64; cap++)
		if (raw(SYS_prctl, static_cast<long>(PR_CAPBSET_DROP), cap) == -EINVAL)
			break;
	raw(SYS_prctl, static_cast<long>(PR_CAP_AMBIENT), static_cast<long>(PR_CAP_AMBIENT_CLEAR_ALL), 0L, 0L, 0L);
	for (struct __user_cap_data_struct &d : none)
		d.effective = d.permitted = d.inheritable = 0;
	long r = raw(SYS_capset, &head, none);

	if (r == 0)
		r = raw(SYS_prctl, static_cast<long>(PR_SET_NO_NEW_PRIVS), 1L, 0L, 0L, 0L);
	return static_cast<int>(r);
}

/* What exec keeps of signals: ignored ones, and the mask. */
static void reset_signals()
{
	/* Big enough for the kernel's struct sigaction on any architecture; all zero is SIG_DFL. */
	uint64_t dfl[8] = {};

	for (long signo = 1; signo <= 64; signo++)
		raw(SYS_rt_sigaction, signo, dfl, nullptr, 8L);
	raw(SYS_rt_sigprocmask, static_cast<long>(SIG_SETMASK), dfl, nullptr, 8L);
}

/*
 * Away from carrick's terminal: it is nobody's controlling terminal here, and its signals go to another group. A session of its own would do the same, but be
 * an autogroup of its own, too (sched(7)): the host would share its cores out between guests on one side and carrick's servers, with whatever
 * else runs in that session, on the other; where guests keep every core busy, each call would then wait for a turn of that other side.
 */
static void leave_terminal()
{
	long tty = raw(SYS_openat, static_cast<long>(AT_FDCWD), "/dev/tty", static_cast<long>(O_RDWR | O_NOCTTY | O_CLOEXEC));
	/* ENXIO: there is none. */
	bool left = tty == -ENXIO || (tty >= 0 && raw(SYS_ioctl, tty, static_cast<long>(TIOCNOTTY), 0L) == 0);

	if (tty >= 0)
		raw(SYS_close, tty);
	if (!left || raw(SYS_setpgid, 0L, 0L) < 0)
		raw(SYS_setsid);
}

static int fail(Sandbox *s, SandboxStage stage, long error)
{
	s->stage = stage;
	s->error = static_cast<int>(error);
	return 1;
}

int sandbox_child(void *arg)
{
	Sandbox *s = static_cast<Sandbox *>(arg);
	const char *envp[] = { s->env_fdr, nullptr };
	uint32_t got = s->namespaces;
	int r;

	bool make = s->join == nullptr;

	if (make && (s->namespaces & NS_USER) != 0 && (r = sandbox_map_ids(s->uid_map, s->gid_map)) < 0)
		return fail(s, STAGE_IDS, r);
	leave_terminal();
	/* This is a server's thread's child. */
	slice_set(SLICE_DEFAULT);
	if (make && (s->namespaces & NS_UTS) != 0)
		raw(SYS_sethostname, s->hostname, raw_strlen(s->hostname));
	if (make && (s->namespaces & NS_MOUNT) != 0 && sandbox_empty_root() < 0)
		got &= ~static_cast<uint32_t>(NS_MOUNT);
	if (make && (s->namespaces & NS_NET) != 0 && sandbox_loopback_up() < 0)
		got &= ~static_cast<uint32_t>(NS_NET);
	s->got = got;
	s->pid = static_cast<int>(raw(SYS_getpid));
	if ((r = place_fds(s)) < 0)
		return fail(s, STAGE_FDS, r);
	set_limit(RLIMIT_CORE, 0, 0);
	if ((r = drop_rights(s)) < 0)
		return fail(s, STAGE_CAPS, r);
	reset_signals();
	raw(SYS_prctl, static_cast<long>(PR_SET_PDEATHSIG), static_cast<long>(SIGKILL), 0L, 0L, 0L);
	/* carrick may have died before that line: then its end of the control socket is closed. */
	struct pollfd ctl = { s->fdr_base + CARRICK_FDR_CTL, 0, 0 };
	struct timespec now = { 0, 0 };

	if (raw(SYS_ppoll, &ctl, 1L, &now, nullptr, 8L) > 0 && (ctl.revents & POLLHUP) != 0)
		return fail(s, STAGE_ORPHAN, -EPIPE);
	long e = raw(SYS_execveat, static_cast<long>(s->fdr_base + CARRICK_FDR_STUB), "", s->argv, envp, static_cast<long>(AT_EMPTY_PATH));

	return fail(s, STAGE_EXEC, e);
}

/*
 * A pid namespace is entered by children only, so whoever enters the namespaces has to fork: the child is made carrick's own (CLONE_PARENT), for its
 * death signal and for its zombie. Not CLONE_FILES, not CLONE_FS: user and mount namespaces are only for who shares neither.
 */
int sandbox_join(void *arg)
{
	Sandbox *s = static_cast<Sandbox *>(arg);

	for (int i = 0; i < NS_KINDS; i++) {
		long r = s->join[i] < 0 ? 0 : raw(SYS_setns, static_cast<long>(s->join[i]), 0L);

		if (r < 0)
			return fail(s, STAGE_JOIN, r);
	}
	int pid = clone(sandbox_child, s->inner_stack_top, CLONE_VM | CLONE_VFORK | CLONE_PARENT | SIGCHLD, s);

	if (pid < 0)
		return fail(s, STAGE_JOIN, -errno);
	s->host_pid = pid;
	return 0;
}
