/*
 * The seccomp filter: what keeps a guest inside.
 *
 * A call from outside the stub's addresses traps to the stub (SECCOMP_RET_TRAP). A call from inside must be on the list below, with
 * the arguments checked as far as they matter, or the process dies. A hostile guest can jump to a `syscall` instruction of the stub with registers of its
 * choice, so every entry is harmless by itself: the process then can do to itself what it could do anyway. The filter survives fork and
 * exec and cannot be lifted. Numbers of another architecture (int 0x80, x32) are ENOSYS.
 *
 * fd numbers: [0, fdr) grants, the guest's own; fdr.. the reserve (internals.md §2); from fdr + FDR_COUNT on: fds on their way.
 */
#include "stub.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

enum check {
	ANY,	   /* any arguments */
	LOW_FD,	   /* fd below the reserve */
	OWN_FD,	   /* that, or an fd on its way */
	WRITE_FD,  /* a grant, or four bytes into a doorbell */
	CTL_FD,	   /* the control socket */
	DUP3,	   /* from grant or fd on its way, to a grant's number, the area's or the control socket's */
	FCNTL,	   /* F_SETFD, F_GETFL on a grant; F_DUPFD_CLOEXEC to above the reserve */
	CLONE,	   /* no namespace, no tracing */
	EXEC,	   /* the stub's own image, by fd, with the empty path */
	MMAP,	   /* anonymous, a grant, an fd on its way, or the area */
	ARG0,	   /* first argument equals `arg` (32 bits) */
	CLOSE_RANGE, /* above the reserve only */
	FD_PAIR,   /* two grants: the first two arguments */
	FD_THIRD,  /* two grants: the first argument and the third */
	SEND,	   /* a grant, no destination */
	SETOPT,	   /* a grant; REUSEADDR, KEEPALIVE of sockets; NODELAY, CORK, KEEPIDLE, KEEPINTVL, KEEPCNT, QUICKACK of TCP */
	CPU_TIMER, /* first argument: ITIMER_VIRTUAL, ITIMER_PROF */
	GETOPT,	   /* those; TYPE, ERROR, SNDBUF, RCVBUF, RCVTIMEO, SNDTIMEO, ACCEPTCONN of sockets */
};

struct rule {
	u32 nr;
	u32 check;
	u32 arg;
};

/* The first NFIRST are asked about one after the other, most frequent first; the others' numbers are searched (tree). */
static const struct rule rules[] = {
	/* Every trapped call ends in this one. Sets this thread's own registers and mask. */
	{ __NR_rt_sigreturn, ANY, 0 },
	/* Sleeps on and wakes words of memory that the process has mapped. */
	{ __NR_futex, ANY, 0 },
	/* I/O on grants: what the guest may do with them is what its fd's access mode says. Doorbells: carrick checks each word it reads. */
	{ __NR_write, WRITE_FD, 0 },
	{ __NR_read, LOW_FD, 0 },
	{ __NR_pread64, LOW_FD, 0 },
	{ __NR_pwrite64, LOW_FD, 0 },
	{ __NR_readv, LOW_FD, 0 },
	{ __NR_writev, LOW_FD, 0 },
	{ __NR_preadv, LOW_FD, 0 },
	{ __NR_pwritev, LOW_FD, 0 },
	{ __NR_lseek, LOW_FD, 0 },
	/* Attributes of a grant's host file: size, times, the host's inode number and owner. */
	{ __NR_fstat, LOW_FD, 0 },
	{ __NR_recvfrom, LOW_FD, 0 },
	{ __NR_sendto, SEND, 0 },
	{ __NR_epoll_pwait, LOW_FD, 0 },
	{ __NR_epoll_pwait2, LOW_FD, 0 },
	{ __NR_epoll_ctl, FD_THIRD, 0 },
	/* Only tells whether fds are ready. */
	{ __NR_ppoll, ANY, 0 },
	{ __NR_pselect6, ANY, 0 },
	{ __NR_sendfile, FD_PAIR, 0 },
	{ __NR_splice, FD_THIRD, 0 },
	{ __NR_tee, FD_PAIR, 0 },
	{ __NR_shutdown, LOW_FD, 0 },
	{ __NR_getsockname, LOW_FD, 0 },
	{ __NR_getpeername, LOW_FD, 0 },
	{ __NR_setsockopt, SETOPT, 0 },
	{ __NR_getsockopt, GETOPT, 0 },
	/* The process's own memory. The area is mapped by every guest process anyway. */
	{ __NR_mmap, MMAP, 0 },
	{ __NR_munmap, ANY, 0 },
	{ __NR_mprotect, ANY, 0 },
	{ __NR_madvise, ANY, 0 },
	{ __NR_mremap, ANY, 0 },
	{ __NR_mincore, ANY, 0 },
	{ __NR_msync, ANY, 0 },
	{ __NR_mlock, ANY, 0 },
	{ __NR_mlock2, ANY, 0 },
	{ __NR_munlock, ANY, 0 },
	{ __NR_mlockall, ANY, 0 },
	{ __NR_munlockall, ANY, 0 },
	{ __NR_membarrier, ANY, 0 },
	/* Time and sleep: reads clocks, sets none. restart_syscall is made by the host when a stopped sleeper continues. */
	{ __NR_clock_gettime, ANY, 0 },
	{ __NR_clock_nanosleep, ANY, 0 },
	{ __NR_clock_getres, ANY, 0 },
	{ __NR_gettimeofday, ANY, 0 },
	{ __NR_time, ANY, 0 },
	{ __NR_restart_syscall, ANY, 0 },
	/* Signals to the process itself for the processor time that it uses. */
	{ __NR_setitimer, CPU_TIMER, 0 },
	{ __NR_getitimer, CPU_TIMER, 0 },
	{ __NR_getcpu, ANY, 0 },
	{ __NR_sched_yield, ANY, 0 },
	{ __NR_getrandom, ANY, 0 },
	/* More ways to sleep on and wake one's own memory. */
	{ __NR_futex_waitv, ANY, 0 },
	{ CARRICK_NR_futex_wake, ANY, 0 },
	{ CARRICK_NR_futex_wait, ANY, 0 },
	{ CARRICK_NR_futex_requeue, ANY, 0 },
	/* The control socket and fds on their way. What is sent to carrick is checked there. */
	{ __NR_recvmsg, CTL_FD, 0 },
	{ __NR_sendmsg, CTL_FD, 0 },
	{ __NR_close, OWN_FD, 0 },
	{ __NR_close_range, CLOSE_RANGE, 0 },
	{ __NR_dup3, DUP3, 0 },
	{ __NR_fcntl, FCNTL, 0 },
	/* Processes of its own making: a child has the same filter; a parent may only reap its children. A pidfd can do nothing here. */
	{ __NR_clone, CLONE, 0 },
	{ __NR_execveat, EXEC, 0 },
	{ __NR_wait4, ANY, 0 },
	{ __NR_pidfd_open, ANY, 0 },
	{ __NR_exit, ANY, 0 },
	{ __NR_exit_group, ANY, 0 },
	{ __NR_getpid, ANY, 0 },
	{ __NR_gettid, ANY, 0 },
	/* This thread's own signal state: breaking it only ends the process. */
	{ __NR_rt_sigaction, ANY, 0 },
	{ __NR_rt_sigprocmask, ANY, 0 },
	{ __NR_sigaltstack, ANY, 0 },
	/* This thread's own registers, robust list, tid address, rseq area. */
	{ __NR_arch_prctl, ANY, 0 },
	{ __NR_set_robust_list, ANY, 0 },
	{ __NR_get_robust_list, ARG0, 0 },
	{ __NR_set_tid_address, ANY, 0 },
	{ __NR_rseq, ANY, 0 },
	{ __NR_sched_getaffinity, ARG0, 0 },
	/* PR_SET_NAME: this thread's name in the host's process list. */
	{ __NR_prctl, ARG0, 15 },
};

#define NRULES (sizeof(rules) / sizeof(rules[0]))
#define NFIRST 4u
/* So few are asked about one after the other. */
#define LEAF 3u
#define PROG_MAX 512

struct prog {
	struct sock_filter f[PROG_MAX];
	u32 n;
};

static void emit(struct prog *p, u32 code, u32 k, u32 jt, u32 jf)
{
	if (p->n >= PROG_MAX)
		die();
	p->f[p->n++] = (struct sock_filter){ (u16)code, (u8)jt, (u8)jf, k };
}

static void ret(struct prog *p, u32 what) { emit(p, BPF_RET | BPF_K, what, 0, 0); }
static void allow(struct prog *p) { ret(p, SECCOMP_RET_ALLOW); }
static void kill(struct prog *p) { ret(p, SECCOMP_RET_KILL_PROCESS); }

/* Low 32 bits of argument i: fds, flags and ints are no wider. */
static void load_arg(struct prog *p, u32 i)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, (u32)offsetof(struct seccomp_data, args) + 8 * i, 0, 0);
}

static void load_arg_high(struct prog *p, u32 i)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, (u32)offsetof(struct seccomp_data, args) + 8 * i + 4, 0, 0);
}

/* if (A == k) allow */
static void allow_eq(struct prog *p, u32 k)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1);
	allow(p);
}

/* if (A < k) allow */
static void allow_below(struct prog *p, u32 k)
{
	emit(p, BPF_JMP | BPF_JGE | BPF_K, k, 1, 0);
	allow(p);
}

/* if (A >= k) allow */
static void allow_from(struct prog *p, u32 k)
{
	emit(p, BPF_JMP | BPF_JGE | BPF_K, k, 0, 1);
	allow(p);
}

/* if (A != k) kill */
static void need_eq(struct prog *p, u32 k)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, k, 1, 0);
	kill(p);
}

extern const char exec_path[1];

static void check_exec(struct prog *p, u32 fdr)
{
	load_arg(p, 0);
	need_eq(p, fdr + CARRICK_FDR_STUB);
	load_arg(p, 1);
	need_eq(p, (u32)(u64)exec_path);
	load_arg_high(p, 1);
	need_eq(p, (u32)((u64)exec_path >> 32));
	load_arg(p, 4);
	allow_eq(p, 0x1000 /* AT_EMPTY_PATH */);
}

static void check_write(struct prog *p, u32 fdr)
{
	load_arg(p, 0);
	allow_below(p, fdr);
	emit(p, BPF_JMP | BPF_JGE | BPF_K, fdr + CARRICK_FDR_DOORBELL, 1, 0);
	kill(p);
	emit(p, BPF_JMP | BPF_JGE | BPF_K, fdr + CARRICK_FDR_DOORBELL + CARRICK_SRV_COUNT, 0, 1);
	kill(p);
	load_arg(p, 2);
	allow_eq(p, 4);
}

static void check_dup3(struct prog *p, u32 fdr)
{
	load_arg(p, 0);
	/* Not one of the reserve: fdr <= A < fdr + FDR_COUNT. */
	emit(p, BPF_JMP | BPF_JGE | BPF_K, fdr, 0, 2);
	emit(p, BPF_JMP | BPF_JGE | BPF_K, fdr + CARRICK_FDR_COUNT, 1, 0);
	kill(p);
	load_arg(p, 1);
	allow_below(p, fdr);
	allow_eq(p, fdr + CARRICK_FDR_CTL);
	allow_eq(p, fdr + CARRICK_FDR_AREA);
}

static void check_fcntl(struct prog *p, u32 fdr)
{
	load_arg(p, 0);
	emit(p, BPF_JMP | BPF_JGE | BPF_K, fdr, 0, 1);
	kill(p);
	load_arg(p, 1);
	allow_eq(p, 2 /* F_SETFD */);
	allow_eq(p, 3 /* F_GETFL */);
	need_eq(p, 1030 /* F_DUPFD_CLOEXEC */);
	load_arg(p, 2);
	allow_eq(p, fdr + CARRICK_FDR_COUNT);
}

/* if (A >= fdr) kill: argument i has to be a grant. */
static void need_grant(struct prog *p, u32 i, u32 fdr)
{
	load_arg(p, i);
	emit(p, BPF_JMP | BPF_JGE | BPF_K, fdr, 0, 1);
	kill(p);
}

static void check_send(struct prog *p, u32 fdr)
{
	need_grant(p, 0, fdr);
	load_arg(p, 4);
	need_eq(p, 0);
	load_arg_high(p, 4);
	allow_eq(p, 0);
}

/* The lists that the stub goes by are in sock.c. */
static void check_option(struct prog *p, u32 fdr, bool set)
{
	static const u8 of_socket[] = { 2, 9, 3, 4, 7, 8, 20, 21, 30 }, of_tcp[] = { 1, 3, 4, 5, 6, 12 };

	need_grant(p, 0, fdr);
	load_arg(p, 1);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 6 /* SOL_TCP */, 0, 1 + 2 * sizeof(of_tcp) + 1);
	load_arg(p, 2);
	for (u32 i = 0; i < sizeof(of_tcp); i++)
		allow_eq(p, of_tcp[i]);
	kill(p);
	need_eq(p, 1 /* SOL_SOCKET */);
	load_arg(p, 2);
	for (u32 i = 0; i < (set ? 2 : sizeof(of_socket)); i++)
		allow_eq(p, of_socket[i]);
}

static void check_clone(struct prog *p)
{
	/* NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, PTRACE */
	load_arg(p, 0);
	emit(p, BPF_JMP | BPF_JSET | BPF_K, 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x2000, 1, 0);
	allow(p);
}

static void check_mmap(struct prog *p, u32 fdr)
{
	load_arg(p, 3);
	emit(p, BPF_JMP | BPF_JSET | BPF_K, 0x20 /* MAP_ANONYMOUS */, 0, 1);
	allow(p);
	load_arg(p, 4);
	allow_below(p, fdr);
	allow_from(p, fdr + CARRICK_FDR_COUNT);
	allow_eq(p, fdr + CARRICK_FDR_AREA);
}

static void body(struct prog *p, const struct rule *r, u32 fdr)
{
	switch (r->check) {
	case ANY:
		allow(p);
		return;
	case LOW_FD:
		load_arg(p, 0);
		allow_below(p, fdr);
		break;
	case OWN_FD:
		load_arg(p, 0);
		allow_below(p, fdr);
		allow_from(p, fdr + CARRICK_FDR_COUNT);
		break;
	case CLOSE_RANGE:
		load_arg(p, 0);
		allow_from(p, fdr + CARRICK_FDR_COUNT);
		break;
	case WRITE_FD:
		check_write(p, fdr);
		break;
	case CTL_FD:
		load_arg(p, 0);
		allow_eq(p, fdr + CARRICK_FDR_CTL);
		break;
	case DUP3:
		check_dup3(p, fdr);
		break;
	case FCNTL:
		check_fcntl(p, fdr);
		break;
	case CLONE:
		check_clone(p);
		break;
	case EXEC:
		check_exec(p, fdr);
		break;
	case MMAP:
		check_mmap(p, fdr);
		break;
	case ARG0:
		load_arg(p, 0);
		allow_eq(p, r->arg);
		break;
	case FD_PAIR:
	case FD_THIRD:
		need_grant(p, 0, fdr);
		load_arg(p, r->check == FD_PAIR ? 1 : 2);
		allow_below(p, fdr);
		break;
	case CPU_TIMER:
		load_arg(p, 0);
		allow_eq(p, 1);
		allow_eq(p, 2);
		break;
	case SEND:
		check_send(p, fdr);
		break;
	case SETOPT:
	case GETOPT:
		check_option(p, fdr, r->check == SETOPT);
		break;
	}
	kill(p);
}

/* If the call is r's, its body; else go on. */
static void ask(struct prog *p, const struct rule *r, u32 fdr)
{
	u32 at = p->n;

	emit(p, BPF_JMP | BPF_JEQ | BPF_K, r->nr, 0, 0);
	body(p, r, fdr);
	p->f[at].jf = (u8)(p->n - at - 1);
}

/* Search n rules, which are in the order of their numbers, and kill if there is none. */
static void tree(struct prog *p, const struct rule *const *r, u32 n, u32 fdr)
{
	u32 half = n / 2, at;

	if (n <= LEAF) {
		for (u32 i = 0; i < n; i++)
			ask(p, r[i], fdr);
		kill(p);
		return;
	}
	/* Further than a conditional jump reaches. */
	emit(p, BPF_JMP | BPF_JGE | BPF_K, r[half]->nr, 0, 1);
	at = p->n;
	emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
	tree(p, r, half, fdr);
	p->f[at].k = p->n - at - 1;
	tree(p, r + half, n - half, fdr);
}

/* The rules that are searched, in the order of their numbers. */
static u32 sorted(const struct rule *to[NRULES])
{
	u32 n = 0;

	for (u32 i = NFIRST; i < NRULES; i++) {
		u32 at = n++;

		for (; at > 0 && to[at - 1]->nr > rules[i].nr; at--)
			to[at] = to[at - 1];
		to[at] = &rules[i];
	}
	return n;
}

/*
 * Whose call is it? What the stub did not make it will be told of, unless it is for another processor. Then A holds the number of the stub's call; a rule's body may
 * change A only on ways that do not come back.
 */
static void build(struct prog *p, u32 fdr)
{
	static const struct rule *others[NRULES];

	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	ret(p, SECCOMP_RET_ERRNO | ENOSYS);
	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4, 0, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, (u32)(CARRICK_STUB_ADDR >> 32), 0, 2);
	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer), 0, 0);
	/* STUB_ADDR is 4 GiB aligned, so the low word alone says whether it is in [STUB_ADDR, + STUB_MAX). */
	emit(p, BPF_JMP | BPF_JGE | BPF_K, CARRICK_STUB_MAX, 0, 5);
	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	emit(p, BPF_JMP | BPF_JGE | BPF_K, 0x40000000 /* __X32_SYSCALL_BIT */, 0, 2);
	emit(p, BPF_JMP | BPF_JGE | BPF_K, 0x80000000u, 1, 0); /* a negative number is no x32 call: the stub answers it */
	ret(p, SECCOMP_RET_ERRNO | ENOSYS);
	ret(p, SECCOMP_RET_TRAP);
	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	for (u32 i = 0; i < NFIRST; i++)
		ask(p, &rules[i], fdr);
	tree(p, others, sorted(others), fdr);
}

_Static_assert((CARRICK_STUB_ADDR & 0xffffffff) == 0, "the filter compares the high word alone");

/* Once in the life of a container's first process. SPEC_ALLOW: the filter must not slow the guest's computing down. */
int filter_install(u32 fdr)
{
	static struct prog p;
	struct sock_fprog prog;
	long r;

	build(&p, fdr);
	prog.len = (u16)p.n;
	prog.filter = p.f;
	r = host(__NR_prctl, 38 /* PR_SET_NO_NEW_PRIVS */, 1, 0, 0, 0);
	if (r < 0)
		return (int)r;
	r = host(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog);
	if (r == -EINVAL)
		r = host(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
	return (int)r;
}
