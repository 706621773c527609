/**
 * `carrick doctor`: what this machine offers, from the addon's probe and a few looks of our own; what is lost where something is missing, and
 * how to mend it. Ends with 1 when carrick cannot run at all, 0 otherwise.
 */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { native } from '../shared/native.js';
import { addonPath, loadAddon } from './addon.js';
import { carrickHome, makeDirs } from './container-dir.js';
import { Failure, why } from './failure.js';

/** `missing`: carrick does not run; `degraded`: it runs, without something; `absent`: not needed today. */
export type Level = 'ok' | 'degraded' | 'missing' | 'absent' | 'info';

export interface Finding {
  readonly item: string;
  readonly level: Level;
  /** What was found. */
  readonly state: string;
  /** What is lost, and the mend; '' when ok. */
  readonly lost: string;
}

interface Known { readonly item: string; readonly level: 'degraded' | 'missing' | 'absent' | 'info'; readonly lost: string }

/** Keys of native.probeHost(), in the order of the table. */
const KNOWN: ReadonlyMap<string, Known> = new Map<string, Known>([
  ['release', { item: 'Linux', level: 'info', lost: '' }],
  ['machine', { item: 'machine', level: 'info', lost: '' }],
  ['euid', { item: 'user id', level: 'info', lost: '' }],
  ['seccompTrap', { item: 'seccomp filters', level: 'missing', lost: 'the trap engine needs them: allow seccomp(2) in the surrounding container, or use a kernel with CONFIG_SECCOMP_FILTER' }],
  ['pidfd', { item: 'pidfds', level: 'missing', lost: 'the end of guests cannot be seen: Linux 5.10 or newer is needed' }],
  ['memfd', { item: 'sealed memfds', level: 'missing', lost: 'the stub has no place to run from: Linux 5.10 or newer is needed' }],
  ['readMemory', { item: 'process_vm_readv', level: 'missing', lost: 'guest memory cannot be read: allow process_vm_readv(2) and process_vm_writev(2), or CAP_SYS_PTRACE' }],
  ['userns', { item: 'user namespaces', level: 'degraded', lost: 'ordinary users get no namespaces: sysctl kernel.unprivileged_userns_clone=1 and user.max_user_namespaces > 0, or run as root' }],
  ['pidns', { item: 'pid namespaces', level: 'degraded', lost: 'guests have process ids of the host; allow unshare(2) with CLONE_NEWPID' }],
  ['mountns', { item: 'mount namespaces', level: 'degraded', lost: 'guest processes keep the host\'s root behind the filter; allow unshare(2) with CLONE_NEWNS' }],
  ['ipcns', { item: 'ipc namespaces', level: 'degraded', lost: 'host SysV ipc is not separated behind the filter; allow unshare(2) with CLONE_NEWIPC' }],
  ['utsns', { item: 'uts namespaces', level: 'degraded', lost: 'the host name is separated by the filter alone; allow unshare(2) with CLONE_NEWUTS' }],
  ['netns', { item: 'network namespaces', level: 'degraded', lost: '--network none shares the host\'s ports and shows its interfaces, and lets nothing out; allow unshare(2) with CLONE_NEWNET' }],
  ['fsgsbase', { item: 'FSGSBASE', level: 'absent', lost: 'not needed: the stub sets GS by arch_prctl' }],
  ['avx512', { item: 'AVX-512', level: 'info', lost: '' }],
  ['amx', { item: 'AMX', level: 'info', lost: '' }],
  ['pidMax', { item: 'process ids', level: 'info', lost: '' }],
  ['maxMapCount', { item: 'mappings a process', level: 'info', lost: '' }],
  ['overcommit', { item: 'overcommit mode', level: 'info', lost: '' }],
  ['ptraceScope', { item: 'Yama ptrace_scope', level: 'info', lost: '' }],
  ['kvm', { item: '/dev/kvm', level: 'absent', lost: 'not used yet: the trap engine does not need it' }],
]);

/** Limits that openFiles() shows. */
const ELSEWHERE: ReadonlySet<string> = new Set(['nofileSoft', 'nofileHard']);

function plain(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Turn the probe's JSON into findings. Keys that this version does not know are shown as they are. */
export function readProbe(json: string): Finding[] {
  const probe = JSON.parse(json) as Record<string, unknown>;
  const findings: Finding[] = [];
  for (const [key, known] of KNOWN) {
    const value = probe[key];
    if (value === undefined) continue;
    if (known.level === 'info') {
      findings.push({ item: known.item, level: 'info', state: key === 'ptraceScope' && value === -1 ? 'none' : plain(value), lost: '' });
      continue;
    }
    const ok = value !== false && value !== 0;
    const state = typeof value === 'string' ? value : ok ? 'yes' : 'no';
    findings.push({ item: known.item, level: ok ? 'ok' : known.level, state, lost: ok ? '' : known.lost });
  }
  for (const [key, value] of Object.entries(probe)) {
    if (!KNOWN.has(key) && !ELSEWHERE.has(key)) findings.push({ item: key, level: 'info', state: plain(value), lost: '' });
  }
  return findings;
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > 20 || (major === 20 && minor >= 11);
  return { item: 'Node', level: ok ? 'ok' : 'missing', state: process.versions.node, lost: ok ? '' : 'Node 20.11 or newer is needed' };
}

function built(): Finding {
  const path = addonPath();
  const item = 'addon';
  if (!existsSync(path)) return { item, level: 'missing', state: 'not built', lost: 'npm run build:native; needs the Debian packages build-essential and python3' };
  try {
    loadAddon();
    return { item, level: 'ok', state: `built ${statSync(path).mtime.toISOString().slice(0, 10)}`, lost: '' };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const cause = error.cause instanceof Error ? error.cause.message.split('\n', 1)[0] ?? '' : '';
    return { item, level: 'missing', state: 'does not load', lost: `${cause}; npm run build:native` };
  }
}

function openFiles(): Finding {
  const match = /^Max open files\s+(\S+)\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
  const hard = match?.[2] ?? '?';
  const few = Number(hard) < 1024;
  return { item: 'open files', level: few ? 'degraded' : 'ok', state: `up to ${hard}`, lost: few ? 'guests and their grants share few descriptors; raise ulimit -n to 1024 or more' : '' };
}

function home(): Finding {
  const path = carrickHome();
  const item = 'container directory';
  try {
    makeDirs(path);
    accessSync(path, constants.W_OK);
    return { item, level: 'ok', state: path, lost: '' };
  } catch (error) {
    return { item, level: 'missing', state: path, lost: `${why(error)}; set CARRICK_HOME to a directory you can write to` };
  }
}

function findings(): Finding[] {
  const addon = built();
  const all = [nodeVersion(), addon, home(), openFiles(), { item: 'CPUs', level: 'info' as const, state: String(availableParallelism()), lost: '' }];
  return addon.level === 'ok' ? [...all, ...readProbe(native.probeHost())] : all;
}

export function formatFindings(all: readonly Finding[]): string {
  const mark: Readonly<Record<Level, string>> = { ok: 'ok', degraded: 'degraded', missing: 'MISSING', absent: '-', info: '' };
  const wide = Math.max(...all.map((finding) => finding.item.length)) + 2;
  const states = Math.max(...all.map((finding) => finding.state.length)) + 2;
  const lines = all.map((finding) => `${finding.item.padEnd(wide)}${mark[finding.level].padEnd(10)}${finding.state.padEnd(states)}${finding.lost}`.trimEnd());
  const missing = all.filter((finding) => finding.level === 'missing').length;
  const degraded = all.filter((finding) => finding.level === 'degraded').length;
  const verdict = missing > 0 ? 'carrick cannot run here: see MISSING above' : degraded > 0 ? 'carrick runs here, with less separation: see degraded above' : 'carrick runs here with everything it can use';
  return `${lines.join('\n')}\n\n${verdict}\n`;
}

export function doctor(json: boolean): number {
  const all = findings();
  process.stdout.write(json ? `${JSON.stringify(all, undefined, 1)}\n` : formatFindings(all));
  return all.some((finding) => finding.level === 'missing') ? 1 : 0;
}
