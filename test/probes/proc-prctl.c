/* prctl(2), personality, arch_prctl: the common part. */
#include "probe.h"
#include <sys/prctl.h>
#include <sys/personality.h>

int main(void)
{
	char n[32] = "";
	OK("set-name", prctl(PR_SET_NAME, "a-name-that-is-too-long"));
	prctl(PR_GET_NAME, n);
	say("name=%s", n);
	say("comm=%s", get("/proc/self/comm"));
	put("/proc/self/comm", "written\n");
	prctl(PR_GET_NAME, n);
	say("written=%s", n);
	OK("name-fault", prctl(PR_SET_NAME, 16));
	say("dumpable=%d", prctl(PR_GET_DUMPABLE));
	OK("set-0", prctl(PR_SET_DUMPABLE, 0));
	say("dumpable=%d", prctl(PR_GET_DUMPABLE));
	OK("set-2", prctl(PR_SET_DUMPABLE, 2));
	OK("set-1", prctl(PR_SET_DUMPABLE, 1));
	say("nnp=%d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0);
	OK("nnp-bad", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	OK("nnp-args", prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
	OK("nnp-set", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	say("nnp=%d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	say("keepcaps=%d", prctl(PR_GET_KEEPCAPS));
	OK("keepcaps-2", prctl(PR_SET_KEEPCAPS, 2));
	VAL("slack", prctl(PR_GET_TIMERSLACK) > 0);
	OK("slack-set", prctl(PR_SET_TIMERSLACK, 12345));
	VAL("slack", prctl(PR_GET_TIMERSLACK));
	OK("unknown", prctl(9999, 0, 0, 0, 0));
	OK("capbset-bad", prctl(PR_CAPBSET_READ, 999));
	VAL("capbset-0", prctl(PR_CAPBSET_READ, 0) >= 0);
	say("personality=%lx", (long)personality(0xffffffff));
	unsigned long fs = 0;
	OK("get-fs", syscall(SYS_arch_prctl, 0x1003, &fs));
	IS("fs", fs != 0);
	OK("arch-bad", syscall(SYS_arch_prctl, 0x9999, 0));
	OK("set-fs-bad", syscall(SYS_arch_prctl, 0x1002, -1L));
	OK("get-fs-fault", syscall(SYS_arch_prctl, 0x1003, 16));
	return 0;
}
