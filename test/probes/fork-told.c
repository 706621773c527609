/*
 * A fork child's number, told to another process by memory the moment its maker has it: every call that names it finds it. What a wait says right after the fork,
 * and what is true when it has returned: the child's descriptors are closed. Makers that end at once, and children that change what they have inherited.
 */
#include "probe.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#define ROUNDS 90

static struct shared {
	volatile int told, done, kills, pidfds, groups;
} *mem;

/* In a process of its own. */
static void asker(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		int pid, fd;

		while (!(pid = __atomic_load_n(&mem->told, __ATOMIC_SEQ_CST)))
			sched_yield();
		if (i % 3 == 0 && kill(pid, 0) == 0) mem->kills++;
		if (i % 3 == 1 && (fd = (int)syscall(SYS_pidfd_open, pid, 0)) >= 0) { mem->pidfds++; close(fd); }
		if (i % 3 == 2 && getpgid(pid) == getpgrp()) mem->groups++;
		mem->told = 0;
		__atomic_store_n(&mem->done, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&mem->done, __ATOMIC_SEQ_CST))
			sched_yield();
	}
	_exit(0);
}

static void told(void)
{
	pid_t who = fork();

	if (who == 0) asker();
	for (int i = 0; i < ROUNDS; i++) {
		pid_t p = fork();

		if (p == 0) { pause(); _exit(1); }
		__atomic_store_n(&mem->told, p, __ATOMIC_SEQ_CST);
		while (!__atomic_load_n(&mem->done, __ATOMIC_SEQ_CST))
			sched_yield();
		kill(p, SIGKILL);
		waitpid(p, NULL, 0);
		__atomic_store_n(&mem->done, 0, __ATOMIC_SEQ_CST);
	}
	waitpid(who, NULL, 0);
	say("kill=%d pidfd=%d getpgid=%d", mem->kills, mem->pidfds, mem->groups);
}

/* A child that runs counts for every kind of wait, and nobody else does. */
static int waits(int rounds)
{
	int ok = 0;

	for (int i = 0; i < rounds; i++) {
		int gate[2], st = -1;
		pid_t p;
		char c;

		if (pipe(gate)) return -1;
		p = fork();
		if (p == 0) { close(gate[1]); _exit(read(gate[0], &c, 1) == 0 ? 5 : 6); }
		if (i % 2 == 0 && waitpid(p, &st, WNOHANG) != 0) return -2;
		if (i % 2 == 1 && waitpid(-1, &st, WNOHANG) != 0) return -3;
		if (waitpid(p + 100000, &st, 0) != -1 || errno != ECHILD) return -4;
		close(gate[0]);
		close(gate[1]);
		if (waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 5) ok++;
		if (waitpid(-1, &st, 0) != -1 || errno != ECHILD) return -5;
	}
	return ok;
}

/* When a wait has returned, the other end of what the child held open is at its end, and a lock of its is free. */
static int closed(int rounds)
{
	int ok = 0, file = open("locked", O_CREAT | O_RDWR, 0600);

	for (int i = 0; i < rounds; i++) {
		int p2[2], st;
		struct pollfd look;
		struct flock l = { .l_type = F_WRLCK };
		pid_t p;

		if (pipe(p2)) return -1;
		p = fork();
		if (p == 0) _exit(fcntl(file, F_SETLK, &l) != 0);
		close(p2[1]);
		if (waitpid(p, &st, 0) != p || st != 0) return -2;
		look = (struct pollfd){ p2[0], POLLIN, 0 };
		if (poll(&look, 1, 0) == 1 && look.revents == POLLHUP && fcntl(file, F_SETLK, &l) == 0) ok++;
		l.l_type = F_UNLCK;
		fcntl(file, F_SETLK, &l);
		close(p2[0]);
	}
	close(file);
	unlink("locked");
	return ok;
}

/* Daemons: the maker is gone before its child has done anything. The child has another parent then, and all that it inherits. */
static int orphans(int rounds)
{
	int ok = 0;

	for (int i = 0; i < rounds; i++) {
		int out[2], st;
		char c = 0;
		pid_t p;

		if (pipe(out)) return -1;
		p = fork();
		if (p == 0) {
			pid_t me = getpid();

			umask(i & 0777);
			if (fork() != 0) _exit(0);
			while (getppid() == me)
				sched_yield();
			c = umask(0) == (mode_t)(i & 0777) ? 'y' : 'n';
			_exit(write(out[1], &c, 1) != 1);
		}
		close(out[1]);
		if (waitpid(p, &st, 0) == p && st == 0 && read(out[0], &c, 1) == 1 && c == 'y') ok++;
		close(out[0]);
	}
	return ok;
}

/* Parent and child change the same things at the same time, each its own. */
static int apart(int rounds)
{
	int ok = 0;

	mkdir("a", 0700);
	mkdir("b", 0700);
	for (int i = 0; i < rounds; i++) {
		int st, fd = open("/", O_RDONLY), again;
		char where[300];
		struct stat s;
		pid_t p;

		umask(022);
		p = fork();
		if (p == 0) {
			close(fd);
			again = open("/dev/null", O_RDONLY);
			if (again != fd || chdir("a") || umask(0) != 022) _exit(1);
			_exit(getcwd(where, sizeof where) == NULL || where[strlen(where) - 1] != 'a');
		}
		umask(077);
		if (fstat(fd, &s) || !S_ISDIR(s.st_mode)) return -1;
		close(fd);
		if (chdir("b")) return -2;
		if (waitpid(p, &st, 0) == p && st == 0 && getcwd(where, sizeof where) && where[strlen(where) - 1] == 'b' && umask(022) == 077) ok++;
		if (chdir("..")) return -3;
	}
	rmdir("a");
	rmdir("b");
	return ok;
}

static volatile sig_atomic_t chld;
static void on_chld(int s) { (void)s; chld++; }

/* Waits with a handler, without one to be told of, with rusage, and as waitid. */
static int kinds(int rounds)
{
	int ok = 0;

	for (int i = 0; i < rounds; i++) {
		struct rusage ru;
		siginfo_t info;
		int st = 0;
		pid_t p;

		chld = 0;
		signal(SIGCHLD, i % 2 ? on_chld : SIG_DFL);
		p = fork();
		if (p == 0) _exit(3);
		switch (i % 5) {
		case 0: if (wait(&st) == p && WEXITSTATUS(st) == 3) ok++; break;
		case 1: if (wait4(p, &st, 0, &ru) == p && WEXITSTATUS(st) == 3) ok++; break;
		case 2: if (waitid(P_PID, p, &info, WEXITED) == 0 && info.si_pid == p && info.si_status == 3) ok++; break;
		case 3: if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == p && waitpid(p, &st, WNOHANG) == p) ok++; break;
		case 4: if (waitpid(0, &st, 0) == p && WEXITSTATUS(st) == 3) ok++; break;
		}
		if (i % 2 && chld != 1) ok -= 1000;
		if (kill(p, 0) != -1 || errno != ESRCH) ok -= 1000000;
	}
	signal(SIGCHLD, SIG_DFL);
	return ok;
}

int main(void)
{
	mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	told();
	say("waits=%d", waits(60));
	say("closed=%d", closed(60));
	say("orphans=%d", orphans(60));
	say("apart=%d", apart(60));
	say("kinds=%d", kinds(100));
	return 0;
}
