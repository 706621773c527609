/* openat2(2): RESOLVE_* and its strict checks. */
#include "probe.h"
#include <linux/openat2.h>

static long o2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { flags, mode, resolve };
	return syscall(SYS_openat2, dir, path, &how, sizeof how);
}

int main(void)
{
	MUST(mkdir("d", 0755));
	put("d/f", "x");
	put("f", "y");
	MUST(symlink("f", "d/l"));
	MUST(symlink("../f", "d/up"));
	MUST(symlink("/", "d/abs"));
	int d = open("d", O_RDONLY | O_DIRECTORY);
	OK("plain", o2(d, "f", O_RDONLY, 0, 0));
	OK("beneath", o2(d, "f", O_RDONLY, 0, RESOLVE_BENEATH));
	OK("beneath-dotdot", o2(d, "../f", O_RDONLY, 0, RESOLVE_BENEATH));
	OK("beneath-link", o2(d, "l", O_RDONLY, 0, RESOLVE_BENEATH));
	OK("beneath-up", o2(d, "up", O_RDONLY, 0, RESOLVE_BENEATH));
	OK("beneath-abs", o2(d, "abs", O_RDONLY, 0, RESOLVE_BENEATH));
	OK("beneath-absolute", o2(d, "/", O_RDONLY, 0, RESOLVE_BENEATH));
	OK("no-symlinks", o2(d, "l", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	OK("in-root-up", o2(d, "up", O_RDONLY, 0, RESOLVE_IN_ROOT));
	OK("in-root-abs", o2(d, "/f", O_RDONLY, 0, RESOLVE_IN_ROOT));
	OK("no-magiclinks", o2(d, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
	OK("no-xdev", o2(AT_FDCWD, "/proc", O_RDONLY, 0, RESOLVE_NO_XDEV));
	OK("bad-resolve", o2(d, "f", O_RDONLY, 0, 1 << 20));
	OK("bad-flags", o2(d, "f", 1u << 30, 0, 0));
	OK("mode-without-creat", o2(d, "f", O_RDONLY, 0600, 0));
	OK("bad-mode", o2(d, "new", O_RDWR | O_CREAT, 0200000, 0));
	OK("creat", o2(d, "new", O_RDWR | O_CREAT, 0600, 0));
	char how[64] = { 0 };
	OK("bigger-zero", syscall(SYS_openat2, d, "f", how, sizeof how));
	how[40] = 1;
	OK("bigger-nonzero", syscall(SYS_openat2, d, "f", how, sizeof how));
	OK("smaller", syscall(SYS_openat2, d, "f", how, 8));
	return 0;
}
