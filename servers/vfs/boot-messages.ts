/**
 * What the kernel asks for when a process starts that nobody forked (the first one, those of `carrick exec`): its fs_struct, standard input and output or
 * a terminal, small files of the guest.
 */
import { E } from '../../shared/errno.js';
import type { Endpoint } from '../../shared/endpoint.js';
import { Ofd, fdInstall, ofdAlloc } from '../../shared/fdtable.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { Msg } from '../../shared/messages.js';
import { StdioFile } from './anon.js';
import { permission } from './dac.js';
import { type File, O_NOCTTY, O_RDONLY, O_RDWR, O_WRONLY } from './file.js';
import { FsStruct, fsClone, fsDrop, fsSet } from './fs-struct.js';
import { type Caller, MAY_EXEC, S_IFMT, S_IFSOCK } from './inode.js';
import { makeOfd } from './open-file.js';
import { Console, type ConsoleSpec, consoles } from './tty/console.js';
import { giveTo } from './tty/job.js';
import { ptys } from './tty/pty.js';
import type { Tree } from './tree.js';

/** Longest file that READ_FILE returns: a ring message must hold it. */
const READ_MAX = 48 * 1024;
const F_GETFL = 3;
/** Room for all three; rlimits are not set yet. */
const FD_ROOM = 64;

/** BOOT_FS: root and working directory of a process. -ENOENT, -ENOTDIR, -EACCES of the directory. */
function bootFs(tree: Tree, make: boolean, fs: number, cred: number, cwd: string): number {
  const path = make ? tree.makePath(cwd, true) : tree.walk(cwd);
  if (typeof path === 'number') return path;
  if (!path.inode.isDir) return -E.ENOTDIR;
  const c: Caller = { task: 0, tg: 0, cred, fs: tree.caller.fs };
  const r = permission(c, path.inode, MAY_EXEC);
  if (r < 0) return r;
  fsSet(fs, new FsStruct(tree.root, path));
  return 0;
}

/** A regular guest file's first bytes, as carrick itself: latin1, or -errno. */
function readGuestFile(tree: Tree, name: string): string | number {
  const path = tree.walk(name);
  if (typeof path === 'number') return path;
  if (!path.inode.isReg) return -E.EINVAL;
  const file = path.inode.open(tree.caller, path, O_RDONLY);
  if (typeof file === 'number') return file;
  let out = '';
  while (file.hostFd >= 0 && out.length < READ_MAX) {
    const n = host.read(file.hostFd, host.DATA, READ_MAX - out.length);
    if (n <= 0) break;
    out += host.scratch.latin1Slice(host.DATA, host.DATA + n);
  }
  file.release();
  if (file.hostFd >= 0) host.close(file.hostFd);
  return out;
}

/** An open file description for fd n, 0..2, without a terminal: over the host's fd `src`, or of /dev/null. Its row, or -errno. */
function hostStdio(tree: Tree, src: number, n: number): number {
  const fd = src < 0 ? -E.EBADF : host.dup(src);
  if (fd < 0) return rowOf(nullFile(tree));
  // The caller's description says how it was opened; it is shared with others, so its flags are only looked at.
  const flags = host.fcntl(fd, F_GETFL);
  return isSocket(fd) ? socketRow(fd, flags) : rowOf(new StdioFile(fd, flags < 0 ? (n === 0 ? O_RDONLY : O_WRONLY) : flags, n));
}

const rowOf = (file: File | number): number => (typeof file === 'number' ? file : makeOfd(file));

/** statx(2): stx_mode is at 28. */
const isSocket = (fd: number): boolean => host.statx(fd, '', host.AT_EMPTY_PATH) >= 0 && (host.scratchView.getUint16(host.STRUCT + 28, true) & S_IFMT) === S_IFSOCK;

/** A socket is net's, which gives it its object when it first hears of it (sock.ts): the guest may ask for its name or shut it down. Takes fd over. */
function socketRow(fd: number, flags: number): number {
  const row = ofdAlloc(L.SRV_NET, Ofd.SOCKET, 0, flags < 0 ? O_RDWR : flags, fd);
  if (row < 0) { host.close(fd); return row; }
  L.setOfdPollable(row, 1);
  L.setOfdGrantable(row, L.HINT_READ | L.HINT_WRITE);
  return row;
}

function nullFile(tree: Tree): File | number {
  const path = tree.walk('/dev/null');
  return typeof path === 'number' ? path : path.inode.open(tree.caller, path, O_RDWR);
}

/** Files for fds 0, 1, 2. With a terminal: its index. */
function bootStdio(tree: Tree, files: number, con: Console | undefined, fds: readonly number[]): number {
  for (let n = 0; n < 3; n++) {
    const row = con !== undefined ? rowOf(ttyFile(tree, con.pty.index)) : hostStdio(tree, fds[n] as number, n);
    if (row < 0) return row;
    const fd = fdInstall(files, row, false, FD_ROOM, n);
    if (fd < 0) return fd;
  }
  return con === undefined ? 0 : con.pty.index;
}

/** The terminal that BOOT_STDIO asks for. -EAGAIN: there are too many. */
function bootConsole(ep: Endpoint, kind: number, uid: number, spec: ConsoleSpec, first: Console | undefined): Console | number | undefined {
  if (kind === 0) return undefined;
  const con = kind === 1 ? first : Console.open(ep, spec);
  if (con === undefined) return -E.EAGAIN;
  con.pty.uid = uid;
  return con;
}

function ttyFile(tree: Tree, index: number): File | number {
  const path = tree.walk(`/dev/pts/${index}`);
  return typeof path === 'number' ? path : path.inode.open(tree.caller, path, O_RDWR | O_NOCTTY);
}

/** What consoles are told. Numbers of ones that have gone meanwhile mean nothing. */
function installConsoles(ep: Endpoint): void {
  ep.on(Msg.BOOT_TTY, (m) => {
    const pty = ptys.get(m.w[1] as number);
    if (pty !== undefined) giveTo(m.w[0] as number, pty);
  });
  ep.on(Msg.CONSOLE_SIZE, (m) => { consoles.get(m.w[0] as number)?.resize(m.w[1] as number, m.w[2] as number); });
  ep.on(Msg.CONSOLE_END, (m) => {
    const con = consoles.get(m.w[0] as number);
    const serial = m.w[1] as number;
    if (m.w[2] !== 0) { con?.hangUp(); return; }
    const done = (): void => { ep.send(L.SRV_KERNEL, Msg.CONSOLE_ENDED, [serial]); };
    if (con === undefined) done(); else con.end(done);
  });
}

/** con: the container's console. */
export function installBoot(ep: Endpoint, tree: Tree, con: Console | undefined): void {
  ep.on(Msg.FS_CLONE, (m) => fsClone(m.w[0] as number, m.w[1] as number));
  ep.on(Msg.FS_DROP, (m) => fsDrop(m.w[0] as number));
  ep.on(Msg.BOOT_FS, (m) => {
    const serial = m.w[2] as number;
    ep.send(L.SRV_KERNEL, Msg.BOOT_FS_DONE, [bootFs(tree, m.w[3] !== 0, m.w[0] as number, m.w[1] as number, m.text), serial]);
  });
  ep.on(Msg.READ_FILE, (m) => {
    const serial = m.w[0] as number;
    const r = readGuestFile(tree, m.text);
    ep.send(L.SRV_KERNEL, Msg.FILE_READ, [serial, typeof r === 'number' ? r : r.length], typeof r === 'number' ? '' : r);
  });
  ep.on(Msg.BOOT_STDIO, (m) => {
    const [files, kind, serial, uid, input, output, error, rows, cols] = m.w as unknown as readonly [number, number, number, number, number, number, number, number, number];
    const c = bootConsole(ep, kind, uid, { input, output, rows, cols }, con);
    const r = typeof c === 'number' ? c : bootStdio(tree, files, c, [input, output, error]);
    if (r < 0 && kind === 2 && typeof c === 'object') c.end(() => undefined);
    ep.send(L.SRV_KERNEL, Msg.STDIO_DONE, [r, serial]);
  });
  installConsoles(ep);
}
