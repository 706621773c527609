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
	/* The slots that have our bit: what they post rings no bell, so they are looked at before every sleep. */
	uint32_t armed[SLOTS] = {};
	int narmed = 0;
	/* Slots that had it until just now, and have to be looked at once more: those that are no longer recent, and those of a watch that has ended. */
	uint32_t left[2 * SLOTS] = {};
	int nleft = 0;
	/* The last watch ended because of the doorbell or a host fd. */
	bool events = false;
	/* By the call that was answered last: waits to sleep through without watching, and how many more after the next failure. */
	static constexpr int CALLS = 64;
	uint16_t skip[CALLS] = {};
	uint16_t backoff[CALLS] = {};
	int last = 0;
	/* A slot that was never answered is about to post. */
	bool expecting = false;
};

/* A slot will post its first request soon. */
void spin_expect(Spinner &s, uint32_t slot_id);

/* Request `nr` of this slot was answered. */
void spin_note(Spinner &s, uint32_t slot_id, uint32_t nr);

/*
 * Watch the recent slots for a while: true when one has been posted to server `srv`, when `more` says that there is something else to do, or when the doorbell or a
 * host fd of epfd is ready. The slots keep our bit. The caller looks at `armed` and `left`; if there is nothing to do after all, it has to leave.
 */
bool spin_watch(Spinner &s, uint32_t srv, bool (*more)(void *), void *arg, int epfd);

/* Take all bits back before a sleep. The caller then looks at `left` once more, and clears `nleft`. */
void spin_leave(Spinner &s, uint32_t srv);

#endif
