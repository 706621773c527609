/**
 * The native addon: engines, rings, guest memory, host calls. Node-API only. Every function returns a Number: >= 0 or -errno; none
 * throws after load. Every worker loads it; the process-wide state (areas, processes) is shared by them all.
 *
 * Buffers: `scratch` and `inbox` are allocated in JavaScript and handed down once per worker (setScratch, endpointInit); afterwards offsets
 * into them are passed, never objects.
 */

/** Host system call from this worker: arguments whose bit is set in `ptrMask` are byte offsets into this worker's scratch (checked to lie
 *  inside it; -EFAULT otherwise). Never use it for a call that may block. Returns the raw result or -errno. */
export function sys(nr: number, ptrMask: number, a0?: number, a1?: number, a2?: number, a3?: number, a4?: number, a5?: number): number;
/** This worker's scratch for host calls and guest memory. Kept referenced for the worker's life. */
export function setScratch(scratch: Uint8Array): number;
/** Host address of scratch byte 0 in carrick, below 2^47: for structs that hold pointers (iovec, msghdr), written as two u32. */
export function scratchAddress(): number;

/** Memory of a guest process (tg row); scratchOff into this worker's scratch. Bytes moved, or -EFAULT if none, or -ESRCH. */
export function readMemory(tg: number, addr: number, scratchOff: number, len: number): number;
export function writeMemory(tg: number, addr: number, scratchOff: number, len: number): number;
/** writeMemory as a debugger does it: also to private memory that the guest itself may not write. */
export function pokeMemory(tg: number, addr: number, scratchOff: number, len: number): number;
/** NUL-terminated string of at most max bytes (NUL not counted): its length, or -EFAULT, -ENAMETOOLONG. */
export function readString(tg: number, addr: number, scratchOff: number, max: number): number;

// ---- endpoint (one per server worker; see shared/endpoint.ts) ----
/** Bind this worker to server `srv`: `inbox` holds INBOX_RECORDS records of SLOT_STRIDE bytes; `lists` is an Int32Array that holds
 *  LIST_* regions (see shared/endpoint-layout.ts). Opens its epoll set on the server's doorbell pipe. */
export function endpointInit(srv: number, inbox: Uint8Array, lists: Int32Array): number;
/**
 * Flush the replies listed in LIST_OUT, then sleep until the doorbell, a watched fd or the timeout.
 * timeoutUs < 0 = no limit, 0 = poll. Copies each valid posted slot once into a free record (popped from LIST_FREE) and lists it in LIST_IN;
 * cancels go to LIST_CANCEL (slot ids); ready host fds to LIST_FD (pairs token, epoll events).
 * Returns the number of new requests; lists[LIST_FLAGS] has bit 0 set if DB_RINGS was rung, bit 1 for DB_CONTROL.
 */
export function replyAndWait(timeoutUs: number): number;
/** Answer one record now (otherwise it goes with the next replyAndWait). */
export function replyNow(rec: number): number;
/** A slot that was never answered will post soon: watch it, too. Worker with an endpoint. */
export function expectSlot(slotId: number): number;
/** Look in the next turn whether the slot has posted to this server without ringing. Worker with an endpoint. */
export function revisitSlot(slotId: number): number;
/** Answer the records in LIST_OUT (LIST_NOUT of them) without waiting for anything. */
export function flushReplies(): number;
/** Watch a host fd in this endpoint's epoll set (EPOLLIN|...|EPOLLET allowed); token comes back in LIST_FD. */
export function watchFd(op: number, fd: number, events: number, token: number): number;
/** Wake a server's endpoint: word = DB_RINGS, DB_CONTROL, or slot id | DB_FORWARD. Only this makes a forward: the same word from a guest is ignored.
 *  The forwarding server then drops its record without an answer. A cancel that reaches the wrong server follows the request by itself. Never waits. */
export function ringDoorbell(srv: number, word: number): number;
/** Create the doorbell pipes; once, by the main thread, before any worker starts. fds outside 0..2, close-on-exec. */
export function createDoorbells(): number;
/** The end of server srv's doorbell at which it listens, to be watched in its stead while it has not been started; -EINVAL before createDoorbells. Borrowed. */
export function doorbellFd(srv: number): number;

// ---- areas, slots, processes (kernel worker, unless said otherwise) ----
/** New or recycled area: its index, or -ENOMEM/-EMFILE. Mapped in carrick for ever, recycled clean. */
export function areaAlloc(): number;
export function areaFree(area: number): number;
/** memfd of an area, for passing on. */
export function areaFd(area: number): number;
/** Take pctx `ix` in use and zero it; fork copies dispositions and fd hints from (fromArea, fromIx) when fromArea >= 0. `exec` = 1: handlers
 *  become SIG_DFL (ignored stay), hints of fds whose bit is unset in no list stay. */
export function pctxInit(area: number, ix: number, fromArea: number, fromIx: number, exec: number): number;
export function pctxFree(area: number, ix: number): number;
/** Reserve the first free pctx of an area: its index, or -EAGAIN. pctxInit follows. */
export function pctxAlloc(area: number): number;
/** Reserve a slot (a free or dead one; `want` >= 0 asks for that one): its index, or -EAGAIN. */
export function slotAlloc(area: number, want: number): number;
/** A slot whose thread is still on its way out is not reserved again before its state is SLOT_DEAD. */
export function slotFree(area: number, slot: number): number;
/** Tell native which task row and tg row own a slot: later requests from it carry them. 0 = nobody. */
export function slotBind(slotId: number, task: number, tg: number): number;
/** Say whether nothing is to be taken from the slot but its own NR_CLONE_COMMIT, by the kernel; slotBind says no. 0 or -EINVAL. Kernel worker. */
export function slotUnborn(slotId: number, yes: number): number;
/** Register what a tg row is on the host: pidfd (-1 = none), control socket (carrick's end, -1 = none), area, pctx. May be called again as these
 *  become known: fds that change are closed, and the ordinal of control messages starts again when socket, area or pctx change. */
export function procBind(tg: number, pidfd: number, ctlFd: number, area: number, pctx: number): number;
/** Forget it; closes pidfd and control socket. For the container's first process: kills it if it lives, and whatever is left of its group where
 *  there is no pid namespace, and reaps it. */
export function procFree(tg: number): number;
/** Host pid of a tg row (from its pidfd, cached), or -ESRCH. Any worker. */
export function hostPid(tg: number): number;
/** Host tid of a task given its guest tid (looked up by NSpid in /proc/HOSTPID/task, cached by slot), or -ESRCH. Any worker. */
export function hostTid(tg: number, slotId: number, tid: number): number;
/** New control socket pair: carrick's end; the guest's end is in *second result* lastFd(). */
export function ctlPair(): number;
export function lastFd(): number;
/** Send a control message (CTL_*) with up to 8 fds listed as int32 at scratch offset fdsOff; for CTL_GRANT, guest fd numbers and cloexec flags
 *  follow as int32 arrays at numsOff and cloexecOff. Returns the message's ordinal on that socket (compare slot.ctl_need), or -EAGAIN. Any worker. */
export function ctlSend(tg: number, kind: number, nfd: number, fdsOff: number, numsOff: number, cloexecOff: number): number;
/** Send CTL_START to the program that the process has in this area and pctx: up to START_FDS fds listed as int32 at scratch offset fdsOff, `len` bytes of text at textOff (at most
 *  START_MAX). Returns its ordinal, or -ESTALE: the process has, or is about to have, another program. Any worker. */
export function ctlStart(tg: number, area: number, pctx: number, nfd: number, fdsOff: number, textOff: number, len: number): number;
/** Receive the pidfd of process `pid` that the guest sent (CTL_PIDFD): host fd or -errno; -EAGAIN nothing there, -EPERM not a process of this container, -EINVAL another one's. */
export function ctlReceivePidfd(tg: number, pid: number): number;
/** Pidfd of process `pid` of the guests' pid namespace: host fd or -errno; -ENOTTY there is no such namespace, or the host cannot tell (before Linux 6.12), -ESRCH no such process. */
export function pidfdByNumber(pid: number): number;
/** Set fd hint byte. Any worker. */
export function hintSet(tg: number, fd: number, hint: number): number;
export function hintGet(tg: number, fd: number): number;

// ---- words of slots and pctx (any worker; signo sets as two u32) ----
/** Read a field of a slot / pctx by byte offset (SLOT_*, PCTX_*): u32 as Number, -EINVAL for a bad area or offset; for u64 call twice. */
export function slotLoad(slotId: number, off: number): number;
export function slotStore(slotId: number, off: number, value: number): number;
/** slotStore, and wake whoever sleeps on that word (futex): SLOT_BORN. */
export function slotWake(slotId: number, off: number, value: number): number;
export function pctxLoad(area: number, ix: number, off: number): number;
export function pctxStore(area: number, ix: number, off: number, value: number): number;
/** len bytes of scratch become the words at off, while the sequence word at seqOff is odd; it is even and not 0 afterwards. One writer. 0 or -EINVAL. */
export function pctxTell(area: number, ix: number, seqOff: number, off: number, scratchOff: number, len: number): number;
/** Store a word atomically in the pctx that a process has now; what was there, or -ESRCH when it has none. Any worker. */
export function pctxSwap(tg: number, off: number, value: number): number;
/** Atomic or / and-not on a u64 given as two u32: used for sigpend. */
export function slotOr64(slotId: number, off: number, lo: number, hi: number): number;
/** Publish signals as pending for a process, or (on 0) as not pending, in the pctx that it has now: 0, or -ESRCH when it has none. Any worker. */
export function pendProc(tg: number, on: number, lo: number, hi: number): number;
/** The same for a task of it: -ESRCH when the slot is not bound to it. */
export function pendTask(tg: number, task: number, slotId: number, on: number, lo: number, hi: number): number;
/** 1 when the slot has a deliverable pending signal: (slot.sigpend | pctx.sigpend) & ~slot.sigmask. */
export function sigDeliverable(slotId: number): number;

/** Copy len bytes from this worker's scratch into the area's plan region at offset planOff, or (planRead) back: len, or -EINVAL outside it. */
export function planWrite(area: number, planOff: number, scratchOff: number, len: number): number;
export function planRead(area: number, planOff: number, scratchOff: number, len: number): number;

// ---- cells (servers/vfs/answers.ts, native/stub/names.c) ----
/** memfd of the cells, for CTL_IMAGES: nobody but carrick can write to it. Made at the first call. Any worker. */
export function namesFd(): number;
/** Store a cell, or a word behind the cells, for every guest to see: 0, or -EINVAL. Writers: vfs, kernel (NAMES_SYSTEM). */
export function namesStore(cell: number, value: number): number;
/** Value of a cell, or -EINVAL. Any worker. */
export function namesLoad(cell: number): number;

// ---- life ----
export interface SpawnOptions {
  /** tg row, area with a written plan, pctx and slot of the first task. */
  tg: number; area: number;
  /** Host fds of the images (for CTL_IMAGES) were sent by ctlSend before. */
  ctlGuestFd: number;
  fdrBase: number;
  /** Host fds for the guest's 0, 1, 2 (-1 = leave closed). */
  stdio: [number, number, number];
  /** Bit 0 user, 1 pid, 2 mount, 3 ipc, 4 uts, 5 net namespace wanted. */
  namespaces: number;
  hostname: string;
  /** Not the first process: one more in the namespaces of the first (`carrick exec`), which has to live; `namespaces` and `hostname` mean nothing. */
  join?: boolean;
}
/**
 * Start the container's first process, or (join) one beside it; both show the plan's arguments in the host's process list. Returns its host pid or -errno; pidfd in lastFd(), which the caller gives to procBind. namespacesGot() tells
 * what was had (bit 2 only with an empty root). It dies when the calling worker does. Call stubFd() once before.
 * Without a pid namespace a guard process kills the first process's group, in which all guests stay, when carrick is gone;
 * procFree of the first process does the same when the container ends.
 */
export function spawn(options: SpawnOptions): number;
/** Take the zombie of a process that was spawned with `join`, by host pid. Without a pid namespace it holds the number of its group, so only when nobody
 *  that it has forked lives any more. -EAGAIN: it lives; -ECHILD: no such process. */
export function reapSpawned(hostPid: number): number;
export function namespacesGot(): number;
/** socket(2), close-on-exec, in the network namespace that the container's first process was given: a host fd, or -errno; -ENONET when it has none of its own.
 *  Any worker, once the first process has been spawned. */
export function guestSocket(domain: number, type: number, protocol: number): number;
/** Guest pid of the process just spawned, in its own namespace. */
export function spawnedNsPid(): number;
/** Send a host signal: to the whole process by pidfd, or to one task. */
export function killProcess(tg: number, signo: number): number;
export function kickTask(tg: number, slotId: number, tid: number): number;
/** Probe the host for `carrick doctor` and boot, as a JSON string of HostProbe. Takes a few ms. */
export function probeHost(): string;
export interface HostProbe {
  release: string; machine: string; euid: number;
  /** seccomp can trap a call to a handler. */
  seccompTrap: boolean;
  /** Namespaces that a child can be given; mountns includes the empty root. */
  userns: boolean; pidns: boolean; mountns: boolean; ipcns: boolean; utsns: boolean; netns: boolean;
  /** /dev/kvm can be opened. */
  kvm: boolean;
  fsgsbase: boolean; avx512: boolean; amx: boolean;
  memfd: boolean; pidfd: boolean;
  /** process_vm_readv works on a child. */
  readMemory: boolean;
  /** -1 = no limit. */
  nofileSoft: number; nofileHard: number;
  /** Sysctls; -1 = not there. */
  pidMax: number; overcommit: number; maxMapCount: number; ptraceScope: number;
}
/** The stub's image as a sealed memfd, made once: from `path` if given (tests), else from the file `stub` in the folder above the addon's own
 *  (native/build/stub). -errno when there is none. spawn needs it, as does ctlReceivePidfd. */
export function stubFd(path?: string): number;

// ---- profiles (perf.cc) ----
/** Sample a host process and all that it will start, `hz` times a second of processor time; once per carrick. Processors watched, or -errno (EACCES: the
 *  host's sysctl perf_event_paranoid forbids it). */
export function perfOpen(hostPid: number, hz: number): number;
/** Move whole records of perf_event_open(2) to scratch; bytes, 0 = no more. Each has TID and TIME (CLOCK_MONOTONIC) at its end (sample_id_all). Main thread. */
export function perfRead(scratchOff: number, len: number): number;
