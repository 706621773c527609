/* Argument and environment limits, argv[0], order, and auxiliary vector. */
#include "probe.h"
#include <sys/auxv.h>

extern char **environ;

int main(int argc, char **argv)
{
	if (argc >= 1 && argv[0] && !strcmp(argv[0], "show")) {
		say("argc=%d", argc);
		for (int i = 1; i < argc && i < 4; i++)
			say("arg%d=%.20s len %zu", i, argv[i], strlen(argv[i]));
		int n = 0;
		for (char **e = environ; *e; e++) {
			if (n < 3) say("env=%.20s", *e);
			n++;
		}
		say("envc=%d", n);
		IS("contiguous", argc < 2 || argv[1] == argv[0] + strlen(argv[0]) + 1);
		return 0;
	}
	if (argc >= 1 && argv[0] && !strcmp(argv[0], "count")) {
		size_t n = 0;
		for (int i = 0; i < argc; i++) n += strlen(argv[i]);
		say("argc=%d bytes=%zu", argc, n);
		return 0;
	}
	if (argc == 0 || (argv[0] && !*argv[0])) {
		say("argc-given=%d", argc);
		return 0;
	}
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	self[n] = 0;
	int s;
	pid_t p;
	char *none[] = { NULL };
#define RUN(key, a, e)                                     \
	do {                                               \
		p = child();                               \
		if (p == 0) {                              \
			execve(self, a, e);                \
			say("%s=%s", key, errname(errno)); \
			_exit(7);                          \
		}                                          \
		waitpid(p, &s, 0);                         \
		say_status(key, s);                        \
	} while (0)
	char *a1[] = { "show", "", "two words", "\xff\x01", NULL },
	     *e1[] = { "B=2", "A=1", "B=3", "noequals", NULL };
	RUN("plain", a1, e1);
	RUN("no-env", a1, none);
	RUN("null-env", a1, NULL);
	RUN("no-args", none, none);
	char *big = malloc(140000);
	memset(big, 'x', 140000);
	big[131071] = 0;
	char *a2[] = { "show", big, NULL };
	RUN("string-131071", a2, none);
	big[131071] = 'x';
	big[131072] = 0;
	RUN("string-131072", a2, none);
	char *e2[] = { big, NULL };
	RUN("env-131072", a1, e2);
	char **many = calloc(40001, sizeof *many);
	many[0] = "count";
	for (int i = 1; i < 20000; i++) many[i] = "0123456789";
	RUN("twenty-thousand", many, none);
	big[131071] = 0;
	for (int i = 1; i < 15; i++) many[i] = big;
	many[15] = NULL;
	RUN("fourteen-of-128k", many, none);
	for (int i = 1; i < 80; i++) many[i] = big;
	many[80] = NULL;
	RUN("too-much", many, none);
	IS("at-pagesz", getauxval(AT_PAGESZ) == 4096);
	IS("at-phdr", getauxval(AT_PHDR) != 0);
	IS("at-entry", getauxval(AT_ENTRY) != 0);
	IS("at-random", getauxval(AT_RANDOM) != 0);
	IS("at-execfn", getauxval(AT_EXECFN) != 0);
	IS("at-uid", getauxval(AT_UID) == getuid() && getauxval(AT_EGID) == getegid());
	say("at-secure=%lu clktck=%lu", getauxval(AT_SECURE), getauxval(AT_CLKTCK));
	say("at-platform=%s", (char *)getauxval(AT_PLATFORM));
	IS("at-hwcap", getauxval(AT_HWCAP) != 0);
	IS("at-sysinfo", getauxval(AT_SYSINFO_EHDR) != 0);
	IS("at-phent", getauxval(AT_PHENT) == 56);
	IS("minsigstksz", getauxval(AT_MINSIGSTKSZ) >= 2048);
	return 0;
}
