/* Extended attributes: limits and errnos that every file system shares. */
#include "probe.h"
#include <sys/xattr.h>

int main(void)
{
	char b[64];
	put("f", "x");
	MUST(symlink("f", "l"));
	VAL("get-missing", getxattr("f", "user.none", b, 64));
	VAL("get-nofile", getxattr("no", "user.none", b, 64));
	OK("empty-name", setxattr("f", "", "v", 1, 0));
	OK("bad-namespace", setxattr("f", "nonsense.x", "v", 1, 0));
	OK("bad-flags", setxattr("f", "user.x", "v", 1, 99));
	OK("create-and-replace", setxattr("f", "user.a", "v", 1, XATTR_CREATE | XATTR_REPLACE));
	OK("user-on-link", lsetxattr("l", "user.a", "v", 1, 0));
	OK("remove-missing", removexattr("f", "user.none"));
	OK("get-badfd", fgetxattr(99, "user.a", b, 64));
	OK("too-big", setxattr("f", "user.a", b, 65537, 0));
	OK("security-capability-get", getxattr("f", "security.capability", b, 64));
	return 0;
}
