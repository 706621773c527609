/** Registers every call and message of the VFS server. */
import type { Endpoint } from '../../shared/endpoint.js';
import { installFdCalls, setCloseHook } from '../../shared/fdcalls.js';
import { dropHeld } from '../../shared/held.js';
import { Msg } from '../../shared/messages.js';
import { fifoCancel, fifoReply } from './fifo.js';
import { fileOf } from './file.js';
import * as L from '../../shared/gen/layout.js';
import { installExec } from './exec.js';
import { dropPosixLocks, dropTgLocks } from './locks.js';
import { releaseFile } from './open-file.js';
import { installAttr } from './syscalls/attr.js';
import { installCopy } from './syscalls/copy.js';
import { installDir } from './syscalls/dir.js';
import { installInotify } from './syscalls/inotify.js';
import { fcntlExtra, installLock } from './syscalls/lock.js';
import { installMmap } from './syscalls/mmap.js';
import { installMount } from './syscalls/mount.js';
import { installNames } from './syscalls/names.js';
import { installOpen } from './syscalls/open.js';
import { installRename } from './syscalls/rename.js';
import { installRw } from './syscalls/rw.js';
import { installSeek } from './syscalls/seek.js';
import { installStat } from './syscalls/stat.js';
import { installXattr } from './syscalls/xattr.js';
import { installAsked } from './procfs/asked.js';
import { installUmask } from './umask.js';
import { installUnixNames } from './unix-name.js';

export function installVfs(ep: Endpoint): void {
  installFdCalls(ep, fcntlExtra);
  // POSIX: closing any descriptor of a file ends the process's record locks on it.
  setCloseHook((f, ofd) => {
    if (L.ofdOwner(ofd) !== L.SRV_VFS) return;
    const inode = fileOf(ofd)?.inode;
    if (inode?.locks !== undefined) dropPosixLocks(inode, f.tg);
  });
  ep.onDropped = (f): void => {
    dropHeld(ep, f);
    fifoCancel(f);
  };
  ep.on(Msg.RELEASE, (m) => releaseFile(m.w[0] as number));
  ep.on(Msg.TG_GONE, (m) => dropTgLocks(m.w[0] as number));
  ep.on(Msg.PEER_REPLY, fifoReply);
  installExec(ep);
  installUmask(ep);
  installUnixNames(ep);
  installAsked(ep);
  installOpen(ep);
  installRw(ep);
  installSeek(ep);
  installStat(ep);
  installDir(ep);
  installNames(ep);
  installRename(ep);
  installAttr(ep);
  installLock(ep);
  installXattr(ep);
  installCopy(ep);
  installMmap(ep);
  installMount(ep);
  installInotify(ep);
}
