/**
 * /proc/PID/maps and smaps as the guest may see them: the host's own list of the process's mappings, without the stub, its area and stacks, and with host paths
 * turned into guest paths. proc_pid_maps(5).
 *
 * A host path is of no use to the guest and none of its business. It is replaced by, in this order: the guest path of an open or mapped file that the VFS knows by device
 * and inode; the path below a known host directory (lower layer, upper layer, bind mount); else the mapping stays without name.
 */
import type { RunSpec } from '../../../shared/spec.js';
import { inStub } from '../../../shared/stub-range.js';

/** Column where the path starts, as Linux pads it. */
const PATH_COLUMN = 73;

export type HostPathOf = (major: number, minor: number, ino: number) => string | undefined;
let hostPathOf: HostPathOf = () => undefined;
/** Guest path of a host file by device and inode; from the file systems that opened it. */
export function setHostPathOf(fn: HostPathOf): void { hostPathOf = fn; }

/** Host path without trailing slash, guest path likewise; undefined = what is below has no name of its own in the guest. */
export type MapPrefix = readonly [host: string, guest: string | undefined];
let prefixes: readonly MapPrefix[] = [];
/** Host directories that appear in the guest. */
export function setMapPrefixes(list: readonly MapPrefix[]): void {
  prefixes = [...list].sort((a, b) => b[0].length - a[0].length);
}

const bare = (dir: string): string => (dir.endsWith('/') ? dir.slice(0, -1) : dir);

/** Those of a container: its lower layer, its bind mounts; files of the writable layer and of images are known by inode or not at all. */
export function mapPrefixesOf(spec: RunSpec): MapPrefix[] {
  const { rootfs } = spec;
  const lower = rootfs.kind === 'layers' ? (rootfs.layers ?? []).map((dir): MapPrefix => [bare(dir), undefined]) : [[bare(rootfs.dir), ''] as const];
  return [...lower, [bare(spec.upperDir), undefined], ...spec.binds.map((b): MapPrefix => [bare(b.source), bare(b.target)])];
}

/** Guest name of a host path below a known host directory; '' = it has none. */
export function guestName(path: string): string {
  for (const [host, guest] of prefixes) {
    if (path !== host && !path.startsWith(`${host}/`)) continue;
    return guest === undefined ? '' : guest + path.slice(host.length);
  }
  return '';
}

/** Guest name of a mapping's file. */
function nameOf(path: string, dev: string, ino: number): string {
  if (path === '' || path.startsWith('[')) return path;
  const colon = dev.indexOf(':');
  const known = hostPathOf(parseInt(dev.slice(0, colon), 16), parseInt(dev.slice(colon + 1), 16), ino);
  if (known !== undefined) return known;
  // Names that the host makes up are the same for the guest: /dev/zero, SysV segments, guest memfds (their memfd names are passed on).
  if (path.startsWith('/memfd:') || path.startsWith('/SYSV') || path === '/dev/zero' || path === '/dev/zero (deleted)' || path.startsWith('anon_inode:')) return path;
  const deleted = path.endsWith(' (deleted)');
  const name = guestName(deleted ? path.slice(0, -10) : path);
  return name === '' ? '' : deleted ? `${name} (deleted)` : name;
}

const LINE = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) (\S+) (\d+)(?: +(.*))?$/;

/** Is a mapping's line head hidden from the guest? */
const hidden = (start: number): boolean => inStub(start, 1);

/** Where a process's heap is: [start, break). The stub keeps it as ordinary anonymous memory, which the host does not name. */
export interface Heap { readonly start: number; readonly end: number }
const NO_HEAP: Heap = { start: 0, end: 0 };

/** Is it the heap's mapping? As Linux says it of a mapping without a file: it overlaps the range of brk(2). */
function isHeap(heap: Heap, from: string, to: string): boolean { return parseInt(from, 16) < heap.end && parseInt(to, 16) > heap.start; }

/** A System V segment (servers/ipc/sysv/shm.ts): its key and id, which is its inode number on Linux. */
const SEGMENT = /^\/memfd:sysv-([0-9a-f]{8})-(\d+) \(deleted\)$/;

function translateLine(m: RegExpExecArray, heap: Heap): string {
  const [, from, to, perms, off, dev, ino, path] = m as unknown as readonly string[];
  const segment = SEGMENT.exec(path ?? '');
  if (segment !== null) return `${`${from}-${to} ${perms} ${off} 00:01 ${segment[2]} `.padEnd(PATH_COLUMN)}/SYSV${segment[1]} (deleted)`;
  const head = `${from}-${to} ${perms} ${off} ${dev} ${ino} `;
  const name = (path ?? '') === '' && isHeap(heap, from as string, to as string) ? '[heap]' : nameOf(path ?? '', dev as string, Number(ino));
  return name === '' ? head : head.padEnd(PATH_COLUMN) + name;
}

/**
 * Does mapping b go on where a ends, in memory and in the same file? The stub makes single pages of a text its own when it rewrites call sites there; to the guest, and to
 * profilers that look up addresses by mapping, the text is one mapping still.
 */
function goesOn(a: RegExpExecArray, b: RegExpExecArray): boolean {
  if (b[6] === '0' || a[2] !== b[1] || a[3] !== b[3] || a[5] !== b[5] || a[6] !== b[6]) return false;
  return parseInt(a[4] as string, 16) + parseInt(a[2] as string, 16) - parseInt(a[1] as string, 16) === parseInt(b[4] as string, 16);
}

/** Lines of smaps that are kB, but no amount of memory in the mapping. */
const PAGE_SIZES = ['KernelPageSize', 'MMUPageSize'];
const AMOUNT = /^(\w+): +(\d+) kB$/;

/** A line of smaps for two pieces of one mapping, from those of both: amounts are added up, the rest is as in the first. */
function added(line: string, more: string): string {
  const a = AMOUNT.exec(line);
  const b = AMOUNT.exec(more);
  if (a === null || b === null || a[1] !== b[1] || PAGE_SIZES.includes(a[1] as string)) return line;
  return `${`${a[1] as string}:`.padEnd(16)}${String(Number(a[2]) + Number(b[2])).padStart(8)} kB`;
}

/** Text of the host's maps or smaps for the guest: lines of mappings, in smaps each with its `Key: value` lines after it. */
export function translateMaps(text: string, heap: Heap = NO_HEAP): string {
  let out = '';
  let last: RegExpExecArray | undefined;
  let details: string[] = [];
  let at = 0;
  let skip = false;
  const put = (): void => { if (last !== undefined) out += `${[translateLine(last, heap), ...details].join('\n')}\n`; };
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const m = LINE.exec(line);
    if (m === null) {
      const first = details[at];
      if (!skip) details[at++] = first === undefined ? line : added(first, line);
      continue;
    }
    at = 0;
    skip = hidden(parseInt(m[1] as string, 16));
    if (skip) continue;
    if (last !== undefined && goesOn(last, m)) { last[2] = m[2] as string; continue; }
    put();
    last = m;
    details = [];
  }
  put();
  return out;
}
