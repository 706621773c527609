/* statfs(2): the kernel's own file systems, and shape of the rest. */
#include "probe.h"
#include <sys/vfs.h>
#include <sys/statvfs.h>

int main(void)
{
	struct statfs s;
	struct statvfs v;
	OK("proc", statfs("/proc", &s));
	say("proc-type=%lx", (long)s.f_type);
	OK("devpts", statfs("/dev/pts", &s));
	say("devpts-type=%lx", (long)s.f_type);
	OK("here", statfs(".", &s));
	IS("bsize", s.f_bsize >= 512);
	IS("free", s.f_bfree <= s.f_blocks);
	IS("avail", s.f_bavail <= s.f_bfree);
	say("namelen=%ld", (long)s.f_namelen);
	OK("fstatfs", fstatfs(open(".", O_RDONLY), &s));
	OK("badfd", fstatfs(99, &s));
	OK("missing", statfs("no", &s));
	OK("fault", statfs(".", (void *)16));
	OK("statvfs", statvfs("/", &v));
	IS("frsize", v.f_frsize > 0);
	say("namemax=%ld", (long)v.f_namemax);
	say("pathconf=%ld %ld", pathconf(".", _PC_NAME_MAX), pathconf(".", _PC_PATH_MAX));
	int p[2];
	MUST(pipe(p));
	OK("pipe", fstatfs(p[0], &s));
	say("pipe-type=%lx", (long)s.f_type);
	return 0;
}
