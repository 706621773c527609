/**
 * /sys: the few files that programs look at to count CPUs, find page sizes and guess at cgroups. sysfs(5). Values are the host's, read when asked.
 */
import * as L from '../../../shared/gen/layout.js';
import { type Inode, type StatFs, SuperBlock } from '../inode.js';
import { hostFile } from '../procfs/global.js';
import { StaticDir } from '../procfs/node.js';

/** statfs(2), SYSFS_MAGIC. */
const MAGIC = 0x62656572;

function dirAt(root: StaticDir, path: string): StaticDir {
  let d = root;
  for (const p of path.split('/')) d = d.dir(p);
  return d;
}

const CPU_FILES: ReadonlyArray<readonly [name: string, otherwise: string]> = [
  ['topology/physical_package_id', '0\n'], ['topology/core_id', ''], ['topology/thread_siblings_list', ''], ['topology/core_siblings_list', ''], ['topology/thread_siblings', ''],
];

function addCpus(root: StaticDir): void {
  const cpu = dirAt(root, 'devices/system/cpu');
  const n = Math.max(1, L.metaNproc(1));
  const range = n > 1 ? `0-${n - 1}\n` : '0\n';
  for (const name of ['online', 'possible', 'present']) cpu.text(name, () => hostFile(`/sys/devices/system/cpu/${name}`, range));
  cpu.text('offline', () => hostFile('/sys/devices/system/cpu/offline', '\n'));
  cpu.text('isolated', () => hostFile('/sys/devices/system/cpu/isolated', '\n'));
  cpu.text('kernel_max', () => hostFile('/sys/devices/system/cpu/kernel_max', '8191\n'));
  for (let i = 0; i < n; i++) {
    const at = `/sys/devices/system/cpu/cpu${i}`;
    const d = cpu.dir(`cpu${i}`);
    d.text('online', () => hostFile(`${at}/online`, '1\n'));
    for (const [name, otherwise] of CPU_FILES) {
      const [dir, file] = name.split('/') as [string, string];
      d.dir(dir).text(file, () => hostFile(`${at}/${name}`, otherwise === '' ? `${i}\n` : otherwise));
    }
    for (let c = 0; c < 4; c++) {
      const level = hostFile(`${at}/cache/index${c}/level`);
      if (level === '') break;
      for (const f of ['level', 'type', 'size', 'coherency_line_size', 'shared_cpu_list', 'shared_cpu_map', 'ways_of_associativity', 'number_of_sets']) {
        d.dir('cache').dir(`index${c}`).text(f, () => hostFile(`${at}/cache/index${c}/${f}`));
      }
    }
  }
  addNodes(dirAt(root, 'devices/system/node'), range);
}

const NODES = '/sys/devices/system/node';

/** Numbers of a list such as "0-2,5". */
export function numbersOf(list: string): number[] {
  return list.trim().split(',').filter((part) => part !== '').flatMap((part) => {
    const [from = 0, to = from] = part.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

/** Memory nodes, what numactl, lscpu and memory allocators look at. A host without NUMA shows one node with everything, as a kernel with NUMA does on such a machine. */
function addNodes(dir: StaticDir, cpus: string): void {
  for (const name of ['online', 'possible', 'has_cpu', 'has_memory', 'has_normal_memory']) dir.text(name, () => hostFile(`${NODES}/${name}`, '0\n'));
  for (const n of numbersOf(hostFile(`${NODES}/online`, '0\n'))) {
    const node = dir.dir(`node${n}`), at = `${NODES}/node${n}`;
    node.text('cpulist', () => hostFile(`${at}/cpulist`, cpus));
    node.text('cpumap', () => hostFile(`${at}/cpumap`, cpuMask(cpus)));
    node.text('distance', () => hostFile(`${at}/distance`, '10\n'));
    node.text('meminfo', () => hostFile(`${at}/meminfo`, nodeMeminfo(n, hostFile('/proc/meminfo'))));
    for (const name of ['numastat', 'vmstat']) if (hostFile(`${at}/${name}`) !== '') node.text(name, () => hostFile(`${at}/${name}`));
  }
}

/** A list of CPUs as the mask that sysfs shows: 32-bit words in hexadecimal, the highest first. */
export function cpuMask(list: string): string {
  const cpus = numbersOf(list), words = Array.from({ length: Math.floor(Math.max(0, ...cpus) / 32) + 1 }, () => 0);
  for (const cpu of cpus) words[cpu >> 5] = ((words[cpu >> 5] as number) | (1 << (cpu & 31))) >>> 0;
  return `${words.reverse().map((w, i) => w.toString(16).padStart(i === 0 ? 1 : 8, '0')).join(',')}\n`;
}

/** /proc/meminfo as a node's own shows it. */
export function nodeMeminfo(node: number, text: string): string {
  const kb = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
  const line = (name: string, value: number): string => `Node ${node} ${`${name}:`.padEnd(16)}${String(value).padStart(8)} kB\n`;
  return line('MemTotal', kb('MemTotal')) + line('MemFree', kb('MemFree')) + line('MemUsed', kb('MemTotal') - kb('MemFree'));
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
    addCpus(root);
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
    for (const name of ['block', 'bus', 'dev', 'firmware', 'module', 'power']) root.dir(name);
  }

  statfs(out: StatFs): number {
    Object.assign(out, { type: MAGIC, bsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, namelen: 255 });
    return 0;
  }
}
