/** A fresh OFD becomes the answer of a call: installed and, if it may be, granted. On failure the OFD is given up. */
import type { Endpoint } from '../../shared/endpoint.js';
import { filesOf } from '../../shared/fdcalls.js';
import { fdInstall, nofile, ofdUnref } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import { grantFds } from '../../shared/grant.js';

/** The new fd, or -EMFILE, -ENFILE. */
export function installOfd(ep: Endpoint, f: Frame, row: number, cloexec: boolean): number {
  const fd = fdInstall(filesOf(f), row, cloexec, nofile(f.tg));
  if (fd < 0) ofdUnref(ep, row); else grantFds(f, [fd], [row], cloexec);
  return fd;
}
