/*
 * A file that is opened again and again: each open is one of its own, whatever was done with the one before. Positions, flags, what duplicates, children, mappings
 * and others still have of it, the numbers, and the table as /proc shows it.
 */
#include "probe.h"
#include <pthread.h>
#include <sys/file.h>
#include <sys/socket.h>

static const char path[] = "/etc/passwd";
static char first[64];

static int again(int flags)
{
	int fd = open(path, O_RDONLY | flags);

	MUST(fd);
	return fd;
}

static void skip(int fd, int n)
{
	char b[64];

	if (read(fd, b, (size_t)n) != n)
		MUST(-1);
}

static void warm(void)
{
	for (int i = 0; i < 12; i++)
		close(again(0));
}

/* Does reading n bytes give those at `at`? */
static const char *reads(int fd, int at, int n)
{
	char b[64];

	return read(fd, b, (size_t)n) == n && !memcmp(b, first + at, (size_t)n) ? "right" : "wrong";
}

static long at(int fd) { return (long)lseek(fd, 0, SEEK_CUR); }

static void positions(void)
{
	int a, b, c;

	for (int i = 0; i < 5; i++) {
		a = again(0);
		say("position=%d %ld %s %ld", a, at(a), reads(a, 0, 7 + i), at(a));
		close(a);
	}
	a = again(0);
	lseek(a, 100000, SEEK_SET);
	close(a);
	a = again(0);
	b = again(0);
	c = again(0);
	say("three=%d %d %d %s %s %s", a, b, c, reads(a, 0, 9), reads(b, 0, 5), reads(a, 9, 3));
	close(b);
	b = again(0);
	say("second=%d %s %ld %ld", b, reads(b, 0, 4), at(a), at(c));
	close(a);
	close(b);
	close(c);
	say("closed=%s", read(a, first, 1) < 0 ? errname(errno) : "ok");
}

static void duplicates(void)
{
	int a = again(0), d, e;

	skip(a, 10);
	d = dup(a);
	close(a);
	a = again(0);
	say("duplicate=%d %d %ld %ld %s", a, d, at(a), at(d), reads(d, 10, 4));
	close(a);
	close(d);
	a = again(0);
	d = fcntl(a, F_DUPFD, 20);
	e = again(0);
	MUST(dup2(e, a));
	say("replaced=%d %d %s %ld %ld", d, e, reads(a, 0, 6), at(e), at(d));
	close(a);
	close(e);
	close(d);
	a = again(0);
	close(a);
	say("twice=%s", close(a) ? errname(errno) : "ok");
}

static void flags(void)
{
	int a = again(0);

	MUST(fcntl(a, F_SETFL, O_NONBLOCK));
	say("set=%o", fcntl(a, F_GETFL) & 07777);
	close(a);
	a = again(0);
	say("flags=%o %d", fcntl(a, F_GETFL) & 07777, fcntl(a, F_GETFD));
	fcntl(a, F_SETFD, 1);
	close(a);
	a = again(0);
	say("cloexec=%d", fcntl(a, F_GETFD));
	close(a);
	for (int i = 0; i < 6; i++) {
		a = again(i % 2 ? O_CLOEXEC : 0);
		say("by-open=%d", fcntl(a, F_GETFD));
		close(a);
	}
	for (int i = 0; i < 6; i++)
		close(again(O_NONBLOCK));
	a = again(O_NONBLOCK);
	say("nonblock=%o", fcntl(a, F_GETFL) & 07777);
	close(a);
	a = again(0);
	MUST(flock(a, LOCK_EX | LOCK_NB));
	close(a);
	a = again(0);
	say("lock=%s", flock(a, LOCK_EX | LOCK_NB) ? errname(errno) : "ok");
	close(a);
}

/* Which of the numbers 3..9 lead where, in this process. */
static void table(const char *key)
{
	char name[64], to[64], line[256] = "";

	for (int fd = 3; fd < 10; fd++) {
		ssize_t n;

		snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
		n = readlink(name, to, sizeof to - 1);
		if (n >= 0)
			snprintf(line + strlen(line), sizeof line - strlen(line), "%d:%.*s,", fd, (int)n, to);
	}
	say("%s=%s", key, line);
}

static void shown(void)
{
	int a = again(0), b;

	table("open");
	close(a);
	table("closed");
	a = again(0);
	b = again(0);
	close(a);
	table("second");
	close(b);
	table("none");
}

static void others(void)
{
	int a, pipes[2], pair[2], status, n;
	char b[64], c[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec io = { b, 1 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c };
	struct cmsghdr *h;
	void *map;

	MUST(pipe(pipes));
	a = again(0);
	skip(a, 10);
	if (fork() == 0) {
		/* The parent has closed it, opened it again and read from it. */
		read(pipes[0], b, 1);
		say("child=%ld %s %ld", at(a), reads(a, 10, 4), at(a));
		_exit(0);
	}
	close(a);
	n = again(0);
	say("parent=%d %s", n == a, reads(n, 0, 20));
	write(pipes[1], "", 1);
	wait(&status);
	say("parent-after=%ld", at(n));
	close(n);
	warm();
	a = again(0);
	if (vfork() == 0) {
		close(a);
		n = open(path, O_RDONLY);
		status = n == a && read(n, b, 5) == 5;
		_exit(!status);
	}
	wait(&status);
	say("vfork=%d %ld %s", WEXITSTATUS(status), at(a), reads(a, 0, 8));
	close(a);
	warm();
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	a = again(0);
	skip(a, 6);
	h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &a, sizeof a);
	MUST(sendmsg(pair[0], &m, 0));
	close(a);
	n = again(0);
	MUST(recvmsg(pair[1], &m, 0));
	memcpy(&a, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof a);
	say("passed=%ld %ld %s", at(n), at(a), reads(a, 6, 6));
	close(a);
	close(n);
	warm();
	a = again(0);
	map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, a, 0);
	close(a);
	a = again(0);
	say("mapped=%s %s", map != MAP_FAILED && !memcmp(map, first, 16) ? "right" : "wrong", reads(a, 0, 3));
	close(a);
	munmap(map, 4096);
	close(pipes[0]);
	close(pipes[1]);
	close(pair[0]);
	close(pair[1]);
}

/* What it has open goes on into the next program, at its position. */
static void programs(void)
{
	int status;
	char arg[16];

	warm();
	for (int i = 0; i < 2; i++) {
		if (fork() == 0) {
			int a;

			for (int k = 0; k < 6; k++)
				close(again(0));
			a = again(i ? O_CLOEXEC : 0);
			lseek(a, 4, SEEK_SET);
			snprintf(arg, sizeof arg, "%d", a);
			execl("/proc/self/exe", "inherits", arg, NULL);
			_exit(127);
		}
		wait(&status);
		say("program=%d", WEXITSTATUS(status));
	}
}

static void *thread(void *arg)
{
	for (int i = 0; i < 50; i++) {
		int fd = again(0);

		*(int *)arg += read(fd, (char[8]){ 0 }, 8) == 8 && at(fd) == 8;
		close(fd);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t t;
	int mine = 0, its = 0;

	warm();
	pthread_create(&t, NULL, thread, &its);
	thread(&mine);
	pthread_join(t, NULL);
	say("threads=%d %d", mine, its);
}

/* It closes what was open, and leaves something open in its place and beside it. */
static void *changes(void *arg)
{
	int a = *(int *)arg, b;

	close(a);
	b = open("/etc/group", O_RDONLY);
	dup(b);
	return (void *)(long)b;
}

/* When a process is alone again, it knows the numbers as they are now. */
static void alone(void)
{
	pthread_t t;
	void *b;
	int a, c;

	for (int i = 0; i < 3; i++) {
		warm();
		a = again(0);
		c = again(0);
		pthread_create(&t, NULL, changes, &a);
		pthread_join(t, &b);
		say("alone=%d %d %d", a, c, (int)(long)b);
		table("left");
		close(again(0));
		say("next=%d", again(0));
		a = open("/usr", O_RDONLY | O_DIRECTORY);
		say("directory=%d %d", a, dup(a));
		table("after");
		for (int fd = 3; fd < 12; fd++)
			close(fd);
		table("none");
		warm();
		positions();
	}
}

int main(int argc, char **argv)
{
	struct stat st[2];
	int a;

	if (argc == 2 && !strcmp(argv[0], "inherits")) {
		say("inherited=%ld", at(atoi(argv[1])));
		return 3;
	}
	a = again(0);
	if (read(a, first, sizeof first) != sizeof first)
		MUST(-1);
	MUST(fstat(a, &st[0]));
	close(a);
	warm();
	a = again(0);
	MUST(fstat(a, &st[1]));
	say("same=%d", !memcmp(&st[0], &st[1], sizeof st[0]));
	close(a);
	positions();
	duplicates();
	flags();
	warm();
	shown();
	others();
	programs();
	threads();
	alone();
	warm();
	shown();
	duplicates();
	others();
	return 0;
}
