/* musl */
/* AF_UNIX path names: the inode, permissions, unlink, rename, relative paths, names that outlive their socket. */
#include "probe.h"
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int name(struct sockaddr_un *a, const char *path)
{
	memset(a, 0, sizeof *a);
	a->sun_family = AF_UNIX;
	strcpy(a->sun_path, path);
	return sizeof a->sun_family + strlen(path) + 1;
}

int main(void)
{
	struct sockaddr_un a;
	struct stat st;
	socklen_t len = sizeof a;
	int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_STREAM, 0);
	char b[8] = "";

	alarm(20);
	umask(022);
	mkdir("dir", 0755);
	OK("bind", bind(s, (void *)&a, name(&a, "dir/s")));
	OK("bind-again", bind(d, (void *)&a, name(&a, "dir/s")));
	OK("bind-no-dir", bind(d, (void *)&a, name(&a, "none/s")));
	OK("stat", stat("dir/s", &st));
	say("mode=%ld", (long)st.st_mode);
	OK("connect-before-listen", connect(c, (void *)&a, name(&a, "dir/s")));
	OK("listen", listen(s, 5));
	OK("chdir", chdir("dir"));
	OK("connect-relative", connect(c, (void *)&a, name(&a, "s")));
	OK("getsockname", getsockname(s, (void *)&a, &len));
	say("sockname=%s", a.sun_path);
	int k = accept(s, NULL, NULL);

	OK("accept", k < 0 ? -1 : 0);
	say("write=%ld", (long)write(c, "hi", 2));
	say("read=%ld", (long)read(k, b, sizeof b));
	say("data=%s", b);
	OK("rename", rename("s", "t"));
	OK("connect-old", connect(d, (void *)&a, name(&a, "s")));
	OK("connect-renamed", connect(d, (void *)&a, name(&a, "t")));
	OK("open", open("t", O_RDWR) < 0 ? -1 : 0);
	OK("symlink", symlink("t", "l"));
	d = socket(AF_UNIX, SOCK_STREAM, 0);
	OK("connect-link", connect(d, (void *)&a, name(&a, "l")));
	close(s);
	d = socket(AF_UNIX, SOCK_STREAM, 0);
	OK("connect-closed", connect(d, (void *)&a, name(&a, "t")));
	OK("unlink", unlink("t"));
	OK("connect-gone", connect(d, (void *)&a, name(&a, "t")));
	OK("connect-regular", (close(open("reg", O_CREAT | O_RDWR, 0644)), connect(d, (void *)&a, name(&a, "reg"))));
	int g = socket(AF_UNIX, SOCK_DGRAM, 0), h = socket(AF_UNIX, SOCK_DGRAM, 0);

	OK("dgram-bind", bind(g, (void *)&a, name(&a, "dg")));
	say("sendto=%ld", (long)sendto(h, "abc", 3, 0, (void *)&a, name(&a, "dg")));
	say("recv=%ld", (long)recv(g, b, sizeof b, 0));
	OK("wrong-type", connect(d, (void *)&a, name(&a, "dg")));
	return 0;
}
