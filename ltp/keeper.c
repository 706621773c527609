/*
 * Runs one command of a conformance suite and answers for everything that it starts.
 *
 *   keeper [-ip] [-u UID -g GID] [-m DIR -s BYTES] [-d DIR] -t MS -o FILE -e FILE -- PROGRAM [ARG...]
 *
 *   -i        in its own process, mount and IPC namespaces (root only): what is left ends with them, kill(-1) reaches nobody outside
 *   -p        in the caller's session, as a process group of it: what gives its own children a session need not have one. The host's scheduler makes a
 *             group of every session (autogroup), and threads of several groups get more uneven shares than those of one
 *   -u -g     as this user, with no other groups
 *   -m -s     with an empty tmpfs of that size mounted on DIR (needs -i): a test that fills its scratch directory fills nothing else
 *   -d        in this directory
 *   -t        for so many milliseconds at most
 *   -o -e     standard output and error go to these files, which are opened here, before the user changes
 *
 * The command is the leader of its own session (but for -p), so that a signal to its process group stays there, and this process is the subreaper of all its
 * descendants: whatever they fork, wherever they setsid(2) to, they stay below it in the tree of processes. When the command has ended, when its time
 * is over, and when the runner goes (PR_SET_PDEATHSIG) or sends SIGTERM, every descendant is stopped and then killed, until waitpid(2) knows none.
 * Nothing else is ever signalled.
 *
 * On fd 3, one line: "exit N MS LEFT", "signal N MS LEFT" or "timeout 0 MS LEFT"; LEFT is how many descendants were still there. Limits that tests
 * see are set to what a login gives (1024 descriptors, no core files, umask 022), so that results do not depend on who starts the runner.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REPORT_FD 3
#define MAX_PIDS 65536

static const char *scratch, *scratch_size, *directory;
static int isolate, same_session;
static long user = -1, group = -1;

static void die(const char *what)
{
	dprintf(2, "keeper: %s: %s\n", what, strerror(errno));
	_exit(125);
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Parent of a living process, 0 when it is gone or a zombie. */
static pid_t parent_of(const char *pid)
{
	char path[300], line[512], *after;
	ssize_t got;
	int fd;

	snprintf(path, sizeof path, "/proc/%s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = read(fd, line, sizeof line - 1);
	close(fd);
	if (got <= 0)
		return 0;
	line[got] = 0;
	/* The name may hold blanks and parentheses: fields begin after the last one. */
	after = strrchr(line, ')');
	return after == NULL || after[1] == 0 || after[2] == 'Z' ? 0 : atoi(after + 4);
}

struct process { pid_t pid, parent; };

/* All descendants by /proc/PID/stat; their number. A table of parents is read first, then children are marked until nothing changes. */
static int descendants(struct process *found)
{
	static struct process all[MAX_PIDS];
	static char ours[MAX_PIDS];
	int n = 0, count = 0, changed = 1;
	DIR *dir = opendir("/proc");

	if (dir == NULL)
		return 0;
	for (struct dirent *d; n < MAX_PIDS && (d = readdir(dir)) != NULL;) {
		if (d->d_name[0] < '1' || d->d_name[0] > '9')
			continue;
		all[n].pid = atoi(d->d_name);
		all[n].parent = parent_of(d->d_name);
		ours[n] = all[n].parent == getpid();
		if (all[n].parent != 0)
			n++;
	}
	closedir(dir);
	while (changed) {
		changed = 0;
		for (int i = 0; i < n; i++) {
			for (int j = 0; !ours[i] && j < n; j++) {
				if (ours[j] && all[j].pid == all[i].parent)
					ours[i] = changed = 1;
			}
		}
	}
	for (int i = 0; i < n; i++)
		if (ours[i])
			found[count++] = all[i];
	return count;
}

/*
 * Signals a process if it is still the one that was found. Its number may belong to somebody else by now, and tests that make threads as fast as they can
 * wear numbers out in seconds: a pidfd holds on to the process, and then its parent is looked at once more.
 */
static void signal_one(const struct process *p, int signo)
{
	int fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	char number[16];
	pid_t parent;

	if (fd < 0)
		return;
	snprintf(number, sizeof number, "%d", p->pid);
	parent = parent_of(number);
	if (parent != 0 && (parent == p->parent || parent == getpid()))
		syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
	close(fd);
}

/* Ends every descendant; how many there were at first. They are stopped before they are killed, or one that forks could stay ahead. */
static int sweep(void)
{
	static struct process found[MAX_PIDS];
	int left = -1;

	for (;;) {
		int n = descendants(found);

		if (left < 0)
			left = n;
		for (int i = 0; i < n; i++)
			signal_one(&found[i], SIGSTOP);
		for (int i = 0; i < n; i++)
			signal_one(&found[i], SIGKILL);
		pid_t reaped;

		while ((reaped = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (reaped < 0 && errno == ECHILD)
			return left;
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
}

static void limit(int what, rlim_t soft)
{
	struct rlimit r;

	getrlimit(what, &r);
	r.rlim_cur = r.rlim_max != RLIM_INFINITY && soft > r.rlim_max ? r.rlim_max : soft;
	setrlimit(what, &r);
}

/* The command itself; never returns. */
static void command(char **argv, int out, int err)
{
	int in = open("/dev/null", O_RDONLY);
	sigset_t none;

	if (same_session)
		setpgid(0, 0);
	else
		setsid();
	umask(022);
	limit(RLIMIT_NOFILE, 1024);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_STACK, 8 << 20);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	close_range(3, ~0u, 0);
	if (group >= 0 && (setgroups(0, NULL) < 0 || setresgid(group, group, group) < 0))
		die("group");
	if (user >= 0 && setresuid(user, user, user) < 0)
		die("user");
	if (directory != NULL && chdir(directory) < 0)
		die(directory);
	execvp(argv[0], argv);
	die(argv[0]);
}

/* The keeper itself stays in the old mount namespace, whose /proc shows it its descendants. */
static void mounts(void)
{
	char options[64];

	if (unshare(CLONE_NEWNS | CLONE_NEWIPC) < 0)
		die("unshare");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("mount private");
	if (scratch != NULL) {
		snprintf(options, sizeof options, "size=%s,mode=1777", scratch_size == NULL ? "1g" : scratch_size);
		if (mount("tmpfs", scratch, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
			die(scratch);
	}
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		die("/proc");
}

/* First process of the namespace: waits for the command, then ends with its status, and the kernel ends the rest. */
static void first(char **argv, int out, int err)
{
	int status;
	pid_t test, pid;

	mounts();
	test = fork();
	if (test < 0)
		die("fork");
	if (test == 0)
		command(argv, out, err);
	while ((pid = waitpid(-1, &status, 0)) != test)
		if (pid < 0 && errno != EINTR)
			die("wait");
	dprintf(REPORT_FD, "%s %d ", WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	_exit(0);
}

int main(int argc, char **argv)
{
	const char *out_name = "/dev/null", *err_name = "/dev/null";
	long timeout = 60000, begin = now_ms();
	int c, out, err, status, over = 0;
	sigset_t wanted;
	pid_t child, pid = 0;

	while ((c = getopt(argc, argv, "+ipu:g:m:s:d:t:o:e:")) != -1) {
		switch (c) {
		case 'i': isolate = 1; break;
		case 'p': same_session = 1; break;
		case 'u': user = atol(optarg); break;
		case 'g': group = atol(optarg); break;
		case 'm': scratch = optarg; break;
		case 's': scratch_size = optarg; break;
		case 'd': directory = optarg; break;
		case 't': timeout = atol(optarg); break;
		case 'o': out_name = optarg; break;
		case 'e': err_name = optarg; break;
		default: return 125;
		}
	}
	if (optind >= argc)
		return 125;
	/* What a terminal sends to the runner is for the runner, whose end is told by PR_SET_PDEATHSIG. */
	setpgid(0, 0);
	/* The report's reader may be gone: what is left of the command must be ended all the same. */
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	out = open(out_name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	err = open(err_name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (out < 0 || err < 0)
		die("captures");
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGINT);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	if (isolate && unshare(CLONE_NEWPID) < 0)
		die("unshare");
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		if (isolate)
			first(argv + optind, out, err);
		else
			command(argv + optind, out, err);
	}
	while (pid != child && !over) {
		long left = begin + timeout - now_ms();
		struct timespec ts = { left > 0 ? left / 1000 : 0, left > 0 ? left % 1000 * 1000000 : 0 };
		int signo = sigtimedwait(&wanted, NULL, &ts);

		if (signo == SIGTERM || signo == SIGINT || (signo < 0 && errno == EAGAIN))
			over = 1;
		while (pid != child && (pid = waitpid(-1, &status, WNOHANG)) > 0)
			;
	}
	/* The first process of a namespace has told the end by itself, unless it was killed. */
	if (pid != child)
		dprintf(REPORT_FD, "timeout 0 ");
	else if (!isolate)
		dprintf(REPORT_FD, "%s %d ", WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		dprintf(REPORT_FD, "signal %d ", WTERMSIG(status));
	long ms = now_ms() - begin;
	int killed = sweep();

	dprintf(REPORT_FD, "%ld %d\n", ms, killed);
	return 0;
}
