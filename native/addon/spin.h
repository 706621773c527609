/*
 * Watching for the next request instead of sleeping (docs/decisions/0005-watching-instead-of-sleeping.md).
 */
#ifndef CARRICK_SPIN_H
#define CARRICK_SPIN_H

#include "addon.h"

/* What one endpoint knows about who is likely to post next; used by its own thread only. */
struct Spinner {
	static constexpr int SLOTS = 4;
	/* The slots answered last, newest first. */
	uint32_t recent[SLOTS] = {};
	int n = 0;
	/* Waits to sleep through without watching, and how many more after the next failure. */
	uint32_t skip = 0;
	uint32_t backoff = 0;
};

/* A request of this slot was answered. */
void spin_note(Spinner &s, uint32_t slot_id);

/*
 * Watch the recent slots for a while. Returns when one has been posted to server `srv`, when `more` says that there is something else to do,
 * when a host fd of epfd is ready, or when the time is up. The caller looks at the slots once more after that, and sleeps if nothing was found.
 */
void spin_watch(Spinner &s, uint32_t srv, bool (*more)(void *), void *arg, int epfd);

#endif
