/* Orphans, subreapers, death signals. */
#include "probe.h"
#include <sys/prctl.h>

int main(void)
{
	int s, v = -1;
	siginfo_t i;
	pid_t *sh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct gate g = new_gate(), h = new_gate();
	OK("get", prctl(PR_GET_CHILD_SUBREAPER, &v));
	say("subreaper=%d", v);
	OK("set", prctl(PR_SET_CHILD_SUBREAPER, 1));
	prctl(PR_GET_CHILD_SUBREAPER, &v);
	say("subreaper=%d", v);
	pid_t p = child();
	if (p == 0) {
		pid_t q = child();
		if (q == 0) {
			pass_gate(&g);
			sh[1] = getppid();
			prctl(PR_GET_CHILD_SUBREAPER, &v);
			sh[2] = v;
			_exit(33);
		}
		sh[0] = q;
		_exit(1);
	}
	waitpid(p, &s, 0);
	say_status("middle", s);
	open_gate(&g);
	IS("adopted", wait(&s) == sh[0]);
	say_status("orphan", s);
	IS("new-parent", sh[1] == getpid());
	say("not-inherited=%d", sh[2]);
	sigset_t m;
	sigemptyset(&m);
	sigaddset(&m, SIGUSR2);
	sigprocmask(SIG_BLOCK, &m, NULL);
	p = child();
	if (p == 0) {
		pid_t q = child();
		if (q == 0) {
			prctl(PR_SET_PDEATHSIG, SIGUSR2);
			open_gate(&g);
			int r = sigwaitinfo(&m, &i);
			sh[3] = r;
			sh[4] = i.si_code;
			_exit(0);
		}
		pass_gate(&g);
		_exit(0);
	}
	waitpid(p, &s, 0);
	wait(&s);
	say_status("grandchild", s);
	say("death-signal=%d code %d", sh[3], sh[4]);
	OK("pdeathsig-bad", prctl(PR_SET_PDEATHSIG, 65));
	OK("pdeathsig-0", prctl(PR_SET_PDEATHSIG, 0));
	OK("pdeathsig-9", prctl(PR_SET_PDEATHSIG, 9));
	prctl(PR_GET_PDEATHSIG, &v);
	say("pdeathsig=%d", v);
	p = child();
	if (p == 0) {
		prctl(PR_GET_PDEATHSIG, &v);
		_exit(v);
	}
	waitpid(p, &s, 0);
	say_status("pdeathsig-in-child", s);
	signal(SIGCHLD, SIG_IGN);
	p = child();
	if (p == 0) _exit(0);
	OK("ignored-sigchld", waitpid(p, &s, 0));
	signal(SIGCHLD, SIG_DFL);
	struct sigaction sa = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
	sigaction(SIGCHLD, &sa, NULL);
	p = child();
	if (p == 0) _exit(0);
	OK("nocldwait", waitpid(p, &s, 0));
	(void)h;
	return 0;
}
