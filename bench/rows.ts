/**
 * What is measured, what each row may cost (its bar), and why it costs more than native where it does. docs/performance.md is made from the texts here and
 * the numbers of the last run that was written down (report.ts).
 *
 * A row's name is its key in the results: it does not change. BENCH in a command is the scratch directory of the run, PROGRAMS that of its programs.
 */

export interface Bench {
  /** The unit of what the command prints is at its end; without one it is ns per operation. */
  readonly name: string;
  readonly argv: readonly string[];
  /** Highest ratio to native that is aimed at. */
  readonly bar?: number;
  /** Where the time goes, if it is slower than native. */
  readonly why: string;
  /** Programs (absolute paths) without which the row is left out. */
  readonly needs?: readonly string[];
}

/** How far a call goes: see "What a call costs" in docs/performance.md. */
const TRIP = 'one trip to a server';
const AGAIN = 'a file that is opened again and again waits for its next open in the process (decision 0020); the first opens are a trip each';
const STUB = 'answered in the process: the host\'s call, and a jump to the stub and back';
const ITSELF = 'the host does it without carrick; what is left is the spread of the machine';
const FORK = 'a clone of the host, and carrick\'s own table of processes beside it (decision 0007)';
const EXEC = 'every exec begins with an empty memory: names are asked for anew, call sites trap until they are rewritten (decision 0007)';

interface Micro { readonly name: string; readonly bar?: number; readonly why: string; readonly args?: readonly string[] }

/** Rows of bench/micro.c: the first word of `name` is the operation. */
const MICRO: readonly Micro[] = [
  { name: 'getpriority', why: `${TRIP}; the measure of a trip, since nothing else happens` },
  { name: 'getpriority, one CPU hog per core', why: `${TRIP}: server and caller must get a core from whom computes`, args: ['hogs'] },
  { name: 'getpid', bar: 1.5, why: STUB },
  { name: 'getppid', bar: 1.5, why: STUB },
  { name: 'getgroups', bar: 1.5, why: STUB },
  { name: 'uname', bar: 1.5, why: STUB },
  { name: 'umask', bar: 1.5, why: STUB },
  { name: 'clock_gettime', bar: 1.5, why: `${STUB} (programs ask the vDSO, which costs nothing more)` },
  { name: 'read-zero-1', bar: 1.5, why: STUB },
  { name: 'write-null-1', bar: 1.5, why: STUB },
  { name: 'sigprocmask', why: STUB },
  { name: 'signal', why: 'kill asks the signal server, delivery asks it what to deliver: two trips; then frame and sigreturn' },
  { name: 'fstat', bar: 1.5, why: `${STUB}; attributes that the data do not decide are remembered` },
  { name: 'mprotect', bar: 1.3, why: STUB },
  { name: 'stat', bar: 3, why: 'remembered (decision 0010)' },
  { name: 'stat-missing', bar: 3, why: 'remembered (decision 0010)' },
  { name: 'open-close', bar: 3, why: AGAIN },
  { name: 'open-missing', why: 'remembered (decision 0010)' },
  { name: 'open-read-close', why: AGAIN },
  { name: 'create-write-unlink', why: 'a trip each: create, write, close (a file open for writing is closed at once), unlink' },
  { name: 'readdir-10000', why: 'a trip for every 8 KiB of names' },
  { name: 'pread-4k', bar: 1.5, why: STUB },
  { name: 'pipe-write', why: STUB },
  { name: 'pipe-pingpong', bar: 1.3, why: STUB },
  { name: 'futex-pingpong', bar: 1.3, why: `${STUB}; the look at pending signals before a sleep` },
  { name: 'unix-pingpong', bar: 1.3, why: STUB },
  { name: 'tcp-pingpong', bar: 1.3, why: STUB },
  { name: 'epoll-pingpong', why: STUB },
  { name: 'accept-close', why: 'socket, connect, accept and close are a trip each, with a message for every new descriptor (decision 0009)' },
  { name: 'pipe-stream-64k', why: STUB },
  { name: 'fork-exit', bar: 2, why: FORK },
  { name: 'fork-exec', bar: 1.6, why: `${FORK}; ${EXEC}` },
  { name: 'thread', bar: 1.5, why: FORK },
  { name: 'touch-1MiB', bar: 1.05, why: ITSELF },
  { name: 'mmap-munmap', bar: 1.3, why: STUB },
  { name: 'cpu-loop', bar: 1.02, why: ITSELF },
  ...[1, 2, 4, 8, 16].map((n): Micro => ({ name: `stat, ${n} processes at once`, why: 'remembered by each process', args: [String(n)] })),
  ...[1, 2, 4, 8, 16].map((n): Micro => ({ name: `pipe-write, ${n} processes at once`, why: STUB, args: [String(n)] })),
  ...[2, 4, 8, 16].map((n): Micro => ({ name: `getpriority, ${n} processes at once`, why: `${TRIP}, all to the same server, which works on one core`, args: [String(n)] })),
];

/** `before` prepares and `after` cleans up outside of the time; both and the script run in one shell. */
function inner(name: string, why: string, script: string, before = ':', after = ':', more: { bar?: number; needs?: readonly string[] } = {}): Bench {
  return { name, why, ...more, argv: ['/bin/bash', '-ec', `{ ${before}; } >&2; s=$(date +%s%N); { ${script}; } >/dev/null; e=$(date +%s%N); { ${after}; } >&2; echo $(( (e - s) / 1000 ))`] };
}

const place = 'd=$(mktemp -d)', gone = 'rm -rf $d';

const PROGRAMS: readonly Bench[] = [
  inner('python3 start (µs)', `${EXEC}; in a container that has run it before`, '/usr/bin/python3 -c pass', '/usr/bin/python3 -c pass', ':', { bar: 1.3, needs: ['/usr/bin/python3'] }),
  inner('200 x /bin/true (µs)', EXEC, 'for i in $(seq 200); do /bin/true; done', ':', ':', { bar: 1.6 }),
  inner('tar x of 2000 files (µs)', 'the upper layer is a tree in memory (decision 0003): no directory of the host is written', 'tar xf BENCH/tree.tar -C $d', place, gone, { bar: 2 }),
  inner('rm -r of 2000 files (µs)', 'a trip for every name', 'rm -r $d', `${place}; tar xf BENCH/tree.tar -C $d`),
  inner('git status of 5000 files (µs)', 'names are asked for anew by each process, by ten threads at once, of one server (decision 0021)', 'git status', `${place}; tar xf BENCH/repo.tar -C $d; cd $d/repo; git status`, `cd /; ${gone}`, { bar: 2, needs: ['/usr/bin/git'] }),
  inner('sqlite, 50000 inserts (µs)', ITSELF, 'python3 BENCH/inserts.py $d/db', place, gone, { bar: 1.3, needs: ['/usr/bin/python3'] }),
  inner('find /usr (µs)', 'a trip for every directory (two or three before decision 0023), and objects for each name in vfs (decision 0021)', 'find /usr', 'find /usr >/dev/null', ':', { bar: 2 }),
  inner('find /usr -newer (µs)', 'the same, and every file\'s attributes, some tens of them with each trip', 'find /usr -newer /etc/passwd', 'find /usr >/dev/null'),
  inner('gcc of 100 files, -j2 (µs)', EXEC, 'make -s -j2 -C $d/project', `${place}; cp -r BENCH/project $d`, gone, { bar: 1.25, needs: ['/usr/bin/gcc', '/usr/bin/make'] }),
  inner('gzip of 100 MB (µs)', ITSELF, 'gzip -1 -c BENCH/hundred', ':', ':', { needs: ['/usr/bin/gzip'] }),
  inner('go build (µs)', EXEC, 'cd BENCH/hello && GOCACHE=$d/cache GOFLAGS=-mod=mod GO111MODULE=off HOME=$d go build -o $d/hello .', place, gone, { needs: ['/usr/bin/go'] }),
];

/** Every row; iterations: rounds of the micro program's cheapest operations. */
export function rows(iterations: string): Bench[] {
  const micro = MICRO.map((m): Bench => ({
    name: m.name, why: m.why, ...(m.bar === undefined ? {} : { bar: m.bar }), argv: ['PROGRAMS/micro', m.name.split(',')[0] as string, iterations, ...(m.args ?? [])],
  }));
  return [...micro, ...PROGRAMS];
}

/** `carrick run host -- true`, from nothing to nothing, milliseconds: no native counterpart. */
export const START = 'carrick run host -- true';
export const START_WHY = 'Node starts in 30 ms; the rest is the main thread, the kernel and vfs, which load their code on two cores';
