/* Stopping and continuing: pending signals, handlers for SIGCONT, ignored stops, orphaned groups. */ /* musl */
#include "probe.h"
#include <sched.h>

static struct gate g;

static void h(int s)
{
	char c = s;
	(void)!write(g.fd[1], &c, 1);
}

static int got(void)
{
	char c = 0;
	while (read(g.fd[0], &c, 1) < 0 && errno == EINTR)
		;
	return c;
}

int main(void)
{
	int s;
	g = new_gate();
	struct gate r = new_gate();
	pid_t p = child();
	if (p == 0) {
		signal(SIGCONT, h);
		signal(SIGUSR1, h);
		signal(SIGTSTP, SIG_IGN);
		open_gate(&r);
		for (;;) pause();
	}
	pass_gate(&r);
	kill(p, SIGTSTP);
	kill(p, SIGUSR1);
	say("ignored-tstp-runs=%d", got());
	kill(p, SIGSTOP);
	waitpid(p, &s, WUNTRACED);
	say_status("stop", s);
	kill(p, SIGUSR1);
	VAL("still-stopped", waitpid(p, &s, WUNTRACED | WNOHANG | WCONTINUED));
	kill(p, SIGCONT);
	int a = got(), b = got();
	say("after-cont=%d %d", a < b ? a : b, a < b ? b : a);
	waitpid(p, &s, WCONTINUED);
	say_status("cont", s);
	kill(p, SIGCONT);
	say("cont-when-running=%d", got());
	VAL("no-report", waitpid(p, &s, WCONTINUED | WNOHANG));
	kill(p, SIGSTOP);
	waitpid(p, &s, WUNTRACED);
	kill(p, SIGTERM);
	kill(p, SIGCONT);
	waitpid(p, &s, 0);
	say_status("term-while-stopped", s);
	p = child();
	if (p == 0) {
		sigset_t m;
		sigemptyset(&m);
		sigaddset(&m, SIGCONT);
		sigaddset(&m, SIGTSTP);
		sigprocmask(SIG_BLOCK, &m, NULL);
		open_gate(&r);
		sigset_t w;
		for (;;) {
			sigpending(&w);
			if (sigismember(&w, SIGTSTP)) break;
			sched_yield();
		}
		open_gate(&r);
		for (;;) {
			sigpending(&w);
			if (sigismember(&w, SIGCONT)) break;
			sched_yield();
		}
		_exit(sigismember(&w, SIGTSTP) ? 1 : 7);
	}
	pass_gate(&r);
	kill(p, SIGTSTP);
	pass_gate(&r);
	kill(p, SIGCONT);
	waitpid(p, &s, 0);
	say_status("cont-discards-tstp", s);
	/* A stop signal from the terminal family does not stop an orphaned process group. */
	p = child();
	if (p == 0) {
		setsid();
		raise(SIGTSTP);
		raise(SIGTTIN);
		raise(SIGTTOU);
		_exit(8);
	}
	waitpid(p, &s, WUNTRACED);
	say_status("orphaned-group", s);
	p = child();
	if (p == 0) {
		raise(SIGSTOP);
		_exit(9);
	}
	waitpid(p, &s, WUNTRACED);
	say_status("self-stop", s);
	kill(p, SIGCONT);
	waitpid(p, &s, 0);
	say_status("then", s);
	return 0;
}
