/*
 * A guest process that carrick starts itself, between clone and exec: what it is given and what it reports.
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
	STAGE_JOIN,
	STAGE_FDS,
	STAGE_CAPS,
	STAGE_ORPHAN,
	STAGE_EXEC,
};

constexpr int SANDBOX_FDS = 3 + CARRICK_FDR_COUNT;
/* Kinds of namespaces: user, pid, mount, ipc, uts, net, in the order in which they are entered. */
constexpr int NS_KINDS = 6;
/* Arguments that the host's process list shows. */
constexpr int SHOWN_ARGS = 32;

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
	/* Enter these namespaces of the first process (fds, -1 = carrick's own) instead of making any; null for the first process itself. */
	const int *join;
	/* The stack of the process that is made inside them. */
	uint8_t *inner_stack_top;
	const char *argv[SHOWN_ARGS + 1];

	/* Written by the child. */
	volatile int stage;
	volatile int error;
	/* Its pid in its own namespace. */
	volatile int pid;
	/* With `join`: its pid as carrick sees it, 0 = none was made. */
	volatile int host_pid;
	/* What it got of `namespaces`: a mount namespace whose root could not be replaced does not count. */
	volatile uint32_t got;
};

/* Body of the child (clone with CLONE_VM | CLONE_VFORK): sandboxes itself and becomes the stub. Returns only on failure, with an exit status. */
int sandbox_child(void *sandbox);
/* Body of a go-between, cloned like it, that enters `join` and makes the real child there, as a child of carrick. Exit status 0 when it was made. */
int sandbox_join(void *sandbox);

/* Make an empty read-only root and enter it; needs a mount namespace of its own. Raw system calls only. 0 or -errno. */
int sandbox_empty_root();
/* Set the loopback interface of a network namespace of its own up. Raw system calls only. 0 or -errno. */
int sandbox_loopback_up();
/* Map the ids of a process that is new in a user namespace. 0 or -errno. */
int sandbox_map_ids(const char *uid_map, const char *gid_map);

/* Namespaces that the first process has got. */
uint32_t namespaces_had();
/* Open those of the first process's namespaces that were made and are among `which` (NS_*) as fds, in the order of Sandbox.join. 0 or -errno. */
int open_namespaces(int fds[NS_KINDS], uint32_t which);

#endif
