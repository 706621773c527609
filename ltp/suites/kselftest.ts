/**
 * The kernel's own selftests, tools/testing/selftests of Debian's linux-source package: those that are about system calls. They are unpacked and built below
 * HOME (machine.ts), once per version, against the headers of linux-libc-dev. A row is a TAP line; a program that prints none is one row, by its exit
 * status as kselftest has it: 0 passed, 4 skipped.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Failure } from '../failure.js';
import { fileDigest, place, requirePackage } from '../machine.js';
import { type Row, type Subsystem, type Verdict, WHOLE, distinct, single, wholeRow } from '../result.js';
import type { Capture, Program, Suite } from '../suite.js';

const PACKAGE = 'linux-source-6.1';
const TARBALL = `/usr/src/${PACKAGE}.tar.xz`;
const SKIP_STATUS = 4;

interface Target { readonly dir: string; readonly subsystem: Subsystem; /** Programs that are run; all when absent. */ readonly only?: readonly string[] }

/** What is left out changes the machine's clock, takes minutes, or tests the kernel's insides. */
const TARGETS: readonly Target[] = [
  { dir: 'futex/functional', subsystem: 'IPC' },
  { dir: 'timers', subsystem: 'timers', only: ['posix_timers', 'nanosleep', 'threadtest'] },
  { dir: 'filesystems/epoll', subsystem: 'IPC' },
  { dir: 'filesystems', subsystem: 'filesystem' },
  { dir: 'pidfd', subsystem: 'process' },
  { dir: 'clone3', subsystem: 'process' },
  { dir: 'mqueue', subsystem: 'IPC' },
  { dir: 'ipc', subsystem: 'IPC' },
  { dir: 'proc', subsystem: 'filesystem' },
  { dir: 'sigaltstack', subsystem: 'signals' },
  { dir: 'sched', subsystem: 'scheduler' },
  { dir: 'seccomp', subsystem: 'process' },
  { dir: 'ptrace', subsystem: 'process' },
  { dir: 'openat2', subsystem: 'filesystem' },
  { dir: 'mount', subsystem: 'filesystem' },
  { dir: 'rseq', subsystem: 'scheduler', only: ['basic_test', 'basic_percpu_ops_test'] },
  { dir: 'membarrier', subsystem: 'scheduler' },
  { dir: 'core', subsystem: 'filesystem' },
  { dir: 'exec', subsystem: 'process' },
  { dir: 'mincore', subsystem: 'memory' },
  { dir: 'size', subsystem: 'other' },
  { dir: 'splice', subsystem: 'filesystem' },
  { dir: 'timens', subsystem: 'timers' },
  { dir: 'tmpfs', subsystem: 'filesystem' },
  { dir: 'memfd', subsystem: 'memory' },
  { dir: 'kcmp', subsystem: 'process' },
  { dir: 'prctl', subsystem: 'process' },
  { dir: 'nsfs', subsystem: 'other' },
  { dir: 'pid_namespace', subsystem: 'process' },
  { dir: 'rlimits', subsystem: 'process' },
  { dir: 'vDSO', subsystem: 'timers' },
];

/** TAP lines: `ok 3 name`, `not ok 4 - name # SKIP why`. Lines of subtests, which are indented or commented, belong to the line that sums them up. */
export function parseTap(capture: Capture): Row[] {
  const rows: Row[] = [];
  for (const line of capture.out.split('\n')) {
    const found = /^(not )?ok \d+(?: - | )?(.*?)(?: # (SKIP|XFAIL|TODO)\b.*)?$/.exec(line);
    if (found === null) continue;
    const [, not, name = '', directive] = found;
    const verdict: Verdict = directive === 'SKIP' ? 'skip' : not === undefined || directive === 'XFAIL' || directive === 'TODO' ? 'pass' : 'fail';
    rows.push(single(name.trim() === '' ? `test ${rows.length + 1}` : name.trim(), verdict));
  }
  const { end } = capture;
  if (rows.length > 0) return [...distinct(rows), wholeRow(end, rows.some((row) => row.assertions[0]?.verdict !== 'pass'), end.code === SKIP_STATUS ? SKIP_STATUS : 1)];
  if (end.how !== 'exit') return [wholeRow(end, false)];
  return [single(WHOLE, end.code === 0 ? 'pass' : end.code === SKIP_STATUS ? 'skip' : 'fail')];
}

function unpack(version: string): string {
  const home = join(place('kselftest'), version.replace(/[^\w.-]/g, '_'));
  const tests = join(home, PACKAGE, 'tools/testing/selftests');
  if (existsSync(join(home, 'built'))) return tests;
  if (!existsSync(TARBALL)) throw new Failure(`${TARBALL} is not there; as root: apt-get install ${PACKAGE}`);
  const draft = `${home}.${process.pid}`;
  place('kselftest', basename(draft));
  const parts = ['tools/testing/selftests', 'tools/include', 'tools/scripts', 'tools/arch/x86/include', 'scripts/subarch.include', 'include/uapi', 'include/vdso'];
  const tar = spawnSync('tar', ['xf', TARBALL, '-C', draft, '--wildcards', ...parts.map((part) => `${PACKAGE}/${part}*`)], { encoding: 'utf8' });
  if (tar.status !== 0) throw new Failure(`cannot unpack ${TARBALL}: ${tar.stderr.split('\n', 1)[0]}`);
  rmSync(home, { recursive: true, force: true });
  renameSync(draft, home);
  const failed: string[] = [];
  for (const { dir } of TARGETS) {
    // -k: one program that wants a library which is not there does not take the others with it.
    const make = spawnSync('make', ['-s', '-k', '-C', join(tests, dir), 'KHDR_INCLUDES='], { encoding: 'utf8' });
    if (make.status !== 0) failed.push(dir);
  }
  writeFileSync(join(home, 'built'), `${failed.join(' ')}\n`);
  return tests;
}

function executables(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir).filter((name) => {
    if (/\.(sh|py|c|h|o|so)$/.test(name) || !statSync(join(dir, name)).isFile()) return false;
    try { accessSync(join(dir, name), constants.X_OK); return true; } catch (e) {
      if (!(e instanceof Error && 'code' in e)) throw e;
      return false;
    }
  }).sort();
}

export const KSELFTEST: Suite = {
  name: 'kselftest',
  source: `tools/testing/selftests of Debian's ${PACKAGE}`,
  unit: 'TAP line, or program that prints none',
  versions: () => ({ [PACKAGE]: requirePackage(PACKAGE) }),
  programs: (_tier, wanted) => {
    const version = requirePackage(PACKAGE);
    const tests = unpack(version);
    return TARGETS.flatMap(({ dir, subsystem, only }) => executables(join(tests, dir)).filter((name) => (only === undefined || only.includes(name)) && wanted(`${dir}/${name}`)).map((name): Program => ({
      name: `${dir}/${name}`, argv: [join(tests, dir, name)], cwd: join(tests, dir), digest: fileDigest(join(tests, dir, name)), timeoutMs: 20_000, as: ['root', 'user'],
      subsystem: () => subsystem, parse: parseTap,
    })));
  },
};
