/**
 * The files of /proc that are about the machine: the host's own where they tell nothing about anyone, else what a container sees. proc(5).
 */
import { realtimeNs } from '../../../shared/clock.js';
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { TgState, eachTg } from '../../../shared/tasks.js';
import { fillSysv } from './asked.js';
import type { StaticDir } from './node.js';

/** The host's text, or a documented constant when it cannot be read. */
export function hostFile(path: string, otherwise = ''): string {
  const t = host.readSmallFile(host.AT_FDCWD, path);
  return typeof t === 'number' ? otherwise : t;
}

const FROM_HOST = ['cpuinfo', 'meminfo', 'version', 'uptime', 'partitions', 'diskstats', 'swaps', 'vmstat', 'zoneinfo', 'buddyinfo', 'softirqs', 'interrupts', 'cgroups', 'execdomains', 'crypto', 'misc'];

/** What mount(2) here knows. proc_filesystems(5). */
const FILESYSTEMS = 'nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevpts\nnodev\tdevtmpfs\nnodev\tmqueue\nnodev\toverlay\nnodev\tpipefs\nnodev\tsockfs\n';
const DEVICES = 'Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n128 ptm\n136 pts\n\nBlock devices:\n';

/** Averages are the host's; processes and the last pid the container's own. proc_loadavg(5). */
export function loadavgText(hostText: string): string {
  const f = hostText.trimEnd().split(' ');
  let total = 0;
  let last = 0;
  eachTg((tg) => {
    if (L.tgState(tg) !== TgState.RUNNING) return;
    total += Math.max(1, L.tgNtasks(tg));
    last = Math.max(last, L.tgTgid(tg));
  });
  return `${f[0] ?? '0.00'} ${f[1] ?? '0.00'} ${f[2] ?? '0.00'} 1/${Math.max(1, total)} ${last}\n`;
}

/** CPU lines are the host's, interrupts are left out, processes counted here. proc_stat(5). */
export function statText(hostText: string): string {
  let out = '';
  for (const line of hostText.split('\n')) {
    if (line.startsWith('cpu') || line.startsWith('ctxt ') || line.startsWith('btime ')) out += `${line}\n`;
    else if (line.startsWith('intr ') || line.startsWith('softirq ')) out += `${line.split(' ').slice(0, 2).join(' ')}\n`;
  }
  if (!out.includes('\nbtime ')) out += `btime ${Math.floor((realtimeNs() - L.metaBootNs(1)) / 1e9)}\n`;
  return `${out}processes ${L.metaForks(1)}\nprocs_running 1\nprocs_blocked 0\n`;
}

export function addGlobals(d: StaticDir): void {
  for (const name of FROM_HOST) d.text(name, () => hostFile(`/proc/${name}`));
  d.text('stat', () => statText(hostFile('/proc/stat')));
  d.text('loadavg', () => loadavgText(hostFile('/proc/loadavg')));
  d.text('filesystems', () => FILESYSTEMS);
  d.text('devices', () => DEVICES);
  // The host's command line names its disks; modules are nothing a guest can use.
  d.text('cmdline', () => 'carrick\n');
  d.text('modules', () => '');
  d.text('consoles', () => '');
  d.text('locks', () => '');
  d.text('keys', () => '');
  d.text('key-users', () => '');
  d.text('kallsyms', () => '');
  d.dir('fs');
  d.dir('bus');
  d.dir('driver');
  d.dir('irq');
  const tty = d.dir('tty');
  tty.text('drivers', () => '/dev/tty             /dev/tty        5       0 system:/dev/tty\n/dev/ptmx            /dev/ptmx       5       2 system\npty_slave            /dev/pts      136 0-1048575 pty:slave\npty_master           /dev/ptm      128 0-1048575 pty:master\n');
  tty.text('ldiscs', () => 'n_tty       0\n');
  fillSysv(d.dir('sysvipc'));
  const pressure = d.dir('pressure');
  for (const name of ['cpu', 'io', 'memory']) pressure.text(name, () => hostFile(`/proc/pressure/${name}`, 'some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n'));
}
