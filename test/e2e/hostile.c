/*
 * A guest that means harm, for faults.test.ts. It knows where the stub and the area are, and uses them as no program may.
 *
 *   hostile scribble SEED   random bytes over the whole area, its own slots included, while it makes system calls
 *   hostile doorbells SEED  random words, and carrick's own ones, into every server's doorbell, by the stub's own system call instruction
 *   hostile forbidden       calls that the filter must not let through, by the same instruction: one child each, which must die
 *   hostile massacre SEED   a hundred children that fork all the time, killed at random moments
 *   hostile abi             the other ways into a kernel: int 0x80, x32, sysenter, the vsyscall page, numbers that are none
 *   hostile reach PID       what calls of every kind can do to a process of the host
 *   hostile machine         calls that act on a machine or on the kernel itself
 *   hostile tamper          the stub's and the area's memory as a program may ask for it: by mapping calls and /proc/self/mem
 *   hostile ghost           a child that says it has called exit_group, and goes on: its parent's wait ends, and so does the child
 *   hostile patched PATH    the stub's text made writable by its own instruction and changed: forbidden calls from there, and exec with another path, whose
 *                           string is at PATH (the stub's exec_path)
 */
#define _GNU_SOURCE
/* Before signal.h, which defines sa_handler. */
#include "../../shared/gen/layout.h"
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define STUB 0x7e0000000000ul
#define STUB_BYTES 0x8000ul
#define AREA 0x7e0010000000ul
#define AREA_BYTES 0x800000ul
#define SERVERS 5

static uint64_t state = 1;
static uint32_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

/* First of the fds that the stub keeps: the limit is at most 1024 here, FDR_COUNT are kept, and FDR_ROOM above them. internals.md, section 2. */
#define FDR (1024 - 8 - 56)

static long reserve(void)
{
	return FDR;
}

/* The stub's first `syscall` instruction. */
static const uint8_t *gadget(void)
{
	const uint8_t *p = (const uint8_t *)STUB;

	for (unsigned long i = 0; i < STUB_BYTES; i++)
		if (p[i] == 0x0f && p[i + 1] == 0x05)
			return p + i;
	puts("no syscall instruction found");
	exit(2);
}

/* What comes behind the instruction is the stub's; this never comes back. */
static void jump(long nr, long a, long b, long c, long d, long e)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	asm volatile("jmp *%[at]" : : [at] "r"(gadget()), "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "memory");
	__builtin_unreachable();
}

static int scribble(void)
{
	volatile uint8_t *area = (volatile uint8_t *)AREA;

	for (long n = 0; n < 4000000; n++) {
		uint32_t at = rnd() % AREA_BYTES;

		/* Often where it matters: the header, the first pctx, the first slots. */
		area[n % 3 == 0 ? at : at % 0x60000] = (uint8_t)rnd();
		if (n % 64 == 0)
			syscall(rnd() % 330, rnd() % 64, AREA + at, rnd() % 4096, rnd(), rnd(), rnd());
	}
	return 0;
}

static int doorbells(void)
{
	static uint32_t word;

	for (int i = 0; i < 150; i++) {
		static const uint32_t odd[] = { 0x3fffffff, 0x3ffffffe, 0xffffffff, 0x80000000, 0x40000000, 0xc0000000 };
		long bell = reserve() + 3 + i % SERVERS;

		/* Slots of living processes have small area numbers: with all four combinations of the flag bits. */
		word = i % 8 == 0 ? odd[rnd() % 6] : i % 8 == 1 ? rnd() : (rnd() & 0xc0000000) | (rnd() % (8 * 512));
		if (fork() == 0)
			jump(SYS_write, bell, (long)&word, 4, 0, 0);
		wait(NULL);
	}
	puts("rung");
	return 0;
}

static const struct { const char *name; long nr, a, b, c; } calls[] = {
	{ "open", SYS_open, (long)"/", O_RDONLY, 0 },
	{ "openat", SYS_openat, AT_FDCWD, (long)"/", O_RDONLY },
	{ "socket", SYS_socket, 1, 1, 0 },
	{ "ptrace", SYS_ptrace, 0, 0, 0 },
	{ "kill", SYS_kill, 1, 0, 0 },
	{ "tgkill", SYS_tgkill, 1, 1, 0 },
	{ "execve", SYS_execve, (long)"/bin/true", 0, 0 },
	{ "process_vm_readv", SYS_process_vm_readv, 1, 0, 0 },
	{ "unshare", SYS_unshare, CLONE_NEWUSER, 0, 0 },
	{ "clone-newuser", SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0 },
	{ "bpf", SYS_bpf, 0, 0, 0 },
	{ "memfd_create", SYS_memfd_create, (long)"x", 0, 0 },
	{ "prctl", SYS_prctl, 22, 0, 0 },
	{ "seccomp", SYS_seccomp, 0, 0, 0 },
	{ "setsid", SYS_setsid, 0, 0, 0 },
	{ "setpgid", SYS_setpgid, 0, 0, 0 },
	{ "read-doorbell", SYS_read, FDR + 3, AREA, 4 },
	{ "write-doorbell-8", SYS_write, FDR + 3, AREA, 8 },
	{ "write-ctl", SYS_write, FDR, AREA, 4 },
	{ "dup-doorbell", SYS_dup3, FDR + 3, 9, 0 },
	{ "close-doorbell", SYS_close, FDR + 3, 0, 0 },
	{ "execveat-other", SYS_execveat, 0, (long)"", 0 },
};

static void ended(const char *name, pid_t pid)
{
	int s = 0;

	waitpid(pid, &s, 0);
	printf("%s %s %d\n", name, WIFSIGNALED(s) ? "signal" : "exit", WIFSIGNALED(s) ? WTERMSIG(s) : WEXITSTATUS(s));
}

static int forbidden(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	for (unsigned i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		pid_t pid = fork();

		if (pid == 0) {
			alarm(10);
			jump(calls[i].nr, calls[i].a, calls[i].b, calls[i].c, 0, 0);
		}
		ended(calls[i].name, pid);
	}
	return 0;
}

/* ---- ways that are none ---- */

static long int80(long nr, long a)
{
	long r;

	asm volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(a), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
	return r;
}

static long raw(long nr, long a, long b)
{
	long r;

	asm volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(0) : "rcx", "r11", "memory");
	return r;
}

static int abi(void)
{
	enum { X32 = 0x40000000, I386_OPEN = 5, I386_GETPID = 20 };
	pid_t pid;

	printf("int80-getpid %ld\n", int80(I386_GETPID, 0));
	printf("int80-open %ld\n", int80(I386_OPEN, (long)"/"));
	printf("x32-getpid %ld\n", raw(X32 | SYS_getpid, 0, 0));
	printf("x32-open %ld\n", raw(X32 | SYS_open, (long)"/", 0));
	printf("x32-execve %ld\n", raw(X32 | 520, (long)"/bin/true", 0));
	printf("negative %ld\n", raw(-1, 0, 0));
	printf("none %ld\n", raw(X32 - 1, 0, 0));
	pid = fork();
	if (pid == 0) {
		asm volatile("mov %%rsp, %%rbp; sysenter" : : "a"(I386_GETPID) : "memory", "rcx", "rdx");
		_exit(0);
	}
	ended("sysenter", pid);
	pid = fork();
	if (pid == 0)
		_exit(((long (*)(long *))0xffffffffff600400ul)(NULL) > 1000000000);
	ended("vsyscall-time", pid);
	return 0;
}

static void tell(const char *name, long r) { printf("%s %s\n", name, r == -1 ? strerrorname_np(errno) : "ok"); }

static int reach(pid_t pid)
{
	static const char *const files[] = { "mem", "maps", "root/etc", "cwd", "exe", "fd/0", "ns/mnt" };
	char b[8] = { 0 }, path[64];
	struct iovec mine = { b, sizeof(b) }, its = { (void *)0x400000, sizeof(b) };

	tell("kill", kill(pid, SIGKILL));
	tell("kill-group", kill(-pid, SIGKILL));
	tell("tgkill", syscall(SYS_tgkill, pid, pid, SIGKILL));
	tell("pidfd_open", syscall(SYS_pidfd_open, pid, 0));
	tell("ptrace-attach", syscall(SYS_ptrace, 16, pid, 0, 0));
	tell("ptrace-seize", syscall(SYS_ptrace, 0x4206, pid, 0, 0));
	tell("process_vm_readv", process_vm_readv(pid, &mine, 1, &its, 1, 0));
	tell("process_vm_writev", process_vm_writev(pid, &mine, 1, &its, 1, 0));
	tell("prlimit64", syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, 0, b));
	tell("setpriority", setpriority(PRIO_PROCESS, pid, 5));
	tell("sched_setaffinity", syscall(SYS_sched_setaffinity, pid, sizeof(b), b));
	tell("setpgid", setpgid(pid, 0));
	for (unsigned i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		tell(files[i], open(path, O_RDONLY));
	}
	return 0;
}

static int machine(void)
{
	struct sock_filter deny = { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS };
	struct sock_fprog prog = { 1, &deny };
	char b[256] = { 0 };

	tell("io_uring_setup", syscall(SYS_io_uring_setup, 1, b));
	tell("userfaultfd", syscall(SYS_userfaultfd, 0));
	tell("modify_ldt", syscall(SYS_modify_ldt, 1, b, 16));
	tell("bpf", syscall(SYS_bpf, 0, b, 64));
	tell("perf_event_open", syscall(SYS_perf_event_open, b, 0, -1, -1, 0));
	tell("keyctl", syscall(SYS_keyctl, 0, -3, 0));
	tell("kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0));
	tell("init_module", syscall(SYS_init_module, b, 1, ""));
	tell("iopl", syscall(SYS_iopl, 3));
	tell("ioperm", syscall(SYS_ioperm, 0x80, 1, 1));
	tell("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0x1234567, 0));
	tell("swapon", syscall(SYS_swapon, "/dev/null", 0));
	tell("clock_settime", syscall(SYS_clock_settime, 0, b));
	tell("syslog", syscall(SYS_syslog, 3, b, 10));
	tell("acct", syscall(SYS_acct, "/tmp/x"));
	tell("setns", syscall(SYS_setns, 0, 0));
	tell("unshare-user", unshare(CLONE_NEWUSER));
	tell("clone-user", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
	tell("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, b, 0));
	tell("arch_prctl-gs", syscall(SYS_arch_prctl, ARCH_SET_GS, 0x1000));
	tell("mount-device", mount("/dev/sda", "/mnt", "ext4", 0, ""));
	tell("sysrq", open("/proc/sysrq-trigger", O_WRONLY));
	tell("core_pattern", open("/proc/sys/kernel/core_pattern", O_WRONLY));
	tell("dev-mem", open("/dev/mem", O_RDONLY));
	/* A filter of the guest's own would judge the stub's calls, too. */
	syscall(SYS_prctl, 38 /* PR_SET_NO_NEW_PRIVS */, 1, 0, 0, 0);
	tell("seccomp", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	tell("seccomp-listener", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog));
	tell("prctl-seccomp", syscall(SYS_prctl, 22 /* PR_SET_SECCOMP */, 2, &prog));
	tell("prctl-strict", syscall(SYS_prctl, 22, 1, 0));
	tell("prctl-dispatch", syscall(SYS_prctl, 59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, 0, 0, b));
	puts("alive yes");
	return 0;
}

static int tamper(void)
{
	void *stub = (void *)STUB, *area = (void *)AREA, *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int mem = open("/proc/self/mem", O_RDWR);
	uint8_t b[16] = { 0 };

	tell("mmap", (long)mmap(stub, 4096, 3, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	tell("mmap-noreplace", (long)mmap(stub, 4096, 3, MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	tell("munmap", munmap(stub, 4096));
	tell("munmap-everything", munmap((void *)0x10000, 0x7ffffffe0000));
	tell("mprotect", mprotect(stub, 4096, 7));
	tell("mremap", (long)mremap(stub, 4096, 8192, MREMAP_MAYMOVE));
	tell("mremap-onto", (long)mremap(page, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, stub));
	tell("madvise", madvise(stub, 4096, MADV_DONTNEED));
	tell("madvise-area", madvise(area, 4096, MADV_REMOVE));
	tell("mem-read", pread(mem, b, sizeof(b), STUB));
	tell("mem-write", pwrite(mem, b, sizeof(b), STUB));
	tell("mem-write-area", pwrite(mem, b, sizeof(b), AREA));
	tell("mem-write-into", pwrite(mem, b, sizeof(b), STUB - 8));
	tell("read-into", syscall(SYS_read, open("/dev/zero", O_RDONLY), stub, 16));
	puts("alive yes");
	return 0;
}

/* ---- the stub's text, changed ---- */

static uint8_t *at;

/* By the stub's instruction with a `ret` behind it. */
static long call(long nr, long a, long b, long c, long d, long e)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	long r;

	asm volatile("call *%[at]" : "=a"(r) : [at] "r"(at), "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "memory", "rcx", "r11");
	return r;
}

/* Make a page of the stub's writable: a child in the same memory does it, and dies of what comes behind the instruction. */
static void unlock(const void *page)
{
	pid_t pid = vfork();

	if (pid == 0)
		jump(SYS_mprotect, (long)page & ~4095l, 4096, 7, 0, 0);
	waitpid(pid, NULL, 0);
}

static int patched(char *path)
{
	pid_t pid;

	at = (uint8_t *)gadget();
	for (unsigned i = 0; i <= sizeof(calls) / sizeof(*calls); i++) {
		bool other = i == sizeof(calls) / sizeof(*calls);

		pid = fork();
		if (pid == 0) {
			unlock(at);
			at[2] = 0xc3;
			if (call(SYS_getpid, 0, 0, 0, 0, 0) <= 0)
				_exit(99);
			if (other) {
				call(SYS_mprotect, (long)path & ~4095l, 8192, 7, 0, 0);
				strcpy(path, "/bin/true");
				_exit(-(int)call(SYS_execveat, reserve() + 2, (long)path, 0, 0, 0x1000 /* AT_EMPTY_PATH */));
			}
			call(calls[i].nr, calls[i].a, calls[i].b, calls[i].c, 0, 0);
			_exit(0);
		}
		ended(other ? "exec-other-path" : calls[i].name, pid);
	}
	return 0;
}

static int massacre(void)
{
	enum { N = 100 };
	pid_t kids[N];
	int killed = 0, s;

	for (int i = 0; i < N; i++) {
		if ((kids[i] = fork()) != 0)
			continue;
		for (;;) {
			pid_t p = i % 3 == 0 ? vfork() : fork();

			if (p == 0) {
				if (i % 2 == 0)
					execl("/bin/true", "true", (char *)NULL);
				_exit(0);
			}
			if (p > 0)
				waitpid(p, NULL, 0);
		}
	}
	for (int left = N; left > 0; left--) {
		int i = rnd() % left;

		usleep(rnd() % 3000);
		kill(kids[i], SIGKILL);
		if (waitpid(kids[i], &s, 0) == kids[i] && WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL)
			killed++;
		kids[i] = kids[left - 1];
	}
	printf("killed %d\n", killed);
	return 0;
}

/* What its stub would do, but for the exit. A grandchild rings the bell, since whoever does never comes back. */
static int ghost(void)
{
	volatile uint32_t *go = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t kid = fork();
	int s = 0;

	if (kid == 0) {
		volatile struct carrick_slot *slot = (volatile struct carrick_slot *)(AREA + CARRICK_SLOT_OFF);
		volatile struct carrick_pctx *p = (volatile struct carrick_pctx *)(AREA + CARRICK_PCTX_OFF + slot->pctx * (unsigned long)CARRICK_PCTX_STRIDE);
		static uint32_t word;

		word = *(volatile uint32_t *)AREA << CARRICK_SLOT_BITS;
		if (fork() == 0) {
			while (!*go)
				;
			jump(SYS_write, reserve() + CARRICK_FDR_DOORBELL, (long)&word, 4, 0, 0);
		}
		/* The fork is known when this is answered. */
		syscall(SYS_getpriority, 0, 0);
		p->exit_word = 0x105;
		slot->nr = SYS_exit_group;
		slot->server = 0;
		slot->args[0] = 5;
		slot->inlen = 0;
		slot->seq++;
		__atomic_store_n(&slot->state, CARRICK_SLOT_POSTED, __ATOMIC_SEQ_CST);
		*go = 1;
		for (;;)
			;
	}
	if (waitpid(kid, &s, 0) != kid)
		return 1;
	printf("ghost %d %d\n", WIFEXITED(s), WEXITSTATUS(s));
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 2)
		state = strtoul(argv[2], NULL, 0) * 2654435761u + 1;
	if (argc > 1 && strcmp(argv[1], "scribble") == 0)
		return scribble();
	if (argc > 1 && strcmp(argv[1], "doorbells") == 0)
		return doorbells();
	if (argc > 1 && strcmp(argv[1], "forbidden") == 0)
		return forbidden();
	if (argc > 1 && strcmp(argv[1], "massacre") == 0)
		return massacre();
	if (argc > 1 && strcmp(argv[1], "abi") == 0)
		return abi();
	if (argc > 2 && strcmp(argv[1], "reach") == 0)
		return reach(atoi(argv[2]));
	if (argc > 1 && strcmp(argv[1], "machine") == 0)
		return machine();
	if (argc > 1 && strcmp(argv[1], "tamper") == 0)
		return tamper();
	if (argc > 1 && strcmp(argv[1], "ghost") == 0)
		return ghost();
	if (argc > 2 && strcmp(argv[1], "patched") == 0)
		return patched((char *)strtoul(argv[2], NULL, 16));
	return 3;
}
