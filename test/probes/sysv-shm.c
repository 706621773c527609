/* System V shared memory: ids and keys, attaching and detaching, what stat says, removal while attached, rights. */ /* musl */
#include "probe.h"
#include <sys/ipc.h>
#include <sys/shm.h>

/* One that no other run of this probe has. */
static key_t KEY;

static int nattch(int id)
{
	struct shmid_ds ds;
	return shmctl(id, IPC_STAT, &ds) < 0 ? -errno : (int)ds.shm_nattch;
}

/* Lines of /proc/self/maps that name the segment: how many, and the rights of the first. */
static int in_maps(char *rights)
{
	char line[512], name[32];
	snprintf(name, sizeof name, "/SYSV%08x", KEY);
	FILE *f = fopen("/proc/self/maps", "r");
	int n = 0;
	while (fgets(line, sizeof line, f))
		if (strstr(line, name)) {
			if (n++ == 0 && rights) { char *sp = strchr(line, ' '); snprintf(rights, 5, "%.4s", sp + 1); }
		}
	fclose(f);
	return n;
}

static void at(const char *what, void *p) { say("%s=%s", what, p == (void *)-1 ? errname(errno) : "ok"); }

int main(void)
{
	struct shmid_ds ds;
	KEY = 0x7e000000 | getpid();
	OK("none", shmget(KEY, 100, 0));
	OK("zero", shmget(KEY, 0, IPC_CREAT | 0600));
	OK("huge-size", shmget(KEY, (size_t)-1, IPC_CREAT | 0600));
	OK("beyond-memory", shmget(KEY, (size_t)1 << 50, IPC_CREAT | 0600));
	int id = shmget(KEY, 10000, IPC_CREAT | 0640);
	OK("create", id);
	VAL("again-same", shmget(KEY, 10000, 0) == id);
	VAL("smaller", shmget(KEY, 1, 0) == id);
	OK("larger", shmget(KEY, 10001, 0));
	OK("excl", shmget(KEY, 10000, IPC_CREAT | IPC_EXCL));
	OK("stat", shmctl(id, IPC_STAT, &ds));
	say("fresh size=%zu mode=%o nattch=%d cpid=%d lpid=%d atime=%d dtime=%d ctime=%d key=%d", ds.shm_segsz, ds.shm_perm.mode, (int)ds.shm_nattch,
	    ds.shm_cpid == getpid(), ds.shm_lpid, ds.shm_atime != 0, ds.shm_dtime != 0, ds.shm_ctime != 0, ds.shm_perm.__key == KEY);
	say("owner=%d%d%d%d", ds.shm_perm.uid == geteuid(), ds.shm_perm.gid == getegid(), ds.shm_perm.cuid == geteuid(), ds.shm_perm.cgid == getegid());

	char *p = shmat(id, NULL, 0);
	at("attach", p);
	VAL("zeroed", p[9999] == 0 && p[12287] == 0);
	strcpy(p, "hello");
	char rights[8] = "";
	VAL("maps", in_maps(rights));
	say("rights=%s", rights);
	VAL("nattch", nattch(id));
	char *q = shmat(id, NULL, SHM_RDONLY);
	at("attach-ro", q);
	say("seen=%s other=%d", q, q != p);
	OK("ro-mprotect", mprotect(q, 4096, PROT_READ | PROT_WRITE));
	VAL("nattch-two", nattch(id));
	at("misaligned", shmat(id, q + 100, 0));
	at("occupied", shmat(id, q, 0));
	at("occupied-rnd", shmat(id, q + 100, SHM_RND));
	at("remap-null", shmat(id, NULL, SHM_REMAP));
	char *room = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *r = shmat(id, room, SHM_REMAP);
	at("remap", r);
	VAL("remap-there", r == room && !strcmp(r, "hello"));
	munmap(room + 16384, 49152);
	r = shmat(id, room + 32768 + 5, SHM_RND);
	at("rnd", r);
	VAL("rnd-there", r == room + 32768);
	VAL("nattch-four", nattch(id));
	OK("split", mprotect(r + 4096, 4096, PROT_READ));
	VAL("nattch-split", nattch(id));
	OK("dt-middle", shmdt(r + 4096));
	OK("dt-split", shmdt(r));
	VAL("nattch-after", nattch(id));
	OK("dt-odd", shmdt(q + 1));
	OK("dt-none", shmdt(room + 32768));
	munmap(room, 4096);
	VAL("nattch-cut", nattch(id));
	OK("dt-cut-begin", shmdt(room));
	OK("dt-cut-second", shmdt(room + 4096));
	munmap(room, 16384);
	OK("dt-ro", shmdt(q));
	shmctl(id, IPC_STAT, &ds);
	say("used atime=%d dtime=%d lpid=%d nattch=%d", ds.shm_atime != 0, ds.shm_dtime != 0, ds.shm_lpid == getpid(), (int)ds.shm_nattch);

	/* fork, exec, exit */
	int go[2], done[2];
	pipe(go);
	pipe(done);
	pid_t c = child();
	if (c == 0) {
		char b;
		strcpy(p + 100, "from child");
		write(done[1], "x", 1);
		read(go[0], &b, 1);
		_exit(0);
	}
	char b;
	read(done[0], &b, 1);
	say("child-wrote=%s", p + 100);
	VAL("nattch-fork", nattch(id));
	write(go[1], "x", 1);
	waitpid(c, NULL, 0);
	VAL("nattch-exit", nattch(id));
	shmctl(id, IPC_STAT, &ds);
	say("exit-lpid=%d dtime=%d", ds.shm_lpid == c, ds.shm_dtime != 0);
	c = child();
	if (c == 0) {
		dup2(go[0], 0);
		dup2(done[1], 1);
		execl("/bin/sh", "sh", "-c", "echo; read x", NULL);
		_exit(1);
	}
	read(done[0], &b, 1);
	VAL("nattch-exec", nattch(id));
	write(go[1], "\n", 1);
	waitpid(c, NULL, 0);

	/* rights */
	shmctl(id, IPC_STAT, &ds);
	ds.shm_perm.mode = 0400;
	OK("set", shmctl(id, IPC_SET, &ds));
	shmctl(id, IPC_STAT, &ds);
	say("mode=%o", ds.shm_perm.mode);
	ds.shm_perm.uid = -1;
	OK("set-none", shmctl(id, IPC_SET, &ds));
	c = child();
	if (c == 0) {
		if (geteuid() == 0) { setgid(4242); setuid(4242); }
		at("rw-refused", shmat(id, NULL, 0));
		at("ro", shmat(id, NULL, SHM_RDONLY));
		at("exec-refused", shmat(id, NULL, SHM_RDONLY | SHM_EXEC));
		OK("get-refused", shmget(KEY, 1, 0600));
		OK("get-read", shmget(KEY, 1, 0400));
		OK("stat-other", shmctl(id, IPC_STAT, &ds));
		OK("set-other", shmctl(id, IPC_SET, &ds));
		_exit(0);
	}
	waitpid(c, NULL, 0);

	/* removal */
	OK("rmid", shmctl(id, IPC_RMID, NULL));
	OK("stat-dest", shmctl(id, IPC_STAT, &ds));
	say("dest mode=%o nattch=%d key=%x", ds.shm_perm.mode, (int)ds.shm_nattch, ds.shm_perm.__key);
	OK("key-gone", shmget(KEY, 1, 0));
	r = shmat(id, NULL, SHM_RDONLY);
	at("attach-dest", r);
	say("still=%s", r);
	shmdt(r);
	OK("rmid-again", shmctl(id, IPC_RMID, NULL));
	OK("dt-last", shmdt(p));
	OK("stat-gone", shmctl(id, IPC_STAT, &ds));
	at("at-gone", shmat(id, NULL, 0));

	id = shmget(IPC_PRIVATE, 4096, 0600);
	c = child();
	if (c == 0) {
		shmat(id, NULL, 0);
		shmctl(id, IPC_RMID, NULL);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	waitpid(c, NULL, 0);
	OK("gone-by-exec", shmctl(id, IPC_STAT, &ds));
	int id2 = shmget(IPC_PRIVATE, 4096, 0600);
	VAL("private-new", id2 != id);
	struct shminfo si;
	VAL("info", shmctl(0, IPC_INFO, (void *)&si) >= 0);
	say("max=%lu min=%lu mni=%lu seg=%lu all=%lu", si.shmmax, si.shmmin, si.shmmni, si.shmseg, si.shmall);
	struct shm_info use;
	VAL("used", shmctl(0, SHM_INFO, (void *)&use) >= 0 && use.used_ids >= 1);
	OK("huge-odd", shmget(IPC_PRIVATE, 4096, 0600 | SHM_HUGETLB | 17 << 26));
	OK("huge-much", shmget(IPC_PRIVATE, 1L << 40, 0600 | SHM_HUGETLB));
	OK("bad-cmd", shmctl(id2, 77, NULL));
	OK("negative", shmctl(-1, IPC_STAT, &ds));
	OK("fault", shmctl(id2, IPC_STAT, (void *)8));
	OK("rm-free", shmctl(id2, IPC_RMID, NULL));
	OK("rm-twice", shmctl(id2, IPC_RMID, NULL));
	return 0;
}
