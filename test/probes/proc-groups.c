/* setpgid, setsid, getpgid, getsid: rules between parent and child. */ /* musl */
#include "probe.h"

int main(void)
{
	int s;
	struct gate g = new_gate(), h = new_gate();
	pid_t top = child();
	if (top) {
		waitpid(top, &s, 0);
		say_status("inner", s);
		return 0;
	}
	IS("setsid", setsid() == getpid());
	IS("own-group", getpgrp() == getpid() && getsid(0) == getpid());
	OK("setsid-again", setsid());
	OK("leader-setpgid", setpgid(0, 0));
	pid_t p = child();
	if (p == 0) {
		open_gate(&h);
		pass_gate(&g);
		_exit(getpgrp() == getpid() ? 1 : 0);
	}
	pass_gate(&h);
	IS("child-in-group", getpgid(p) == getpid());
	OK("move-child", setpgid(p, p));
	IS("moved", getpgid(p) == p);
	IS("same-session", getsid(p) == getpid());
	OK("move-back", setpgid(p, getpid()));
	IS("back", getpgid(p) == getpid());
	OK("to-nothing", setpgid(p, 999999));
	OK("negative", setpgid(p, -1));
	OK("no-such", setpgid(999999, 0));
	OK("parent", setpgid(getppid(), 0));
	OK("getpgid-none", getpgid(999999));
	OK("getsid-none", getsid(999999));
	OK("getpgid-negative", getpgid(-1));
	open_gate(&g);
	waitpid(p, &s, 0);
	say_status("child", s);
	p = child();
	if (p == 0) {
		pid_t q = setsid();
		open_gate(&h);
		pass_gate(&g);
		_exit(q == getpid() ? 0 : 1);
	}
	pass_gate(&h);
	OK("other-session", setpgid(p, getpid()));
	OK("other-session-leader", setpgid(p, p));
	IS("sid", getsid(p) == p);
	open_gate(&g);
	waitpid(p, &s, 0);
	int a[2], b[2];
	MUST(pipe(a));
	MUST(pipe(b));
	char n1[8], n2[8];
	sprintf(n1, "%d", a[1]);
	sprintf(n2, "%d", b[0]);
	p = child();
	if (p == 0) {
		execl("/bin/sh", "sh", "-c", "eval \"echo r >&$0; read x <&$1\"", n1, n2, (char *)NULL);
		_exit(1);
	}
	char c;
	MUST(read(a[0], &c, 1));
	OK("after-exec", setpgid(p, p));
	MUST(write(b[1], "\n", 1));
	waitpid(p, &s, 0);
	say_status("execed", s);
	p = child();
	if (p == 0) {
		setpgid(0, 0);
		pid_t q = child();
		if (q == 0) _exit(getpgrp() == getppid() ? 0 : 1);
		waitpid(q, &s, 0);
		OK("group-leader-setsid", setsid());
		_exit(WEXITSTATUS(s));
	}
	waitpid(p, &s, 0);
	say_status("inherits", s);
	return 0;
}
