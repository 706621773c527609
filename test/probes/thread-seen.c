/* Who looks at /proc/self/task/TID/stat of a thread that ends: what one finds at once, and in the end. */ /* musl */
#include "probe.h"
#include <pthread.h>
#include <sys/stat.h>

static volatile int tid;
static struct gate leave;

static void *brief(void *us)
{
	__atomic_store_n(&tid, syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	usleep((long)us);
	return NULL;
}

static void *until_told(void *unused)
{
	__atomic_store_n(&tid, syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	pass_gate(&leave);
	return unused;
}

static pthread_t begin(void *(*f)(void *), void *arg)
{
	pthread_t t;
	tid = 0;
	MUST(pthread_create(&t, NULL, f, arg) ? -1 : 0);
	while (!__atomic_load_n(&tid, __ATOMIC_SEQ_CST)) usleep(50);
	return t;
}

static int open_stat(pid_t pid)
{
	char path[64];
	sprintf(path, "/proc/%d/task/%d/stat", pid, tid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* One after the other: most that are there when opened are there when read. */
static void at_once(void)
{
	int found = 0, gone_between = 0, other = 0;
	for (int i = 0; i < 300; i++) {
		pthread_t t = begin(brief, (void *)(100L + i * 7 % 2000));
		for (;;) {
			char b[512];
			struct stat st;
			int fd = open_stat(getpid());
			if (fd < 0) {
				other += errno != ENOENT;
				break;
			}
			fstat(fd, &st);
			ssize_t n = read(fd, b, sizeof b);
			int no = errno;
			close(fd);
			if (n > 0) found++;
			else if (n < 0 && no == ESRCH) gone_between++;
			else other++;
			if (n <= 0) break;
			usleep(100);
		}
		pthread_join(t, NULL);
	}
	IS("found", found > 0);
	IS("seldom-gone-between", gone_between <= 15);
	say("other=%d", other);
}

/* A descriptor from before tells of the end, however it is repeated. */
static void in_the_end(void)
{
	char b[512];
	ssize_t n;
	leave = new_gate();
	pthread_t t = begin(until_told, NULL);
	int fd = open_stat(getpid());
	IS("alive", pread(fd, b, sizeof b, 0) > 0);
	open_gate(&leave);
	pthread_join(t, NULL);
	while ((n = pread(fd, b, sizeof b, 0)) > 0) usleep(1000);
	say("joined=%s", n < 0 ? errname(errno) : "empty");
	int again;
	while ((again = open_stat(getpid())) >= 0) close(again);
	say("open=%s", errname(errno));
	close(fd);
}

/* Who has waited for a process knows its threads gone. */
static void with_its_process(void)
{
	char b[512];
	struct gate ready = new_gate();
	leave = new_gate();
	pid_t p = child();
	if (p == 0) {
		begin(until_told, NULL);
		if (write(ready.fd[1], (const void *)&tid, sizeof tid) != sizeof tid) _exit(1);
		for (;;) pause();
	}
	int theirs = 0;
	MUST(read(ready.fd[0], &theirs, sizeof theirs));
	tid = theirs;
	int fd = open_stat(p);
	MUST(fd);
	kill(p, SIGKILL);
	waitpid(p, NULL, 0);
	OK("waited", pread(fd, b, sizeof b, 0));
}

int main(void)
{
	at_once();
	in_the_end();
	with_its_process();
	return 0;
}
