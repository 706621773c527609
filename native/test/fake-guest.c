/*
 * Stands in for the stub in the addon's tests: a static program that carrick's spawn starts as it would the stub. It finds the area and the reserved
 * fds, reads from the plan what to play, and leaves what it saw in the plan behind offset 256, where the test reads it.
 *
 *   plan words: [0] part, [1] count, [2] slot index, [3] server, [4] the area's index, [5] gate: opened by the test
 */
#define _GNU_SOURCE
/* First: libc defines sa_handler as a macro. */
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint8_t *area;
static int fdr;
static uint32_t *plan;
/* 64-bit results, at PLAN_OFF + 256. */
static volatile int64_t *out;

struct carrick_slot *slot(uint32_t ix)
{
	return (struct carrick_slot *)(area + CARRICK_SLOT_OFF + (size_t)ix * CARRICK_SLOT_STRIDE);
}

static uint8_t *payload(struct carrick_slot *s)
{
	return (uint8_t *)s + CARRICK_PAYLOAD_OFF;
}

static void ring(uint32_t server, uint32_t word)
{
	if (write(fdr + CARRICK_FDR_DOORBELL + server, &word, 4) != 4)
		_exit(90);
}

static uint32_t *state_of(struct carrick_slot *s)
{
	return (uint32_t *)(void *)s;
}

static void store_posted(struct carrick_slot *s)
{
	s->seq++;
	__atomic_store_n(state_of(s), CARRICK_SLOT_POSTED, __ATOMIC_SEQ_CST);
}

/* Slot ids carry the area's index. */
static uint32_t id_of(uint32_t ix)
{
	return plan[4] << CARRICK_SLOT_BITS | ix;
}

static void post_only(uint32_t ix, uint32_t nr, uint32_t server)
{
	struct carrick_slot *s = slot(ix);

	s->nr = nr;
	s->server = server;
	store_posted(s);
	ring(server, id_of(ix));
}

static int64_t wait_reply(uint32_t ix)
{
	struct carrick_slot *s = slot(ix);

	/* The server wakes only whoever has said that it sleeps. */
	__atomic_store_n(&s->waiting, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(state_of(s), __ATOMIC_SEQ_CST) != CARRICK_SLOT_REPLIED)
		syscall(SYS_futex, state_of(s), FUTEX_WAIT, CARRICK_SLOT_POSTED, NULL, NULL, 0);
	s->waiting = 0;
	__atomic_store_n(state_of(s), CARRICK_SLOT_READY, __ATOMIC_SEQ_CST);
	return (int64_t)s->ret;
}

static int64_t post(uint32_t ix, uint32_t nr)
{
	post_only(ix, nr, plan[3]);
	return wait_reply(ix);
}

/* Until the test has done its part. */
static void wait_gate(void)
{
	while (__atomic_load_n(&plan[5], __ATOMIC_ACQUIRE) == 0)
		sched_yield();
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Part 1: `count` requests with an in string and an out buffer, each checked. */
static int part_echo(uint32_t ix)
{
	struct carrick_slot *s = slot(ix);
	int64_t t0 = now_ns();

	for (uint32_t i = 0; i < plan[1]; i++) {
		memcpy(payload(s), "hello", 6);
		memset(payload(s) + 8, 0x55, 64);
		s->args[0] = 0x1000;
		s->args[1] = 0x2000;
		s->args[2] = i;
		memset(s->argoff, 0, sizeof(s->argoff));
		memset(s->arglen, 0, sizeof(s->arglen));
		s->arglen[0] = 5;
		s->argoff[1] = 8;
		s->arglen[1] = 64;
		s->inlen = 6;
		if (post(ix, 1234) != (int64_t)i + 1)
			return 10;
		if (s->arglen[1] != 5 || memcmp(payload(s) + 8, "olleh", 5) != 0 || payload(s)[13] != 0x55)
			return 11;
	}
	out[0] = now_ns() - t0;
	return 0;
}

/* Part 2: what a hostile guest writes. The last request is honest; the server must see that one alone. */
static int part_nasty(uint32_t ix)
{
	struct carrick_slot *s = slot(ix);
	uint32_t server = plan[3];

	ring(server, 0x3ffffff0);				/* no such slot */
	ring(server, 400u << CARRICK_SLOT_BITS | 3);		/* no such area */
	ring(server, id_of(ix + 7));				/* a slot nobody owns */
	ring(server, id_of(ix));				/* own slot, nothing posted */
	ring(server, id_of(ix) | CARRICK_DB_FORWARD);
	ring(server, id_of(ix) | CARRICK_DB_CANCEL);
	s->nr = 77;
	s->server = server + 1;					/* posted to somebody else */
	store_posted(s);
	ring(server, id_of(ix));
	__atomic_store_n(state_of(s), CARRICK_SLOT_READY, __ATOMIC_SEQ_CST);
	s->args[2] = 5;
	s->argoff[0] = 0xfffffff8u; s->arglen[0] = 16;		/* wraps */
	s->argoff[1] = CARRICK_PAYLOAD_MAX - 8; s->arglen[1] = 9; /* over the end */
	s->argoff[2] = 4; s->arglen[2] = 4;			/* not aligned */
	s->argoff[3] = 8; s->arglen[3] = CARRICK_ARG_FAULT;	/* fine */
	s->argoff[4] = 16; s->arglen[4] = 32;			/* fine */
	s->inlen = 0x7fffffff;
	s->nr = 1235;
	s->server = server;
	store_posted(s);
	ring(server, id_of(ix));
	ring(server, id_of(ix));				/* twice */
	return wait_reply(ix) == 6 ? 0 : 12;
}

/* Part 3: a buffer in this process for readMemory and writeMemory, one page before a hole. */
static int part_memory(uint32_t ix)
{
	struct carrick_slot *s = slot(ix);
	uint8_t *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p + 2 * 4096, 4096);
	memset(p, 'a', 2 * 4096);
	strcpy((char *)p + 4090, "across pages");
	s->args[0] = (uint64_t)(uintptr_t)p;
	memset(s->arglen, 0, sizeof(s->arglen));
	memset(s->argoff, 0, sizeof(s->argoff));
	s->inlen = 0;
	post(ix, 1236);
	return memcmp(p + 100, "written by carrick", 18) == 0 && p[118] == 'a' ? 0 : 13;
}

/* Part 4: receive control messages and tell what came. */
static int part_control(uint32_t ix)
{
	struct carrick_ctlmsg m;
	char control[CMSG_SPACE(8 * sizeof(int))];
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	char text[64] = "";

	if (recvmsg(fdr + CARRICK_FDR_CTL, &h, 0) != sizeof(m))
		return 20;
	out[0] = m.kind;
	out[1] = m.nfd;
	out[2] = m.fd[0];
	out[3] = m.fd[1];
	out[4] = m.cloexec[1];
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	int fds[8];

	memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	if (pread(fds[1], text, 16, 0) < 0)
		return 21;
	memcpy((void *)(out + 8), text, 16);
	post(ix, 1237);
	return 0;
}

static volatile int kicks;
static void on_kick(int signo) { (void)signo; kicks++; }

static int thread_main(void *arg)
{
	uint32_t ix = (uint32_t)(uintptr_t)arg;

	out[1] = syscall(SYS_gettid);
	post_only(ix, 1239, plan[3]);
	while (kicks == 0)
		syscall(SYS_futex, state_of(slot(ix)), FUTEX_WAIT, CARRICK_SLOT_POSTED, NULL, NULL, 0);
	out[2] = syscall(SYS_gettid);
	/* As the stub's exit does: posted, not waited for. */
	wait_reply(ix);
	slot(ix)->nr = 60;
	store_posted(slot(ix));
	__atomic_store_n(state_of(slot(ix)), CARRICK_SLOT_DEAD, __ATOMIC_SEQ_CST);
	ring(plan[3], id_of(ix));
	syscall(SYS_exit, 0);
	return 0;
}

/* Part 5: a thread in slot ix + 1, kicked by its tid. The gate opens when that slot is bound. */
static int part_thread(uint32_t ix)
{
	static uint8_t stack[65536] __attribute__((aligned(16)));
	struct sigaction sa = { .sa_handler = on_kick };

	sigaction(CARRICK_KICK_SIGNAL, &sa, NULL);
	out[0] = syscall(SYS_gettid);
	wait_gate();
	if (clone(thread_main, stack + sizeof(stack), CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
		  (void *)(uintptr_t)(ix + 1)) < 0)
		return 30;
	post(ix, 1238);
	return 0;
}

/* Part 6: what the sandbox left. */
static int part_sandbox(uint32_t ix)
{
	struct utsname u;
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2];
	int bounding = 0, fds = 0, sig = -1;

	uname(&u);
	syscall(SYS_capget, &head, caps);
	for (int i = 0; i < 64; i++)
		bounding += prctl(PR_CAPBSET_READ, i) == 1;
	for (int i = 3; i < 20000; i++)
		if ((i < fdr || i >= fdr + CARRICK_FDR_COUNT) && fcntl(i, F_GETFD) >= 0)
			fds++;
	prctl(PR_GET_PDEATHSIG, &sig);
	out[0] = getpid();
	out[1] = getuid();
	out[2] = getpgid(0) == getpid() && open("/dev/tty", O_RDWR) < 0;
	out[3] = caps[0].effective | caps[0].permitted | caps[0].inheritable | caps[1].effective | caps[1].permitted;
	out[4] = bounding;
	out[5] = fds;
	out[6] = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	out[7] = sig;
	out[10] = fcntl(0, F_GETFD) < 0 ? errno : 0;
	out[8] = open("/etc/passwd", O_RDONLY) < 0 ? errno : 0;
	/* Without a root of its own it succeeds: then nothing of it may stay on the host. */
	out[9] = mkdir("/carrick-test", 0700) < 0 ? errno : 0;
	rmdir("/carrick-test");
	out[11] = fcntl(fdr + CARRICK_FDR_DOORBELL + 4, F_GETFD);
	memcpy((void *)(out + 16), u.nodename, 32);
	post(ix, 1240);
	return 0;
}

static int send_fd(int fd)
{
	struct carrick_ctlmsg m = { .kind = 6, .nfd = 1 };
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(fdr + CARRICK_FDR_CTL, &h, 0) < 0 ? -errno : 0;
}

/* Part 7: a child of which the pidfd is sent twice, then an fd that is none, then a dead child's pidfd. The living child stays behind. */
static int part_fork(uint32_t ix)
{
	int child = fork();

	if (child == 0)
		for (;;)
			pause();
	for (int i = 0; i < 2; i++)
		send_fd((int)syscall(SYS_pidfd_open, child, 0));
	out[0] = child;
	post(ix, 1241);
	send_fd(fdr + CARRICK_FDR_AREA);
	post(ix, 1242);
	int dead = fork();

	if (dead == 0)
		_exit(3);
	int fd = (int)syscall(SYS_pidfd_open, dead, 0);

	waitpid(dead, NULL, 0);
	send_fd(fd);
	post(ix, 1243);
	return 0;
}

/* Part 8: cancel: ask for one while a request is out, once the gate is open. */
static int part_cancel(uint32_t ix)
{
	post_only(ix, 1244, plan[3]);
	wait_gate();
	slot(ix)->cancel = 1;
	ring(plan[3], id_of(ix) | CARRICK_DB_CANCEL);
	return wait_reply(ix) == -512 ? 0 : 40;
}

int main(void)
{
	fdr = atoi(getenv("CARRICK_FDR"));
	area = mmap(NULL, CARRICK_AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fdr + CARRICK_FDR_AREA, 0);
	if (area == MAP_FAILED)
		return 91;
	plan = (uint32_t *)(void *)(area + CARRICK_PLAN_OFF);
	out = (volatile int64_t *)(void *)(area + CARRICK_PLAN_OFF + 256);
	static int (*const parts[])(uint32_t) = {
		NULL, part_echo, part_nasty, part_memory, part_control, part_thread, part_sandbox, part_fork, part_cancel,
	};
	int status = parts[plan[0]](plan[2]);

	out[63] = status;
	post(plan[2], 231);
	_exit(status);
}
