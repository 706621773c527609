/** What the kernel asks for while a container starts: the first fs_struct, standard input and output, small files of the guest. */
import { E } from '../../shared/errno.js';
import type { Endpoint } from '../../shared/endpoint.js';
import { fdInstall } from '../../shared/fdtable.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { Msg } from '../../shared/messages.js';
import type { RunSpec } from '../../shared/spec.js';
import { StdioFile } from './anon.js';
import { permission } from './dac.js';
import { type File, O_NOCTTY, O_RDONLY, O_RDWR, O_WRONLY } from './file.js';
import { FsStruct, fsClone, fsDrop, fsSet } from './fs-struct.js';
import { type Caller, MAY_EXEC } from './inode.js';
import { makeOfd } from './open-file.js';
import { giveTo } from './tty/job.js';
import type { Console } from './tty/console.js';
import type { Tree } from './tree.js';

/** Longest file that READ_FILE returns: a ring message must hold it. */
const READ_MAX = 48 * 1024;
const F_GETFL = 3;
/** Room for all three; rlimits are not set yet. */
const FD_ROOM = 64;

/** BOOT_FS: root and working directory of the first process. -ENOENT, -ENOTDIR, -EACCES of the directory. */
function bootFs(tree: Tree, spec: RunSpec, fs: number, cred: number, cwd: string): number {
  const path = spec.cwdMake ? tree.makePath(cwd, true) : tree.walk(cwd);
  if (typeof path === 'number') return path;
  if (!path.inode.isDir) return -E.ENOTDIR;
  const c: Caller = { task: 0, tg: 0, cred, fs: tree.caller.fs };
  const r = permission(c, path.inode, MAY_EXEC);
  if (r < 0) return r;
  fsSet(fs, new FsStruct(tree.root, path));
  return 0;
}

/** A regular guest file's first bytes, as carrick itself: latin1, or -errno. */
export function readGuestFile(tree: Tree, name: string): string | number {
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

/** Files for fds 0, 1, 2 without a terminal; without -i fd 0 is /dev/null, whoever opened the container. */
function hostStdio(tree: Tree, spec: RunSpec, n: number): File | number {
  if (n === 0 && !spec.interactive) return nullFile(tree);
  const src = spec.stdio[n] as number;
  const fd = src < 0 ? -E.EBADF : host.dup(src);
  if (fd < 0) return nullFile(tree);
  // The caller's description says how it was opened; it is shared with others, so its flags are only looked at.
  const flags = host.fcntl(fd, F_GETFL);
  return new StdioFile(fd, flags < 0 ? (n === 0 ? O_RDONLY : O_WRONLY) : flags, n);
}

function nullFile(tree: Tree): File | number {
  const path = tree.walk('/dev/null');
  return typeof path === 'number' ? path : path.inode.open(tree.caller, path, O_RDWR);
}

/** One OFD shared by 0, 1 and 2 for a terminal, three otherwise. */
function bootStdio(tree: Tree, spec: RunSpec, files: number, tg: number, con: Console | undefined): number {
  for (let n = 0; n < 3; n++) {
    const file = con !== undefined ? ttyFile(tree) : hostStdio(tree, spec, n);
    if (typeof file === 'number') return file;
    const row = makeOfd(file);
    if (row < 0) return row;
    const fd = fdInstall(files, row, false, FD_ROOM, n);
    if (fd < 0) return fd;
  }
  if (con !== undefined) giveTo(tg, con.pty);
  return 0;
}

function ttyFile(tree: Tree): File | number {
  const path = tree.walk('/dev/pts/0');
  return typeof path === 'number' ? path : path.inode.open(tree.caller, path, O_RDWR | O_NOCTTY);
}

export function installBoot(ep: Endpoint, tree: Tree, spec: RunSpec, con: Console | undefined): void {
  ep.on(Msg.FS_CLONE, (m) => fsClone(m.w[0] as number, m.w[1] as number));
  ep.on(Msg.FS_DROP, (m) => fsDrop(m.w[0] as number));
  ep.on(Msg.BOOT_FS, (m) => {
    const serial = m.w[2] as number;
    ep.send(L.SRV_KERNEL, Msg.BOOT_FS_DONE, [bootFs(tree, spec, m.w[0] as number, m.w[1] as number, m.text), serial]);
  });
  ep.on(Msg.READ_FILE, (m) => {
    const serial = m.w[0] as number;
    const r = readGuestFile(tree, m.text);
    ep.send(L.SRV_KERNEL, Msg.FILE_READ, [serial, typeof r === 'number' ? r : r.length], typeof r === 'number' ? '' : r);
  });
  ep.on(Msg.BOOT_STDIO, (m) => {
    const serial = m.w[2] as number;
    ep.send(L.SRV_KERNEL, Msg.STDIO_DONE, [bootStdio(tree, spec, m.w[0] as number, m.w[3] as number, con), serial]);
  });
}
