/**
 * mmap(2) of a file, as the stub asks for it (docs/internals.md §7): the mapping itself is made by the stub, from a host fd that it gets here, either
 * granted for good (then it looks again) or sent for this once.
 *
 * Errors: -EBADF; -EINVAL length 0, offset not page aligned, no MAP_SHARED or MAP_PRIVATE; -EACCES the file is not open for reading, or a
 * shared writable mapping of a file not open for writing; -EPERM PROT_EXEC on a noexec mount; -ENODEV cannot be mapped. Source: man-pages 6.9 mmap(2).
 */
import { E } from '../../../shared/errno.js';
import type { Endpoint } from '../../../shared/endpoint.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as NR from '../../../shared/gen/syscalls.js';
import { sendMmapFd } from '../../../shared/grant.js';
import { onOfd } from '../../../shared/held.js';
import { fileOf, O_PATH } from '../file.js';
import { MNT_NOEXEC } from '../inode.js';
import { rememberMapped } from '../mapped.js';
import { grantUsed } from '../open-file.js';

const PROT_WRITE = 2, PROT_EXEC = 4;
const MAP_TYPE = 0xf, MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_SHARED_VALIDATE = 3;

function sys_mmap(f: Frame, ofd: number): number {
  const file = fileOf(ofd);
  if (file === undefined || (file.openFlags & O_PATH) !== 0) return -E.EBADF;
  const prot = f.argInt(2), type = f.argInt(3) & MAP_TYPE;
  if ((f.argU32(5) & 4095) !== 0) return -E.EINVAL;
  if (f.argU64(1) === 0) return -E.EINVAL;
  if (type !== MAP_SHARED && type !== MAP_PRIVATE && type !== MAP_SHARED_VALIDATE) return -E.EINVAL;
  if (!file.readable) return -E.EACCES;
  if (type !== MAP_PRIVATE && (prot & PROT_WRITE) !== 0 && !file.writable) return -E.EACCES;
  if ((prot & PROT_EXEC) !== 0 && (file.path.mnt.flags & MNT_NOEXEC) !== 0) return -E.EPERM;
  const hostFd = file.mapFd();
  if (hostFd < 0) return hostFd;
  if (file.inode.isReg) rememberMapped(hostFd, file.path);
  if (hostFd === file.hostFd && (file.grantable & L.HINT_MAP) !== 0 && grantUsed(f, f.argInt(4), file)) return 0;
  L.setOfdGiven(ofd, 1);
  return sendMmapFd(f, hostFd);
}

export function installMmap(ep: Endpoint): void {
  ep.handle(NR.NR_mmap, onOfd(ep, sys_mmap, 4));
}
