/** /proc/PID/{status,stat,statm,limits,io}. proc_pid_status(5), proc_pid_stat(5), proc_pid_limits(5). */
import * as L from '../../../shared/gen/layout.js';
import { native } from '../../../shared/native.js';
import { taskName } from '../../../shared/tasks.js';
import { PTS_MAJOR, ptyOfCtty } from '../tty/pty.js';
import { makeDev } from '../inode.js';
import { umaskOf } from '../umask.js';
import { type Target, fsOf, hex64, hostText, isZombie, sigSets } from './target.js';

/** What status takes from the host as it is, in order of appearance. */
const VM_KEYS = ['VmPeak', 'VmSize', 'VmLck', 'VmPin', 'VmHWM', 'VmRSS', 'RssAnon', 'RssFile', 'RssShmem', 'VmData', 'VmStk', 'VmExe', 'VmLib', 'VmPTE', 'VmSwap', 'HugetlbPages'];
const TAIL_KEYS = ['Cpus_allowed', 'Cpus_allowed_list', 'Mems_allowed', 'Mems_allowed_list', 'voluntary_ctxt_switches', 'nonvoluntary_ctxt_switches'];

const STATE_NAMES: Readonly<Record<string, string>> = { R: 'running', S: 'sleeping', D: 'disk sleep', T: 'stopped', t: 'tracing stop', X: 'dead', Z: 'zombie', I: 'idle' };

/** Lines `Key:<tab>value` as a map. */
export function keyed(text: string): Map<string, string> {
  const map = new Map<string, string>();
  for (const line of text.split('\n')) {
    const i = line.indexOf(':');
    if (i > 0) map.set(line.slice(0, i), line.slice(i + 1).trimStart());
  }
  return map;
}

/** State letter of a task. The host sees every task that waits for a server asleep in a futex; only those whose request is parked sleep for the guest. */
function stateOf(t: Target, hostState: string): string {
  if (isZombie(t)) return 'Z';
  if (L.taskTraceStop(t.task) !== 0) return 't';
  if (L.tgStopped(t.tg) !== 0) return 'T';
  if (hostState === 'S' && L.taskParked(t.task) === 0 && native.slotLoad(L.taskSlot(t.task), L.SLOT_STATE) === L.SLOT_POSTED) return 'R';
  return hostState === '' || hostState === 'Z' || hostState === 'X' ? 'S' : hostState;
}

const caps = (get: (row: number, ix: number) => number, cred: number): string => hex64(get(cred, 0), get(cred, 1));

/** comm with the two bytes escaped that would break a line-based file. */
const escaped = (name: string): string => name.replace(/[\\\n]/g, (c) => (c === '\n' ? '\\n' : '\\\\'));

export function statusText(t: Target): string {
  const hs = keyed(hostText(t, 'status'));
  const cred = L.taskCred(t.task);
  const letter = stateOf(t, (hs.get('State') ?? '').charAt(0));
  const zombie = letter === 'Z';
  const sig = sigSets(t);
  const groups: number[] = [];
  for (let i = 0; i < L.credNgroups(cred); i++) groups.push(L.credGroups(cred, i));
  const lines: Array<readonly [string, string | number]> = [['Name', escaped(taskName(t.task))]];
  const fs = fsOf(t);
  if (!zombie && fs !== undefined) lines.push(['Umask', umaskOf({ tg: t.tg, fs }).toString(8).padStart(4, '0')]);
  lines.push(
    ['State', `${letter} (${STATE_NAMES[letter] ?? 'sleeping'})`], ['Tgid', t.tgid], ['Ngid', 0], ['Pid', t.tid], ['PPid', L.tgPpid(t.tg)], ['TracerPid', L.taskTracerPid(t.task)],
    ['Uid', [L.credUid(cred), L.credEuid(cred), L.credSuid(cred), L.credFsuid(cred)].join('\t')],
    ['Gid', [L.credGid(cred), L.credEgid(cred), L.credSgid(cred), L.credFsgid(cred)].join('\t')],
    ['FDSize', zombie ? 0 : Math.max(64, (L.filesTop(L.taskFiles(t.task)) + 63) & ~63)],
    // Linux ends the list with a space.
    ['Groups', groups.length > 0 ? `${groups.join(' ')} ` : ' '],
    ['NStgid', t.tgid], ['NSpid', t.tid], ['NSpgid', L.tgPgid(t.tg)], ['NSsid', L.tgSid(t.tg)], ['Kthread', 0],
  );
  if (!zombie) {
    for (const k of VM_KEYS) { const v = hs.get(k); if (v !== undefined) lines.push([k, v.padStart(11)]); }
    lines.push(['CoreDumping', 0], ['THP_enabled', hs.get('THP_enabled') ?? '1']);
  }
  lines.push(
    ['untag_mask', hs.get('untag_mask') ?? '0xffffffffffffffff'],
    ['Threads', Math.max(1, L.tgNtasks(t.tg))],
    ['SigQ', `0/${limit(L.tgRlimCur(t.tg, 11), '18446744073709551615')}`],
    ['SigPnd', sig.pend], ['ShdPnd', sig.shared], ['SigBlk', sig.blocked], ['SigIgn', sig.ignored], ['SigCgt', sig.caught],
    ['CapInh', caps(L.credCapInh, cred)], ['CapPrm', caps(L.credCapPerm, cred)], ['CapEff', caps(L.credCapEff, cred)], ['CapBnd', caps(L.credCapBset, cred)], ['CapAmb', caps(L.credCapAmb, cred)],
    // The engine's own filter is no business of the guest.
    ['NoNewPrivs', L.tgNoNewPrivs(t.tg)], ['Seccomp', 0], ['Seccomp_filters', 0],
    ['Speculation_Store_Bypass', hs.get('Speculation_Store_Bypass') ?? 'unknown'], ['SpeculationIndirectBranch', hs.get('SpeculationIndirectBranch') ?? 'unknown'],
  );
  for (const k of TAIL_KEYS) { const v = hs.get(k); if (v !== undefined) lines.push([k, v]); }
  return lines.map(([k, v]) => `${k}:\t${v}\n`).join('');
}

/** Fields of a stat line: [pid, comm, the rest from state on]. comm may hold spaces and parentheses: it ends at the last one. */
export function parseStat(text: string): readonly string[] {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return [];
  return [text.slice(0, open).trim(), text.slice(open + 1, close), ...text.slice(close + 2).trimEnd().split(' ')];
}

/** Number of fields. proc_pid_stat(5). */
const STAT_FIELDS = 52;

export function statText(t: Target): string {
  const f = [...parseStat(hostText(t, 'stat'))];
  const set = (n: number, v: string | number): void => { f[n - 1] = String(v); };
  const hostState = f[2] ?? '';
  while (f.length < STAT_FIELDS) f.push('0');
  const letter = stateOf(t, hostState);
  const sig = sigSets(t);
  const pty = ptyOfCtty(L.tgCtty(t.tg));
  set(1, t.tid);
  set(2, `(${taskName(t.task)})`);
  set(3, letter);
  set(4, L.tgPpid(t.tg));
  set(5, L.tgPgid(t.tg));
  set(6, L.tgSid(t.tg));
  set(7, pty === undefined ? 0 : makeDev(PTS_MAJOR, pty.index));
  set(8, pty === undefined ? -1 : pty.pgrp);
  set(16, Math.round(L.tgCutimeNs(t.tg) / 1e7));
  set(17, Math.round(L.tgCstimeNs(t.tg) / 1e7));
  const nice = L.taskNice(t.task);
  set(18, 20 + nice);
  set(19, nice);
  set(20, Math.max(1, L.tgNtasks(t.tg)));
  // In USER_HZ since the host's boot, as the host's own clocks are the guest's.
  set(22, Math.floor(L.taskStartNs(t.task) / 1e7));
  // Where the stack and the instruction pointer are is for the guest alone to know.
  set(29, 0);
  set(30, 0);
  set(31, sig.pendLo);
  set(32, sig.blockedLo);
  set(33, sig.ignoredLo);
  set(34, sig.caughtLo);
  set(35, 0);
  set(38, L.tgExitSignal(t.tg) === 0 && L.tgPpid(t.tg) === 0 ? 17 : L.tgExitSignal(t.tg));
  set(40, L.taskRtPriority(t.task));
  set(41, L.taskPolicy(t.task));
  set(48, L.tgArgStart(t.tg));
  set(49, L.tgArgEnd(t.tg));
  set(50, L.tgEnvStart(t.tg));
  set(51, L.tgEnvEnd(t.tg));
  set(52, letter === 'Z' ? L.tgExitStatus(t.tg) : 0);
  return `${f.slice(0, STAT_FIELDS).join(' ')}\n`;
}

export const statmText = (t: Target): string => (isZombie(t) ? '' : hostText(t, 'statm')) || '0 0 0 0 0 0 0\n';

const LIMITS: ReadonlyArray<readonly [number, string, string]> = [
  [0, 'Max cpu time', 'seconds'], [1, 'Max file size', 'bytes'], [2, 'Max data size', 'bytes'], [3, 'Max stack size', 'bytes'], [4, 'Max core file size', 'bytes'],
  [5, 'Max resident set', 'bytes'], [6, 'Max processes', 'processes'], [7, 'Max open files', 'files'], [8, 'Max locked memory', 'bytes'],
  [9, 'Max address space', 'bytes'], [10, 'Max file locks', 'locks'], [11, 'Max pending signals', 'signals'], [12, 'Max msgqueue size', 'bytes'],
  [13, 'Max nice priority', ''], [14, 'Max realtime priority', ''], [15, 'Max realtime timeout', 'us'],
];

function limit(v: number, infinite: string): string { return v === Infinity ? infinite : String(v); }

export function limitsText(t: Target): string {
  let out = `${'Limit'.padEnd(25)} ${'Soft Limit'.padEnd(20)} ${'Hard Limit'.padEnd(20)} ${'Units'.padEnd(10)}\n`;
  for (const [res, name, unit] of LIMITS) {
    const row = `${name.padEnd(25)} ${limit(L.tgRlimCur(t.tg, res), 'unlimited').padEnd(20)} ${limit(L.tgRlimMax(t.tg, res), 'unlimited').padEnd(20)} `;
    out += `${row}${unit === '' ? '' : unit.padEnd(10)}\n`;
  }
  return out;
}

const IO_NONE = 'rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n';
export const ioText = (t: Target): string => hostText(t, 'io') || IO_NONE;
