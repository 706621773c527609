/* Who I am, and who I may become. */ /* musl */
#include "probe.h"
#include <grp.h>
#include <sys/fsuid.h>

int main(void)
{
	uid_t r, e, s;
	gid_t g, eg, sg, list[64];
	int n, st;
	say("uid=%d %d gid=%d %d", getuid(), geteuid(), getgid(), getegid());
	getresuid(&r, &e, &s);
	IS("resuid", r == getuid() && e == geteuid() && s == e);
	getresgid(&g, &eg, &sg);
	IS("resgid", g == getgid() && eg == getegid() && sg == eg);
	n = getgroups(0, NULL);
	/* How many depends on who runs the probe: -u UID:GID gives none. */
	IS("groups", n >= 0 && getgroups(64, list) == n);
	OK("getgroups-small", n > 0 ? getgroups(n, list) : 0);
	OK("getgroups-negative", getgroups(-1, list));
	OK("nothing", setresuid(-1, -1, -1));
	OK("nothing-gid", setresgid(-1, -1, -1));
	OK("same", setuid(getuid()));
	OK("reuid-same", setreuid(getuid(), geteuid()));
	VAL("fsuid", setfsuid(-1) == (int)geteuid());
	OK("bad-fault", syscall(SYS_getresuid, 16, 16, 16));
	OK("setuid-minus", setuid(-1));
	OK("setgroups-many", setgroups(65537, list));
	pid_t c = child();
	if (c == 0) {
		list[0] = 5;
		list[1] = 7;
		OK("setgroups", setgroups(2, list));
		IS("groups-now", getgroups(64, list) == (getuid() == 0 ? 2 : n));
		OK("setgid", setgid(4321));
		OK("setresuid", setresuid(1234, 1235, 1236));
		getresuid(&r, &e, &s);
		say("now=%d %d %d gid %d", r == 1234 ? 1 : 0, e == 1235 ? 1 : 0, s == 1236 ? 1 : 0,
		        getgid() == 4321);
		if (getuid() == 1234) {
			OK("back-to-root", setuid(0));
			OK("to-saved", seteuid(1236));
			OK("to-real", seteuid(1234));
			OK("to-other", seteuid(1));
			OK("setgid-other", setgid(1));
			OK("chown-now", chown(".", 1, 1));
			OK("kill-init", kill(getppid(), 0));
		} else {
			OK("seteuid-0", seteuid(0));
			OK("setreuid-0", setreuid(0, -1));
			OK("setgid-0", setgid(0));
		}
		_exit(0);
	}
	waitpid(c, &st, 0);
	say_status("child", st);
	c = child();
	if (c == 0) {
		if (geteuid() == 0) {
			put("secret", "x");
			chmod("secret", 0600);
			chmod(".", 0755);
			seteuid(1234);
			OK("open-as-1234", open("secret", O_RDONLY));
			seteuid(0);
			OK("open-as-root", open("secret", O_RDONLY));
			setfsuid(1234);
			OK("open-fsuid", open("secret", O_RDONLY));
		}
		_exit(0);
	}
	waitpid(c, &st, 0);
	return 0;
}
