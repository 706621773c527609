/* fork and vfork: what is copied, what is shared, pids as relations. */ /* musl */
#include "probe.h"

static int global = 1;

int main(void)
{
	int s, local = 1;
	struct gate g = new_gate();
	pid_t me = getpid(), p;
	pid_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	p = child();
	if (p == 0) {
		global = 2;
		local = 2;
		shared[0] = getpid();
		shared[1] = getppid();
		shared[2] = syscall(SYS_gettid);
		shared[3] = getpgrp();
		shared[4] = getsid(0);
		_exit(5);
	}
	IS("waited", wait(&s) == p);
	say_status("status", s);
	say("parent-data=%d %d", global, local);
	IS("pid", shared[0] == p);
	IS("ppid", shared[1] == me);
	IS("tid-is-pid", shared[2] == p);
	IS("pgrp", shared[3] == getpgrp());
	IS("sid", shared[4] == getsid(0));
	IS("differs", p != me);
	p = vfork();
	if (p == 0) {
		global = 3;
		local = 3;
		_exit(6);
	}
	IS("vfork-after-child", global == 3);
	IS("vfork-waited", waitpid(p, &s, 0) == p);
	say_status("vfork", s);
	p = vfork();
	if (p == 0) {
		execl("/bin/sh", "sh", "-c", "exit 9", (char *)NULL);
		_exit(1);
	}
	waitpid(p, &s, 0);
	say_status("vfork-exec", s);
	p = vfork();
	if (p == 0) {
		execl("/nosuch", "x", (char *)NULL);
		global = errno;
		_exit(2);
	}
	waitpid(p, &s, 0);
	say_status("vfork-exec-fails", s);
	say("errno-seen=%s", errname(global));
	alarm(0);
	alarm(500);
	p = fork();
	if (p == 0) _exit(alarm(0) ? 1 : 0);
	waitpid(p, &s, 0);
	say_status("alarm-not-inherited", s);
	alarm(DEADLINE);
	p = child();
	if (p == 0) {
		for (int i = 0; i < 5; i++) {
			pid_t q = child();
			if (q) {
				waitpid(q, &s, 0);
				_exit(WEXITSTATUS(s) + 1);
			}
		}
		_exit(10);
	}
	waitpid(p, &s, 0);
	say_status("chain-of-five", s);
	pid_t kids[20];
	int sum = 0;
	for (int i = 0; i < 20; i++)
		if ((kids[i] = child()) == 0) {
			pass_gate(&g);
			_exit(i);
		}
	for (int i = 0; i < 20; i++) open_gate(&g);
	for (int i = 0; i < 20; i++) {
		waitpid(kids[i], &s, 0);
		sum += WEXITSTATUS(s);
	}
	say("twenty=%d", sum);
	OK("no-more", wait(&s));
	OK("reaped-gone", kill(kids[0], 0));
	return 0;
}
