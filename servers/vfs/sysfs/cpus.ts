/**
 * /sys/devices/system/cpu and node: what lscpu, numactl, virtual machines of languages and memory allocators ask about the machine. Linux's ABI documents, sysfs-devices-system-cpu.
 *
 * Values are the host's, read when asked. Programs expect all of a topology or none of it, so on a host that lacks it there is one package with a core for each CPU, and
 * one memory node.
 */
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { eachEntry } from '../host/dir.js';
import { hostFile } from '../procfs/global.js';
import { LateDir, type StaticDir } from '../procfs/node.js';

const CPU = '/sys/devices/system/cpu', NODES = '/sys/devices/system/node';
const O_RDONLY = 0, O_DIRECTORY = 0o200000;
/** Levels of caches, at most: both of the first, and two more. */
const CACHES = 4;

const cpuCount = (): number => Math.max(1, L.metaNproc(1));
const rangeTo = (n: number): string => (n > 1 ? `0-${n - 1}\n` : '0\n');

/** Numbers of a list such as "0-2,5". */
export function numbersOf(list: string): number[] {
  return list.trim().split(',').filter((part) => part !== '').flatMap((part) => {
    const [from = 0, to = from] = part.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

/** A list of CPUs as the mask that sysfs shows: 32-bit words in hexadecimal, the highest first. */
export function cpuMask(list: string): string {
  const cpus = numbersOf(list), words = Array.from({ length: Math.floor(Math.max(0, ...cpus) / 32) + 1 }, () => 0);
  for (const cpu of cpus) words[cpu >> 5] = ((words[cpu >> 5] as number) | (1 << (cpu & 31))) >>> 0;
  return `${words.reverse().map((w, i) => w.toString(16).padStart(i === 0 ? 1 : 8, '0')).join(',')}\n`;
}

/** Files of CPU i's topology on a host that has none: [name, text]. */
export function plainTopology(i: number, all: string): Array<readonly [name: string, text: string]> {
  const sets = (names: readonly string[], list: string): Array<readonly [string, string]> => names.flatMap((n) => [[n, cpuMask(list)] as const, [`${n}_list`, list] as const]);
  return [
    ['physical_package_id', '0\n'], ['die_id', '0\n'], ['core_id', `${i}\n`],
    ...sets(['thread_siblings', 'core_cpus'], `${i}\n`), ...sets(['core_siblings', 'die_cpus', 'package_cpus'], all),
  ];
}

/** Names in a directory of the host's, [] when it has none. */
function hostNames(path: string): string[] {
  const names: string[] = [], fd = host.openat(host.AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return names;
  eachEntry(fd, (name) => { names.push(name); });
  host.close(fd);
  return names;
}

function addCpu(d: StaticDir, i: number, all: string): void {
  const at = `${CPU}/cpu${i}`, topology = d.dir('topology');
  d.text('online', () => hostFile(`${at}/online`, '1\n'));
  for (const [name, text] of plainTopology(i, all)) topology.text(name, () => hostFile(`${at}/topology/${name}`, text));
  for (let c = 0; c < CACHES; c++) {
    const index = `${at}/cache/index${c}`;
    if (hostFile(`${index}/level`) === '') break;
    for (const f of ['id', 'level', 'type', 'size', 'coherency_line_size', 'shared_cpu_list', 'shared_cpu_map', 'ways_of_associativity', 'number_of_sets', 'physical_line_partition']) {
      if (hostFile(`${index}/${f}`) !== '') d.dir('cache').dir(`index${c}`).text(f, () => hostFile(`${index}/${f}`));
    }
  }
}

export function addCpus(dir: StaticDir): void {
  const n = cpuCount(), all = rangeTo(n);
  for (const name of ['online', 'possible', 'present']) dir.text(name, () => hostFile(`${CPU}/${name}`, all));
  for (const name of ['offline', 'isolated']) dir.text(name, () => hostFile(`${CPU}/${name}`, '\n'));
  dir.text('kernel_max', () => hostFile(`${CPU}/kernel_max`, '8191\n'));
  for (const sub of ['smt', 'vulnerabilities']) for (const name of hostNames(`${CPU}/${sub}`)) dir.dir(sub).text(name, () => hostFile(`${CPU}/${sub}/${name}`));
  for (let i = 0; i < n; i++) dir.put(`cpu${i}`, new LateDir(dir.sb, (d) => { addCpu(d, i, all); }));
}

/** Memory nodes. A host without NUMA shows one node with everything, as a kernel with NUMA does on such a machine. */
export function addNodes(dir: StaticDir): void {
  const cpus = rangeTo(cpuCount());
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

/** /proc/meminfo as a node's own shows it. */
export function nodeMeminfo(node: number, text: string): string {
  const kb = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
  const line = (name: string, value: number): string => `Node ${node} ${`${name}:`.padEnd(16)}${String(value).padStart(8)} kB\n`;
  return line('MemTotal', kb('MemTotal')) + line('MemFree', kb('MemFree')) + line('MemUsed', kb('MemTotal') - kb('MemFree'));
}
