/* Files of /proc that describe the machine: their shape. */ /* musl */
#include "probe.h"

int main(void)
{
	IS("version", !strncmp(get("/proc/version"), "Linux version ", 14));
	IS("meminfo", !strncmp(get("/proc/meminfo"), "MemTotal:", 9));
	IS("filesystems", strstr(get("/proc/filesystems"), "nodev") != NULL);
	IS("mounts", strchr(get("/proc/mounts"), '/') != NULL);
	IS("uptime", atof(get("/proc/uptime")) > 0);
	IS("loadavg", strchr(get("/proc/loadavg"), '/') != NULL);
	IS("cpuinfo", !strncmp(get("/proc/cpuinfo"), "processor", 9));
	IS("stat-cpu", !strncmp(get("/proc/stat"), "cpu ", 4));
	IS("pid-max", atoi(get("/proc/sys/kernel/pid_max")) > 300);
	say("ostype=%.5s", get("/proc/sys/kernel/ostype"));
	VAL("seek-end", lseek(open("/proc/version", O_RDONLY), 0, SEEK_END) <= 0);
	struct stat st;
	stat("/proc/version", &st);
	say("version-mode=%o size %ld", st.st_mode, (long)st.st_size);
	stat("/proc", &st);
	say("proc-mode=%o", st.st_mode);
	stat("/proc/self/", &st);
	say("self-mode=%o mine=%d", st.st_mode, st.st_uid == geteuid());
	lstat("/proc/self", &st);
	say("self-link=%o", st.st_mode);
	OK("mkdir", mkdir("/proc/x", 0777));
	OK("unlink", unlink("/proc/version"));
	OK("rename", rename("/proc/version", "/proc/v"));
	OK("link", link("/proc/version", "v"));
	char b[4096];
	int fd = open("/proc/cpuinfo", O_RDONLY);
	VAL("read-1", read(fd, b, 1));
	VAL("read-9", read(fd, b + 1, 8));
	say("pieces=%.9s", b);
	VAL("rewind", lseek(fd, 0, SEEK_SET));
	VAL("read-again", read(fd, b, 4));
	say("again=%.4s", b);
	fd = open("/proc/self/status", O_RDONLY);
	VAL("pread", pread(fd, b, 5, 0));
	say("first=%.5s", b);
	return 0;
}
