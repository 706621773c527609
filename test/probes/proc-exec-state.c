/* What exec keeps and what it resets: signals, ids, umask, cwd, name. */
#include "probe.h"
#include <sys/prctl.h>

static void handler(int s) { (void)s; }

int main(int argc, char **argv)
{
	if (argc > 1) {
		struct sigaction sa;
		sigset_t m, pend;
		char name[17] = "";
		stack_t ss;
		sigaction(SIGUSR1, NULL, &sa);
		say("handled-usr1=%s", sa.sa_handler == SIG_DFL   ? "default"
		                       : sa.sa_handler == SIG_IGN ? "ignore"
		                                                  : "handler");
		sigaction(SIGUSR2, NULL, &sa);
		say("ignored-usr2=%s", sa.sa_handler == SIG_IGN ? "ignore" : "other");
		sigprocmask(SIG_BLOCK, NULL, &m);
		say("mask-hup=%d term=%d", sigismember(&m, SIGHUP), sigismember(&m, SIGTERM));
		sigpending(&pend);
		say("pending-hup=%d", sigismember(&pend, SIGHUP));
		say("umask=%o", umask(0));
		prctl(PR_GET_NAME, name);
		say("name=%s", name);
		IS("pid-kept", getpid() == atoi(argv[1]));
		sigaltstack(NULL, &ss);
		say("altstack=%d", ss.ss_flags);
		IS("cwd-kept", access("marker", F_OK) == 0);
		struct rlimit l;
		getrlimit(RLIMIT_NOFILE, &l);
		say("limit=%ld", (long)l.rlim_cur);
		say("alarm-kept=%d", alarm(DEADLINE) > 0);
		int dead = 99;
		prctl(PR_GET_PDEATHSIG, &dead);
		say("pdeathsig=%d", dead);
		struct itimerval it;
		getitimer(ITIMER_VIRTUAL, &it);
		IS("itimer-kept", it.it_value.tv_sec > 0);
		char b[64] = "";
		int fd = open("/proc/self/comm", O_RDONLY);
		VAL("comm-length", read(fd, b, 63));
		say("comm=%.10s", b);
		say("dumpable=%d", prctl(PR_GET_DUMPABLE));
		say("nnp=%d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
		say("sub=%d", (prctl(PR_GET_CHILD_SUBREAPER, &dead), dead));
		return 0;
	}
	put("marker", "");
	MUST(mkdir("sub", 0755));
	signal(SIGUSR1, handler);
	signal(SIGUSR2, SIG_IGN);
	sigset_t m;
	sigemptyset(&m);
	sigaddset(&m, SIGHUP);
	sigprocmask(SIG_BLOCK, &m, NULL);
	raise(SIGHUP);
	umask(0123);
	prctl(PR_SET_NAME, "before-exec");
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack };
	sigaltstack(&ss, NULL);
	struct rlimit l;
	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = 100;
	setrlimit(RLIMIT_NOFILE, &l);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	struct itimerval it = { .it_value = { 1000, 0 } };
	setitimer(ITIMER_VIRTUAL, &it, NULL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	char pid[16];
	snprintf(pid, 16, "%d", getpid());
	execl("/proc/self/exe", "arg0", pid, (char *)NULL);
	say("exec-failed=%s", errname(errno));
	return 1;
}
