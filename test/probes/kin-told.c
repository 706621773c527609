/*
 * Parent, group, session, groups and system names, asked again after every change: by this process, its parent, a death, a thread, another process, an exec.
 */
#include "probe.h"
#include <grp.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

static pid_t base;

/* Numbers are told by what they stand for. */
static const char *who(pid_t id)
{
	return id == base ? "top" : id == getpid() ? "self" : id == getppid() ? "parent" : id == 0 ? "none" : "other";
}

static void kin(const char *key)
{
	say("%s=group %s/%d/%d, session same %d", key, who(getpgrp()), getpgrp() == getpgid(0), getpgrp() == getpgid(getpid()), getsid(0) == getsid(getpid()));
	say("%s-parent=%s", key, who(getppid()));
}

static void *in_thread(void *arg)
{
	MUST(setpgid(0, 0));
	kin(arg);
	return NULL;
}

/* Wait until the other end says so. */
static void turn(int fd)
{
	char c;

	MUST(read(fd, &c, 1));
}
static void give(int fd) { MUST(write(fd, "x", 1)); }

static int finish(pid_t pid, const char *key)
{
	int st;

	MUST(waitpid(pid, &st, 0));
	say_status(key, st);
	return st;
}

static void from_outside(void)
{
	int a[2], b[2];
	pid_t pid;

	MUST(pipe(a));
	MUST(pipe(b));
	pid = fork();
	if (pid == 0) {
		kin("child");
		give(b[1]);
		turn(a[0]);
		kin("grouped-by-parent");
		_exit(0);
	}
	turn(b[0]);
	MUST(setpgid(pid, pid));
	give(a[1]);
	finish(pid, "outside");
}

/* The child's parent dies; its grandparent, a subreaper or not, has waited for it when the child asks. */
static void orphan(bool reaper)
{
	int a[2], b[2];
	pid_t pid;

	MUST(pipe(a));
	MUST(pipe(b));
	MUST(prctl(PR_SET_CHILD_SUBREAPER, reaper));
	pid = fork();
	if (pid == 0) {
		pid_t top = getppid(), mid = getpid();

		if (fork() == 0) {
			bool first = getppid() == mid;

			give(b[1]);
			turn(a[0]);
			say("orphan=%d, with parent %d, changed %d", reaper, first, getppid() != mid);
			if (reaper)
				say("reaper=%d", getppid() == top);
			give(b[1]);
			_exit(0);
		}
		turn(b[0]);
		_exit(0);
	}
	MUST(waitpid(pid, NULL, 0));
	give(a[1]);
	turn(b[0]);
	if (reaper)
		MUST(wait(NULL));
}

static void session(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t t;

		MUST(-pthread_create(&t, NULL, in_thread, "from-thread"));
		pthread_join(t, NULL);
		kin("after-thread");
		if (fork() == 0) {
			say("setsid=%d", setsid() == getpid());
			kin("new-session");
			say("session=%d", getsid(0) == getpid() && getpgrp() == getpid());
			_exit(0);
		}
		wait(NULL);
		execl("/proc/self/exe", "kin-told", "again", NULL);
		_exit(1);
	}
	finish(pid, "session");
}

static void groups(void)
{
	gid_t g[64], two[2] = { 12, 7 };
	int n = getgroups(0, NULL);
	uid_t r, e, s;

	say("groups=%d", n >= 0 && getgroups(64, g) == n);
	say("negative=%s", syscall(SYS_getgroups, -1, g) < 0 ? errname(errno) : "ok");
	MUST(getresuid(&r, &e, &s));
	say("resuid=%d", r == getuid() && e == geteuid() && s == e);
	MUST(getresgid(&r, &e, &s));
	say("resgid=%d", r == getgid() && e == getegid() && s == e);
	say("fault=%s", syscall(SYS_getresuid, &r, 8, &s) < 0 ? errname(errno) : "ok");
	if (geteuid() == 0) {
		pid_t pid = fork();

		if (pid == 0) {
			MUST(setgroups(2, two));
			n = getgroups(64, g);
			say("set=%d", n == 2 && g[0] == 7 && g[1] == 12);
			say("small=%s", getgroups(1, g) < 0 ? errname(errno) : "ok");
			if (fork() == 0) {
				say("inherited=%d", getgroups(64, g) == 2 && g[0] == 7 && g[1] == 12);
				MUST(setresgid(5, 6, 7));
				MUST(getresgid(&r, &e, &s));
				say("ids=%d", r == 5 && e == 6 && s == 7 && getgid() == 5 && getegid() == 6);
				_exit(0);
			}
			wait(NULL);
			_exit(0);
		}
		finish(pid, "groups-set");
		say("mine=%d", getgroups(0, NULL) == getgroups(64, g));
	} else {
		say("set=1");
		say("small=EINVAL");
		say("inherited=1");
		say("ids=1");
		say("groups-set=exit 0");
		say("mine=1");
	}
}

int main(int argc, char **argv)
{
	struct utsname u, v;

	(void)argv;
	if (argc > 1) {
		kin("exec");
		return 0;
	}
	/* A group of its own, wherever it was started. */
	setpgid(0, 0);
	base = getpid();
	kin("begin");
	from_outside();
	orphan(true);
	orphan(false);
	session();
	groups();
	say("uname=%d", uname(&u) == 0 && uname(&v) == 0 && memcmp(&u, &v, sizeof u) == 0 && strcmp(u.sysname, "Linux") == 0);
	say("uname-fault=%s", syscall(SYS_uname, 8) < 0 ? errname(errno) : "ok");
	say("other=%s", getpgid(0x3fffffff) < 0 ? errname(errno) : "ok");
	kin("end");
	return 0;
}
