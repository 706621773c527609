/* Raw input, no echo, window size, ioctls, and what the other end sees after a close. */
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

int main(void)
{
	struct termios t, o;
	struct winsize w = { 0 };
	int n;
	MUST(m = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK));
	MUST(unlockpt(m));
	MUST(s = open(ptsname(m), O_RDWR | O_NOCTTY | O_NONBLOCK));
	MUST(tcgetattr(s, &t));
	struct pollfd f[2] = { { s, POLLIN | POLLOUT, 0 }, { m, POLLIN | POLLOUT, 0 } };
	o = t;
	cfmakeraw(&t);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	OK("raw", tcsetattr(s, TCSANOW, &t));
	write(m, "a\003\r\177", 4);
	show("raw-in", s);
	show("raw-no-echo", m);
	write(s, "x\n", 2);
	show("raw-out", m);
	OK("cooked", tcsetattr(s, TCSADRAIN, &o));
	o.c_lflag &= ~ECHO;
	tcsetattr(s, TCSANOW, &o);
	write(m, "quiet\n", 6);
	show("noecho", s);
	show("noecho-out", m);
	OK("winsize", ioctl(s, TIOCGWINSZ, &w));
	say("size=%d %d", w.ws_row, w.ws_col);
	w.ws_row = 24;
	w.ws_col = 80;
	OK("set", ioctl(m, TIOCSWINSZ, &w));
	ioctl(s, TIOCGWINSZ, &w);
	say("size=%d %d", w.ws_row, w.ws_col);
	OK("pgrp-not-mine", tcgetpgrp(s));
	OK("sid-not-mine", ioctl(s, TIOCGSID, &n));
	OK("ptn", ioctl(m, TIOCGPTN, &n));
	OK("ptn-slave", ioctl(s, TIOCGPTN, &n));
	OK("bad-ioctl", ioctl(s, 0x5499, &n));
	OK("tcgets-file", ioctl(open("/dev/null", O_RDWR), TCGETS, &t));
	VAL("lseek", lseek(s, 0, SEEK_SET));
	VAL("outq", (ioctl(s, TIOCOUTQ, &n), n));
	int k = open(ptsname(m), O_RDWR | O_NOCTTY);
	close(k);
	write(s, "last", 4);
	close(s);
	show("left-over", m);
	show("hangup", m);
	poll(f + 1, 1, 0);
	say("hup=%x", f[1].revents);
	s = open(ptsname(m), O_RDWR | O_NOCTTY | O_NONBLOCK);
	OK("reopen", s);
	show("after-reopen", m);
	close(m);
	show("slave-after-master", s);
	OK("write-after-master", write(s, "x", 1));
	return 0;
}
