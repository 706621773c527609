/* getdents64(2): every name once, types, seeking, small buffers. */
#include "probe.h"
#include <dirent.h>

static int cmp(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
static char *names[400];

static int list(int fd, size_t size, int types)
{
	char *buf = malloc(size), line[300];
	int n = 0;
	for (;;) {
		long r = syscall(SYS_getdents64, fd, buf, size);
		if (r < 0) {
			free(buf);
			return -errno;
		}
		if (r == 0) break;
		for (long i = 0; i < r;) {
			struct dirent *e = (void *)(buf + i);
			if (e->d_reclen % 8 || e->d_ino == 0) say("bad-entry");
			snprintf(line, sizeof line, types ? "%s:%d" : "%s", e->d_name, e->d_type);
			if (n < 400) names[n++] = strdup(line);
			i += e->d_reclen;
		}
	}
	free(buf);
	qsort(names, n, sizeof *names, cmp);
	return n;
}

int main(void)
{
	char b[32];
	MUST(mkdir("t", 0755));
	MUST(mkdir("t/dir", 0755));
	put("t/file", "");
	MUST(symlink("x", "t/link"));
	MUST(mkfifo("t/fifo", 0600));
	int fd = open("t", O_RDONLY | O_DIRECTORY);
	int n = list(fd, 4096, 1);
	for (int i = 0; i < n; i++) say("entry=%s", names[i]);
	say("again=%d", list(fd, 4096, 0));
	lseek(fd, 0, SEEK_SET);
	say("rewound=%d", list(fd, 4096, 0));
	put("t/new", "");
	unlink("t/file");
	lseek(fd, 0, SEEK_SET);
	say("after-change=%d", list(fd, 4096, 0));
	for (int i = 0; i < 300; i++) {
		snprintf(b, sizeof b, "t/many-%03d", i);
		put(b, "");
	}
	lseek(fd, 0, SEEK_SET);
	n = list(fd, 512, 0);
	say("many-small-buffer=%d", n);
	int distinct = 0;
	for (int i = 0; i < n; i++) distinct += i == 0 || strcmp(names[i], names[i - 1]) != 0;
	say("distinct=%d first=%s last=%s", distinct, names[0], names[n - 1]);
	lseek(fd, 0, SEEK_SET);
	VAL("tiny-buffer", syscall(SYS_getdents64, fd, b, 4));
	VAL("not-dir", syscall(SYS_getdents64, open("t/new", O_RDONLY), b, 32));
	VAL("not-dir-write-only", syscall(SYS_getdents64, open("t/new", O_WRONLY), b, 32));
	VAL("dir-path-only", syscall(SYS_getdents64, open("t", O_PATH), b, 32));
	VAL("badfd", syscall(SYS_getdents64, 99, b, 32));
	VAL("fault", syscall(SYS_getdents64, fd, (void *)16, 4096));
	/* Removing while reading: everything left must go. */
	DIR *d = opendir("t");
	struct dirent *e;
	int removed = 0;
	while ((e = readdir(d)))
		if (!strncmp(e->d_name, "many", 4)) removed += unlinkat(dirfd(d), e->d_name, 0) == 0;
	closedir(d);
	say("removed=%d", removed);
	lseek(fd, 0, SEEK_SET);
	say("left=%d", list(fd, 4096, 0));
	return 0;
}
