/**
 * /sys: the few files that programs look at to count CPUs, find page sizes and guess at cgroups. sysfs(5). Values are the host's, read when asked.
 */
import { type Inode, type StatFs, SuperBlock } from '../inode.js';
import { hostFile } from '../procfs/global.js';
import { LateDir, StaticDir } from '../procfs/node.js';
import { addCpus, addNodes } from './cpus.js';

/** statfs(2), SYSFS_MAGIC. */
const MAGIC = 0x62656572;

function dirAt(root: StaticDir, path: string): StaticDir {
  let d = root;
  for (const p of path.split('/')) d = d.dir(p);
  return d;
}

export class SysFs extends SuperBlock {
  readonly fstype = 'sysfs';
  readonly root: Inode;
  override source = 'sysfs';
  readonly born = Math.floor(Date.now() / 1000);

  constructor() {
    super();
    const root = new StaticDir(this, 0o555, 1);
    this.root = root;
    const system = dirAt(root, 'devices/system');
    system.put('cpu', new LateDir(this, addCpus));
    system.put('node', new LateDir(this, addNodes));
    const thp = dirAt(root, 'kernel/mm/transparent_hugepage');
    thp.text('enabled', () => hostFile('/sys/kernel/mm/transparent_hugepage/enabled', 'always madvise [never]\n'));
    thp.text('defrag', () => hostFile('/sys/kernel/mm/transparent_hugepage/defrag', 'always defer defer+madvise [madvise] never\n'));
    thp.text('hpage_pmd_size', () => hostFile('/sys/kernel/mm/transparent_hugepage/hpage_pmd_size', '2097152\n'));
    thp.text('shmem_enabled', () => hostFile('/sys/kernel/mm/transparent_hugepage/shmem_enabled', 'always within_size advise [never] deny force\n'));
    dirAt(root, 'kernel/mm/hugepages');
    root.dir('kernel').dir('security');
    root.dir('kernel').dir('debug');
    dirAt(root, 'fs/cgroup');
    dirAt(root, 'class/block');
    dirAt(root, 'class/tty');
    const lo = dirAt(root, 'class/net/lo');
    lo.text('address', () => '00:00:00:00:00:00\n');
    lo.text('mtu', () => '65536\n');
    lo.text('operstate', () => 'unknown\n');
    lo.text('type', () => '772\n');
    lo.text('ifindex', () => '1\n');
    lo.text('flags', () => '0x9\n');
    for (const path of ['block', 'bus', 'dev/block', 'dev/char', 'firmware', 'module', 'power']) dirAt(root, path);
  }

  statfs(out: StatFs): number {
    Object.assign(out, { type: MAGIC, bsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, namelen: 255 });
    return 0;
  }
}
