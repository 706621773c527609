/*
 * Closing and duplicating what was only read: nobody can tell whether it was done at once. Numbers, the table as /proc shows it, what children and
 * others inherit, limits, locks, and positions shared by duplicates.
 */
#include "probe.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/socket.h>

static int readonly(const char *path) { int fd = open(path, O_RDONLY); MUST(fd); return fd; }

/* Which of the numbers 3..15 are open in that process, as /proc has it. */
static void table(const char *key, int pid)
{
	char path[64], to[256], line[256] = "";
	struct dirent *e;
	int listed = 0, n;
	DIR *d;

	for (int fd = 3; fd < 16; fd++) {
		snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
		n = (int)readlink(path, to, sizeof to - 1);
		if (n < 0)
			continue;
		to[n] = 0;
		if (strchr(to, '['))
			*strchr(to, '[') = 0; /* a pipe's number */
		snprintf(line + strlen(line), sizeof line - strlen(line), "%d:%s,", fd, strrchr(to, '/') ? strrchr(to, '/') + 1 : to);
	}
	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' && atoi(e->d_name) > 2 && atoi(e->d_name) < 32 && (pid != getpid() || atoi(e->d_name) != dirfd(d)))
			listed++;
	if (d)
		closedir(d);
	say("%s=%s listed %d", key, line, listed);
}

static void numbers(void)
{
	int a = readonly("/etc/passwd"), b, c, d;

	b = dup(a);
	c = fcntl(a, F_DUPFD_CLOEXEC, 9);
	d = fcntl(a, F_DUPFD, 0);
	say("numbers=%d %d %d %d", a, b, c, d);
	say("flags=%d %d %d", fcntl(b, F_GETFD), fcntl(c, F_GETFD), fcntl(d, F_GETFD));
	close(b);
	say("twice=%s", close(b) ? errname(errno) : "ok");
	say("read-closed=%s", read(b, &c, 1) < 0 ? errname(errno) : "ok");
	say("stat-closed=%s", fcntl(b, F_GETFL) < 0 ? errname(errno) : "ok");
	b = readonly("/etc/group");
	say("again=%d", b);
	close(a);
	close(9);
	say("lowest=%d", dup(b));
	/* More than can be owed at once. */
	for (int i = 0; i < 20; i++)
		close(dup(b));
	for (int i = 3; i < 32; i++)
		close(i);
	table("empty", getpid());
}

/* A duplicate whose original is closed before anything else: what a shell does with its script. Its number is taken, now and later. */
static void moved(void)
{
	char byte = 0;
	int a = readonly("/etc/passwd"), b = fcntl(a, F_DUPFD, 10), c, d;

	close(a);
	say("moved=%d read %d", b, (int)read(b, &byte, 1));
	a = readonly("/etc/group");
	c = fcntl(a, F_DUPFD, 10);
	close(a);
	say("next=%d", c);
	close(c);
	say("first-still=%d", (int)read(b, &byte, 1));
	/* A number that was closed is used again before anybody has heard of it; then the original goes. */
	a = readonly("/etc/group");
	close(a);
	c = dup(b);
	close(b);
	d = readonly("/etc/passwd");
	say("reused=%d other %d read %d", c, d, (int)read(c, &byte, 1));
	close(c);
	close(d);
}

static void cloexec(void)
{
	int a = open("/etc/passwd", O_RDONLY | O_CLOEXEC), b = readonly("/etc/passwd");

	say("cloexec=%d %d", fcntl(a, F_GETFD), fcntl(b, F_GETFD));
	say("set=%d %d", fcntl(a, F_SETFD, 0), fcntl(b, F_SETFD, FD_CLOEXEC));
	say("cloexec-after=%d %d", fcntl(a, F_GETFD), fcntl(b, F_GETFD));
	say("getfl=%x", (unsigned)fcntl(a, F_GETFL) & ~(unsigned)0100000);
	say("setfl=%d", fcntl(a, F_SETFL, O_NONBLOCK));
	b = dup2(a, b);
	say("getfl-after=%x %x", (unsigned)fcntl(a, F_GETFL) & ~(unsigned)0100000, (unsigned)fcntl(b, F_GETFL) & ~(unsigned)0100000);
	close(a);
	close(b);
}

/* A child changes the status flags of what it shares with its parent. */
static void inherited(void)
{
	int a = readonly("/etc/passwd"), b = readonly("/etc/group"), st, pid;

	close(b);
	pid = fork();
	if (pid == 0) {
		fcntl(a, F_SETFL, O_NONBLOCK);
		say("child-closed=%s", fcntl(b, F_GETFD) < 0 ? errname(errno) : "ok");
		say("child-dup=%d", dup(a));
		_exit(0);
	}
	waitpid(pid, &st, 0);
	say("flag-of-child=%d", (fcntl(a, F_GETFL) & O_NONBLOCK) != 0);
	say("parent-dup=%d", dup(a));
	close(b);
	close(a);
}

/* Another process looks while the one that closed computes. */
static void seen(void)
{
	int to[2], from[2], pid, st;
	char c;

	MUST(pipe(to));
	MUST(pipe(from));
	pid = fork();
	if (pid == 0) {
		int a = readonly("/etc/passwd"), b = readonly("/etc/group"), d = open("/etc", O_RDONLY | O_DIRECTORY);

		close(a);
		fcntl(b, F_DUPFD, 12);
		close(d);
		MUST(write(from[1], "x", 1));
		MUST(read(to[0], &c, 1));
		_exit(0);
	}
	MUST(read(from[0], &c, 1));
	table("seen", pid);
	MUST(write(to[1], "x", 1));
	waitpid(pid, &st, 0);
	say("seen-exit=%d", st);
	for (int i = 3; i < 16; i++)
		close(i);
}

static int lock_free(const char *path)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int st, pid = fork();

	if (pid == 0) {
		int fd = open(path, O_RDWR);

		_exit(fcntl(fd, F_SETLK, &l) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0);
	}
	waitpid(pid, &st, 0);
	return WEXITSTATUS(st);
}

static void locks(void)
{
	struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int a, b;

	a = open("locked", O_RDWR | O_CREAT, 0644);
	close(a);
	a = readonly("locked");
	b = readonly("locked");
	MUST(fcntl(a, F_SETLK, &l));
	say("locked=%d", lock_free("locked"));
	close(b);
	say("closed-other=%d", lock_free("locked"));
	MUST(flock(a, LOCK_SH));
	say("flocked=%d", lock_free("locked"));
	close(a);
	say("closed=%d", lock_free("locked"));
}

static void limit(void)
{
	struct rlimit r, low = { .rlim_cur = 5 };
	int a = readonly("/etc/passwd");

	MUST(getrlimit(RLIMIT_NOFILE, &r));
	low.rlim_max = r.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &low));
	say("last=%d", dup(a));
	say("none=%s", dup(a) < 0 ? errname(errno) : "ok");
	say("beyond=%s", fcntl(a, F_DUPFD, 5) < 0 ? errname(errno) : "ok");
	close(4);
	say("room=%d", open("/etc/group", O_RDONLY));
	MUST(setrlimit(RLIMIT_NOFILE, &r));
	close(4);
	close(a);
}

/* Another process changes the limit: numbers that were had before stay, new ones obey. */
static void limited(void)
{
	struct rlimit low;
	int to[2], from[2], pid, st;
	char c;

	MUST(pipe(to));
	MUST(pipe(from));
	pid = fork();
	if (pid == 0) {
		int a = readonly("/etc/passwd"), b = fcntl(a, F_DUPFD, 30);

		MUST(write(from[1], "x", 1));
		MUST(read(to[0], &c, 1));
		say("had=%d reads %d", b, (int)read(b, &c, 1));
		say("late-dup=%d", fcntl(a, F_DUPFD, 11));
		say("late-none=%s", fcntl(a, F_DUPFD, 11) < 0 ? errname(errno) : "ok");
		say("late-beyond=%s", fcntl(a, F_DUPFD, 20) < 0 ? errname(errno) : "ok");
		say("late-of-high=%d", dup(b));
		_exit(0);
	}
	MUST(read(from[0], &c, 1));
	MUST(prlimit(pid, RLIMIT_NOFILE, NULL, &low));
	low.rlim_cur = 12;
	MUST(prlimit(pid, RLIMIT_NOFILE, &low, NULL));
	MUST(write(to[1], "x", 1));
	waitpid(pid, &st, 0);
	say("limited-exit=%d", st);
	for (int i = 3; i < 7; i++)
		close(i);
}

/* A full table of descriptors comes before a missing name. */
static void full(void)
{
	struct rlimit r, low = { .rlim_cur = 3 };
	int to[2], from[2], pid, st;
	char c;

	MUST(getrlimit(RLIMIT_NOFILE, &r));
	low.rlim_max = r.rlim_max;
	MUST(pipe(to));
	MUST(pipe(from));
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 3; i++)
			say("missing=%s", open("/etc/not-there", O_RDONLY) < 0 ? errname(errno) : "ok");
		MUST(write(from[1], "x", 1));
		MUST(read(to[0], &c, 1));
		for (int i = 0; i < 2; i++)
			say("missing-full=%s", open("/etc/not-there", O_RDONLY) < 0 ? errname(errno) : "ok");
		_exit(0);
	}
	MUST(read(from[0], &c, 1));
	MUST(prlimit(pid, RLIMIT_NOFILE, &low, NULL));
	MUST(write(to[1], "x", 1));
	waitpid(pid, &st, 0);
	say("full-exit=%d", st);
	for (int i = 3; i < 7; i++)
		close(i);
}

/* A directory's end is one for all that share the position. */
static void directory(void)
{
	char buf[4096];
	int d, e, n, st, pid;

	MUST(mkdir("dir", 0755));
	close(open("dir/one", O_WRONLY | O_CREAT, 0644));
	d = open("dir", O_RDONLY | O_DIRECTORY);
	e = dup(d);
	n = (int)syscall(SYS_getdents64, d, buf, sizeof buf);
	say("entries=%d", n > 0);
	say("end=%d %d", (int)syscall(SYS_getdents64, d, buf, sizeof buf), (int)syscall(SYS_getdents64, e, buf, sizeof buf));
	MUST(lseek(e, 0, SEEK_SET));
	say("again=%d", (int)syscall(SYS_getdents64, d, buf, sizeof buf) == n);
	say("end-again=%d", (int)syscall(SYS_getdents64, d, buf, sizeof buf));
	pid = fork();
	if (pid == 0) {
		MUST(lseek(d, 0, SEEK_SET));
		_exit(0);
	}
	waitpid(pid, &st, 0);
	say("child-sought=%d", (int)syscall(SYS_getdents64, d, buf, sizeof buf) == n);
	close(open("dir/two", O_WRONLY | O_CREAT, 0644));
	say("no-more=%d", (int)syscall(SYS_getdents64, d, buf, sizeof buf));
	say("not-dir=%s", syscall(SYS_getdents64, 1, buf, sizeof buf) < 0 ? errname(errno) : "ok");
	close(d);
	close(e);
	say("closed-dir=%s", syscall(SYS_getdents64, d, buf, sizeof buf) < 0 ? errname(errno) : "ok");
}

/* A thread that begins after a close finds the number free. */
static void *opens(void *arg) { *(int *)arg = open("/etc/group", O_RDONLY); return NULL; }

static void threads(void)
{
	int a = readonly("/etc/passwd"), b = readonly("/etc/passwd"), got[2];
	pthread_t t;

	close(a);
	MUST(-pthread_create(&t, NULL, opens, &got[0]));
	pthread_join(t, NULL);
	close(b);
	MUST(-pthread_create(&t, NULL, opens, &got[1]));
	pthread_join(t, NULL);
	say("thread=%d %d", got[0] == a, got[1] == b);
	close(a);
	close(b);
}

/* Sent to itself: one more number for the same open file. */
static void sent(void)
{
	char room[CMSG_SPACE(sizeof(int))], c = 'x';
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	int s[2], a, b;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	a = readonly("/etc/passwd");
	*h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof a), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(h), &a, sizeof a);
	MUST(sendmsg(s[0], &m, 0));
	close(a);
	MUST(recvmsg(s[1], &m, 0));
	memcpy(&b, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof b);
	say("received=%d reads %zd", b == a, read(b, &c, 1));
	close(b);
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	numbers();
	moved();
	cloexec();
	inherited();
	seen();
	limit();
	limited();
	full();
	directory();
	sent();
	threads();
	locks();
	return 0;
}
