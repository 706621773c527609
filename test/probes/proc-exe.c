/* /proc/self/exe, asked for before and after what it leads to was renamed, replaced and removed, by the program and by its child. */
#include "probe.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void show(const char *when)
{
	char to[512], small[4];
	ssize_t n = readlink("/proc/self/exe", to, sizeof to - 1), m = readlink("/proc/self/exe", small, sizeof small);

	if (n < 0) { say("%s=%d", when, errno); return; }
	to[n] = 0;
	say("%s=%s small=%d", when, strrchr(to, '/'), (int)m);
}

static int copy(const char *from, const char *to)
{
	char b[65536];
	ssize_t n;
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0755);

	while ((n = read(in, b, sizeof b)) > 0)
		if (write(out, b, (size_t)n) != n) return -1;
	close(in);
	close(out);
	return 0;
}

int main(int argc, char **argv)
{
	int st;
	pid_t p;

	if (argc > 1) {
		show("started");
		rename("exe-a", "exe-b");
		show("renamed");
		p = fork();
		if (p == 0) { show("child"); _exit(0); }
		waitpid(p, &st, 0);
		mkdir("exe-dir", 0755);
		rename("exe-b", "exe-dir/exe-c");
		show("moved");
		rename("exe-dir", "exe-other");
		show("above");
		p = fork();
		if (p == 0) { unlink("exe-other/exe-c"); show("gone"); _exit(0); }
		waitpid(p, &st, 0);
		show("removed");
		rmdir("exe-other");
		return 0;
	}
	if (copy("/proc/self/exe", "exe-a")) return 1;
	p = vfork();
	if (p == 0) { execl("./exe-a", "exe-a", "x", (char *)0); _exit(9); }
	waitpid(p, &st, 0);
	say("status=%d", WEXITSTATUS(st));
	(void)argv;
	return 0;
}
