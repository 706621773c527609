/*
 * Time slices of the host's fair scheduler (sched(7), sched_setattr(2)): whoever asks for shorter ones than those who run gets a core when it wakes, not when their
 * slices end. It may run no more than otherwise. Linux 6.12 and newer; before that asking changes nothing.
 *
 * Servers ask for the shortest: a guest waits for them, and is off its core, for some tens of microseconds a call. Everybody may ask, so no rights are needed.
 * Guests have what the host gives: with short slices for all nobody is served earlier (docs/decisions/0019-cores-are-shared-fairly.md).
 */
#ifndef CARRICK_SLICE_H
#define CARRICK_SLICE_H

#include "raw.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>

/* struct sched_attr of uapi linux/sched/types.h, which does not go together with sched.h. */
struct SchedAttr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* As short as Linux allows. ns */
constexpr uint64_t SLICE_SHORT = 100000;
/* What the host gives to everybody. */
constexpr uint64_t SLICE_DEFAULT = 0;

/* For the calling thread, and what it clones from now on. Real-time and batch policies, which somebody chose, stay as they are. Raw system calls only. */
static inline void slice_set(uint64_t ns)
{
	struct SchedAttr attr = {};

	if (raw(SYS_sched_getattr, 0L, &attr, sizeof(attr), 0L) < 0 || attr.policy != SCHED_OTHER)
		return;
	attr.size = sizeof(attr);
	attr.flags = 0;
	attr.runtime = ns;
	raw(SYS_sched_setattr, 0L, &attr, 0L);
}

#endif
