/* Every default action, as the parent sees it. */ /* musl */
#include "probe.h"

int main(void)
{
	int s;
	for (int n = 1; n <= 64; n++) {
		if (n == 32 || n == 33 || n == 34) continue; /* kept by libc */
		pid_t p = child();
		if (p == 0) {
			struct rlimit c = { 0, 0 };
			setrlimit(RLIMIT_CORE, &c);
			signal(n, SIG_DFL);
			kill(getpid(), n);
			_exit(0);
		}
		if (waitpid(p, &s, WUNTRACED) < 0) {
			say("lost=%d", n);
			continue;
		}
		char key[16];
		snprintf(key, sizeof key, "signal-%d", n);
		say_status(key, s);
		if (WIFSTOPPED(s)) {
			kill(p, SIGKILL);
			waitpid(p, &s, 0);
		}
	}
	return 0;
}
