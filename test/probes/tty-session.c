/* A session with a controlling terminal: Ctrl-C, Ctrl-Z, background reads, SIGWINCH, SIGHUP. */
#include "probe.h"
#include <sys/ioctl.h>
#include <termios.h>

static struct gate ev;

static void h(int s)
{
	char c = s;
	(void)!write(ev.fd[1], &c, 1);
}

static int got(void)
{
	char c = 0;
	while (read(ev.fd[0], &c, 1) < 0 && errno == EINTR)
		;
	return c;
}

int main(void)
{
	ev = new_gate();
	struct gate go = new_gate(), at = new_gate();
	int m = posix_openpt(O_RDWR | O_NOCTTY), st;
	grantpt(m);
	unlockpt(m);
	fcntl(m, F_SETFD, FD_CLOEXEC);
	char name[64];
	strcpy(name, ptsname(m));
	pid_t lead = child();
	if (lead == 0) {
		close(m);
		IS("setsid", setsid() == getpid());
		close(open(name, O_RDWR | O_NOCTTY));
		OK("no-tty-yet", open("/dev/tty", O_RDWR));
		int s = open(name, O_RDWR);
		OK("open", s);
		OK("dev-tty", open("/dev/tty", O_RDWR));
		IS("foreground", tcgetpgrp(s) == getpgrp());
		IS("sid", tcgetsid(s) == getpid());
		OK("again", ioctl(s, TIOCSCTTY, 0));
		for (int i = 0; i < 5; i++) {
			static const int sig[] = { SIGINT, SIGQUIT, SIGTSTP, SIGWINCH, SIGHUP };
			signal(sig[i], h);
		}
		signal(SIGCONT, h);
		struct winsize w = { 30, 90, 0, 0 };
		open_gate(&at);
		say("ctrl-c=%d", got());
		open_gate(&at);
		say("ctrl-backslash=%d", got());
		open_gate(&at);
		say("ctrl-z=%d", got());
		ioctl(s, TIOCSWINSZ, &w);
		say("winch=%d", got());
		/* A background group that reads is stopped by SIGTTIN; with TOSTOP one that writes by SIGTTOU. */
		pid_t b = child();
		if (b == 0) {
			setpgid(0, 0);
			signal(SIGTTIN, SIG_DFL);
			char c;
			long r = read(s, &c, 1);
			_exit(r == 1 ? 4 : 5);
		}
		setpgid(b, b);
		waitpid(b, &st, WUNTRACED);
		say_status("background-read", st);
		signal(SIGTTOU, SIG_IGN);
		OK("give", tcsetpgrp(s, b));
		IS("given", tcgetpgrp(s) == b);
		kill(-b, SIGCONT);
		open_gate(&at);
		waitpid(b, &st, 0);
		say_status("foreground-read", st);
		b = child();
		if (b == 0) {
			setpgid(0, 0);
			signal(SIGTTOU, SIG_DFL);
			signal(SIGCONT, SIG_DFL);
			tcsetpgrp(s, getpgrp());
			_exit(6);
		}
		setpgid(b, b);
		OK("take-back", tcsetpgrp(s, getpgrp()));
		IS("own", tcgetpgrp(s) == getpgrp());
		OK("no-such-group", tcsetpgrp(s, 999999));
		kill(b, SIGKILL);
		waitpid(b, &st, 0);
		signal(SIGTTIN, SIG_IGN);
		b = child();
		if (b == 0) {
			setpgid(0, 0);
			signal(SIGTTIN, SIG_IGN);
			char c;
			long r = read(s, &c, 1);
			_exit(r < 0 ? errno : 0);
		}
		waitpid(b, &st, 0);
		say("background-ignored=%s", WIFEXITED(st) ? errname(WEXITSTATUS(st)) : "signal");
		b = child();
		if (b == 0) {
			setsid();
			OK("other-session-tty", open("/dev/tty", O_RDWR));
			OK("steal", ioctl(s, TIOCSCTTY, 0));
			OK("pgrp", tcgetpgrp(s));
			_exit(0);
		}
		waitpid(b, &st, 0);
		open_gate(&at);
		pass_gate(&go);
		/* Each comes up to twice: to the leader, and to the foreground group. In which order handlers run is chance. */
		int seen = 0;
		while (seen != 3) {
			int x = got();
			seen |= x == SIGHUP ? 1 : x == SIGCONT ? 2 : 0;
		}
		say("hangup=%d", seen);
		char c;
		VAL("read-after", read(s, &c, 1));
		_exit(9);
	}
	pass_gate(&at);
	write(m, "\003", 1);
	pass_gate(&at);
	write(m, "\034", 1);
	pass_gate(&at);
	write(m, "\032", 1);
	pass_gate(&at);
	write(m, "k\n", 2);
	pass_gate(&at);
	close(m);
	open_gate(&go);
	waitpid(lead, &st, 0);
	say_status("leader", st);
	return 0;
}
