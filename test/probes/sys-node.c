/* /sys/devices/system: what programs ask about CPUs and memory nodes. */ /* musl */
#include "probe.h"

int main(void)
{
	static const char *const files[] = {
		"cpu/online", "cpu/possible", "cpu/present", "cpu/kernel_max", "node/online", "node/possible", "node/has_cpu", "node/has_memory", "node/has_normal_memory",
		"cpu/offline", "cpu/smt/active", "cpu/smt/control",
		"cpu/cpu0/topology/physical_package_id", "cpu/cpu0/topology/core_id", "cpu/cpu0/topology/die_id", "cpu/cpu0/topology/thread_siblings", "cpu/cpu0/topology/thread_siblings_list",
		"cpu/cpu0/topology/core_siblings", "cpu/cpu0/topology/core_siblings_list", "cpu/cpu0/topology/core_cpus", "cpu/cpu0/topology/core_cpus_list", "cpu/cpu0/topology/die_cpus", "cpu/cpu0/topology/package_cpus",
		"cpu/cpu0/cache/index0/level", "cpu/cpu0/cache/index0/shared_cpu_map", "cpu/cpu0/cache/index0/physical_line_partition", "cpu/vulnerabilities/spectre_v1",
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
