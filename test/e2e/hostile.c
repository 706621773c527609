/*
 * A guest that means harm, for faults.test.ts. It knows where the stub and the area are, and uses them as no program may.
 *
 *   hostile scribble SEED   random bytes over the whole area, its own slots included, while it makes system calls
 *   hostile doorbells SEED  random words, and carrick's own ones, into every server's doorbell, by the stub's own system call instruction
 *   hostile forbidden       calls that the filter must not let through, by the same instruction: one child each, which must die
 *   hostile massacre SEED   a hundred children that fork all the time, killed at random moments
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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

/* First of the fds that the stub keeps: the limit is at most 1024 here. internals.md, section 2. */
static long reserve(void)
{
	return 1024 - 16;
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
	{ "read-doorbell", SYS_read, 1024 - 16 + 3, AREA, 4 },
	{ "write-doorbell-8", SYS_write, 1024 - 16 + 3, AREA, 8 },
	{ "write-ctl", SYS_write, 1024 - 16, AREA, 4 },
	{ "dup-doorbell", SYS_dup3, 1024 - 16 + 3, 9, 0 },
	{ "close-doorbell", SYS_close, 1024 - 16 + 3, 0, 0 },
	{ "execveat-other", SYS_execveat, 0, (long)"", 0 },
};

static int forbidden(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	for (unsigned i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		pid_t pid = fork();
		int s = 0;

		if (pid == 0) {
			alarm(10);
			jump(calls[i].nr, calls[i].a, calls[i].b, calls[i].c, 0, 0);
		}
		waitpid(pid, &s, 0);
		printf("%s %s %d\n", calls[i].name, WIFSIGNALED(s) ? "signal" : "exit", WIFSIGNALED(s) ? WTERMSIG(s) : WEXITSTATUS(s));
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
	return 3;
}
