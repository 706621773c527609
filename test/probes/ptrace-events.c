/* PTRACE_SEIZE, INTERRUPT, LISTEN, group stops; events of fork, vfork, clone, exec and exit; a tracer that goes away. */
#include "probe.h"
#include <sys/ptrace.h>
#include <pthread.h>

#define SEIZE 0x4206
#define INTERRUPT 0x4207
#define LISTEN 0x4208

static int st;
static pid_t wait_for(const char *key, pid_t pid)
{
	st = -1;
	pid_t r = waitpid(pid, &st, __WALL);
	if (r < 0) say("%s=%s", key, errname(errno));
	else if (WIFSTOPPED(st)) say("%s=stopped %d event %d", key, WSTOPSIG(st), st >> 16);
	else say_status(key, st);
	return r;
}

static void *thread(void *unused) { return unused; }

int main(int argc, char **argv)
{
	if (argc > 1) _exit(6);
	unsigned long msg;
	siginfo_t si;
	struct gate g = new_gate();

	/* seize: no stop; interrupt: one */
	pid_t pid = child();
	if (pid == 0) { pass_gate(&g); _exit(2); }
	OK("interrupt.untraced", ptrace(INTERRUPT, pid, 0, 0));
	OK("seize.addr", ptrace(SEIZE, pid, 1, 0));
	OK("seize", ptrace(SEIZE, pid, 0, 0));
	OK("cont.running", ptrace(PTRACE_CONT, pid, 0, 0));
	say("none=%d", waitpid(pid, &st, WNOHANG | __WALL));
	OK("interrupt", ptrace(INTERRUPT, pid, 0, 0));
	wait_for("interrupted", pid);
	OK("siginfo", ptrace(PTRACE_GETSIGINFO, pid, 0, &si));
	say("siginfo=%d %x", si.si_signo, si.si_code);
	OK("listen", ptrace(LISTEN, pid, 0, 0));
	OK("interrupt.listening", ptrace(INTERRUPT, pid, 0, 0));
	wait_for("again", pid);
	OK("cont", ptrace(PTRACE_CONT, pid, 0, 0));

	/* a stop of the group, and its end */
	kill(pid, SIGSTOP);
	wait_for("sigstop", pid);
	OK("listen.signal", ptrace(LISTEN, pid, 0, 0));
	OK("sigstop.cont", ptrace(PTRACE_CONT, pid, 0, SIGSTOP));
	wait_for("group", pid);
	OK("group.listen", ptrace(LISTEN, pid, 0, 0));
	OK("group.peek", ptrace(PTRACE_PEEKDATA, pid, &argc, 0));
	kill(pid, SIGCONT);
	wait_for("continued", pid);
	OK("continued.cont", ptrace(PTRACE_CONT, pid, 0, 0));
	wait_for("sigcont", pid);
	OK("sigcont.cont", ptrace(PTRACE_CONT, pid, 0, SIGCONT));
	open_gate(&g);
	wait_for("end", pid);

	/* attach: SIGSTOP; then detach */
	pid = child();
	if (pid == 0) { pass_gate(&g); _exit(3); }
	OK("attach", ptrace(PTRACE_ATTACH, pid, 0, 0));
	wait_for("attached", pid);
	OK("interrupt.attached", ptrace(INTERRUPT, pid, 0, 0));
	OK("attached.cont", ptrace(PTRACE_CONT, pid, 0, SIGSTOP));
	wait_for("attached.group", pid);
	say("group.siginfo=%s", ptrace(PTRACE_GETSIGINFO, pid, 0, &si) < 0 ? errname(errno) : "ok");
	kill(pid, SIGCONT);
	OK("detach", ptrace(PTRACE_DETACH, pid, 0, 0));
	open_gate(&g);
	wait_for("detached.end", pid);

	/* events */
	pid = child();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		pid_t kid = fork();
		if (kid == 0) _exit(10);
		reap(kid);
		kid = vfork();
		if (kid == 0) _exit(11);
		reap(kid);
		pthread_t t;
		pthread_create(&t, NULL, thread, NULL);
		pthread_join(t, NULL);
		execl("/proc/self/exe", "p", "again", NULL);
		_exit(1);
	}
	wait_for("events", pid);
	OK("options", ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT));
	static const char *const of[] = { "fork", "vfork", "clone" };
	for (int i = 0; i < 3; i++) {
		char key[64];
		MUST(ptrace(PTRACE_CONT, pid, 0, 0));
		wait_for(of[i], pid);
		MUST(ptrace(PTRACE_GETEVENTMSG, pid, 0, &msg));
		snprintf(key, sizeof key, "%s.child", of[i]);
		wait_for(key, (pid_t)msg);
		OK("child.siginfo", ptrace(PTRACE_GETSIGINFO, (pid_t)msg, 0, &si));
		MUST(ptrace(PTRACE_CONT, pid, 0, 0));
		MUST(ptrace(PTRACE_CONT, (pid_t)msg, 0, 0));
		snprintf(key, sizeof key, "%s.child.exit", of[i]);
		wait_for(key, (pid_t)msg);
		unsigned long status = 0;
		MUST(ptrace(PTRACE_GETEVENTMSG, (pid_t)msg, 0, &status));
		say("%s.status=%lx", of[i], status);
		MUST(ptrace(PTRACE_CONT, (pid_t)msg, 0, 0));
		snprintf(key, sizeof key, "%s.child.end", of[i]);
		wait_for(key, (pid_t)msg);
		if (i == 1) {
			unsigned long done = 0;
			wait_for("vfork.done", pid);
			MUST(ptrace(PTRACE_GETEVENTMSG, pid, 0, &done));
			IS("vfork.done.pid", done == msg);
			MUST(ptrace(PTRACE_CONT, pid, 0, 0));
		}
		if (i < 2) {
			wait_for("sigchld", pid);
			/* The next round goes on without it. */
		}
	}
	wait_for("exec", pid);
	MUST(ptrace(PTRACE_GETEVENTMSG, pid, 0, &msg));
	IS("exec.former", msg == (unsigned long)pid);
	MUST(ptrace(PTRACE_CONT, pid, 0, 0));
	wait_for("exit", pid);
	MUST(ptrace(PTRACE_GETEVENTMSG, pid, 0, &msg));
	say("exit.status=%lx", msg);
	MUST(ptrace(PTRACE_CONT, pid, 0, 0));
	wait_for("events.end", pid);

	/* A tracer that is not the parent: the parent learns of the end after it; and one that dies leaves its tracee alone. */
	struct gate ready = new_gate(), go = new_gate();
	pid = child();
	if (pid == 0) { pass_gate(&g); _exit(12); }
	pid_t tracer = child();
	if (tracer == 0) {
		MUST(ptrace(SEIZE, pid, 0, 0));
		say("tracer.status=%s", strstr(get("/proc/self/status"), "TracerPid:\t0") ? "untraced" : "traced");
		open_gate(&ready);
		pass_gate(&go);
		wait_for("tracer.end", pid);
		_exit(0);
	}
	pass_gate(&ready);
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	IS("tracerpid", strtol(strstr(get(path), "TracerPid:") + 10, NULL, 10) == tracer);
	OK("second", ptrace(PTRACE_ATTACH, pid, 0, 0));
	open_gate(&g);
	snprintf(path, sizeof path, "/proc/%d", pid);
	await_state(path, "Z");
	say("hidden=%d", waitpid(pid, &st, WNOHANG));
	open_gate(&go);
	say_status("tracer", reap(tracer));
	wait_for("parent.end", pid);
	return 0;
}
