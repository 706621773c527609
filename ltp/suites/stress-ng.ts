/**
 * Debian's stress-ng: each stressor for a second, with --verify. A row is a stressor: whether it succeeded, was skipped or failed. Bogo-operations per second
 * are put beside it as a ratio, which no score counts. Always as an ordinary user: some stressors do to a machine what only its owner should.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Failure } from '../failure.js';
import { fileDigest, firstLine } from '../machine.js';
import { type Row, type Verdict, endText, single } from '../result.js';
import { subsystemOf } from '../subsystem.js';
import type { Capture, Program, Suite } from '../suite.js';

const STRESS_NG = '/usr/bin/stress-ng';
const SMOKE = ['cpu', 'fork', 'futex', 'pipe', 'poll', 'sem', 'signal', 'switch', 'timer', 'mmap', 'vm', 'sock', 'udp', 'file-ioctl', 'dentry', 'clone', 'pthread', 'eventfd', 'epoll', 'hdd'];
/** Those that stress the machine's administrator, or that end only when memory does. */
const NEVER = new Set(['bad-altstack', 'binderfs', 'cpu-online', 'efivar', 'hrtimers', 'ioport', 'klog', 'oom-pipe', 'pci', 'ramfs', 'rawdev', 'reboot', 'resources', 'smi', 'softlockup', 'swap',
  'tun', 'watchdog']);

/** By exit status: stress-ng(1). */
function verdict(capture: Capture): Verdict {
  if (capture.end.how !== 'exit') return 'broken';
  switch (capture.end.code) {
    case 0: return /skipped|not implemented/.test(capture.err + capture.out) && !/ passed:\s*[1-9]|successful run/.test(capture.err + capture.out) ? 'skip' : 'pass';
    case 3: case 4: return 'skip';
    case 2: return 'fail';
    default: return 'broken';
  }
}

export function parseStress(name: string, capture: Capture): Row[] {
  const v = verdict(capture);
  return [single(name, v, v === 'broken' ? endText(capture.end) : '')];
}

/** Bogo operations per second of real time: the fifth column after the name in the metrics. */
export function bogoRate(capture: Capture): number | undefined {
  const line = (capture.out + capture.err).split('\n').find((l) => /metrc?:|info:/.test(l) && /\] [\w-]+\s+\d+\s+[\d.]+\s+[\d.]+\s+[\d.]+\s+[\d.]+/.test(l));
  const rate = line === undefined ? NaN : Number(/\] [\w-]+\s+\d+\s+[\d.]+\s+[\d.]+\s+[\d.]+\s+([\d.]+)/.exec(line)?.[1]);
  return Number.isFinite(rate) ? rate : undefined;
}

export const STRESS_NG_SUITE: Suite = {
  name: 'stress-ng',
  source: 'Debian\'s stress-ng, one second per stressor, --verify',
  unit: 'stressor: its verdict',
  versions: () => ({ 'stress-ng': firstLine(STRESS_NG, '--version').split(' ')[2] ?? '' }),
  programs: (tier, wanted) => {
    if (!existsSync(STRESS_NG)) throw new Failure(`${STRESS_NG} is not there; scripts/bootstrap.sh --conformance installs it`);
    const all = spawnSync(STRESS_NG, ['--stressors'], { encoding: 'utf8' }).stdout.trim().split(/\s+/);
    return all.filter((name) => !NEVER.has(name) && (tier === 'full' || SMOKE.includes(name)) && wanted(name)).map((name): Program => ({
      name, argv: [STRESS_NG, `--${name}`, '1', '-t', '1s', '--verify', '--metrics-brief', '--no-rand-seed', '--temp-path', '.'], digest: fileDigest(STRESS_NG),
      timeoutMs: 40_000, as: ['user'], subsystem: () => subsystemOf(name), parse: (capture) => parseStress(name, capture), measure: bogoRate,
    }));
  },
};
