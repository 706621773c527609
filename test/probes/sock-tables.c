/* What readers of sockets see of one's own: /proc/net/tcp, udp, unix and netlink sock_diag, found by inode number. */
#include "probe.h"
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static unsigned long inode(int fd)
{
	struct stat st;
	MUST(fstat(fd, &st));
	return st.st_ino;
}

/* The line of /proc/net/NAME whose n-th word is the inode: its other words as chosen by `show`. */
static void row(const char *name, int word, unsigned long ino, const char *show)
{
	char path[64], line[512], key[32];
	int found = 0;
	snprintf(path, sizeof path, "/proc/net/%s", name);
	FILE *f = fopen(path, "r");
	if (!f) { say("%s=none", name); return; }
	for (int n = 0; fgets(line, sizeof line, f); n++) {
		char *words[32], *save, *w = strtok_r(line, " \n", &save);
		int count = 0;
		for (; w && count < 32; w = strtok_r(NULL, " \n", &save)) words[count++] = w;
		if (n == 0 || count <= word || strtoul(words[word], NULL, 10) != ino) continue;
		found++;
		for (const char *s = show; *s; s++) {
			int i = *s - 'a';
			snprintf(key, sizeof key, "%s-%d", name, i);
			say("%s=%s", key, i < count ? words[i] : "");
		}
	}
	fclose(f);
	say("%s-rows=%d", name, found);
}

static int diag;

/* Ask about `family`; how often the inode comes, and what is said of it. */
static void ask(const char *key, int family, int protocol, unsigned states, unsigned long ino)
{
	struct { struct nlmsghdr h; union { struct inet_diag_req_v2 in; struct unix_diag_req un; } u; } q = { 0 };
	size_t body = family == AF_UNIX ? sizeof q.u.un : sizeof q.u.in;
	q.h.nlmsg_len = (unsigned)(NLMSG_HDRLEN + body);
	q.h.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	q.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (family == AF_UNIX) {
		q.u.un.sdiag_family = AF_UNIX;
		q.u.un.udiag_states = states;
		q.u.un.udiag_show = UDIAG_SHOW_NAME;
	} else {
		q.u.in.sdiag_family = (unsigned char)family;
		q.u.in.sdiag_protocol = (unsigned char)protocol;
		q.u.in.idiag_states = states;
	}
	MUST(send(diag, &q, q.h.nlmsg_len, 0));
	static char buf[65536];
	int found = 0;
	for (int done = 0; !done;) {
		long n = recv(diag, buf, sizeof buf, 0);
		MUST(n);
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) { say("%s-end=%s", key, h->nlmsg_type == NLMSG_DONE ? "done" : "error"); done = 1; break; }
			struct inet_diag_msg *m = NLMSG_DATA(h);
			struct unix_diag_msg *u = NLMSG_DATA(h);
			if (family != AF_UNIX && m->idiag_inode == ino) {
				found++;
				say("%s=state %d mine %d", key, m->idiag_state, m->idiag_uid == getuid());
			} else if (family == AF_UNIX && u->udiag_ino == ino) {
				struct nlattr *a = (struct nlattr *)(u + 1);
				found++;
				say("%s=state %d type %d name %.*s", key, u->udiag_state, u->udiag_type, a->nla_type == UNIX_DIAG_NAME ? (int)(a->nla_len - NLA_HDRLEN) : 0, (char *)a + NLA_HDRLEN);
			}
		}
	}
	say("%s-found=%d", key, found);
}

int main(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "named" };
	struct sockaddr_un ab = { .sun_family = AF_UNIX, .sun_path = "\0probe-tables" };
	socklen_t abLen = offsetof(struct sockaddr_un, sun_path) + 13;
	int l = socket(AF_INET, SOCK_STREAM, 0), l6 = socket(AF_INET6, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0);
	int n = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0), plain = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	MUST(bind(l, (struct sockaddr *)&a, sizeof a));
	MUST(listen(l, 300));
	MUST(bind(l6, (struct sockaddr *)&a6, sizeof a6));
	MUST(listen(l6, 300));
	MUST(bind(u, (struct sockaddr *)&a, sizeof a));
	MUST(bind(n, (struct sockaddr *)&un, sizeof un));
	MUST(listen(n, 5));
	MUST(bind(d, (struct sockaddr *)&ab, abLen));

	/* rem_address, st, tx_queue:rx_queue; uid is compared, not shown. */
	row("tcp", 9, inode(l), "cde");
	row("tcp6", 9, inode(l6), "cde");
	row("udp", 9, inode(u), "cde");
	row("unix", 6, inode(n), "cdefh");
	row("unix", 6, inode(d), "cdefh");
	row("unix", 6, inode(plain), "cdefh");

	MUST(diag = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
	ask("diag-tcp", AF_INET, IPPROTO_TCP, 1 << 10, inode(l));
	ask("diag-tcp6", AF_INET6, IPPROTO_TCP, 1 << 10, inode(l6));
	ask("diag-udp", AF_INET, IPPROTO_UDP, ~0U, inode(u));
	ask("diag-unix", AF_UNIX, 0, ~0U, inode(n));
	ask("diag-abstract-none", AF_INET, IPPROTO_TCP, 1 << 1, inode(l));

	FILE *f = fopen("/proc/net/dev", "r");
	char line[256];
	int lo = 0, heads = 0;
	while (f && fgets(line, sizeof line, f)) { lo += strstr(line, "lo:") != NULL; heads += strchr(line, '|') != NULL; }
	say("dev=%d heads, lo %d", heads, lo);
	int fd = open("/proc/net/route", O_RDONLY);
	char c, again;
	MUST(pread(fd, &c, 1, 0));
	MUST(read(fd, &again, 1));
	say("route=%c%c", c, again);
	return 0;
}
