/**
 * The kernel's own selftests, tools/testing/selftests of Debian's linux-source package: those that are about system calls. They are unpacked and built below
 * HOME (machine.ts), once per version, against the headers of linux-libc-dev. A row is a TAP line; a program that prints none is one row, by its exit
 * status as kselftest has it: 0 passed, 4 skipped. Folders of which something did not build are noted in the baseline.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Failure } from '../failure.js';
import { fileDigest, place, requirePackage, sha256 } from '../machine.js';
import { type Row, type Subsystem, type Verdict, WHOLE, distinct, single, wholeRow } from '../result.js';
import type { Capture, Program, Suite } from '../suite.js';

const PACKAGE = 'linux-source-6.1';
const TARBALL = `/usr/src/${PACKAGE}.tar.xz`;
const SKIP_STATUS = 4;
/** Libraries that some of them are linked with: without them they would not be built, and nobody would miss them. */
const LIBRARIES = ['libcap-dev', 'libpopt-dev'];
/** What is unpacked. The memory file tests include headers of the kernel proper, which want compiler_types.h. */
const PARTS = ['tools/testing/selftests', 'tools/include', 'tools/scripts', 'tools/arch/x86/include', 'scripts/subarch.include', 'include/uapi', 'include/vdso', 'include/linux/compiler'];
/** Makefile variables for all of them: the headers are those of linux-libc-dev, not of a configured kernel. */
const MAKE = ['-s', '-k', 'KHDR_INCLUDES='];

interface Target { readonly dir: string; readonly subsystem: Subsystem; /** Programs that are run; all when absent. */ readonly only?: readonly string[]; /** Programs that are not. */ readonly without?: readonly string[] }

/**
 * What is left out changes the machine's clock, runs until somebody ends it or for minutes, is a benchmark, or tests the kernel's insides or another file
 * system (FUSE).
 */
const TARGETS: readonly Target[] = [
  { dir: 'futex/functional', subsystem: 'IPC' },
  { dir: 'timers', subsystem: 'timers', only: ['posix_timers', 'nanosleep'] },
  { dir: 'filesystems/epoll', subsystem: 'IPC' },
  { dir: 'filesystems', subsystem: 'filesystem', without: ['dnotify_test'] },
  { dir: 'pidfd', subsystem: 'process' },
  { dir: 'clone3', subsystem: 'process' },
  { dir: 'mqueue', subsystem: 'IPC' },
  { dir: 'ipc', subsystem: 'IPC' },
  { dir: 'proc', subsystem: 'filesystem' },
  { dir: 'sigaltstack', subsystem: 'signals' },
  { dir: 'sched', subsystem: 'scheduler' },
  { dir: 'seccomp', subsystem: 'process', only: ['seccomp_bpf'] },
  { dir: 'ptrace', subsystem: 'process', without: ['vmaccess'] },
  { dir: 'openat2', subsystem: 'filesystem', without: ['rename_attack_test'] },
  { dir: 'mount', subsystem: 'filesystem' },
  { dir: 'rseq', subsystem: 'scheduler', only: ['basic_test'] },
  { dir: 'membarrier', subsystem: 'scheduler' },
  { dir: 'core', subsystem: 'filesystem' },
  { dir: 'exec', subsystem: 'process' },
  { dir: 'mincore', subsystem: 'memory' },
  { dir: 'size', subsystem: 'other' },
  { dir: 'splice', subsystem: 'filesystem' },
  { dir: 'timens', subsystem: 'timers', without: ['gettime_perf'] },
  { dir: 'tmpfs', subsystem: 'filesystem' },
  { dir: 'memfd', subsystem: 'memory', only: ['memfd_test'] },
  { dir: 'kcmp', subsystem: 'process' },
  { dir: 'prctl', subsystem: 'process', without: ['disable-tsc-ctxt-sw-stress-test', 'disable-tsc-on-off-stress-test'] },
  { dir: 'nsfs', subsystem: 'other' },
  { dir: 'pid_namespace', subsystem: 'process' },
  { dir: 'rlimits', subsystem: 'process' },
  { dir: 'vDSO', subsystem: 'timers' },
];

/** Most take less than a second. */
const TIMEOUT_MS = 20_000;
const SLOW: ReadonlyMap<string, number> = new Map([['timers/posix_timers', 60_000], ['pidfd/pidfd_test', 90_000], ['filesystems/epoll/epoll_wakeup_test', 90_000], ['seccomp/seccomp_bpf', 60_000], ['mqueue/mq_perf_tests', 60_000]]);

/** TAP lines: `ok 3 name`, `not ok 4 - name # SKIP why`, `ok 5 # SKIP name`. Lines of subtests, which are indented or commented, belong to the line that sums them up. */
export function parseTap(capture: Capture): Row[] {
  const rows: Row[] = [];
  for (const line of capture.out.split('\n')) {
    const found = /^(not )?ok \d+(?: -)?(?: (?!#)(.*?))?(?: # (SKIP|XFAIL|TODO)\b(.*))?$/.exec(line);
    if (found === null) continue;
    const [, not, said = '', directive, why = ''] = found;
    const verdict: Verdict = directive === 'SKIP' ? 'skip' : not === undefined || directive === 'XFAIL' || directive === 'TODO' ? 'pass' : 'fail';
    const name = said.trim() === '' ? why.trim() : said.trim();
    rows.push(single(name === '' ? `test ${rows.length + 1}` : name, verdict));
  }
  const { end } = capture;
  if (rows.length > 0) return [...distinct(rows), wholeRow(end, rows.some((row) => row.assertions[0]?.verdict !== 'pass'), end.code === SKIP_STATUS ? SKIP_STATUS : 1)];
  if (end.how !== 'exit') return [wholeRow(end, false)];
  return [single(WHOLE, end.code === 0 ? 'pass' : end.code === SKIP_STATUS ? 'skip' : 'fail')];
}

/** Folder of a version's tests, and its mark that they are built: it holds the folders of which something did not build. */
function home(version: string): { readonly root: string; readonly tests: string; readonly mark: string } {
  const root = join(place('kselftest'), sha256(version, ...PARTS, ...MAKE, ...TARGETS.map(({ dir }) => dir)).slice(0, 12));
  return { root, tests: join(root, PACKAGE, 'tools/testing/selftests'), mark: join(root, 'built') };
}

function unpack(version: string): string {
  const { root, tests, mark } = home(version);
  if (existsSync(mark)) return tests;
  if (!existsSync(TARBALL)) throw new Failure(`${TARBALL} is not there; scripts/bootstrap.sh --conformance installs it`);
  const draft = `${root}.${process.pid}`;
  place('kselftest', basename(draft));
  const tar = spawnSync('tar', ['xf', TARBALL, '-C', draft, '--wildcards', ...PARTS.map((part) => `${PACKAGE}/${part}*`)], { encoding: 'utf8' });
  if (tar.status !== 0) throw new Failure(`cannot unpack ${TARBALL}: ${tar.stderr.split('\n', 1)[0]}`);
  rmSync(root, { recursive: true, force: true });
  renameSync(draft, root);
  // -k: one program that does not build does not take the others with it.
  const failed = TARGETS.filter(({ dir }) => spawnSync('make', ['-C', join(tests, dir), ...MAKE], { stdio: 'ignore' }).status !== 0);
  writeFileSync(mark, failed.map(({ dir }) => dir).join(' '));
  return tests;
}

function versions(): Record<string, string> {
  const version = requirePackage(PACKAGE);
  const { mark } = home(version);
  const unbuilt = existsSync(mark) ? readFileSync(mark, 'utf8') : '';
  return { [PACKAGE]: version, ...(unbuilt === '' ? {} : { 'not all of it built': unbuilt }) };
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
  versions,
  programs: (_tier, wanted) => {
    LIBRARIES.forEach(requirePackage);
    const tests = unpack(requirePackage(PACKAGE));
    return TARGETS.flatMap(({ dir, subsystem, only, without }) => executables(join(tests, dir))
      .filter((name) => (only?.includes(name) ?? true) && !(without?.includes(name) ?? false) && wanted(`${dir}/${name}`))
      .map((name): Program => ({
        name: `${dir}/${name}`, argv: [join(tests, dir, name)], cwd: join(tests, dir), digest: fileDigest(join(tests, dir, name)), timeoutMs: SLOW.get(`${dir}/${name}`) ?? TIMEOUT_MS,
        as: ['root', 'user'], subsystem: () => subsystem, parse: parseTap,
      })));
  },
};
