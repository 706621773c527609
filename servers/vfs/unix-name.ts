/** Socket inodes for net: UNIX_NAME makes one (bind) or finds one (connect, send) and answers its key. Source: unix(7), net/unix/af_unix.c behaviour. */
import { E } from '../../shared/errno.js';
import type { Endpoint } from '../../shared/endpoint.js';
import * as L from '../../shared/gen/layout.js';
import { Msg } from '../../shared/messages.js';
import { permission } from './dac.js';
import { dinstantiate } from './dcache.js';
import { fsGet } from './fs-struct.js';
import { type Caller, MAY_WRITE, S_IFMT, S_IFSOCK } from './inode.js';
import { tellCreated } from './inotify/watch.js';
import { Nameidata, Walk, walk } from './namei.js';
import { newLast } from './syscalls/names.js';
import { umaskOf } from './umask.js';

const NAME_BIND = 1;
const $nd = new Nameidata();

/** bind(2): a new socket inode, mode 0777 less umask. -EADDRINUSE when the name exists; else as mknod. */
function makeName(c: Caller, path: string): number {
  let r = walk($nd, c, undefined, path, Walk.PARENT);
  if (r < 0) return r;
  const d = newLast(c, $nd, false);
  if (typeof d === 'number') return d === -E.EEXIST ? -E.EADDRINUSE : d;
  const n = $nd.inode.mknod(c, $nd.last, S_IFSOCK | (0o777 & ~umaskOf(c)), 0);
  if (typeof n === 'number') return n;
  dinstantiate(d, n);
  tellCreated(d);
  n.pin();
  r = n.key;
  return r;
}

/** connect(2), sendto(2): the socket inode of a path. -ECONNREFUSED: no socket; -EACCES: not writable; else as every walk. */
function findName(c: Caller, path: string): number {
  const r = walk($nd, c, undefined, path, Walk.FOLLOW);
  if (r < 0) return r;
  const n = $nd.inode;
  const may = permission(c, n, MAY_WRITE);
  if (may < 0) return may;
  return (n.mode & S_IFMT) === S_IFSOCK ? n.key : -E.ECONNREFUSED;
}

export function installUnixNames(ep: Endpoint): void {
  ep.on(Msg.UNIX_NAME, (m) => {
    const [slot, op, task] = [m.w[0] as number, m.w[1] as number, m.w[2] as number];
    const fs = fsGet(L.taskFs(task));
    if (fs === undefined) return; // the task is gone, and its request with it
    const c: Caller = { task, tg: L.taskTg(task), cred: L.taskCred(task), fs };
    const ret = op === NAME_BIND ? makeName(c, m.text) : findName(c, m.text);
    ep.send(L.SRV_NET, Msg.UNIX_NAMED, [slot, ret]);
  });
}
