/* wait4, waitid: options, statuses, errnos, stop and continue. */ /* musl */
#include "probe.h"

static void info(const char *key, int r, siginfo_t *i, pid_t p)
{
	if (r < 0) say("%s=%s", key, errname(errno));
	else
		say("%s=pid-%s signo %d code %d status %d", key,
		        i->si_pid == p   ? "right"
		        : i->si_pid == 0 ? "0"
		                         : "wrong",
		        i->si_signo, i->si_code, i->si_status);
}

int main(void)
{
	int s;
	siginfo_t i;
	struct rusage ru;
	struct gate g = new_gate();
	OK("no-child", wait(&s));
	OK("no-child-nohang", waitpid(-1, &s, WNOHANG));
	OK("not-mine", waitpid(1, &s, 0));
	OK("bad-options", waitpid(-1, &s, 0x100));
	OK("waitid-no-option", waitid(P_ALL, 0, &i, 0));
	OK("waitid-bad-type", waitid(77, 0, &i, WEXITED));
	OK("waitid-none", waitid(P_ALL, 0, &i, WEXITED));
	pid_t p = child();
	if (p == 0) {
		pass_gate(&g);
		_exit(300);
	}
	VAL("nohang-alive", waitpid(p, &s, WNOHANG));
	memset(&i, 0xff, sizeof i);
	int r = waitid(P_PID, p, &i, WEXITED | WNOHANG);
	info("waitid-nohang", r, &i, p);
	open_gate(&g);
	memset(&i, 0, sizeof i);
	r = waitid(P_PID, p, &i, WEXITED | WNOWAIT);
	info("nowait", r, &i, p);
	r = waitid(P_PID, p, &i, WEXITED);
	info("exit-300", r, &i, p);
	OK("again", waitid(P_PID, p, &i, WEXITED));
	p = child();
	if (p == 0) {
		for (;;) pause();
	}
	kill(p, SIGTERM);
	r = waitid(P_PID, p, &i, WEXITED);
	info("killed", r, &i, p);
	p = child();
	if (p == 0) {
		for (;;) pause();
	}
	MUST(kill(p, SIGSTOP));
	r = waitid(P_PID, p, &i, WSTOPPED);
	info("stopped", r, &i, p);
	VAL("stopped-once", waitpid(p, &s, WUNTRACED | WNOHANG));
	kill(p, SIGCONT);
	r = waitid(P_PID, p, &i, WCONTINUED);
	info("continued", r, &i, p);
	kill(p, SIGSTOP);
	IS("wait4-stop", waitpid(p, &s, WUNTRACED) == p);
	say_status("wait4-stopped", s);
	kill(p, SIGCONT);
	IS("wait4-cont", waitpid(p, &s, WCONTINUED) == p);
	say_status("wait4-continued", s);
	kill(p, SIGSTOP);
	waitpid(p, &s, WUNTRACED);
	kill(p, SIGKILL);
	IS("kill-stopped", wait4(p, &s, 0, &ru) == p);
	say_status("kill-stopped", s);
	IS("rusage", ru.ru_utime.tv_sec >= 0 && ru.ru_maxrss >= 0);
	p = child();
	if (p == 0) {
		setpgid(0, 0);
		open_gate(&g);
		for (;;) pause();
	}
	pass_gate(&g);
	VAL("other-group", waitpid(0, &s, WNOHANG) < 0 ? errno == ECHILD : 5);
	VAL("group-alive", waitpid(-p, &s, WNOHANG));
	kill(-p, SIGUSR1);
	IS("by-group", waitpid(-p, &s, 0) == p);
	say_status("group-kill", s);
	int fd[2];
	pipe(fd);
	p = child();
	if (p == 0) {
		pid_t q = child();
		if (q == 0) {
			char c;
			close(fd[1]);
			read(fd[0], &c, 1);
			_exit(0);
		}
		_exit(1);
	}
	IS("any", wait(&s) == p);
	OK("grandchild-is-not-mine", wait(&s));
	close(fd[1]);
	static const int codes[] = { 0, 1, 127, 128, 255, 256, -1 };
	for (unsigned k = 0; k < 7; k++) {
		p = child();
		if (p == 0) _exit(codes[k]);
		say("exit-%d=%d", codes[k], WEXITSTATUS(reap(p)));
	}
	OK("null-status", (p = child()) == 0 ? (_exit(0), 0) : waitpid(p, NULL, 0));
	p = child();
	if (p == 0) _exit(0);
	IS("waitid-null", waitid(P_PID, p, NULL, WEXITED) == 0);
	p = child();
	if (p == 0) _exit(0);
	OK("bad-status-pointer", waitpid(p, (int *)16, 0));
	OK("reaped-anyway", waitpid(p, &s, 0));
	return 0;
}
