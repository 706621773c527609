/** The proc file system: /proc as one superblock. The root has the machine's files, `self` links, and a directory per process. proc(5). */
import * as L from '../../../shared/gen/layout.js';
import { eachTg } from '../../../shared/tasks.js';
import { Cache, type Caller, type DirList, type Inode, type StatFs, SuperBlock } from '../inode.js';
import { addGlobals } from './global.js';
import { StaticDir } from './node.js';
import { pidDir, pidDirIno, pidOfName } from './pid.js';
import { E } from '../../../shared/errno.js';
import { addSys } from './sys.js';

/** statfs(2), PROC_SUPER_MAGIC. */
const MAGIC = 0x9fa0;
const DT_DIR = 4;

class ProcRoot extends StaticDir {
  override get cache(): Cache { return Cache.NEVER; }

  override lookup(c: Caller, name: string): Inode | number {
    const pid = pidOfName(name);
    if (pid > 0) return pidDir(this.sb, pid) ?? -E.ENOENT;
    return super.lookup(c, name);
  }

  override readdir(c: Caller, list: DirList): number {
    const r = super.readdir(c, list);
    if (r < 0) return r;
    const pids: number[] = [];
    eachTg((tg) => { pids.push(L.tgTgid(tg)); });
    pids.sort((a, b) => a - b);
    for (const pid of pids) list.add(String(pid), pidDirIno(pid), DT_DIR);
    return 0;
  }
}

export class ProcFs extends SuperBlock {
  readonly fstype = 'proc';
  readonly root: Inode;
  override source = 'proc';
  override readonly absentIsError = true;
  /** Seconds since the epoch; every inode's times. */
  readonly born = Math.floor(Date.now() / 1000);

  constructor() {
    super();
    const root = new ProcRoot(this, 0o555, 1);
    this.root = root;
    // carrick itself (boot) is no process: it finds no self.
    root.symlinkTo('self', (c) => (c.tg === 0 ? -E.ENOENT : String(L.tgTgid(c.tg))));
    root.symlinkTo('thread-self', (c) => (c.task === 0 ? -E.ENOENT : `${L.tgTgid(c.tg)}/task/${L.taskTid(c.task)}`));
    root.symlinkTo('mounts', 'self/mounts');
    root.symlinkTo('net', 'self/net');
    addGlobals(root);
    addSys(root.dir('sys'), this);
  }

  statfs(out: StatFs): number {
    Object.assign(out, { type: MAGIC, bsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, namelen: 255 });
    return 0;
  }
}
