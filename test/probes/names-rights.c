/*
 * Rights are asked anew when they may have changed: the caller's (set*id, groups, capabilities; of one thread alone), or the directories' on the way.
 */
#include "probe.h"
#include <linux/capability.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <grp.h>

static void ask(const char *key, const char *path)
{
	struct stat s;
	char link[64];

	for (int i = 0; i < 2; i++) {
		errno = 0;
		say("%s.stat=%s", key, stat(path, &s) ? errname(errno) : "ok");
		errno = 0;
		say("%s.x=%s", key, access(path, R_OK) ? errname(errno) : "ok");
		errno = 0;
		say("%s.eff=%s", key, syscall(SYS_faccessat2, AT_FDCWD, path, W_OK, 0x200) ? errname(errno) : "ok");
		errno = 0;
		say("%s.missing=%s", key, open("secret/none", O_RDONLY) < 0 ? errname(errno) : "opened");
		errno = 0;
		say("%s.readlink=%s", key, readlink("secret/l", link, sizeof link) < 0 ? errname(errno) : "ok");
	}
}

static int apart(void (*what)(void))
{
	int pid = fork(), st;

	if (pid == 0) {
		what();
		_exit(0);
	}
	MUST(waitpid(pid, &st, 0));
	return st;
}

static void by_uid(void)
{
	ask("root", "secret/f");
	MUST(setresuid(12345, 12345, 0));
	ask("setresuid", "secret/f");
	MUST(setresuid(0, 0, 0));
	ask("back", "secret/f");
}

static void by_fsuid(void)
{
	ask("fsuid-root", "secret/f");
	syscall(SYS_setfsuid, 12345);
	ask("setfsuid", "secret/f");
}

static void by_group(void)
{
	gid_t g = 777;

	MUST(setgroups(1, &g));
	MUST(setresuid(12345, 12345, 0));
	ask("in-group", "team/f");
	MUST(setresuid(0, 0, 0));
	MUST(setgroups(0, NULL));
	MUST(setresuid(12345, 12345, 0));
	ask("no-group", "team/f");
}

static void by_caps(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	ask("caps", "team/f");
	ask("caps-others", "theirs/f");
	MUST(syscall(SYS_capset, &h, d));
	ask("no-caps", "theirs/f");
}

static void *drops(void *arg)
{
	(void)arg;
	MUST(syscall(SYS_setresuid, 12345, 12345, 12345));
	ask("thread", "secret/f");
	return NULL;
}

static void by_thread(void)
{
	pthread_t th;

	ask("thread-before", "secret/f");
	pthread_create(&th, NULL, drops, NULL);
	pthread_join(th, NULL);
	ask("other-thread", "secret/f");
}

static void by_chmod(void)
{
	MUST(setresuid(12345, 12345, 0));
	ask("open-dir", "theirs/f");
	MUST(seteuid(0));
	MUST(chmod("theirs", 0700));
	MUST(seteuid(12345));
	ask("closed-dir", "theirs/f");
	MUST(seteuid(0));
	MUST(chown("theirs", 12345, 0));
	MUST(seteuid(12345));
	ask("own-dir", "theirs/f");
	MUST(seteuid(0));
	MUST(chmod("theirs/f", 0600));
	MUST(seteuid(12345));
	ask("closed-file", "theirs/f");
}



int main(void)
{
	umask(0);
	if (geteuid() != 0) {
		MUST(mkdir("secret", 0700));
		put("secret/f", "");
		ask("own", "secret/f");
		MUST(chmod("secret", 0));
		ask("shut", "secret/f");
		MUST(chmod("secret", 0700));
		ask("again", "secret/f");
		return 0;
	}
	MUST(chmod(".", 0755));
	MUST(mkdir("secret", 0700));
	put("secret/f", "");
	MUST(symlink("f", "secret/l"));
	MUST(mkdir("team", 0750));
	MUST(chown("team", 0, 777));
	put("team/f", "");
	MUST(mkdir("theirs", 0755));
	put("theirs/f", "");
	apart(by_uid);
	apart(by_fsuid);
	apart(by_group);
	apart(by_thread);
	apart(by_chmod);
	MUST(chown("theirs", 54321, 54321));
	MUST(chmod("theirs", 0700));
	apart(by_caps);
	return 0;
}
