/*
 * The fast path: calls that concern only the calling process, answered without a server.
 *
 * Two groups. The first is always answered here, because it acts on the guest's own memory, registers or signal state, which no server can do for
 * it. The second is an optimisation of a complete slow path and is switched off by PF_NOFAST, but for sleeps under a tracer. Guest pointers go to the host as they
 * are: the host checks them against the guest's own address space, which is this one.
 */
#include "stub.h"

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

/*
 * arch_prctl(2): FS is the guest's; GS is the stub's own register, so it cannot be set, and reads as 0. CPUID faulting, extended state
 * permission and the like go to the host.
 */
static long do_arch_prctl(const u64 a[6])
{
	u64 zero = 0;

	switch (a[0]) {
	case ARCH_SET_GS:
		return -EPERM;
	case ARCH_GET_GS:
		return guest_write(a[1], &zero, 8) != 0 ? -EFAULT : 0;
	default:
		return host(__NR_arch_prctl, a[0], a[1]);
	}
}

#define ITIMER_VIRTUAL_NR 1
#define ITIMER_PROF_NR 2

/*
 * getitimer(2), setitimer(2) of the processor time that the process uses: the host's, whose signal comes where the time was used, and without delay
 * (trap.c). Only the guest's program that has asked for it has it: fork drops it, exec keeps it, as the host does.
 */
static long cpu_itimer(long nr, const u64 a[6])
{
	return (i32)a[0] == ITIMER_VIRTUAL_NR || (i32)a[0] == ITIMER_PROF_NR ? host_back(nr, a[0], a[1], a[2]) : R_SLOW;
}

#define MEMBARRIER_SYNC_CORE 32
#define MEMBARRIER_REGISTER_PRIVATE 16
#define MEMBARRIER_REGISTER_SYNC_CORE 64
#define MEMBARRIER_GET_REGISTRATIONS 512

/* membarrier(2): what the stub has registered for (rewrite.c) is not the guest's. The second registration is told as both. */
static long do_membarrier(const u64 a[6])
{
	i32 cmd = (i32)a[0];
	long r;

	if (cmd == MEMBARRIER_SYNC_CORE && (u32)a[1] == 0 && !(mm.membarrier & MEMBARRIER_REGISTER_SYNC_CORE))
		return -EPERM;
	r = host(__NR_membarrier, a[0], a[1], a[2]);
	if (r == 0 && cmd == MEMBARRIER_REGISTER_SYNC_CORE)
		mm.membarrier |= MEMBARRIER_REGISTER_SYNC_CORE | MEMBARRIER_REGISTER_PRIVATE;
	if (r == 0 && cmd == MEMBARRIER_REGISTER_PRIVATE)
		mm.membarrier |= MEMBARRIER_REGISTER_PRIVATE;
	if (r > 0 && cmd == MEMBARRIER_GET_REGISTRATIONS)
		r &= mm.membarrier | ~(long)(MEMBARRIER_REGISTER_SYNC_CORE | MEMBARRIER_REGISTER_PRIVATE);
	return r;
}

static inline bool is_self(const struct task *t, u64 pid) { return (i32)pid == 0 || (i32)pid == t->slot->tid; }

static inline long plain(long nr, const u64 a[6]) { return host_back(nr, a[0], a[1], a[2], a[3], a[4], a[5]); }

/* Answered here always. */
static long own_call(struct task *t, struct ucontext *uc, long nr, const u64 a[6])
{
	switch (nr) {
	case __NR_mmap:
	case __NR_munmap:
	case __NR_mprotect:
	case __NR_mremap:
	case __NR_madvise:
	case __NR_mincore:
	case __NR_msync:
	case __NR_mlock:
	case __NR_mlock2:
	case __NR_munlock:
	case __NR_mlockall:
	case __NR_munlockall:
	case __NR_brk:
		return mem_call(t, nr, a);
	case __NR_futex:
		return do_futex(t, uc, a);
	case __NR_futex_waitv:
	case CARRICK_NR_futex_wait:
		return sleep_call(t, uc, &(struct hostcall){ nr, { a[0], a[1], a[2], a[3], a[4], a[5] } }, ERESTARTSYS);
	case CARRICK_NR_futex_wake:
	case CARRICK_NR_futex_requeue:
	case __NR_membarrier:
		return do_membarrier(a);
	case __NR_rseq:
	case __NR_set_robust_list:
		return plain(nr, a);
	case __NR_get_robust_list:
		return is_self(t, a[0]) ? host(nr, 0, a[1], a[2]) : R_SLOW;
	case __NR_set_tid_address:
		host(nr, a[0]);
		return t->slot->tid;
	case __NR_arch_prctl:
		return do_arch_prctl(a);
	case __NR_getitimer:
	case __NR_setitimer:
		return cpu_itimer(nr, a);
	case __NR_rt_sigaction:
		return do_sigaction(t, a);
	case __NR_rt_sigprocmask:
		return do_sigprocmask(t, a);
	case __NR_rt_sigpending:
		return do_sigpending(t, a);
	case __NR_sigaltstack:
		return do_sigaltstack(t, uc, a);
	case __NR_rt_sigreturn:
		return do_sigreturn(t, uc);
	case __NR_restart_syscall:
		return do_resume(t, uc);
	}
	return R_SLOW;
}

#define LIMITS 16u
#define RLIMIT_NOFILE_NR 7u

/* A limit of this process. Every program asks for RLIMIT_STACK when it starts; the kernel keeps all in the pctx, whoever changes them. */
static bool told_limit(const struct task *t, u32 which, u64 two[2])
{
	const pctx_t *p = t->pctx;
	u32 seq = __atomic_load_n(&p->limits_seq, __ATOMIC_ACQUIRE);

	two[0] = __atomic_load_n(&p->rlim[2 * which], __ATOMIC_ACQUIRE);
	two[1] = __atomic_load_n(&p->rlim[2 * which + 1], __ATOMIC_ACQUIRE);
	return seq != 0 && seq % 2 == 0 && __atomic_load_n(&p->limits_seq, __ATOMIC_RELAXED) == seq;
}

static long limit(const struct task *t, u64 which, u64 to)
{
	u64 two[2];

	if ((u32)which >= LIMITS || !told_limit(t, (u32)which, two))
		return R_SLOW;
	return guest_write(to, two, sizeof(two)) != 0 ? -EFAULT : 0;
}

/* Numbers of descriptors below it may be given now; 0 = the kernel is asked. */
u64 nofile_limit(const struct task *t)
{
	u64 two[2];

	return told_limit(t, RLIMIT_NOFILE_NR, two) ? two[0] : 0;
}

/*
 * The credentials with which the process or its program began are in the pctx. A task's change by its own calls only, and then its view does (names.c): from
 * then on the kernel is asked.
 */
static long identity(const struct task *t, const u32 *word)
{
	u32 seq = __atomic_load_n(&t->pctx->ids_seq, __ATOMIC_ACQUIRE), id;

	if (t->view != mm.ids_view || seq == 0 || seq % 2 != 0)
		return R_SLOW;
	id = __atomic_load_n(word, __ATOMIC_ACQUIRE);
	return __atomic_load_n(&t->pctx->ids_seq, __ATOMIC_RELAXED) == seq ? (long)id : R_SLOW;
}

/* Only here can a sleep be gone on with after a tracer's stop in its middle: a traced one is never a server's. */
static bool traced_sleep(const struct task *t, long nr) { return t->traced_call && (nr == __NR_nanosleep || nr == __NR_clock_nanosleep); }

/* getresuid(2), getresgid(2). */
static long three_ids(const struct task *t, const u32 *real, const u32 *effective, const u32 *saved, const u64 a[6])
{
	const u32 *from[3] = { real, effective, saved };
	u32 ids[3];

	for (u32 i = 0; i < 3; i++) {
		long id = identity(t, from[i]);

		if (id == R_SLOW)
			return R_SLOW;
		ids[i] = (u32)id;
	}
	for (u32 i = 0; i < 3; i++)
		if (guest_write(a[i], &ids[i], 4) != 0)
			return -EFAULT;
	return 0;
}

/* getgroups(2) */
static long groups(const struct task *t, i32 size, u64 to)
{
	const pctx_t *p = t->pctx;
	long n = identity(t, &p->ngroups);
	u32 ids[sizeof(p->groups) / 4];

	if (n < 0 || n > (long)(sizeof(p->groups) / 4) || size < 0)
		return R_SLOW;
	if (size == 0)
		return n;
	if (size < n)
		return -EINVAL;
	for (long i = 0; i < n; i++) {
		long id = identity(t, &p->groups[i]);

		if (id == R_SLOW)
			return R_SLOW;
		ids[i] = (u32)id;
	}
	return guest_write(to, ids, 4 * (u64)n) != 0 ? -EFAULT : n;
}

/* Parent, group or session, which the kernel keeps in the pctx plus 1, whoever changes them. */
static long kin(const u32 *word)
{
	u32 id = __atomic_load_n(word, __ATOMIC_ACQUIRE);

	return id != 0 ? (long)id - 1 : R_SLOW;
}

/* getpgid(2), getsid(2): of the process itself. */
static long own_kin(const struct task *t, u64 pid, const u32 *word)
{
	return (i32)pid == 0 || (i32)pid == t->pctx->tgid ? kin(word) : R_SLOW;
}

/* uname(2): the kernel keeps it behind the cells, where all guests read it. */
static long system_names(u64 to)
{
	const u32 *at = (const u32 *)CARRICK_NAMES_ADDR + CARRICK_NAMES_SYSTEM;
	u32 words[CARRICK_NAMES_SYSTEM_WORDS - 1], seq;

	if (__atomic_load_n(&mm.names, __ATOMIC_ACQUIRE) == 0)
		return R_SLOW;
	seq = __atomic_load_n(at, __ATOMIC_ACQUIRE);
	for (u32 i = 0; i < CARRICK_NAMES_SYSTEM_WORDS - 1; i++)
		words[i] = __atomic_load_n(at + 1 + i, __ATOMIC_ACQUIRE);
	if (seq == 0 || seq % 2 != 0 || __atomic_load_n(at, __ATOMIC_RELAXED) != seq)
		return R_SLOW;
	return guest_write(to, words, CARRICK_UTSNAME_LEN) != 0 ? -EFAULT : 0;
}

#define CLONE_FS_BIT 0x200u
#define CLONE_THREAD_BIT 0x10000u

/* umask(2): the process's own, unless vfs has it. */
static long do_umask(const struct task *t, u64 mask)
{
	u32 now = __atomic_load_n(&t->pctx->umask, __ATOMIC_ACQUIRE);

	while (now & CARRICK_UMASK_OWN)
		if (__atomic_compare_exchange_n(&t->pctx->umask, &now, CARRICK_UMASK_OWN | ((u32)mask & 0777), false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
			return (long)(now & 0777);
	return R_SLOW;
}

static void umask_give(struct task *t)
{
	if (__atomic_load_n(&t->pctx->umask, __ATOMIC_ACQUIRE) & CARRICK_UMASK_OWN)
		post_own(t, CARRICK_SRV_VFS, CARRICK_NR_UMASK_GIVE, 0, 0, 0, 0, 0, 0);
}

/* A clone, or an unshare, with these flags is about to be made: the umask is the process's own if all its threads have it, and only they. */
void umask_share(struct task *t, u32 flags)
{
	if (((flags & CLONE_FS_BIT) != 0) != ((flags & CLONE_THREAD_BIT) != 0))
		umask_give(t);
}

/* The calls whose answer is a word that the kernel keeps in the pctx. */
static long told_word(const struct task *t, long nr, const u64 a[6])
{
	const pctx_t *p = t->pctx;

	switch (nr) {
	case __NR_getuid:
		return identity(t, &p->uid);
	case __NR_geteuid:
		return identity(t, &p->euid);
	case __NR_getgid:
		return identity(t, &p->gid);
	case __NR_getegid:
		return identity(t, &p->egid);
	case __NR_getppid:
		return kin(&p->ppid);
	case __NR_getpgrp:
		return kin(&p->pgid);
	case __NR_getpgid:
		return own_kin(t, a[0], &p->pgid);
	default:
		return own_kin(t, a[0], &p->sid);
	}
}

/* The checking stub asks the kernel as well. What another process has changed between the two is told by now. */
static long checked_word(struct task *t, long nr, const u64 a[6])
{
	long r = told_word(t, nr, a);

#ifdef CARRICK_STUB_CHECK
	if (r != R_SLOW) {
		long asked = post_own(t, CARRICK_SRV_KERNEL, (i32)nr, a[0], 0, 0, 0, 0, 0);

		if (asked != r)
			r = told_word(t, nr, a);
		HOLDS(asked == r, "check: ids: told, kernel", r, asked);
	}
#endif
	return r;
}

#define WAIT4_OPTIONS (1u | 2u | 8u | 0x20000000u | 0x40000000u | 0x80000000u) /* NOHANG, UNTRACED, CONTINUED, NOTHREAD, ALL, CLONE */

/* wait4(2): shells ask until nobody is left. A second thread might be about to make a child. */
static long wait_for_nobody(const struct task *t, const u64 a[6])
{
	if (__atomic_load_n(&t->pctx->childless, __ATOMIC_ACQUIRE) == 0 || mm.fds_off || t->owing == OWING_BIRTH)
		return R_SLOW;
	return ((u32)a[2] & ~WAIT4_OPTIONS) == 0 && (i32)a[0] != INT32_MIN ? -ECHILD : R_SLOW;
}

long fast_call(struct task *t, struct ucontext *uc, long nr, const u64 a[6])
{
	long r = own_call(t, uc, nr, a);

	if (r != R_SLOW || ((t->pctx->flags & CARRICK_PF_NOFAST) && !traced_sleep(t, nr)))
		return r;
	switch (nr) {
	case __NR_read:
	case __NR_write:
	case __NR_readv:
	case __NR_writev:
	case __NR_pread64:
	case __NR_pwrite64:
	case __NR_preadv:
	case __NR_pwritev:
	case __NR_lseek:
		return io_fast(t, uc, nr, a);
	case __NR_sendfile:
	case __NR_splice:
	case __NR_tee:
		return copy_fast(t, uc, nr, a);
	case __NR_sendto:
	case __NR_recvfrom:
	case __NR_sendmsg:
	case __NR_accept:
	case __NR_accept4:
	case __NR_shutdown:
	case __NR_getsockname:
	case __NR_getpeername:
	case __NR_getsockopt:
	case __NR_setsockopt:
		return sock_fast(t, uc, nr, a);
	case __NR_poll:
	case __NR_ppoll:
	case __NR_select:
	case __NR_pselect6:
		return poll_fast(t, uc, nr, a);
	case __NR_epoll_wait:
	case __NR_epoll_pwait:
	case __NR_epoll_pwait2:
	case __NR_epoll_ctl:
		return epoll_fast(t, nr, a);
	case __NR_stat:
	case __NR_lstat:
	case __NR_fstat:
	case __NR_newfstatat:
	case __NR_statx:
	case __NR_access:
	case __NR_faccessat:
	case __NR_faccessat2:
	case __NR_readlink:
	case __NR_readlinkat:
	case __NR_open:
	case __NR_openat:
		return names_call(t, nr, a);
	case __NR_close:
		return fds_close(t, a[0]);
	case __NR_dup:
		return fds_dup(t, a[0], 0, false);
	case __NR_fcntl:
		return fds_fcntl(t, a);
	case __NR_ioctl:
		return fds_ioctl(t, a);
	case __NR_getdents:
	case __NR_getdents64:
		return fds_getdents(t, nr, a);
	case __NR_wait4:
		return wait_for_nobody(t, a);
	case __NR_getrlimit:
		return a[1] != 0 ? limit(t, a[0], a[1]) : R_SLOW;
	case __NR_prlimit64:
		return a[2] == 0 && a[3] != 0 && is_self(t, a[0]) ? limit(t, a[1], a[3]) : R_SLOW;
	case __NR_getuid:
	case __NR_geteuid:
	case __NR_getgid:
	case __NR_getegid:
	case __NR_getppid:
	case __NR_getpgrp:
	case __NR_getpgid:
	case __NR_getsid:
		return checked_word(t, nr, a);
	case __NR_getresuid:
		return three_ids(t, &t->pctx->uid, &t->pctx->euid, &t->pctx->suid, a);
	case __NR_getresgid:
		return three_ids(t, &t->pctx->gid, &t->pctx->egid, &t->pctx->sgid, a);
	case __NR_getgroups:
		return groups(t, (i32)a[0], a[1]);
	case __NR_umask:
		return do_umask(t, a[0]);
	case __NR_uname:
		return system_names(a[0]);
	case __NR_getpid:
		return t->pctx->tgid;
	case __NR_gettid:
		return t->slot->tid;
	case __NR_clock_gettime:
	case __NR_clock_getres:
	case __NR_gettimeofday:
	case __NR_time:
	case __NR_getcpu:
	case __NR_getrandom:
	case __NR_sched_yield:
		return plain(nr, a);
	case __NR_nanosleep:
		return do_nanosleep(t, uc, 1 /* CLOCK_MONOTONIC */, false, a[0], a[1]);
	case __NR_clock_nanosleep:
		return do_nanosleep(t, uc, (i32)a[0], a[1] & 1 /* TIMER_ABSTIME */, a[2], a[3]);
	case __NR_sched_getaffinity:
		return is_self(t, a[0]) ? host_back(nr, 0, a[1], a[2]) : R_SLOW;
	}
	return R_SLOW;
}
