/*
 * micro - time one operation, print nanoseconds per operation.
 *
 *   micro NAME ROUNDS        one of the names below; "micro list" prints them
 *   micro NAME ROUNDS N      N processes at once, each doing its share: nanoseconds of wall time per operation of all
 *   micro NAME ROUNDS hogs   while every core has a process that computes and never sleeps
 *
 * The same binary runs natively and under carrick, so the ratio is all that is compared. Each operation is warmed up first.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *self;
static char path[] = "/tmp/carrick-bench-XXXXXX";
static char buf[65536];
static int fd;
static int pipes[2][2];
static uint32_t *words;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void make_file(void)
{
	fd = mkstemp(path);
	if (fd < 0 || write(fd, buf, sizeof buf) != sizeof buf)
		die("mkstemp");
}

static void do_getppid(void) { syscall(SYS_getppid); }
static void do_trip(void) { syscall(SYS_getpriority, 0 /* PRIO_PROCESS */, 0); }
static void do_uname(void) { struct utsname u; if (uname(&u)) die("uname"); }
static void do_umask(void) { umask(022); }
static void do_getgroups(void) { gid_t g[64]; if (getgroups(64, g) < 0) die("getgroups"); }
static void on_signal(int signo) { (void)signo; }
static void start_signal(void) { signal(SIGUSR1, on_signal); }
static void do_signal(void) { if (syscall(SYS_kill, getpid(), SIGUSR1)) die("kill"); }
static void do_sigprocmask(void) { sigset_t s; sigemptyset(&s); if (sigprocmask(SIG_BLOCK, &s, NULL)) die("sigprocmask"); }
static void do_getpid(void) { syscall(SYS_getpid); }
static void do_stat(void) { struct stat s; if (stat("/usr/bin/env", &s)) die("stat"); }
static void do_enoent(void) { struct stat s; if (!stat("/usr/bin/no-such-name", &s)) die("stat"); }
static void do_open(void) { int f = open("/usr/bin/env", O_RDONLY); if (f < 0) die("open"); close(f); }
static void start_zero(void) { fd = open("/dev/zero", O_RDONLY); if (fd < 0) die("/dev/zero"); }
static void start_null(void) { fd = open("/dev/null", O_WRONLY); if (fd < 0) die("/dev/null"); }
static void do_clock(void) { struct timespec t; if (syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t)) die("clock_gettime"); }
static void do_read_one(void) { if (read(fd, buf, 1) != 1) die("read"); }
static void do_write_one(void) { if (write(fd, buf, 1) != 1) die("write"); }
static void do_fstat(void) { struct stat s; if (fstat(fd, &s)) die("fstat"); }
static void do_open_missing(void) { if (open("/usr/bin/no-such-name", O_RDONLY) >= 0) die("open"); }
static void do_pread(void) { if (pread(fd, buf, 4096, 0) != 4096) die("pread"); }

static char dir[] = "/tmp/carrick-bench-XXXXXX";
static char name[64];
#define NAMES 10000

static void make_dir(void)
{
	if (!mkdtemp(dir))
		die("mkdtemp");
	snprintf(name, sizeof name, "%s/new", dir);
}

static void make_names(void)
{
	char n[64];

	make_dir();
	for (int i = 0; i < NAMES; i++) {
		snprintf(n, sizeof n, "%s/name-%d", dir, i);
		close(open(n, O_WRONLY | O_CREAT, 0644));
	}
}

static void remove_dir(void)
{
	char n[64];

	for (int i = 0; i < NAMES; i++) {
		snprintf(n, sizeof n, "%s/name-%d", dir, i);
		if (unlink(n))
			break;
	}
	rmdir(dir);
}

static void do_create(void)
{
	int f = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (f < 0 || write(f, buf, 100) != 100 || close(f) || unlink(name))
		die("create");
}

static void do_read_small(void)
{
	int f = open("/etc/passwd", O_RDONLY);

	if (f < 0 || read(f, buf, 4096) <= 0 || close(f))
		die("read");
}

static void do_readdir(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (d && readdir(d))
		n++;
	if (n != NAMES + 2)
		die("readdir");
	closedir(d);
}

static void do_cpu(void)
{
	volatile uint64_t x = 88172645463325252ull;

	for (int i = 0; i < 1000000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
}

static void do_touch(void)
{
	size_t n = 256 * 4096;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < n; i += 4096)
		p[i] = 1;
	munmap(p, n);
}

static void do_mmap(void)
{
	void *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	munmap(p, 65536);
}

static void start_protect(void)
{
	words = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (words == MAP_FAILED)
		die("mmap");
	memset(words, 1, 65536);
}

static void do_protect(void)
{
	if (mprotect(words, 65536, PROT_READ) || mprotect(words, 65536, PROT_READ | PROT_WRITE))
		die("mprotect");
}

static void do_fork(void)
{
	pid_t p = fork();

	if (p < 0)
		die("fork");
	if (p == 0)
		_exit(0);
	if (waitpid(p, NULL, 0) != p)
		die("waitpid");
}

static void do_exec(void)
{
	int st;
	pid_t p = fork();

	if (p < 0)
		die("fork");
	if (p == 0) {
		execl(self, self, "exit", (char *)NULL);
		_exit(9);
	}
	if (waitpid(p, &st, 0) != p || st != 0)
		die("exec");
}

static void *nothing(void *arg) { return arg; }

static void do_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, nothing, NULL))
		die("pthread_create");
	pthread_join(t, NULL);
}

static pid_t partner;

static void start_pipe(void)
{
	char c;

	if (pipe(pipes[0]) || pipe(pipes[1]))
		die("pipe");
	partner = fork();
	if (partner == 0) {
		close(pipes[0][1]);
		while (read(pipes[0][0], &c, 1) == 1)
			if (write(pipes[1][1], &c, 1) != 1)
				break;
		_exit(0);
	}
}

static void start_own_pipe(void) { if (pipe(pipes[0])) die("pipe"); }
static void do_own_pipe(void) { if (write(pipes[0][1], buf, 1) != 1 || read(pipes[0][0], buf, 1) != 1) die("pipe"); }
static void do_pipe(void)
{
	char c = 0;

	if (write(pipes[0][1], &c, 1) != 1 || read(pipes[1][0], &c, 1) != 1)
		die("pipe");
}

/* A server that sends every byte back; with an epoll set it waits there, as event loops do. */
static int link_fd, link_ep = -1;

static void tune(int s)
{
	int on = 1;

	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static int listener(struct sockaddr_in *at)
{
	socklen_t n = sizeof *at;
	int l = socket(AF_INET, SOCK_STREAM, 0);

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (bind(l, (struct sockaddr *)at, n) || listen(l, 128) || getsockname(l, (struct sockaddr *)at, &n))
		die("listen");
	return l;
}

static int watch(int s)
{
	struct epoll_event e = { .events = EPOLLIN };
	int ep = epoll_create1(0);

	if (epoll_ctl(ep, EPOLL_CTL_ADD, s, &e))
		die("epoll_ctl");
	return ep;
}

static void wait_on(int ep)
{
	struct epoll_event e;

	if (ep >= 0 && epoll_wait(ep, &e, 1, -1) != 1)
		die("epoll_wait");
}

static void echo(int s, int ep)
{
	char c;

	for (;;) {
		wait_on(ep);
		if (recv(s, &c, 1, 0) != 1 || send(s, &c, 1, 0) != 1)
			_exit(0);
	}
}

static void start_unix(void)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		die("socketpair");
	partner = fork();
	if (partner == 0) {
		close(sv[0]);
		echo(sv[1], -1);
	}
	link_fd = sv[0];
}

static void start_tcp(void)
{
	struct sockaddr_in at;
	int l = listener(&at);

	partner = fork();
	if (partner == 0) {
		int s = accept(l, NULL, NULL);

		tune(s);
		echo(s, -1);
	}
	link_fd = socket(AF_INET, SOCK_STREAM, 0);
	tune(link_fd);
	if (connect(link_fd, (struct sockaddr *)&at, sizeof at))
		die("connect");
}

static void start_epoll(void)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv))
		die("socketpair");
	partner = fork();
	if (partner == 0) {
		close(sv[0]);
		echo(sv[1], watch(sv[1]));
	}
	link_fd = sv[0];
	link_ep = watch(link_fd);
}

static void do_link(void)
{
	char c = 0;

	if (send(link_fd, &c, 1, 0) != 1)
		die("send");
	wait_on(link_ep);
	if (recv(link_fd, &c, 1, 0) != 1)
		die("recv");
}

static struct sockaddr_in where;
static void start_accept(void) { link_fd = listener(&where); }

/* socket, connect, accept, close on one side and on the other. */
static void do_accept(void)
{
	int c = socket(AF_INET, SOCK_STREAM, 0), s;

	if (connect(c, (struct sockaddr *)&where, sizeof where) || (s = accept4(link_fd, NULL, NULL, SOCK_CLOEXEC)) < 0)
		die("accept");
	/* The client's end goes first and resets, so that ports do not run out. */
	struct linger now_ = { 1, 0 };
	setsockopt(c, SOL_SOCKET, SO_LINGER, &now_, sizeof now_);
	close(c);
	close(s);
}

static void start_stream(void)
{
	if (pipe(pipes[0]))
		die("pipe");
	partner = fork();
	if (partner == 0) {
		close(pipes[0][0]);
		while (write(pipes[0][1], buf, sizeof buf) > 0) ;
		_exit(0);
	}
}

static void do_stream(void)
{
	for (size_t n = 0; n < sizeof buf;) {
		ssize_t r = read(pipes[0][0], buf, sizeof buf - n);

		if (r <= 0)
			die("read");
		n += (size_t)r;
	}
}

static long futex(uint32_t *w, int op, uint32_t v) { return syscall(SYS_futex, w, op, v, NULL, NULL, 0); }

static void hand(uint32_t *w, uint32_t v)
{
	__atomic_store_n(w, v, __ATOMIC_SEQ_CST);
	futex(w, FUTEX_WAKE, 1);
}

static void await(uint32_t *w, uint32_t v)
{
	uint32_t c;

	while ((c = __atomic_load_n(w, __ATOMIC_SEQ_CST)) != v)
		futex(w, FUTEX_WAIT, c);
}

static void start_futex(void)
{
	words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	partner = fork();
	if (partner == 0) {
		for (uint32_t i = 1;; i++) {
			await(&words[0], i);
			hand(&words[64], i);
		}
	}
}

static uint32_t turn;
static void do_futex(void) { turn++; hand(&words[0], turn); await(&words[64], turn); }

struct op { const char *name; void (*start)(void); void (*op)(void); int scale; };
static const struct op ops[] = {
	{ "getppid", NULL, do_getppid, 1 }, { "getpriority", NULL, do_trip, 1 }, { "uname", NULL, do_uname, 1 }, { "umask", NULL, do_umask, 1 }, { "getgroups", NULL, do_getgroups, 1 }, { "getpid", NULL, do_getpid, 1 },
	{ "clock_gettime", NULL, do_clock, 1 }, { "read-zero-1", start_zero, do_read_one, 1 }, { "write-null-1", start_null, do_write_one, 1 },
	{ "sigprocmask", NULL, do_sigprocmask, 1 }, { "signal", start_signal, do_signal, 2 },
	{ "fstat", make_file, do_fstat, 1 }, { "mprotect", start_protect, do_protect, 4 },
	{ "stat", NULL, do_stat, 1 }, { "stat-missing", NULL, do_enoent, 1 }, { "open-close", NULL, do_open, 1 },
	{ "open-missing", NULL, do_open_missing, 1 }, { "open-read-close", NULL, do_read_small, 2 }, { "create-write-unlink", make_dir, do_create, 4 },
	{ "readdir-10000", make_names, do_readdir, 1000 },
	{ "pread-4k", make_file, do_pread, 1 }, { "pipe-write", start_own_pipe, do_own_pipe, 1 }, { "pipe-pingpong", start_pipe, do_pipe, 1 }, { "futex-pingpong", start_futex, do_futex, 1 },
	{ "unix-pingpong", start_unix, do_link, 1 }, { "tcp-pingpong", start_tcp, do_link, 1 }, { "epoll-pingpong", start_epoll, do_link, 1 },
	{ "accept-close", start_accept, do_accept, 10 }, { "pipe-stream-64k", start_stream, do_stream, 4 },
	{ "fork-exit", NULL, do_fork, 100 }, { "fork-exec", NULL, do_exec, 200 }, { "thread", NULL, do_thread, 50 },
	{ "touch-1MiB", NULL, do_touch, 20 }, { "mmap-munmap", NULL, do_mmap, 4 }, { "cpu-loop", NULL, do_cpu, 1000 },
};

static const struct op *find(const char *wanted)
{
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
		if (!strcmp(wanted, ops[i].name))
			return &ops[i];
	exit(2);
}

static double run(const struct op *o, int rounds)
{
	double t;

	if (o->start)
		o->start();
	for (int k = 0; k < rounds / 10 + 1; k++)
		o->op();
	t = now();
	for (int k = 0; k < rounds; k++)
		o->op();
	return now() - t;
}

static void clean(void)
{
	if (partner > 0) {
		kill(partner, 9);
		waitpid(partner, NULL, 0);
	}
	if (fd > 0)
		unlink(path);
	if (name[0])
		remove_dir();
}

/* n processes begin together, when all are there and warm; the slowest decides. */
static double at_once(const struct op *o, int rounds, int n)
{
	int ready[2], go[2];
	double t;
	char c;

	if (pipe(ready) || pipe(go))
		die("pipe");
	for (int i = 0; i < n; i++) {
		if (fork())
			continue;
		if (o->start)
			o->start();
		for (int k = 0; k < rounds / n / 10 + 1; k++)
			o->op();
		close(go[1]);
		if (write(ready[1], "", 1) != 1 || read(go[0], &c, 1) != 0)
			die("ready");
		for (int k = 0; k < rounds / n; k++)
			o->op();
		clean();
		_exit(0);
	}
	for (int i = 0; i < n; i++)
		if (read(ready[0], &c, 1) != 1)
			die("children");
	t = now();
	close(go[1]);
	while (wait(NULL) > 0)
		;
	return now() - t;
}

static pid_t hogs[256];
static int nhogs;

static void start_hogs(void)
{
	for (nhogs = 0; nhogs < sysconf(_SC_NPROCESSORS_ONLN) && nhogs < 256; nhogs++)
		if ((hogs[nhogs] = fork()) == 0)
			for (;;)
				do_cpu();
}

int main(int argc, char **argv)
{
	const struct op *o;
	int rounds;
	double ns;

	self = argv[0];
	if (argc == 2 && !strcmp(argv[1], "exit"))
		return 0;
	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
			puts(ops[i].name);
		return 0;
	}
	if (argc != 3 && argc != 4)
		return 2;
	o = find(argv[1]);
	rounds = atoi(argv[2]) / o->scale;
	if (rounds < 3)
		rounds = 3;
	if (argc == 4 && !strcmp(argv[3], "hogs"))
		start_hogs();
	if (argc == 4 && nhogs == 0) {
		ns = at_once(o, rounds, atoi(argv[3]));
	} else {
		ns = run(o, rounds);
		clean();
	}
	printf("%.1f\n", ns / rounds);
	for (int i = 0; i < nhogs; i++)
		kill(hogs[i], 9);
	return 0;
}
