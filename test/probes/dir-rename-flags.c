/* renameat2(2): RENAME_NOREPLACE and RENAME_EXCHANGE. */
#include "probe.h"
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif
#define RN(a, b, f) syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, f)

int main(void)
{
	struct stat st;
	put("a", "A");
	put("b", "B");
	MUST(mkdir("d", 0755));
	put("d/in", "");
	OK("noreplace-exists", RN("a", "b", RENAME_NOREPLACE));
	say("b=%s", get("b"));
	OK("noreplace", RN("a", "c", RENAME_NOREPLACE));
	say("c=%s", get("c"));
	OK("noreplace-dir", RN("c", "d", RENAME_NOREPLACE));
	OK("noreplace-missing", RN("no", "x", RENAME_NOREPLACE));
	OK("noreplace-same", RN("c", "c", RENAME_NOREPLACE));
	OK("exchange", RN("b", "c", RENAME_EXCHANGE));
	say("b=%s", get("b"));
	say("c=%s", get("c"));
	OK("exchange-missing", RN("b", "no", RENAME_EXCHANGE));
	OK("exchange-missing-from", RN("no", "b", RENAME_EXCHANGE));
	OK("exchange-file-dir", RN("b", "d", RENAME_EXCHANGE));
	stat("b", &st);
	IS("b-is-dir", S_ISDIR(st.st_mode));
	IS("b-has-in", access("b/in", F_OK) == 0);
	say("d=%s", get("d"));
	OK("exchange-into-self", (mkdir("b/sub", 0755), RN("b", "b/sub", RENAME_EXCHANGE)));
	OK("both-flags", RN("b", "c", RENAME_EXCHANGE | RENAME_NOREPLACE));
	OK("unknown-flag", RN("b", "c", 1 << 10));
	OK("zero", RN("c", "z", 0));
	return 0;
}
