/* memfd_create(2) and seals. */
#include "probe.h"

int main(void)
{
	char name[300], b[64] = "";
	int fd = memfd_create("probe", MFD_ALLOW_SEALING);
	OK("create", fd);
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	memset(b, 0, 64);
	VAL("link-length", readlink(name, b, 60));
	say("link=%s", b);
	VAL("write", write(fd, "hello", 5));
	struct stat st;
	fstat(fd, &st);
	say("size=%ld nlink=%ld reg=%d", (long)st.st_size, (long)st.st_nlink, S_ISREG(st.st_mode));
	VAL("seals", fcntl(fd, F_GET_SEALS));
	OK("grow-seal", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	VAL("write-past", pwrite(fd, "x", 1, 5));
	VAL("write-inside", pwrite(fd, "J", 1, 0));
	OK("truncate-grow", ftruncate(fd, 100));
	OK("truncate-shrink", ftruncate(fd, 4));
	OK("shrink-seal", fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	OK("truncate-shrink2", ftruncate(fd, 1));
	char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	OK("write-seal-mapped", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	munmap(m, 4096);
	OK("write-seal", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	VAL("write-sealed", pwrite(fd, "x", 1, 0));
	OK("map-write", mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	OK("map-read", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
	OK("seal-seal", fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	OK("seal-more", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	VAL("seals2", fcntl(fd, F_GET_SEALS));
	int again = memfd_create("again", MFD_ALLOW_SEALING), by_name;
	snprintf(name, sizeof name, "/proc/self/fd/%d", again);
	by_name = open(name, O_RDWR);
	VAL("by-name-seals", fcntl(by_name, F_GET_SEALS));
	OK("by-name-add", fcntl(by_name, F_ADD_SEALS, F_SEAL_SHRINK));
	VAL("first-seals", fcntl(again, F_GET_SEALS));
	int n = memfd_create("plain", 0);
	VAL("plain-seals", fcntl(n, F_GET_SEALS));
	OK("plain-add", fcntl(n, F_ADD_SEALS, F_SEAL_WRITE));
	OK("flags", memfd_create("x", 0x4000));
	memset(name, 'n', 299);
	name[249] = 0;
	OK("name-249", memfd_create(name, 0));
	name[249] = 'n';
	name[250] = 0;
	OK("name-250", memfd_create(name, 0));
	OK("null", syscall(SYS_memfd_create, NULL, 0));
	OK("empty-name", memfd_create("", 0));
	VAL("file-seals", fcntl(open("/etc/passwd", O_RDONLY), F_GET_SEALS));
	int shm = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
	VAL("tmpfs-seals", fcntl(shm, F_GET_SEALS));
	OK("tmpfs-add", fcntl(shm, F_ADD_SEALS, F_SEAL_WRITE));
	VAL("dir-seals", fcntl(open("/dev/shm", O_RDONLY), F_GET_SEALS));
	close(shm);
	return 0;
}
