/**
 * File tables and open file descriptions in the shared tables; every server works on them directly.
 *
 * Locking: allocation and removal of fds hold `files.lock` of that table; row allocation holds meta.lock_alloc. Lookups take no
 * lock: an entry is one word, and a racing close is the guest's own race, as on Linux. `ofd.ref` is atomic; who drops it to 0 sends
 * RELEASE to the owner, who frees the row.
 */
import { E } from './errno.js';
import * as L from './gen/layout.js';
import { Msg } from './messages.js';
import { native } from './native.js';
import { lock, unlock } from './sync/mutex.js';
import type { Endpoint } from './endpoint.js';

export const FD_CLOEXEC = 1;
const PER_CHUNK = 64;
const CHUNKS = 320;
export const FD_LIMIT = PER_CHUNK * CHUNKS;
export const RLIMIT_NOFILE = 7;
/** Bit of ofd.sig beside the signal number (0 to 64): ofd.sig_owner is a task. */
export const SIG_TO_TASK = 0x100;

/** Kinds of open file descriptions (ofd.kind), for /proc, ioctl routing and hints. */
export const enum Ofd {
  REGULAR = 1, DIR = 2, PATH = 3, DEVICE = 4, TTY = 5, PROC = 6, SYMLINK = 7, STDIO = 8,
  PIPE_R = 16, PIPE_W = 17, FIFO = 18, EVENTFD = 19, EPOLL = 20, MQUEUE = 21,
  SOCKET = 32,
  SIGNALFD = 48, TIMERFD = 49, PIDFD = 50, INOTIFY = 51, MEMFD = 52,
}

/** Find a free row of a table by the word that `at` gives the place of (0 = free) and claim it with `mark`. Holds lock_alloc. 0 = table full. */
function claimRow(words: Int32Array, at: (row: number) => number, rows: number, from: number, mark: number): number {
  const m = L.metaI32();
  const lk = L.META_LOCK_ALLOC_AT(1);
  lock(m, lk);
  let found = 0;
  for (let i = 0; i < rows - 1; i++) {
    let r = from + i;
    if (r >= rows) r -= rows - 1;
    if (words[at(r)] === 0) { words[at(r)] = mark; found = r; break; }
  }
  unlock(m, lk);
  return found;
}

let ofdRotor = 1;
let chunkRotor = 1;

/** New open file description with ref 1: its row, or -ENFILE. */
export function ofdAlloc(owner: number, kind: Ofd, obj: number, flags: number, hostFd = -1): number {
  const row = claimRow(L.ofdI32(), L.OFD_REF_AT, L.OFD_ROWS, ofdRotor, 1);
  if (row === 0) return -E.ENFILE;
  ofdRotor = row + 1 < L.OFD_ROWS ? row + 1 : 1;
  L.setOfdOwner(row, owner);
  L.setOfdKind(row, kind);
  L.setOfdObj(row, obj);
  L.setOfdFlags(row, flags);
  L.setOfdHostFd(row, hostFd);
  L.setOfdReady(row, 0);
  L.setOfdWatched(row, 0);
  L.setOfdGrantable(row, 0);
  L.setOfdPollable(row, 0);
  L.setOfdGiven(row, 0);
  L.setOfdProcPid(row, 0);
  L.setOfdSigOwner(row, 0);
  L.setOfdSig(row, 0);
  L.setOfdLate(row, 0);
  L.setOfdAhead(row, 0);
  L.setOfdListed(row, 0);
  return row;
}

export function ofdRef(row: number): void { Atomics.add(L.ofdI32(), L.OFD_REF_AT(row), 1); }

let released = 0;

/**
 * Owners (bit SRV_*) that this worker has sent a RELEASE since it last asked. A call whose answer promises that something is closed (its other end sees the
 * end of file) waits for them with Endpoint.fence first.
 */
export function takeReleased(): number {
  const r = released;
  released = 0;
  return r;
}

/** Drop a reference; the last one tells the owner, which must call ofdFree when it has let go of the object. */
export function ofdUnref(ep: Endpoint, row: number): void {
  if (!dropRef(row)) return;
  // ipc first: it forgets its watches before the owner closes the host fd and the row is used again.
  if (L.ofdWatched(row) !== 0) ep.send(L.SRV_IPC, Msg.READY, [row, -1]);
  const owner = L.ofdOwner(row);
  const words = [row, L.ofdKind(row), L.ofdObj(row)];
  if (L.ofdLate(row) !== 0) { ep.quiet(owner, Msg.RELEASE, words); return; }
  released |= 1 << owner;
  ep.send(owner, Msg.RELEASE, words);
}

/** One reference less. True: it was the last, and the row is parked at -1 while the owner lets go of it, so that nobody claims it in between. */
function dropRef(row: number): boolean {
  const words = L.ofdI32();
  const at = L.OFD_REF_AT(row);
  for (;;) {
    const v = Atomics.load(words, at);
    if (Atomics.compareExchange(words, at, v, v === 1 ? -1 : v - 1) === v) return v === 1;
  }
}

/** The owner has let go: the row is free again. */
export function ofdFree(row: number): void { Atomics.store(L.ofdI32(), L.OFD_REF_AT(row), 0); }

function chunkRowOf(files: number, fd: number): number { return L.filesChunk(files, fd >> 6); }

/** OFD row of an fd, or -EBADF. */
export function fdLookup(files: number, fd: number): number {
  if (fd < 0 || fd >= FD_LIMIT) return -E.EBADF;
  const c = chunkRowOf(files, fd);
  if (c === 0) return -E.EBADF;
  const o = Atomics.load(L.fdchunkI32(), L.FDCHUNK_OFD_AT(c, fd & 63));
  return o > 0 ? o : -E.EBADF;
}

export function fdFlags(files: number, fd: number): number {
  const c = chunkRowOf(files, fd);
  return c === 0 ? 0 : L.fdchunkFlags(c, fd & 63);
}

export function setFdFlags(files: number, fd: number, flags: number): void {
  const c = chunkRowOf(files, fd);
  if (c !== 0) L.setFdchunkFlags(c, fd & 63, flags);
}

/** Chunk row for fd, made when missing; 0 = table full. Caller holds files.lock. */
function ensureChunk(files: number, fd: number): number {
  const ix = fd >> 6;
  const have = L.filesChunk(files, ix);
  if (have !== 0) return have;
  const m = L.metaI32();
  const lk = L.META_LOCK_ALLOC_AT(1);
  lock(m, lk);
  let row = 0;
  for (let i = 0; i < L.FDCHUNK_ROWS - 1; i++) {
    let r = chunkRotor + i;
    if (r >= L.FDCHUNK_ROWS) r -= L.FDCHUNK_ROWS - 1;
    if (L.fdchunkUsed(r) === 0) { row = r; break; }
  }
  if (row !== 0) {
    L.clearFdchunk(row);
    L.setFdchunkUsed(row, files);
    chunkRotor = row + 1 < L.FDCHUNK_ROWS ? row + 1 : 1;
    L.setFilesChunk(files, ix, row);
  }
  unlock(m, lk);
  return row;
}

function store(c: number, fd: number, ofd: number, flags: number): void {
  const i = fd & 63;
  L.setFdchunkFlags(c, i, flags);
  Atomics.store(L.fdchunkI32(), L.FDCHUNK_OFD_AT(c, i), ofd);
}

/** Soft RLIMIT_NOFILE of a thread group, capped by the table. */
export function nofile(tg: number): number { return Math.min(L.tgRlimCur(tg, RLIMIT_NOFILE), FD_LIMIT); }

/** Numbers that a process's stub may have given to duplicates lie below it (slot.owed). */
export function nofileOwed(tg: number): number { return Math.min(Math.max(L.tgRlimCur(tg, RLIMIT_NOFILE), L.tgNofileHad(tg)), FD_LIMIT); }

/** Install an OFD (its reference passes to the fd) at the lowest fd >= min: the fd, or -EMFILE. */
export function fdInstall(files: number, ofd: number, cloexec: boolean, limit: number, min = 0): number {
  const w = L.filesI32();
  const lk = L.FILES_LOCK_AT(files);
  lock(w, lk);
  let fd = Math.max(min, L.filesLowest(files));
  let c = 0;
  for (; fd < limit; fd++) {
    c = chunkRowOf(files, fd);
    if (c === 0 || L.fdchunkOfd(c, fd & 63) === 0) break;
  }
  if (fd >= limit) { unlock(w, lk); return -E.EMFILE; }
  c = ensureChunk(files, fd);
  if (c === 0) { unlock(w, lk); return -E.ENFILE; }
  store(c, fd, ofd, cloexec ? FD_CLOEXEC : 0);
  if (min <= L.filesLowest(files)) L.setFilesLowest(files, fd + 1);
  if (fd >= L.filesTop(files)) L.setFilesTop(files, fd + 1);
  unlock(w, lk);
  return fd;
}

/** Is there room for one more fd? 0 or -EMFILE; for calls that must not begin what they cannot finish. Another thread may still take the last one. */
export function fdRoom(files: number, limit: number): number {
  for (let fd = L.filesLowest(files); fd < limit; fd++) if (fdLookup(files, fd) < 0) return 0;
  return -E.EMFILE;
}

/** Put an OFD (its reference passes) at exactly fd; the OFD that was there comes back (0 = none), its reference the caller's to drop. -EBADF beyond limit. */
export function fdReplace(files: number, fd: number, ofd: number, cloexec: boolean, limit: number): number {
  if (fd < 0 || fd >= limit) return -E.EBADF;
  const w = L.filesI32();
  const lk = L.FILES_LOCK_AT(files);
  lock(w, lk);
  const c = ensureChunk(files, fd);
  if (c === 0) { unlock(w, lk); return -E.ENFILE; }
  const old = L.fdchunkOfd(c, fd & 63);
  store(c, fd, ofd, cloexec ? FD_CLOEXEC : 0);
  if (fd >= L.filesTop(files)) L.setFilesTop(files, fd + 1);
  unlock(w, lk);
  return old;
}

/** Take an OFD that was opened ahead for process `tgid`: its reference passes to the caller. False: it was not, or somebody has it. to: 0 = it gets a descriptor, -1 = it is not needed. */
export function takeAhead(row: number, tgid: number, to: 0 | -1): boolean {
  return row > 0 && row < L.OFD_ROWS && tgid > 0 && Atomics.compareExchange(L.ofdI32(), L.OFD_AHEAD_AT(row), tgid, to) === tgid;
}

/**
 * Take an fd out of the table: its OFD row (reference passes to the caller), or -EBADF. tg: the thread group that knows it by a hint byte, which goes before the number is free:
 * from then on another server may give the number to a new file, and sets the hint of that.
 */
export function fdRemove(files: number, fd: number, tg: number): number {
  const w = L.filesI32();
  const lk = L.FILES_LOCK_AT(files);
  lock(w, lk);
  const o = fdLookup(files, fd);
  if (o > 0) {
    if (tg !== 0) native.hintSet(tg, fd, 0);
    store(chunkRowOf(files, fd), fd, 0, 0);
    if (fd < L.filesLowest(files)) L.setFilesLowest(files, fd);
  }
  unlock(w, lk);
  return o;
}

/** Take bits out of the hints of every fd below `top` that leads to one of `rows`: a number that has another meaning by then keeps its hint. */
export function hintsWithdraw(files: number, tg: number, top: number, rows: ReadonlySet<number>, bits: number): void {
  const w = L.filesI32();
  const lk = L.FILES_LOCK_AT(files);
  lock(w, lk);
  for (let fd = 0; fd < Math.min(top, L.filesTop(files)); fd++) {
    const row = fdLookup(files, fd);
    if (row > 0 && rows.has(row)) native.hintSet(tg, fd, native.hintGet(tg, fd) & ~bits);
  }
  unlock(w, lk);
}

/** New empty file table with ref 1, or 0. */
export function filesAlloc(): number {
  const row = claimRow(L.filesI32(), L.FILES_REF_AT, L.FILES_ROWS, 1, 1);
  if (row === 0) return 0;
  L.clearFiles(row);
  L.setFilesRef(row, 1);
  return row;
}

/** Copy a file table for fork, to a new or an empty one; references of every OFD are counted. 0 when the tables are full. */
export function filesCopy(from: number, to = filesAlloc()): number {
  if (to === 0) return 0;
  const w = L.filesI32();
  const lk = L.FILES_LOCK_AT(from);
  lock(w, lk);
  const top = L.filesTop(from);
  for (let base = 0; base < top; base += PER_CHUNK) {
    const src = chunkRowOf(from, base);
    if (src === 0) continue;
    const dst = ensureChunk(to, base);
    if (dst === 0) break;
    for (let i = 0; i < PER_CHUNK && base + i < top; i++) {
      const o = L.fdchunkOfd(src, i);
      if (o <= 0) continue;
      ofdRef(o);
      store(dst, base + i, o, L.fdchunkFlags(src, i) & FD_CLOEXEC);
    }
  }
  L.setFilesTop(to, top);
  L.setFilesLowest(to, L.filesLowest(from));
  unlock(w, lk);
  return to;
}

/** Close every fd for which `which` says so (all by default). tg: as for fdRemove. */
export function filesClose(ep: Endpoint, files: number, tg = 0, which: (flags: number) => boolean = () => true): void {
  const top = L.filesTop(files);
  for (let fd = 0; fd < top; fd++) {
    const c = chunkRowOf(files, fd);
    if (c === 0) { fd |= 63; continue; }
    if (L.fdchunkOfd(c, fd & 63) <= 0 || !which(L.fdchunkFlags(c, fd & 63) & FD_CLOEXEC)) continue;
    const o = fdRemove(files, fd, tg);
    if (o > 0) ofdUnref(ep, o);
  }
}

/** Drop a user of a file table; the last one closes everything and frees it. */
export function filesUnref(ep: Endpoint, files: number): void {
  const ref = L.filesRef(files) - 1;
  if (ref > 0) { L.setFilesRef(files, ref); return; }
  filesClose(ep, files);
  for (let i = 0; i < CHUNKS; i++) {
    const c = L.filesChunk(files, i);
    if (c !== 0) L.clearFdchunk(c);
  }
  L.clearFiles(files);
}

