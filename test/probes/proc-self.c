/* /proc/self: exe, fd, cmdline, environ, status, stat, maps, task. */
#include "probe.h"
#include <dirent.h>
#include <sys/prctl.h>

static int cmp(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list(const char *key, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char *names[64], line[600] = "";
	int n = 0;
	if (!d) {
		say("%s=%s", key, errname(errno));
		return;
	}
	while ((e = readdir(d)) && n < 64)
		if (atoi(e->d_name) != dirfd(d) || e->d_name[0] == '.') names[n++] = strdup(e->d_name);
	closedir(d);
	qsort(names, n, sizeof *names, cmp);
	for (int i = 0; i < n; i++) sprintf(line + strlen(line), " %s", names[i]);
	say("%s=%s", key, line);
}

int main(int argc, char **argv)
{
	char b[4096] = "", c[4096] = "", line[4096];
	struct stat st, s2;
	syscall(SYS_close_range, 3, ~0u, 0);
	ssize_t n = readlink("/proc/self/exe", b, 4095);
	IS("exe-absolute", n > 0 && b[0] == '/');
	IS("exe-name", n > 9 && !strcmp(b + n - 9, "proc-self"));
	stat("/proc/self/exe", &st);
	stat(b, &s2);
	IS("exe-same-file", st.st_ino == s2.st_ino);
	n = readlink("/proc/self", b, 100);
	b[n] = 0;
	IS("self-is-pid", atoi(b) == getpid());
	n = readlink("/proc/self/cwd", b, 4095);
	b[n > 0 ? n : 0] = 0;
	getcwd(c, sizeof c);
	IS("cwd", !strcmp(b, c));
	n = readlink("/proc/self/root", b, 100);
	say("root=%.*s", (int)n, b);
	n = readlink("/proc/thread-self", b, 100);
	IS("thread-self", n > 0);
	put("f", "x");
	open("f", O_RDWR | O_APPEND);
	open("/dev/null", O_RDONLY | O_CLOEXEC);
	n = readlink("/proc/self/fd/3", b, 4095);
	b[n > 0 ? n : 0] = 0;
	strcat(c, "/f");
	IS("fd-path", !strcmp(b, c));
	n = readlink("/proc/self/fd/4", b, 4095);
	say("fd-null=%.*s", (int)n, b);
	int p[2];
	pipe(p);
	n = readlink("/proc/self/fd/5", b, 4095);
	IS("fd-pipe", n > 6 && !strncmp(b, "pipe:[", 6));
	lstat("/proc/self/fd/3", &st);
	say("fd-mode=%o", st.st_mode);
	OK("fd-missing", readlink("/proc/self/fd/77", b, 10));
	list("fds", "/proc/self/fd");
	snprintf(line, sizeof line, "/proc/self/fdinfo/3");
	lseek(3, 0, SEEK_END);
	strcpy(c, get(line));
	IS("fdinfo-pos", strstr(c, "pos:\t1\n"));
	IS("fdinfo-flags", strstr(c, "flags:\t02002\n") || strstr(c, "flags:\t0102002\n"));
	int fd = open("/proc/self/cmdline", O_RDONLY);
	n = read(fd, b, 4096);
	IS("cmdline", n == (ssize_t)strlen(argv[0]) + 1 && !strcmp(b, argv[0]));
	close(fd);
	prctl(PR_SET_NAME, "na me)(x");
	say("comm=%.8s", get("/proc/self/comm"));
	strcpy(c, get("/proc/self/stat"));
	char *z = strrchr(c, ')');
	IS("stat-comm", strstr(c, "(na me)(x)") != NULL);
	int ppid = 0, pgrp = 0, sid = 0;
	char state = 0;
	sscanf(z + 1, " %c %d %d %d", &state, &ppid, &pgrp, &sid);
	say("state=%c", state);
	IS("stat-ids", ppid == getppid() && pgrp == getpgrp() && sid == getsid(0));
	IS("stat-pid", atoi(c) == getpid());
	int fields = 0;
	for (char *q = z; *q; q++) fields += *q == ' ';
	say("stat-fields=%d", fields);
	n = atoi(get("/proc/self/statm"));
	IS("statm", n > 0);
	FILE *f = fopen("/proc/self/status", "r");
	char want[] = " Name Umask State Tgid Ngid Pid PPid TracerPid Uid Gid FDSize Groups VmPeak VmSize "
	              "VmRSS VmData VmStk VmExe VmLib Threads SigQ SigPnd ShdPnd SigBlk SigIgn SigCgt CapInh "
	              "CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Cpus_allowed voluntary_ctxt_switches "
	              "nonvoluntary_ctxt_switches ";
	signal(SIGUSR1, SIG_IGN);
	int seen = 0;
	while (f && fgets(line, sizeof line, f)) {
		char *colon = strchr(line, ':'), key[64];
		if (!colon) continue;
		*colon = 0;
		snprintf(key, 64, " %.60s ", line);
		if (strstr(want, key)) seen++;
		if (!strcmp(line, "Tgid")) IS("status-tgid", atoi(colon + 1) == getpid());
		if (!strcmp(line, "PPid")) IS("status-ppid", atoi(colon + 1) == getppid());
		if (!strcmp(line, "Threads")) say("status-threads=%d", atoi(colon + 1));
		if (!strcmp(line, "Uid")) IS("status-uid", (uid_t)atoi(colon + 1) == getuid());
	}
	say("status-keys=%d", seen);
	if (f) fclose(f);
	f = fopen("/proc/self/maps", "r");
	int heap = 0, stack = 0, exe = 0, vdso = 0, odd = 0;
	malloc(100);
	while (f && fgets(line, sizeof line, f)) {
		unsigned long a, e;
		char perm[8];
		if (sscanf(line, "%lx-%lx %7s", &a, &e, perm) != 3 || a >= e) odd++;
		heap |= !!strstr(line, "[heap]");
		stack |= !!strstr(line, "[stack]");
		vdso |= !!strstr(line, "[vdso]");
		exe |= !!strstr(line, "/proc-self\n");
	}
	say("maps=heap %d stack %d exe %d vdso %d odd %d", heap, stack, exe, vdso, odd);
	if (f) fclose(f);
	list("tasks-count", "/proc/self/nosuch");
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int tasks = 0;
	while (d && (e = readdir(d))) tasks += e->d_name[0] != '.';
	say("tasks=%d", tasks);
	fd = open("/proc/self/mem", O_RDWR);
	static int word = 41;
	IS("mem-read", pread(fd, &n, 4, (off_t)(uintptr_t)&word) == 4 && (int)n == 41);
	OK("create", open("/proc/nosuch", O_CREAT | O_RDWR, 0666));
	OK("missing-pid", open("/proc/999999/stat", O_RDONLY));
	IS("other", (snprintf(line, 64, "/proc/%d/stat", getppid()), access(line, R_OK) == 0));
	return 0;
}
