/**
 * The Linux Test Project, as somebody installed it at $LTPROOT: the tests that its runtest/ files name, from testcases/bin. Nothing of it is here. A row is
 * a test; its assertions are the lines with TPASS, TFAIL, TBROK and TCONF, by source file and line, and how the test ended.
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Failure } from '../failure.js';
import { fileDigest, place, sha256 } from '../machine.js';
import { type Assertion, type Row, type Verdict, endText } from '../result.js';
import { subsystemOf } from '../subsystem.js';
import type { Capture, Program, Suite, Tier } from '../suite.js';

const SMOKE = ['syscalls'];
const FULL = ['syscalls', 'fs', 'fs_perms_simple', 'ipc', 'math', 'mm', 'nptl', 'pty', 'sched', 'syscalls-ipc', 'timers', 'hyperthreading', 'containers', 'fcntl-locktests', 'fs_bind', 'cve', 'net.ipv6_lib'];
/** One in so many tests of the scenario is in the smoke tier: a few minutes, of every family of calls. */
const SMOKE_STEP = 25;
/** Its own limit for a test is 30 s, unless the test asks for more: one that takes longer than this has no verdict on either side. */
const TIMEOUT_MS = 60_000;
/** They change the machine and not only themselves: its clock, modules, swap, accounting, name; or start it anew. Our oracle is the machine that others work on. */
const NEVER = /^(adjtimex|clock_adjtime|clock_settime|settimeofday|stime|leapsec|reboot|init_module|finit_module|delete_module|swapon|swapoff|acct|sethostname|setdomainname|syslog|vhangup|quotactl)\d*/;
/** Exit status bits: tst_res_flags.h, as the documentation of the C API gives them. */
const TCONF_BIT = 32;

const VERDICT: Readonly<Record<string, Verdict>> = { TPASS: 'pass', TFAIL: 'fail', TBROK: 'broken', TCONF: 'skip' };

/** `file.c:12: TPASS: text`, or the old `name 3 TPASS : text`. Tests may colour them. */
export function parseLtp(name: string, capture: Capture): Row[] {
  const assertions: Assertion[] = [];
  const seen = new Map<string, number>();
  for (const line of `${capture.out}\n${capture.err}`.replace(/\x1b\[[\d;]*m/g, '').split('\n')) {
    const found = /^(\S+\.[ch]:\d+): (TPASS|TFAIL|TBROK|TCONF): /.exec(line) ?? /^(\S+ +\d+) +(TPASS|TFAIL|TBROK|TCONF) +: /.exec(line);
    if (found === null) continue;
    const [, where = '', type = ''] = found;
    const n = (seen.get(where) ?? 0) + 1;
    seen.set(where, n);
    assertions.push({ id: n === 1 ? where : `${where} (${n})`, verdict: VERDICT[type] ?? 'broken', value: '' });
  }
  if (assertions.length === 0) return [];
  const well = capture.end.how === 'exit' && (capture.end.code & ~TCONF_BIT) === 0;
  assertions.push({ id: '(end)', verdict: well ? 'pass' : 'broken', value: well ? '' : endText(capture.end) });
  // A test that only skips has said nothing: its good end is no assertion of anything.
  return [{ name, assertions: assertions.every((a) => a.verdict === 'skip' || a.id === '(end)') ? assertions.filter((a) => a.id !== '(end)') : assertions }];
}

/**
 * The machine's configuration as a file: many tests look into it before anything else, and a container has no /proc/config.gz. undefined: the machine shows
 * none. Both sides are told the same.
 */
function kconfig(): string | undefined {
  const packed = '/proc/config.gz';
  if (!existsSync(packed)) return undefined;
  const path = join(place('ltp'), 'kconfig');
  writeFileSync(path, gunzipSync(readFileSync(packed)), { mode: 0o644 });
  return path;
}

interface Line { readonly name: string; readonly command: string; readonly file: string }

/** Lines `name command...` of runtest files. */
function runtest(root: string, tier: Tier): Line[] {
  const lines = (tier === 'smoke' ? SMOKE : FULL).flatMap((file): Line[] => {
    const path = join(root, 'runtest', file);
    if (!existsSync(path)) return [];
    return readFileSync(path, 'utf8').split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#')).map((line) => {
      const at = line.search(/\s/);
      return { name: at < 0 ? line : line.slice(0, at), command: at < 0 ? line : line.slice(at).trim(), file };
    });
  });
  return tier === 'smoke' ? lines.filter((_, i) => i % SMOKE_STEP === 0) : lines;
}

function ltpRoot(): string {
  const root = process.env['LTPROOT'];
  if (root === undefined || root === '') throw new Failure('LTPROOT is not set: the directory of an installed Linux Test Project');
  if (!existsSync(join(root, 'runtest')) || !existsSync(join(root, 'testcases/bin'))) throw new Failure(`${root} (LTPROOT) has no runtest/ and testcases/bin/`);
  // A container has its own /tmp.
  if (resolve(root).startsWith('/tmp/')) throw new Failure(`${root} (LTPROOT) is below /tmp, where carrick's side does not see it`);
  return root;
}

export const LTP: Suite = {
  name: 'ltp',
  source: 'a Linux Test Project that is installed at $LTPROOT',
  unit: 'test; each TPASS, TFAIL, TBROK and TCONF line is an assertion',
  versions: () => {
    const version = join(ltpRoot(), 'Version');
    return { ltp: existsSync(version) ? readFileSync(version, 'utf8').trim() : 'unknown' };
  },
  programs: (tier, wanted) => {
    const root = ltpRoot();
    const bin = join(root, 'testcases/bin');
    const there = new Set(readdirSync(bin));
    const config = kconfig();
    return runtest(root, tier).filter(({ name, file }) => !NEVER.test(name) && wanted(`${file}/${name}`)).map(({ name, command, file }): Program => ({
      name: `${file}/${name}`, argv: ['sh', '-c', command], env: { PATH: `${bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`, LTPROOT: root, LTP_COLORIZE_OUTPUT: '0', ...(config === undefined ? {} : { KCONFIG_PATH: config }) },
      digest: sha256(command, ...command.split(/\s+/).filter((word) => there.has(word)).map((word) => fileDigest(join(bin, word)))), timeoutMs: TIMEOUT_MS, as: ['root'],
      subsystem: () => subsystemOf(name), parse: (capture) => parseLtp(name, capture),
    }));
  },
};
