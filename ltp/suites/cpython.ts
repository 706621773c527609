/** CPython's own tests, Debian's libpython3.11-testsuite: one program per module, run by cpython.py, one row per test method. */
import { copyFileSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { firstLine, fileDigest, place, requirePackage, sha256 } from '../machine.js';
import { type Row, type Subsystem, type Verdict, distinct, endText, single, wholeRow } from '../result.js';
import { subsystemOf } from '../subsystem.js';
import type { Capture, Program, Suite, Tier } from '../suite.js';

const PYTHON = '/usr/bin/python3.11';
const TESTS = '/usr/lib/python3.11/test';

/** Classes that are left out: they talk to the machine's hypervisor, which may never answer, and the program would be cut off. */
const WITHOUT: Readonly<Record<string, readonly string[]>> = { test_socket: ['ThreadedVSOCKSocketStreamTest'] };

interface Module { readonly name: string; readonly tier: Tier; readonly timeoutMs: number; readonly subsystem?: Subsystem }

const mod = (tier: Tier, timeoutS: number, subsystem: Subsystem | undefined, ...names: readonly string[]): Module[] =>
  names.map((name) => ({ name, tier, timeoutMs: timeoutS * 1000, ...(subsystem === undefined ? {} : { subsystem }) }));

/** The smoke tier is what takes the host less than half a minute; the others mostly sleep, for minutes. */
const MODULES: readonly Module[] = [
  ...mod('smoke', 300, 'process', 'test_subprocess', 'test_threading'),
  ...mod('smoke', 300, 'networking', 'test_socket'),
  ...mod('smoke', 180, undefined, 'test_os', 'test_posix'),
  ...mod('smoke', 120, 'filesystem', 'test_pty', 'test_tempfile', 'test_shutil', 'test_pathlib'),
  ...mod('smoke', 120, 'IPC', 'test_select', 'test_selectors'),
  ...mod('full', 900, 'IPC', 'test_multiprocessing_fork', 'test_multiprocessing_spawn', 'test_multiprocessing_forkserver', 'test_concurrent_futures'),
  ...mod('full', 600, 'networking', 'test_asyncio'),
  ...mod('full', 180, 'IPC', 'test_poll', 'test_epoll', 'test_asyncore', 'test_asynchat', 'test_queue'),
  ...mod('full', 180, 'process', 'test_wait3', 'test_wait4', 'test_fork1', 'test_popen', 'test_posixpath', 'test_pwd', 'test_grp', 'test_resource', 'test_thread', 'test_threadsignals', 'test_threading_local', 'test_thread_local_bytecode', 'test_posix_spawn'),
  ...mod('full', 180, 'signals', 'test_signal', 'test_eintr', 'test_faulthandler'),
  ...mod('full', 180, 'timers', 'test_time', 'test_sched'),
  ...mod('full', 180, 'memory', 'test_mmap', 'test_gc'),
  ...mod('full', 180, 'filesystem', 'test_file', 'test_fileio', 'test_io', 'test_fcntl', 'test_ioctl', 'test_stat', 'test_glob', 'test_genericpath', 'test_largefile', 'test_mailbox', 'test_tarfile', 'test_zipfile', 'test_dbm_dumb', 'test_sqlite3', 'test_openpty', 'test_tty', 'test_filecmp', 'test_shelve', 'test_getpass', 'test_bufio', 'test_lzma', 'test_gzip', 'test_memoryio'),
  ...mod('full', 300, 'networking', 'test_socketserver', 'test_httpservers', 'test_httplib', 'test_urllib', 'test_ftplib', 'test_smtplib', 'test_ssl', 'test_xmlrpc', 'test_imaplib', 'test_poplib', 'test_telnetlib'),
  ...mod('full', 180, 'other', 'test_platform', 'test_locale', 'test_cmd_line', 'test_venv', 'test_regrtest', 'test_sys', 'test_site'),
];

const VERDICT: Readonly<Record<string, Verdict>> = { PASS: 'pass', FAIL: 'fail', SKIP: 'skip', BEGIN: 'broken' };
const WORSE: Readonly<Record<Verdict, number>> = { pass: 0, skip: 1, broken: 2, fail: 3 };

/** Test methods: the worst that was said of each after it began. */
export function parseCpython(capture: Capture): Row[] {
  const found = new Map<string, Verdict>();
  let done = false;
  for (const line of capture.out.split('\n')) {
    const mark = /^@@([A-Z]+) (.*)$/.exec(line);
    if (mark === null) continue;
    const [, word = '', name = ''] = mark;
    if (word === 'DONE') { done = true; continue; }
    const verdict = VERDICT[word] ?? 'broken';
    const before = found.get(name);
    if (before === undefined || before === 'broken' || WORSE[verdict] > WORSE[before]) found.set(name, verdict);
  }
  const rows = [...found].map(([name, verdict]) => single(name, verdict, verdict === 'broken' ? `no result: ${endText(capture.end)}` : ''));
  const whole = wholeRow(capture.end, [...found.values()].includes('fail'), 2);
  return rows.length === 0 ? [] : [...distinct(rows), done ? whole : wholeRow({ how: 'lost', code: 0 }, false)];
}

function install(): string {
  const path = join(place('cpython'), `${fileDigest('ltp/suites/cpython.py').slice(0, 12)}.py`);
  if (!existsSync(path)) copyFileSync('ltp/suites/cpython.py', path);
  return path;
}

/** Digest of a module: its files and the interpreter's packages. */
function digestOf(name: string, versions: string): string {
  const path = join(TESTS, name);
  const files = existsSync(path) ? readdirSync(path).filter((f) => f.endsWith('.py')).sort().map((f) => join(path, f)) : [`${path}.py`];
  return sha256(versions, fileDigest(PYTHON), fileDigest('ltp/suites/cpython.py'), ...files.map(fileDigest));
}

export const CPYTHON: Suite = {
  name: 'cpython',
  source: 'Debian\'s libpython3.11-testsuite',
  unit: 'test method',
  versions: () => ({ python: firstLine(PYTHON, '--version') }),
  programs: (tier, wanted) => {
    const versions = ['libpython3.11-testsuite', 'libpython3.11-stdlib'].map((name) => `${name} ${requirePackage(name)}`).join(' ');
    const runner = install();
    return MODULES.filter((m) => (tier === 'full' || m.tier === 'smoke') && wanted(m.name) && (existsSync(join(TESTS, m.name)) || existsSync(join(TESTS, `${m.name}.py`)))).map((m): Program => ({
      name: m.name, argv: [PYTHON, runner, m.name, ...WITHOUT[m.name] ?? []], env: { PYTHONDONTWRITEBYTECODE: '1' }, digest: digestOf(m.name, versions), timeoutMs: m.timeoutMs, as: ['root', 'user'],
      subsystem: (row) => m.subsystem ?? subsystemOf(row), parse: parseCpython,
    }));
  },
};
