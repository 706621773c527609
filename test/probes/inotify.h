/* Printing inotify events: `wd NAME: MASK|MASK cookie=N name`, wd by the name under which it was added, cookies numbered as they appear. */
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

static const char *watch_names[256];
static int ifd;

static int watch(const char *as, const char *path, uint32_t mask)
{
	int wd = inotify_add_watch(ifd, path, mask);
	if (wd > 0 && wd < 256) watch_names[wd] = as;
	return wd;
}

static void print_event(const struct inotify_event *e, const char *key)
{
	static const char *bits[32] = { "ACCESS", "MODIFY", "ATTRIB", "CLOSE_WRITE", "CLOSE_NOWRITE", "OPEN", "MOVED_FROM", "MOVED_TO", "CREATE", "DELETE", "DELETE_SELF", "MOVE_SELF", 0,
		"UNMOUNT", "OVERFLOW", "IGNORED", [30] = "ISDIR" };
	static uint32_t cookies[64];
	static int ncookies;
	char mask[256] = "";
	int cookie = 0;
	for (int i = 0; i < 32; i++)
		if (e->mask & (1u << i)) { if (*mask) strcat(mask, "|"); strcat(mask, bits[i] ? bits[i] : "?"); }
	if (e->cookie) {
		while (cookie < ncookies && cookies[cookie] != e->cookie) cookie++;
		if (cookie == ncookies && ncookies < 64) cookies[ncookies++] = e->cookie;
		cookie++;
	}
	say("%s %s: %s cookie=%d len=%d %s", key, e->wd < 0 ? "none" : e->wd < 256 && watch_names[e->wd] ? watch_names[e->wd] : "?", mask, cookie, e->len, e->len ? e->name : "");
}

/* Everything that is in the queue. */
__attribute__((unused)) static void events(const char *key)
{
	char buf[65536] __attribute__((aligned(8)));
	struct pollfd p = { ifd, POLLIN, 0 };
	while (poll(&p, 1, 0) > 0) {
		ssize_t n = read(ifd, buf, sizeof buf);
		if (n <= 0) { say("%s read=%s", key, errname(errno)); return; }
		for (char *at = buf; at < buf + n; at += sizeof(struct inotify_event) + ((struct inotify_event *)at)->len) print_event((struct inotify_event *)at, key);
	}
}
