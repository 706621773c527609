/* /proc/PID/loginuid and sessionid, oom_score_adj, coredump_filter: what may be written, what is inherited. */ /* musl */
#include "probe.h"

/* Write text to a file of /proc/self. */
static void store(const char *key, const char *name, const char *text)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/proc/self/%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0) {
		say("%s=open %s", key, errname(errno));
		return;
	}
	errno = 0;
	say("%s=%s", key, write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? "ok" : errname(errno));
	close(fd);
}

static void show(const char *key, const char *path)
{
	char text[64];

	snprintf(text, sizeof text, "%s", get(path));
	text[strcspn(text, "\n")] = 0;
	say("%s=%s", key, text);
}

static int has_session(void) { return strcmp(get("/proc/self/sessionid"), "4294967295") != 0; }

/* What a child has, and what becomes of it. */
static void in_child(void)
{
	char path[64], c;
	int s, ready[2];
	pid_t p;

	MUST(pipe(ready));
	p = child();
	if (p == 0) {
		show("child-loginuid", "/proc/self/loginuid");
		say("child-session=%d", has_session());
		show("child-oom", "/proc/self/oom_score_adj");
		show("child-filter", "/proc/self/coredump_filter");
		store("child-oom-more", "oom_score_adj", "700");
		MUST(write(ready[1], "", 1));
		pause();
	}
	MUST(read(ready[0], &c, 1));
	snprintf(path, sizeof path, "/proc/%d/oom_score_adj", p);
	show("oom-of-child", path);
	show("oom-of-parent", "/proc/self/oom_score_adj");
	snprintf(path, sizeof path, "/proc/%d/loginuid", p);
	int fd = open(path, O_WRONLY);
	OK("login-of-child", fd < 0 ? fd : write(fd, "1", 1));
	close(fd);
	kill(p, SIGKILL);
	waitpid(p, &s, 0);
}

int main(void)
{
	show("loginuid", "/proc/self/loginuid");
	say("session=%d", has_session());
	store("junk", "loginuid", "x1");
	store("empty", "loginuid", "\n");
	store("negative", "loginuid", "-1");
	store("too-large", "loginuid", "4294967296");
	store("unset", "loginuid", "4294967295");
	store("set", "loginuid", "1234\n");
	show("loginuid", "/proc/self/loginuid");
	say("session=%d", has_session());
	store("again", "loginuid", geteuid() == 0 ? "1235" : "1234");
	store("session", "sessionid", "5");
	store("oom", "oom_score_adj", "300");
	store("oom-large", "oom_score_adj", "1001");
	store("oom-less", "oom_score_adj", geteuid() == 0 ? "300" : "10");
	store("filter", "coredump_filter", "0x7f");
	show("filter", "/proc/self/coredump_filter");
	store("filter-junk", "coredump_filter", "q");
	store("filter-large", "coredump_filter", "0xffffffff");
	show("filter", "/proc/self/coredump_filter");
	store("filter", "coredump_filter", "35");
	store("uid-map", "uid_map", "0 0 1\n");
	store("gid-map", "gid_map", "0 0 1\n");
	/* Others may not even open it, which they may here. */
	if (geteuid() == 0)
		store("setgroups", "setgroups", "deny");
	in_child();
	return 0;
}
