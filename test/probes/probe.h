/*
 * What every probe shares: one `key=value` line per observation on fd 1, errno names instead of numbers, and a deadline.
 *
 * A probe prints only what must be the same on every run and under every kernel: never times, pids, addresses, device or
 * inode numbers, nor what the scratch directory's file system decides (block counts, directory sizes). Lines go out
 * by write(2), unbuffered, so that a fork duplicates nothing and a killed probe still shows how far it came.
 */
#ifndef PROBE_H
#define PROBE_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* No probe takes a second; one that hangs dies of SIGALRM. Children of fork() need it anew: see child(). */
#define DEADLINE 20
__attribute__((constructor)) static void probe_start(void) { alarm(DEADLINE); }
/* SIGALRM every 20 ms, until the next alarm(DEADLINE): one alone may come before the call that it is to interrupt has begun to wait. */
__attribute__((unused)) static void alarm_again_and_again(void)
{
	struct itimerval it = { { 0, 20000 }, { 0, 20000 } };

	setitimer(ITIMER_REAL, &it, NULL);
}

static const char *errname(int e)
{
	static char other[24];
	static const struct { int e; const char *name; } names[] = {
#define N(x) { x, #x }
		N(EPERM), N(ENOENT), N(ESRCH), N(EINTR), N(EIO), N(ENXIO), N(E2BIG), N(ENOEXEC), N(EBADF), N(ECHILD), N(EAGAIN),
		N(ENOMEM), N(EACCES), N(EFAULT), N(ENOTBLK), N(EBUSY), N(EEXIST), N(EXDEV), N(ENODEV), N(ENOTDIR), N(EISDIR), N(EINVAL),
		N(ENFILE), N(EMFILE), N(ENOTTY), N(ETXTBSY), N(EFBIG), N(ENOSPC), N(ESPIPE), N(EROFS), N(EMLINK), N(EPIPE), N(EDOM),
		N(ERANGE), N(EDEADLK), N(ENAMETOOLONG), N(ENOLCK), N(ENOSYS), N(ENOTEMPTY), N(ELOOP), N(ENODATA), N(EOVERFLOW),
		N(ENOTSOCK), N(EDESTADDRREQ), N(EMSGSIZE), N(EPROTOTYPE), N(ENOPROTOOPT), N(EPROTONOSUPPORT), N(ESOCKTNOSUPPORT),
		N(EOPNOTSUPP), N(EAFNOSUPPORT), N(EADDRINUSE), N(EADDRNOTAVAIL), N(ECONNABORTED), N(ECONNRESET), N(ENOBUFS),
		N(EISCONN), N(ENOTCONN), N(ESHUTDOWN), N(ETIMEDOUT), N(ECONNREFUSED), N(EALREADY), N(EINPROGRESS), N(ESTALE),
		N(EOWNERDEAD), N(ENOTRECOVERABLE), N(ECANCELED), N(EILSEQ),
#undef N
	};
	if (e == 0) return "ok";
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].e == e) return names[i].name;
	snprintf(other, sizeof other, "errno-%d", e);
	return other;
}

/* Writes one line whole. */
__attribute__((format(printf, 1, 2), unused)) static void say(const char *format, ...)
{
	char line[1024];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(line, sizeof line - 1, format, ap);
	va_end(ap);
	if (n > (int)sizeof line - 2) n = sizeof line - 2;
	line[n++] = '\n';
	if (write(1, line, n) != n) _exit(99);
}

/* key=ok or key=ERRNO */
#define OK(key, call) do { errno = 0; long r_ = (long)(call); say("%s=%s", key, r_ == -1 ? errname(errno) : "ok"); } while (0)
/* key=number or key=ERRNO */
#define VAL(key, call) do { errno = 0; long r_ = (long)(call); if (r_ == -1 && errno) say("%s=%s", key, errname(errno)); else say("%s=%ld", key, r_); } while (0)
/* for functions that return an errno */
#define RC(key, call) do { int r_ = (call); say("%s=%s", key, errname(r_)); } while (0)
/* key=yes or key=no */
#define IS(key, cond) say("%s=%s", key, (cond) ? "yes" : "no")
/* What a probe needs before it can observe anything. */
#define MUST(call) do { if ((long)(call) == -1) { say("setup-failed line %d: %s", __LINE__, errname(errno)); _exit(98); } } while (0)

__attribute__((unused)) static void say_status(const char *key, int status)
{
	if (WIFEXITED(status)) say("%s=exit %d", key, WEXITSTATUS(status));
	else if (WIFSIGNALED(status)) say("%s=signal %d", key, WTERMSIG(status));
	else if (WIFSTOPPED(status)) say("%s=stopped %d", key, WSTOPSIG(status));
	else if (WIFCONTINUED(status)) say("%s=continued", key);
	else say("%s=status %x", key, status);
}

/* fork with a deadline in the child. */
__attribute__((unused)) static pid_t child(void)
{
	pid_t pid = fork();
	if (pid == 0) alarm(DEADLINE);
	if (pid < 0) { say("fork-failed: %s", errname(errno)); _exit(97); }
	return pid;
}

/* Waits for that child, interrupted or not, and returns its status. */
__attribute__((unused)) static int reap(pid_t pid)
{
	int status = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) ;
	return status;
}

/* A gate between processes or threads: open_gate lets one pass_gate through. No sleeps are needed anywhere. */
struct gate { int fd[2]; };
__attribute__((unused)) static struct gate new_gate(void) { struct gate g; MUST(pipe2(g.fd, O_CLOEXEC)); return g; }
__attribute__((unused)) static void open_gate(struct gate *g) { while (write(g->fd[1], "g", 1) < 0 && errno == EINTR) ; }
__attribute__((unused)) static void pass_gate(struct gate *g) { char c; while (read(g->fd[0], &c, 1) < 0 && errno == EINTR) ; }

/* Creates or replaces a file with this content. */
__attribute__((unused)) static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	MUST(fd);
	MUST(write(fd, text, strlen(text)));
	close(fd);
}

/* Content of a small file, borrowed until the next call. */
__attribute__((unused)) static const char *get(const char *path)
{
	static char text[4096];
	int fd = open(path, O_RDONLY);
	if (fd < 0) return errname(errno);
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n < 0) return errname(errno);
	text[n] = 0;
	return text;
}

__attribute__((unused)) static long size_of(const char *path)
{
	struct stat st;
	return lstat(path, &st) < 0 ? -1 : (long)st.st_size;
}

/*
 * Waits, by looking at the state letter in PROCDIR/stat, until another process or thread has got there. A sleep counts
 * only when four looks in a row see it: a call that is being answered may sleep for a moment too.
 */
__attribute__((unused)) static void await_state(const char *procdir, const char *letters)
{
	char path[128], text[512];
	snprintf(path, sizeof path, "%s/stat", procdir);
	for (int seen = 0; seen < 4;) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0) return;
		ssize_t n = read(fd, text, sizeof text - 1);
		close(fd);
		if (n <= 0) return;
		text[n] = 0;
		const char *end = strrchr(text, ')');
		char c = end && end[1] ? end[2] : 0;
		seen = c && strchr(letters, c) ? (c == 'S' || c == 'D' ? seen + 1 : 4) : 0;
		struct timespec ts = { 0, 1000000 };
		if (seen < 4) nanosleep(&ts, NULL);
	}
}
#endif
