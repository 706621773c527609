/* /sys/devices/system: what programs ask about CPUs and memory nodes. */ /* musl */
#include "probe.h"

int main(void)
{
	static const char *const files[] = {
		"cpu/online", "cpu/possible", "cpu/present", "cpu/kernel_max", "node/online", "node/possible", "node/has_cpu", "node/has_memory", "node/has_normal_memory",
		"node/node0/cpulist", "node/node0/cpumap", "node/node0/distance", "node/node999/cpulist",
	};
	for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
		char path[100], text[200];
		snprintf(path, sizeof path, "/sys/devices/system/%s", files[i]);
		snprintf(text, sizeof text, "%s", get(path));
		text[strcspn(text, "\n")] = 0;
		say("%s=%s", files[i], text);
	}
	IS("node-meminfo", strstr(get("/sys/devices/system/node/node0/meminfo"), "Node 0 MemTotal:") != NULL);
	return 0;
}
