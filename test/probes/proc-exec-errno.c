/* execve(2): errnos, scripts, what the new program sees. */
#include "probe.h"

extern char **environ;

static int ex(const char *path)
{
	char *a[] = { "a0", "a1", NULL }, *e[] = { "K=V", NULL };
	execve(path, a, e);
	return -1;
}

static void script(const char *name, const char *text)
{
	put(name, text);
	MUST(chmod(name, 0755));
}

static void run(const char *key, const char *path)
{
	int s;
	pid_t p = child();
	if (p == 0) {
		ex(path);
		say("%s=%s", key, errname(errno));
		_exit(77);
	}
	waitpid(p, &s, 0);
	say_status(key, s);
}

int main(void)
{
	put("plain", "text");
	put("x-text", "neither elf nor script\n");
	chmod("x-text", 0755);
	put("empty", "");
	chmod("empty", 0755);
	MUST(mkdir("d", 0755));
	put("noexec", "#!/bin/sh\n");
	chmod("noexec", 0644);
	put("short-elf", "\177ELF");
	chmod("short-elf", 0755);
	OK("missing", ex("no"));
	OK("dir", ex("d"));
	OK("noexec", ex("noexec"));
	OK("text", ex("x-text"));
	OK("empty", ex("empty"));
	OK("short-elf", ex("short-elf"));
	OK("notdir", ex("plain/x"));
	OK("empty-path", ex(""));
	OK("null", ex(NULL));
	OK("dev", ex("/dev/null"));
	symlink("loop", "loop");
	OK("loop", ex("loop"));
	script("s1", "#!/bin/sh\necho script \"$0\" \"$@\" $K\nexit 3\n");
	run("script", "./s1");
	script("s2", "#! /bin/sh -e\necho with-arg $0 $-; exit 4\n");
	run("script-arg", "./s2");
	script("s3", "#!./s1 one two\n");
	run("nested", "./s3");
	script("s4", "#!/no/such/interpreter\n");
	run("no-interpreter", "./s4");
	script("s5", "#!\n");
	run("no-name", "./s5");
	script("s6", "#!./s6\n");
	run("self", "./s6");
	script("s7", "#!./d\n");
	run("dir-interpreter", "./s7");
	script("s8", "#!/bin/sh");
	run("no-newline", "./s8");
	script("s9", "#!/bin/echo   a b  c \t\nx\n");
	run("spaces", "./s9");
	symlink("s1", "link");
	run("through-link", "./link");
	char big[300];
	memset(big, 'x', sizeof big);
	memcpy(big, "#!/", 3);
	big[298] = '\n';
	big[299] = 0;
	script("s10", big);
	run("long-interpreter", "./s10");
	char chain[32], body[64];
	script("c0", "#!/bin/sh\nexit 11\n");
	for (int i = 1; i < 8; i++) {
		sprintf(chain, "c%d", i);
		sprintf(body, "#!./c%d\n", i - 1);
		script(chain, body);
	}
	for (int i = 3; i < 8; i++) {
		sprintf(chain, "./c%d", i);
		sprintf(body, "depth-%d", i);
		run(body, chain);
	}
	int fd = open("s1", O_WRONLY);
	run("busy", "./s1");
	close(fd);
	char *a[] = { "x", NULL }, *e[] = { NULL };
	OK("fexecve-bad", syscall(SYS_execveat, 99, "", a, e, AT_EMPTY_PATH));
	OK("execveat-flags", syscall(SYS_execveat, AT_FDCWD, "s1", a, e, 0x40000));
	OK("execveat-nofollow", syscall(SYS_execveat, AT_FDCWD, "link", a, e, AT_SYMLINK_NOFOLLOW));
	OK("execveat-empty", syscall(SYS_execveat, open("s1", O_RDONLY), "", a, e, 0));
	int s, t = open("/bin/true", O_RDONLY);
	pid_t p = child();
	if (p == 0) {
		syscall(SYS_execveat, t, "", a, e, AT_EMPTY_PATH);
		_exit(1);
	}
	waitpid(p, &s, 0);
	say_status("fexecve", s);
	OK("bad-argv", execve("/bin/true", (char **)16, e));
	char *bad[] = { "x", (char *)16, NULL };
	OK("bad-argv-string", execve("/bin/true", bad, e));
	OK("bad-env", execve("/bin/true", a, (char **)16));
	return 0;
}
