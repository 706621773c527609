/* uname, sysinfo, hostname, page size, CPU counts: shape, not values. */ /* musl */
#include "probe.h"
#include <sys/sysinfo.h>
#include <sys/utsname.h>

int main(void)
{
	struct utsname u;
	struct sysinfo s;
	char h[70];
	OK("uname", uname(&u));
	say("sysname=%s machine=%s", u.sysname, u.machine);
	IS("release", u.release[0] >= '3' && strchr(u.release, '.'));
	IS("version", u.version[0] == '#');
	OK("gethostname", gethostname(h, sizeof h));
	IS("same", !strcmp(h, u.nodename));
	OK("uname-fault", syscall(SYS_uname, 16));
	OK("sysinfo", sysinfo(&s));
	IS("ram", s.totalram > 0 && s.freeram <= s.totalram);
	IS("procs", s.procs > 0);
	IS("unit", s.mem_unit >= 1);
	IS("uptime", s.uptime > 0);
	OK("sysinfo-fault", syscall(SYS_sysinfo, 16));
	say("page=%ld clk=%ld", sysconf(_SC_PAGESIZE), sysconf(_SC_CLK_TCK));
	IS("cpus", sysconf(_SC_NPROCESSORS_ONLN) >= 1);
	IS("cpus-conf", sysconf(_SC_NPROCESSORS_CONF) >= sysconf(_SC_NPROCESSORS_ONLN));
	OK("sethostname-long", sethostname("x", 65));
	OK("sethostname-negative", sethostname("x", -1));
	if (geteuid()) {
		OK("sethostname", sethostname("x", 1));
		OK("setdomainname", setdomainname("x", 1));
		OK("chroot", chroot("."));
	}
	OK("open-max", sysconf(_SC_OPEN_MAX) > 0 ? 0 : -1);
	return 0;
}
