/*
 * The first process of a container that was started with --init: runs the program as its child, hands signals on to it, reaps whatever is orphaned, and
 * ends as the program ends (128 + N when signal N killed it). It is a guest program like any other, shown in the container as /dev/carrick-init.
 *
 *   init PROGRAM [ARG...]
 *
 * The program leads a process group of its own, the foreground one of the terminal if there is one: else Ctrl-C would reach it twice, by the terminal and
 * by init. Freestanding and static, since the container's root need not have a C library.
 */
#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>

#define SIGCHLD 17
#define SIGTTIN 21
#define SIGTTOU 22
#define SIG_BLOCK 0
#define SIG_SETMASK 2
#define WNOHANG 1
#define TIOCSPGRP 0x5410
#define ENOENT 2
#define EACCES 13
#define ENOTDIR 20
#define PATH_MAX 4096

static long sys(long nr, long a, long b, long c, long d)
{
#if defined(__x86_64__)
	long ret;
	register long r10 __asm__("r10") = d;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = 0;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
#else
#error "carrick needs x86-64 or arm64"
#endif
}

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n] != 0)
		n++;
	return n;
}

static void say(const char *s)
{
	sys(__NR_write, 2, (long)s, (long)length(s), 0);
}

static _Noreturn void leave(int status)
{
	for (;;)
		sys(__NR_exit_group, status, 0, 0, 0);
}

static const char *path_of(char **envp)
{
	for (; *envp != NULL; envp++)
		if ((*envp)[0] == 'P' && (*envp)[1] == 'A' && (*envp)[2] == 'T' && (*envp)[3] == 'H' && (*envp)[4] == '=')
			return *envp + 5;
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* execvp(3), as carrick itself looks a program up: -errno. */
static long exec_path(char **argv, char **envp)
{
	static char file[PATH_MAX];
	const char *name = argv[0], *dir = path_of(envp);
	size_t len = length(name);
	long worst = -ENOENT;

	for (size_t i = 0; i < len; i++)
		if (name[i] == '/')
			return sys(__NR_execve, (long)name, (long)argv, (long)envp, 0);
	for (;;) {
		size_t n = 0;

		for (; *dir != 0 && *dir != ':'; dir++)
			if (n < PATH_MAX - 1)
				file[n++] = *dir;
		if (n == 0)
			file[n++] = '.';
		if (n + len + 2 <= PATH_MAX) {
			file[n++] = '/';
			for (size_t i = 0; i <= len; i++)
				file[n + i] = name[i];
			long r = sys(__NR_execve, (long)file, (long)argv, (long)envp, 0);

			if (r == -EACCES)
				worst = r;
			else if (r != -ENOENT && r != -ENOTDIR)
				return r;
		}
		if (*dir == 0)
			return worst;
		dir++;
	}
}

static _Noreturn void child(char **argv, char **envp, const uint64_t *mask)
{
	int pgrp = (int)sys(__NR_getpid, 0, 0, 0, 0);

	sys(__NR_setpgid, 0, 0, 0, 0);
	/* SIGTTOU is blocked here, as is everything; without a terminal of ours it fails, as it should. */
	sys(__NR_ioctl, 0, TIOCSPGRP, (long)&pgrp, 0);
	sys(__NR_rt_sigprocmask, SIG_SETMASK, (long)mask, 0, 8);
	long r = exec_path(argv, envp);

	say("carrick: ");
	say(argv[0]);
	say(r == -ENOENT ? ": not found in the container; check the path and the rootfs\n" : ": cannot be executed; it must be a program that the user may execute\n");
	leave(r == -ENOENT ? 127 : 126);
}

/* Reap all that there is. The exit status once `program` has ended, else -1. */
static int reap(int program)
{
	int end = -1, status;
	long pid;

	while ((pid = sys(__NR_wait4, -1, (long)&status, WNOHANG, 0)) > 0)
		if (pid == program)
			end = (status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
	return end;
}

__attribute__((used)) _Noreturn void init_start(long *sp)
{
	long argc = sp[0];
	char **argv = (char **)(sp + 1);
	char **envp = argv + argc + 1;
	uint64_t all = ~0ULL, before = 0;

	if (argc < 2) {
		say("carrick: init: no program\n");
		leave(127);
	}
	sys(__NR_rt_sigprocmask, SIG_BLOCK, (long)&all, (long)&before, 8);
	long program = sys(__NR_clone, SIGCHLD, 0, 0, 0);

	if (program == 0)
		child(argv + 1, envp, &before);
	if (program < 0) {
		say("carrick: init: cannot fork\n");
		leave(125);
	}
	for (;;) {
		long signo = sys(__NR_rt_sigtimedwait, (long)&all, 0, 0, 8);

		if (signo == SIGCHLD) {
			int end = reap((int)program);

			if (end >= 0)
				leave(end);
		} else if (signo > 0 && signo != SIGTTIN && signo != SIGTTOU) {
			sys(__NR_kill, program, signo, 0, 0);
		}
	}
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall init_start\n");
#else
__asm__(".globl _start\n_start:\n\tmov x29, xzr\n\tmov x0, sp\n\tbl init_start\n");
#endif
