/*
 * The first guest process between clone and exec: what it is given and what it reports.
 */
#ifndef CARRICK_SANDBOX_H
#define CARRICK_SANDBOX_H

#include <stdint.h>

#include "layout.h"

/* Namespace bits, as in SpawnOptions.namespaces. */
enum {
	NS_USER = 1,
	NS_PID = 2,
	NS_MOUNT = 4,
	NS_IPC = 8,
	NS_UTS = 16,
	NS_NET = 32,
	NS_ALL = 63,
};

/* Where it failed; with `error` for the message. */
enum SandboxStage {
	STAGE_NONE = 0,
	STAGE_IDS,
	STAGE_FDS,
	STAGE_CAPS,
	STAGE_ORPHAN,
	STAGE_EXEC,
};

constexpr int SANDBOX_FDS = 3 + CARRICK_FDR_COUNT;

/* Filled by the parent before the clone; lives on the parent's stack, which the child shares while the parent waits. */
struct Sandbox {
	/* Namespaces that the clone made. */
	uint32_t namespaces;
	/* Ids that the child keeps, mapped to themselves in a user namespace. */
	char uid_map[40];
	char gid_map[40];
	const char *hostname;
	/* Host fd for each of guest 0, 1, 2, fdr_base + 0.. ; -1 = none. */
	int fds[SANDBOX_FDS];
	int fdr_base;
	char env_fdr[32];

	/* Written by the child. */
	volatile int stage;
	volatile int error;
	/* What it got of `namespaces`: a mount namespace whose root could not be replaced does not count. */
	volatile uint32_t got;
};

/* Body of the child (clone with CLONE_VM | CLONE_VFORK): sandboxes itself and becomes the stub. Returns only on failure, with an exit status. */
int sandbox_child(void *sandbox);

/* Make an empty read-only root and enter it; needs a mount namespace of its own. Raw system calls only. 0 or -errno. */
int sandbox_empty_root();
/* Map the ids of a process that is new in a user namespace. 0 or -errno. */
int sandbox_map_ids(const char *uid_map, const char *gid_map);

#endif
