/*
 * Doorbells: how a server learns that there is something for it (doorbell.cc makes and rings them, endpoint.cc listens).
 */
#ifndef CARRICK_DOORBELL_H
#define CARRICK_DOORBELL_H

#include "addon.h"

#include <vector>

struct Doorbell {
	int read_nonblock = -1;
	int read_block = -1;
	int write_guest = -1;
	int write_own = -1;
	/* FLAG_* rung by carrick's workers and not yet seen. */
	std::atomic<uint32_t> flags{0};
	std::atomic<uint32_t> spilled{0};
	std::mutex lock;
	/* Under lock: words that found the pipe full. */
	std::vector<uint32_t> spill;
};

extern Doorbell doorbells[CARRICK_SRV_COUNT];

/* The write end of server srv's doorbell that guests get; -1 before createDoorbells. */
int doorbell_guest_fd(int srv);
/* Write a word to a server's doorbell without ever waiting. 0 or -errno. */
int post_word(uint64_t srv, uint32_t word);

#endif
