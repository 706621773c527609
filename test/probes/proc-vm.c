/* process_vm_readv, process_vm_writev: vectors, partial moves, faults, rights; kcmp. */ /* musl */
#include "probe.h"
#include <pthread.h>
#include <sys/prctl.h>

static char *shared;
static long kc(pid_t a, pid_t b, int type, long x, long y) { return syscall(SYS_kcmp, a, b, type, x, y); }
/* Equal, or not: which comes first is the kernel's. */
static void compare(const char *key, long r) { if (r < 0) say("%s=%s", key, errname(errno)); else say("%s=%s", key, r == 0 ? "same" : "other"); }
static void *in_thread(void *p)
{
	pid_t me = syscall(SYS_gettid), leader = getpid();
	(void)p;
	for (int type = 1; type < 7; type++) { char key[24]; snprintf(key, sizeof key, "thread-%d", type); compare(key, kc(me, leader, type, 0, 0)); }
	return NULL;
}

int main(void)
{
	long page = 4096;
	char *m = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	strcpy(m, "parent's text");
	strcpy(m + page, "second page");
	mprotect(m + 2 * page, page, PROT_READ);
	munmap(m + 3 * page, page);
	char *big = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct gate go = new_gate(), ready = new_gate();
	pid_t c = child();
	if (c == 0) {
		strcpy(m, "child's text");
		memset(big, 'c', 4 << 20);
		open_gate(&ready);
		pass_gate(&go);
		say("child-sees=%s", m + page);
		open_gate(&ready);
		pass_gate(&go);
		_exit(0);
	}
	pass_gate(&ready);
	char a[64] = "", b[64] = "";
	struct iovec l = { a, 32 }, r = { m, 32 };
	VAL("read", process_vm_readv(c, &l, 1, &r, 1, 0));
	say("text=%s own=%s", a, m);
	struct iovec l2[3] = { { a, 3 }, { NULL, 0 }, { b, 20 } }, r2[2] = { { m + 2, 4 }, { m + page, 6 } };
	memset(a, 0, sizeof a);
	VAL("vectors", process_vm_readv(c, l2, 3, r2, 2, 0));
	say("a=%s b=%s", a, b);
	struct iovec edge = { m + 2 * page - 4, page * 4 }, room = { big, page * 8 };
	VAL("until-hole", process_vm_readv(c, &room, 1, &edge, 1, 0));
	struct iovec hole = { m + 3 * page, 8 };
	VAL("hole", process_vm_readv(c, &room, 1, &hole, 1, 0));
	struct iovec two[2] = { { m, 4 }, { m + 3 * page, 8 } };
	VAL("second-faults", process_vm_readv(c, &room, 1, two, 2, 0));
	VAL("null", process_vm_readv(c, &room, 1, &(struct iovec){ NULL, 8 }, 1, 0));
	struct iovec all = { big, 4 << 20 };
	char *to = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	VAL("big", process_vm_readv(c, &(struct iovec){ to, 4 << 20 }, 1, &all, 1, 0));
	say("big-is=%c%c", to[0], to[(4 << 20) - 1]);
	strcpy(a, "written");
	VAL("write", process_vm_writev(c, &(struct iovec){ a, 8 }, 1, &(struct iovec){ m + page, 8 }, 1, 0));
	open_gate(&go);
	pass_gate(&ready);
	VAL("write-read-only", process_vm_writev(c, &(struct iovec){ a, 8 }, 1, &(struct iovec){ m + 2 * page, 8 }, 1, 0));
	VAL("write-part", process_vm_writev(c, &(struct iovec){ big, 2 * page }, 1, &(struct iovec){ m + page, 2 * page }, 1, 0));
	VAL("local-read-only", process_vm_readv(c, &(struct iovec){ m + 2 * page, 8 }, 1, &r, 1, 0));
	VAL("self", process_vm_readv(getpid(), &l, 1, &r, 1, 0));
	OK("flags", process_vm_readv(c, &l, 1, &r, 1, 1));
	OK("no-process", process_vm_readv(999999, &l, 1, &r, 1, 0));
	OK("no-process-nothing", process_vm_readv(999999, &l, 0, &r, 1, 0));
	OK("many-local", process_vm_readv(c, &l, 1025, &r, 1, 0));
	OK("many-remote", process_vm_readv(c, &l, 1, &r, 1025, 0));
	OK("list-fault", process_vm_readv(c, (void *)8, 1, &r, 1, 0));
	OK("remote-list-fault", process_vm_readv(c, &l, 1, (void *)8, 1, 0));
	OK("negative", process_vm_readv(c, &(struct iovec){ a, -1 }, 1, &r, 1, 0));
	OK("negative-remote", process_vm_readv(c, &l, 1, &(struct iovec){ m, -1 }, 1, 0));

	for (int type = 1; type < 7; type++) { char key[24]; snprintf(key, sizeof key, "child-%d", type); compare(key, kc(getpid(), c, type, 0, 0)); }
	compare("self-vm", kc(getpid(), getpid(), 1, 0, 0));
	int d = dup(1), n = open("/dev/null", O_RDONLY);
	compare("dup", kc(getpid(), getpid(), 0, 1, d));
	compare("different", kc(getpid(), getpid(), 0, 1, n));
	compare("inherited", kc(getpid(), c, 0, 1, 1));
	compare("not-open", kc(getpid(), c, 0, 1, 99));
	compare("not-there", kc(getpid(), c, 0, n, n));
	compare("type", kc(getpid(), c, 77, 0, 0));
	compare("no-task", kc(getpid(), 999999, 1, 0, 0));
	pthread_t t;
	pthread_create(&t, NULL, in_thread, NULL);
	pthread_join(t, NULL);
	kill(c, SIGKILL);
	reap(c);
	OK("dead", process_vm_readv(c, &l, 1, &r, 1, 0));

	pid_t hidden = child();
	if (hidden == 0) { prctl(PR_SET_DUMPABLE, 0); open_gate(&ready); pass_gate(&go); _exit(0); }
	pass_gate(&ready);
	c = child();
	if (c == 0) {
		if (geteuid() == 0) { setgid(4242); setuid(4242); }
		OK("not-dumpable", process_vm_readv(hidden, &l, 1, &r, 1, 0));
		compare("kcmp-not-dumpable", kc(getpid(), hidden, 1, 0, 0));
		_exit(0);
	}
	reap(c);
	kill(hidden, SIGKILL);
	reap(hidden);
	return 0;
}
