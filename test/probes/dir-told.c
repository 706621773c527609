/*
 * A program that reads one directory after another, and what changes between opening and reading one: names made and removed, by this process and others; positions that duplicates, children
 * and receivers of a descriptor share; small buffers, seeking, a directory that is gone; names relative to a descriptor whose number changes. All in /var/tmp, which is in the root
 * file system: what lies elsewhere may be unmounted, so its descriptors are not kept from the kernel.
 */
#include "probe.h"
#include <dirent.h>
#include <ftw.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <sys/socket.h>

static char buf[32768];

static int cmp(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The names of one getdents64 into `room` bytes, sorted, or its errno. */
static const char *names(int fd, size_t room)
{
	static char lines[4][512];
	static unsigned next;
	char *line = lines[next++ % 4], *all[64];
	int n = 0;
	long r = syscall(SYS_getdents64, fd, buf, room);

	if (r < 0)
		return errname(errno);
	for (long i = 0; i < r && n < 64; i += ((struct dirent *)(buf + i))->d_reclen)
		all[n++] = ((struct dirent *)(buf + i))->d_name;
	qsort(all, n, sizeof *all, cmp);
	line[0] = 0;
	for (int i = 0; i < n; i++)
		snprintf(line + strlen(line), sizeof lines[0] - strlen(line), "%s%s", i ? "," : "", all[i]);
	return n ? line : "end";
}

#define ALL(fd) names(fd, sizeof buf)

/* Two readings, one after the other. */
static void both(const char *key, int a, int b)
{
	const char *first = ALL(a);

	say("%s=%s then %s", key, first, ALL(b));
}

static int dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	MUST(fd);
	return fd;
}

/* From here on this process is known to read what it opens. */
static void warm(void)
{
	char path[16];

	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "w%d", i);
		MUST(mkdir(path, 0755));
		int fd = dir(path);

		ALL(fd);
		ALL(fd);
		close(fd);
	}
}

static void make(const char *path)
{
	char file[64];

	MUST(mkdir(path, 0755));
	for (const char *n = "abc"; *n; n++) {
		snprintf(file, sizeof file, "%s/%c", path, *n);
		put(file, "x");
	}
	snprintf(file, sizeof file, "%s/sub", path);
	MUST(mkdir(file, 0755));
}

/* In a child, which is waited for. */
#define CHILD(what) do { int pid_ = fork(), st_; MUST(pid_); if (pid_ == 0) { what; _exit(0); } MUST(waitpid(pid_, &st_, 0)); } while (0)

static void changes(void)
{
	int fd;

	make("d");
	fd = dir("d");
	both("plain", fd, fd);
	close(fd);
	fd = dir("d");
	put("d/new", "");
	say("made=%s", ALL(fd));
	close(fd);
	fd = dir("d");
	MUST(unlink("d/new"));
	MUST(rename("d/a", "d/z"));
	say("removed=%s", ALL(fd));
	close(fd);
	fd = dir("d");
	CHILD(MUST(unlink("d/z")));
	say("by-child=%s", ALL(fd));
	close(fd);
	fd = dir("d");
	MUST(rename("d", "e"));
	say("moved=%s", ALL(fd));
	close(fd);
	make("gone");
	fd = dir("gone");
	MUST(unlink("gone/a"));
	MUST(unlink("gone/b"));
	MUST(unlink("gone/c"));
	MUST(rmdir("gone/sub"));
	MUST(rmdir("gone"));
	say("gone=%s", ALL(fd));
	close(fd);
}

static long shown_position(int fd)
{
	char path[64], text[128] = "";
	int info;

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	MUST(info = open(path, O_RDONLY));
	MUST(read(info, text, sizeof text - 1));
	close(info);
	return atol(text + strlen("pos:"));
}

static void positions(void)
{
	int fd, copy;

	fd = dir("e");
	say("small=%s", names(fd, 16));
	say("after-small=%s", ALL(fd));
	close(fd);
	fd = dir("e");
	say("bad=%s", syscall(SYS_getdents64, fd, (void *)8, 4096) < 0 ? errname(errno) : "ok");
	say("after-bad=%s", ALL(fd));
	close(fd);
	fd = dir("e");
	copy = dup(fd);
	both("copy", copy, fd);
	close(fd);
	say("copy-again=%s", ALL(copy));
	MUST(lseek(copy, 0, SEEK_SET));
	say("copy-sought=%s", ALL(copy));
	close(copy);
	fd = dir("e");
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	both("first", fd, copy);
	close(copy);
	MUST(lseek(fd, 0, SEEK_SET));
	both("sought", fd, fd);
	say("where=%s", lseek(fd, 0, SEEK_CUR) > 0 ? "not at the start" : "at the start");
	close(fd);
	fd = dir("e");
	say("unread=%ld", (long)lseek(fd, 0, SEEK_CUR));
	ALL(fd);
	say("read=%s", lseek(fd, 0, SEEK_CUR) > 0 ? "not at the start" : "at the start");
	close(fd);
	fd = dir("e");
	ALL(fd);
	say("fdinfo=%s", shown_position(fd) > 0 ? "not at the start" : "at the start");
	close(fd);
	/* A number that comes to mean another directory. */
	fd = dir("e");
	copy = dir("w0");
	MUST(dup2(copy, fd));
	say("replaced=%s", ALL(fd));
	close(fd);
	close(copy);
	fd = dir("e");
	close(fd);
	copy = dir("w1");
	say("next=%d %s", copy == fd, ALL(copy));
	close(copy);
}

static void *read_it(void *fd)
{
	say("thread=%s", ALL(*(int *)fd));
	return NULL;
}

static int receive(int s)
{
	char c, room[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
	int fd;

	MUST(recvmsg(s, &m, 0));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	return fd;
}

static void send_fd(int s, int fd)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof fd);
	MUST(sendmsg(s, &m, 0));
}

static void others(const char *self)
{
	pthread_t th;
	char num[16];
	int fd, s[2];

	fd = dir("e");
	CHILD(say("child=%s", ALL(fd)));
	say("after-child=%s", ALL(fd));
	close(fd);
	fd = dir("e");
	ALL(fd);
	CHILD(say("child-of-reader=%s", ALL(fd)); MUST(lseek(fd, 0, SEEK_SET)));
	say("sought-by-child=%s", ALL(fd));
	close(fd);
	fd = open("e", O_RDONLY | O_DIRECTORY);
	ALL(fd);
	snprintf(num, sizeof num, "%d", fd);
	CHILD(execl(self, self, num, NULL));
	close(fd);
	fd = open("e", O_RDONLY | O_DIRECTORY);
	snprintf(num, sizeof num, "%d", fd);
	CHILD(execl(self, self, num, NULL));
	say("after-program=%s", ALL(fd));
	close(fd);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	fd = dir("e");
	send_fd(s[0], fd);
	CHILD(say("receiver=%s", ALL(receive(s[1]))));
	say("after-receiver=%s", ALL(fd));
	close(fd);
	fd = dir("e");
	MUST(pthread_create(&th, NULL, read_it, &fd));
	MUST(pthread_join(th, NULL));
	say("after-thread=%s", ALL(fd));
	close(fd);
}

static int mode_at(int fd, const char *name)
{
	struct stat st;

	return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : (int)(st.st_mode & 0777);
}

/* As a walk through a tree does it: descend by a duplicate of the descriptor, ask about names, come back. */
static void walk(void)
{
	char path[32];
	int fd, up, held = -1;

	MUST(mkdir("tree", 0755));
	for (int i = 0; i < 6; i++) {
		snprintf(path, sizeof path, "tree/%d", i);
		make(path);
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 6; i++) {
			snprintf(path, sizeof path, "tree/%d", i);
			fd = dir(path);
			up = fcntl(fd, F_DUPFD_CLOEXEC, 3);
			ALL(fd);
			close(fd);
			if (i == 2 && round == 1) {
				CHILD(MUST(fchmodat(up, "a", 0600, 0)));
				MUST(fchmodat(up, "b", 0640, 0));
				MUST(unlinkat(up, "c", 0));
			}
			say("tree%d=%d a %o b %o c %d sub %o", round, i, mode_at(up, "a"), mode_at(up, "b"), mode_at(up, "c"), mode_at(up, "sub"));
			/* Another directory at the same number. */
			if (held >= 0) {
				MUST(dup2(held, up));
				say("other=%o %d", mode_at(up, "a"), mode_at(up, "nosuch"));
				close(held);
			}
			held = dup(up);
			close(up);
		}
	}
	close(held);
}

static void watched(void)
{
	union { struct inotify_event e; char room[4096]; } u;
	int in = inotify_init1(IN_NONBLOCK), fd;

	MUST(in);
	fd = dir("w2");
	MUST(inotify_add_watch(in, "w2", IN_ACCESS));
	ALL(fd);
	close(fd);
	say("watched=%s", read(in, &u, sizeof u) > 0 ? (u.e.mask & IN_ACCESS ? "access" : "other") : errname(errno));
	fd = dir("w2");
	ALL(fd);
	close(fd);
	say("watched-before=%s", read(in, &u, sizeof u) > 0 ? (u.e.mask & IN_ACCESS ? "access" : "other") : errname(errno));
	close(in);
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

int main(int argc, char **argv)
{
	char place[] = "/var/tmp/dir-told-XXXXXX";

	if (argc > 1) {
		say("program=%s", ALL(atoi(argv[1])));
		return 0;
	}
	if (mkdtemp(place) == NULL)
		return 97;
	MUST(chdir(place));
	CHILD(warm(); changes(); positions(); others(argv[0]); walk(); watched());
	MUST(nftw(place, forget, 16, FTW_DEPTH | FTW_PHYS));
	return 0;
}
