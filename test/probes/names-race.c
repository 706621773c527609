/*
 * Names and attributes while somebody changes them: what has been told once is never taken back, and what always exists is never missing.
 *
 * The changer says in shared memory how far it has come, after each change; who reads that and asks then must see at least so much.
 */
#include "probe.h"
#include <pthread.h>

#define ROUNDS 400

struct shared { volatile int step, done; };

static struct shared *sh;

static void make(const char *path, int n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	MUST(fd);
	for (int i = 0; i < n; i++)
		MUST(write(fd, "x", 1));
	close(fd);
}

static void grows(void)
{
	int fd = open("grow", O_WRONLY | O_APPEND);

	MUST(fd);
	for (int i = 1; i <= ROUNDS; i++) {
		MUST(write(fd, "x", 1));
		__atomic_store_n(&sh->step, i, __ATOMIC_SEQ_CST);
	}
	close(fd);
	for (int i = 1; i <= 20; i++) {
		make("new", 1);
		MUST(chmod("grow", 0600 + (unsigned)i % 8));
		__atomic_store_n(&sh->step, ROUNDS + i, __ATOMIC_SEQ_CST);
		MUST(rename("new", i & 1 ? "came" : "went"));
	}
	sh->done = 1;
}

static void swaps(void)
{
	for (int i = 1; i <= ROUNDS; i++) {
		MUST(symlink(i & 1 ? "one" : "two", "tmp"));
		MUST(rename("tmp", "link"));
		make("fresh", i % 5);
		MUST(rename("fresh", "file"));
		__atomic_store_n(&sh->step, i, __ATOMIC_SEQ_CST);
	}
	sh->done = 1;
}

static void *as_thread(void *what) { ((void (*)(void))what)(); return NULL; }

/* Run the changer as a thread or as a process; the questions meanwhile are the caller's. */
static void begin(void (*what)(void), int thread, pthread_t *th, int *pid)
{
	sh->step = sh->done = 0;
	if (thread) {
		pthread_create(th, NULL, as_thread, (void *)what);
	} else {
		*pid = fork();
		if (*pid == 0) {
			what();
			_exit(0);
		}
	}
}

static void end(int thread, pthread_t th, int pid)
{
	if (thread)
		pthread_join(th, NULL);
	else
		waitpid(pid, NULL, 0);
}

int main(void)
{
	struct stat s;
	char link[16];
	pthread_t th = 0;
	int pid = 0;

	sh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int thread = 0; thread < 2; thread++) {
		int old = 0, mode = 0, missing = 0, torn = 0, wrong = 0;

		make("grow", 0);
		begin(grows, thread, &th, &pid);
		while (!sh->done) {
			int told = __atomic_load_n(&sh->step, __ATOMIC_SEQ_CST);

			if (stat("grow", &s)) {
				missing++;
				continue;
			}
			if (s.st_size < (told < ROUNDS ? told : ROUNDS))
				old++;
			/* Nothing is changed back within eight steps. */
			if (told > ROUNDS && told == __atomic_load_n(&sh->step, __ATOMIC_SEQ_CST) && (s.st_mode & 7) != (unsigned)(told - ROUNDS) % 8 &&
			    (s.st_mode & 7) != (unsigned)(told - ROUNDS + 1) % 8)
				mode++;
		}
		end(thread, th, pid);
		MUST(stat("grow", &s));
		say("%d.grow missing=%d old=%d mode=%d size=%ld", thread, missing, old, mode, (long)s.st_size);

		make("file", 0);
		make("one", 1);
		make("two", 2);
		unlink("link");
		MUST(symlink("one", "link"));
		missing = 0;
		begin(swaps, thread, &th, &pid);
		while (!sh->done) {
			int told = __atomic_load_n(&sh->step, __ATOMIC_SEQ_CST);
			long n;

			if (stat("link", &s) || stat("file", &s) || access("link", F_OK))
				missing++;
			n = readlink("link", link, sizeof link);
			if (n != 3 || (memcmp(link, "one", 3) && memcmp(link, "two", 3)))
				torn++;
			if (stat("link", &s) == 0 && s.st_size != 1 && s.st_size != 2)
				torn++;
			if (stat("file", &s) == 0 && told > 0 && told == __atomic_load_n(&sh->step, __ATOMIC_SEQ_CST) && s.st_size != told % 5 && s.st_size != (told + 1) % 5)
				wrong++;
		}
		end(thread, th, pid);
		MUST(stat("file", &s));
		say("%d.swap missing=%d torn=%d wrong=%d size=%ld", thread, missing, torn, wrong, (long)s.st_size);
	}
	return 0;
}
