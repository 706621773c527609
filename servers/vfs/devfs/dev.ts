/**
 * /dev: which nodes a container has, and which driver opens which device number.
 *
 * /dev itself is an ordinary tmpfs, as under container runtimes: populateDev fills it at boot, and guests may add to it. A device node anywhere opens by its number
 * (installDevices hands the drivers to special.ts). devpts is mounted at pts, a tmpfs at shm, by the caller.
 */
import type { BootData } from '../../../shared/boot.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import { Msg } from '../../../shared/messages.js';
import { dlookup } from '../dcache.js';
import { type File, O_CLOEXEC } from '../file.js';
import { type Caller, type Inode, Path, S_IFCHR, devMajor, devMinor, makeDev } from '../inode.js';
import { mounts } from '../mounts.js';
import { installFile } from '../open-file.js';
import { setDeviceOpener } from '../special.js';
import { callerOf } from '../syscalls/args.js';
import { type Console, openConsole } from '../tty/console.js';
import { DevptsFs, openPtmx, openPts } from '../tty/devpts.js';
import { leaderExited, tgGone } from '../tty/job.js';
import { PTS_MAJOR, type Pty, ptyOfCtty, ptys } from '../tty/pty.js';
import { setOpenPeer } from '../tty/tty-ioctl.js';
import { openMem } from './mem.js';

/** Majors. Documentation/admin-guide/devices.txt. */
const MEM_MAJOR = 1, TTYAUX_MAJOR = 5, PTS_MAJORS = 8;

interface Node { readonly name: string; readonly mode: number; readonly rdev: number }

const NODES: readonly Node[] = [
  { name: 'null', mode: 0o666, rdev: makeDev(1, 3) },
  { name: 'zero', mode: 0o666, rdev: makeDev(1, 5) },
  { name: 'full', mode: 0o666, rdev: makeDev(1, 7) },
  { name: 'random', mode: 0o666, rdev: makeDev(1, 8) },
  { name: 'urandom', mode: 0o666, rdev: makeDev(1, 9) },
  { name: 'tty', mode: 0o666, rdev: makeDev(5, 0) },
];
const LINKS: ReadonlyArray<readonly [name: string, target: string]> = [
  ['fd', '/proc/self/fd'], ['stdin', '/proc/self/fd/0'], ['stdout', '/proc/self/fd/1'], ['stderr', '/proc/self/fd/2'], ['ptmx', 'pts/ptmx'],
];
/** Mount points and plain directories. */
const DIRS: ReadonlyArray<readonly [name: string, mode: number]> = [['pts', 0o755], ['shm', 0o1777], ['mqueue', 0o1777]];

/** Fill the empty root directory of /dev's tmpfs. `tty`: there is a console (-t). 0 or -errno of the first failure. */
export function populateDev(root: Inode, c: Caller, tty: boolean): number {
  const nodes = tty ? [...NODES, { name: 'console', mode: 0o620, rdev: makeDev(PTS_MAJOR, 0) }] : NODES;
  for (const n of nodes) {
    const i = root.mknod(c, n.name, S_IFCHR | n.mode, n.rdev);
    if (typeof i === 'number') return i;
    i.mode = S_IFCHR | n.mode;
  }
  for (const [name, target] of LINKS) {
    const i = root.symlink(c, name, target);
    if (typeof i === 'number') return i;
  }
  for (const [name, mode] of DIRS) {
    const i = root.mkdir(c, name, mode);
    if (typeof i === 'number') return i;
    i.mode = (i.mode & ~0o7777) | mode;
  }
  return 0;
}

/** open(2) of a character device by number. ENXIO: no driver. */
function openDevice(ep: Endpoint, c: Caller, path: Path, flags: number, rdev: number, block: boolean): File | number {
  if (block) return -E.ENXIO;
  const major = devMajor(rdev);
  const minor = devMinor(rdev);
  if (major === MEM_MAJOR) return openMem(path, flags, minor);
  if (major === TTYAUX_MAJOR) {
    if (minor === 2) return openPtmx(ep, c, path, flags);
    // /dev/tty: the caller's controlling terminal, under the name that was opened.
    const pty = minor === 0 && c.tg !== 0 ? ptyOfCtty(L.tgCtty(c.tg)) : undefined;
    return pty === undefined ? -E.ENXIO : openPts(c, path, flags, pty);
  }
  if (major >= PTS_MAJOR && major < PTS_MAJOR + PTS_MAJORS) {
    const pty = ptys.get(((major - PTS_MAJOR) << 20) | minor);
    // Linux says EIO for a number of a pty that does not exist.
    return pty === undefined ? -E.EIO : openPts(c, path, flags, pty);
  }
  return -E.ENXIO;
}

/** TIOCGPTPEER: a new fd on the slave of `master`. EIO: no devpts is mounted, or what open(2) of the slave says. */
function openPeer(f: Frame, pty: Pty, _master: File, flags: number): number {
  const c = callerOf(f);
  for (const m of mounts()) {
    if (!(m.sb instanceof DevptsFs)) continue;
    const d = dlookup(c, m.root, String(pty.index));
    if (typeof d === 'number' || d.inode === undefined) return -E.EIO;
    const file = openPts(c, new Path(m, d), flags & ~O_CLOEXEC, pty);
    return typeof file === 'number' ? file : installFile(f, file, (flags & O_CLOEXEC) !== 0);
  }
  return -E.EIO;
}

/** Register the drivers and what ttys need to hear; makes the console when the container has one. Once, at boot, before anything is opened. */
export function installDevices(ep: Endpoint, boot: BootData): Console | undefined {
  setDeviceOpener((c, path, flags, rdev, block) => openDevice(ep, c, path, flags, rdev, block));
  setOpenPeer(openPeer);
  ep.on(Msg.TTY_HANGUP, (m) => {
    const pty = ptyOfCtty(m.w[1] as number);
    if (pty !== undefined) leaderExited(ep, pty);
  });
  ep.on(Msg.TG_GONE, (m) => tgGone(ep, m.w[0] as number));
  return boot.spec.tty ? openConsole(ep, boot) : undefined;
}
