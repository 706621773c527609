/* open(2), O_PATH: calls that need a file, on a descriptor that only names one. */
#include "probe.h"
#include <linux/openat2.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

int main(void)
{
	int fd = open(".", O_PATH), value = 0;
	socklen_t len = sizeof value;
	struct sockaddr address = { .sa_family = AF_UNIX };
	char buffer[16];
	struct open_how how = { .flags = O_PATH, .mode = 0600 };

	MUST(fd);
	OK("accept", accept(fd, NULL, NULL));
	OK("bind", bind(fd, &address, sizeof address));
	OK("connect", connect(fd, &address, sizeof address));
	OK("listen", listen(fd, 1));
	OK("getsockopt", getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len));
	OK("shutdown", shutdown(fd, SHUT_RD));
	OK("send", send(fd, buffer, 1, 0));
	OK("recv", recv(fd, buffer, 1, 0));
	OK("read", read(fd, buffer, 1));
	OK("write", write(fd, buffer, 1));
	OK("lseek", lseek(fd, 0, SEEK_SET));
	OK("ioctl", ioctl(fd, FIONREAD, &value));
	OK("fsync", fsync(fd));
	OK("mmap", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
	OK("fchmod", fchmod(fd, 0700));
	OK("fstat", fstat(fd, &(struct stat){ 0 }));
	OK("openat2-mode", syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how));
	how.mode = 0;
	IS("openat2", syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how) >= 0);
	return 0;
}
