/* posix_openpt: line discipline, echo, canonical input, readiness. */
#include "probe.h"
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int m, s;

static void show(const char *k, int fd)
{
	char b[200], t[500] = "";
	ssize_t n = read(fd, b, sizeof b);
	if (n < 0) {
		say("%s=%s", k, errname(errno));
		return;
	}
	for (int i = 0; i < n; i++)
		sprintf(t + strlen(t), b[i] < 32 || b[i] == 127 ? "\\%03o" : "%c", (unsigned char)b[i]);
	say("%s=%zd %s", k, n, t);
}

/* Input is handled by a worker of the host kernel; polling the slave waits for it. */
static void settle(void)
{
	struct pollfd f = { s, POLLIN, 0 };
	poll(&f, 1, 0);
}

int main(void)
{
	struct termios t;
	int n;
	m = posix_openpt(O_RDWR | O_NOCTTY);
	OK("openpt", m);
	OK("grant", grantpt(m));
	OK("slave-locked", open(ptsname(m), O_RDWR | O_NOCTTY));
	OK("unlock", unlockpt(m));
	IS("name", !strncmp(ptsname(m), "/dev/pts/", 9));
	s = open(ptsname(m), O_RDWR | O_NOCTTY | O_NONBLOCK);
	OK("slave", s);
	IS("isatty", isatty(m) && isatty(s));
	OK("getattr", tcgetattr(s, &t));
	say("iflag=%x oflag=%x cflag=%x lflag=%x", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
	say("cc=%d %d %d %d %d %d", t.c_cc[VINTR], t.c_cc[VQUIT], t.c_cc[VERASE], t.c_cc[VKILL], t.c_cc[VEOF],
	        t.c_cc[VSUSP]);
	fcntl(m, F_SETFL, O_NONBLOCK);
	write(m, "abc", 3);
	show("incomplete", s);
	show("echo", m);
	write(m, "d\n", 2);
	show("line", s);
	show("echo-line", m);
	write(m, "xy\177z\n", 5);
	show("erase", s);
	show("erase-echo", m);
	write(m, "abc\025de\n", 7);
	show("kill", s);
	show("kill-echo", m);
	write(m, "one\ntwo\n", 8);
	show("first", s);
	show("second", s);
	read(m, (char[200]){ 0 }, 200);
	write(m, "part\004", 5);
	show("eof-flushes", s);
	write(m, "\004", 1);
	show("eof", s);
	show("eof-again", s);
	read(m, (char[200]){ 0 }, 200);
	write(m, "\r", 1);
	show("cr-to-nl", s);
	read(m, (char[200]){ 0 }, 200);
	write(m, "w1 w2\027x\n", 8);
	show("word-erase", s);
	read(m, (char[200]){ 0 }, 200);
	write(m, "a\026\003b\n", 5);
	show("literal-next", s);
	show("literal-echo", m);
	write(s, "out\n", 4);
	show("onlcr", m);
	write(s, "tab\tx", 5);
	show("tab", m);
	write(m, "hello\n", 6);
	settle();
	VAL("fionread", (ioctl(s, FIONREAD, &n), n));
	char c[3];
	VAL("short-read", read(s, c, 2));
	show("rest-of-line", s);
	read(m, (char[200]){ 0 }, 200);
	struct pollfd f[2] = { { s, POLLIN | POLLOUT, 0 }, { m, POLLIN | POLLOUT, 0 } };
	poll(f, 2, 0);
	say("poll=%x %x", f[0].revents, f[1].revents);
	write(m, "x", 1);
	settle();
	read(m, c, 3);
	poll(f, 1, 0);
	say("poll-incomplete=%x", f[0].revents);
	write(m, "\n", 1);
	poll(f, 1, 0);
	say("poll-line=%x", f[0].revents);
	OK("flush", tcflush(s, TCIFLUSH));
	poll(f, 1, 0);
	say("flushed=%x", f[0].revents);
	read(m, (char[200]){ 0 }, 200);
	return 0;
}
