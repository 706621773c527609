/*
 * What the host kernel knows of where guests spend their time: one software event per processor, inherited by every process that the
 * container's first one starts, with a ring of records (perf_event_open(2)): program counters at a frequency, what leaves and enters the processor, mappings
 * and names of processes.
 *
 * One profile per carrick process. perfOpen is called by the kernel worker before the first process runs guest code, perfRead by the main thread from then on; the
 * release of `count` orders them. The host writes a ring's head, perfRead its tail; nobody else touches them.
 *
 * Host kernel frames are asked for and, where the host refuses them (perf_event_paranoid 2), left out.
 */
#include "addon.h"
#include "exports.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

namespace {

constexpr int CPUS_MAX = 1024;
/* Ring sizes tried, pages, largest first: ordinary users may lock little memory. */
constexpr uint32_t PAGES[] = { 1024, 256, 64, 16 };
constexpr uint64_t PAGE = 4096;

struct Ring {
	int fd;
	perf_event_mmap_page *head;
	uint64_t size;
};

Ring rings[CPUS_MAX];
std::atomic<int> count{0};

perf_event_attr attributes(uint32_t hz, bool kernel)
{
	perf_event_attr a;

	memset(&a, 0, sizeof(a));
	a.size = sizeof(a);
	a.type = PERF_TYPE_SOFTWARE;
	a.config = PERF_COUNT_SW_CPU_CLOCK;
	a.sample_freq = hz;
	a.freq = 1;
	a.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CALLCHAIN;
	a.sample_id_all = 1;
	a.inherit = 1;
	a.mmap = 1;
	a.mmap2 = 1;
	a.comm = 1;
	a.comm_exec = 1;
	a.task = 1;
	a.context_switch = 1;
	a.exclude_kernel = !kernel;
	a.exclude_hv = 1;
	a.exclude_callchain_kernel = 1;
	a.use_clockid = 1;
	a.clockid = CLOCK_MONOTONIC;
	return a;
}

bool map_ring(Ring *r)
{
	for (uint32_t pages : PAGES) {
		void *p = mmap(nullptr, (1 + pages) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);

		if (p == MAP_FAILED)
			continue;
		r->head = static_cast<perf_event_mmap_page *>(p);
		r->size = pages * PAGE;
		return true;
	}
	return false;
}

void close_ring(Ring *r)
{
	if (r->head != nullptr)
		munmap(r->head, PAGE + r->size);
	close(r->fd);
	*r = Ring{-1, nullptr, 0};
}

} // namespace

/* perfOpen(hostPid, hz): processors watched, or -errno of the first. */
napi_value js_perfOpen(napi_env env, napi_callback_info info)
{
	Args<2> a(env, info);
	const int cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_CONF));
	bool kernel = true;
	int n = 0;

	if (count.load(std::memory_order_acquire) != 0)
		return num(env, -EBUSY);
	for (int cpu = 0; cpu < cpus && n < CPUS_MAX; cpu++) {
		perf_event_attr attr = attributes(a.u32(1), kernel);
		long fd = syscall(SYS_perf_event_open, &attr, a.i32(0), cpu, -1, PERF_FLAG_FD_CLOEXEC);

		if (fd < 0 && errno == EACCES && kernel) {
			kernel = false;
			cpu--;
			continue;
		}
		if (fd < 0 && errno == ENODEV)
			continue; /* A processor that is off. */
		rings[n] = Ring{ static_cast<int>(fd), nullptr, 0 };
		if (fd < 0 || !map_ring(&rings[n])) {
			const int error = errno;

			if (fd >= 0)
				close(static_cast<int>(fd));
			while (n > 0)
				close_ring(&rings[--n]);
			return num(env, -error);
		}
		n++;
	}
	count.store(n, std::memory_order_release);
	return num(env, n);
}

/*
 * perfRead(scratchOff, len): moves whole records from the rings into scratch; bytes moved, 0 when there are none. Called again until it
 * says 0.
 */
napi_value js_perfRead(napi_env env, napi_callback_info info)
{
	Args<2> a(env, info);
	const int64_t len = a.i64(1);
	uint8_t *out = scratch_at(a.i64(0), len);
	int64_t done = 0;

	if (out == nullptr)
		return num(env, -EFAULT);
	for (int i = 0; i < count.load(std::memory_order_acquire); i++) {
		Ring *r = &rings[i];
		const uint8_t *data = reinterpret_cast<const uint8_t *>(r->head) + PAGE;
		const uint64_t head = __atomic_load_n(&r->head->data_head, __ATOMIC_ACQUIRE);
		uint64_t tail = r->head->data_tail;

		while (tail < head) {
			perf_event_header h;
			const uint64_t at = tail % r->size;

			/* Records are multiples of 8 bytes, so a header never wraps. */
			memcpy(&h, data + at, sizeof(h));
			if (h.size < sizeof(h) || done + h.size > len)
				break;
			const uint64_t first = h.size < r->size - at ? h.size : r->size - at;

			memcpy(out + done, data + at, first);
			memcpy(out + done + first, data, h.size - first);
			done += h.size;
			tail += h.size;
		}
		__atomic_store_n(&r->head->data_tail, tail, __ATOMIC_RELEASE);
	}
	return num(env, done);
}
