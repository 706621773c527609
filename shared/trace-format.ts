/**
 * Prints a system call the way strace does: `openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3`.
 *
 * Pure functions from numbers and captured bytes to text; nothing here knows where a call was recorded. What every
 * argument is comes from the syscall table (SYSCALL_ARGS), so a new row is printed without a change here. Strings are byte
 * strings (latin1), cut after 32 bytes like strace's default. Structs are printed as their address: the record holds only
 * what the stub put into the slot.
 */
import { ERRNO } from './errno.js';
import { SYSCALL_ARGS, SYSCALL_NAMES } from './gen/syscalls.js';
import { ENUMS, FLAG_SETS, FUTEX_OPS, IOCTLS, SIGNALS, type FlagSet } from './trace-flags.js';

/** What was recorded of one call's arguments. */
export interface TraceArgs {
  /** Argument i as a signed 64-bit value (exact within 2^53). */
  num(i: number): number;
  /** Argument i in hexadecimal, without 0x. */
  hex(i: number): string;
  /** Bytes that argument i points to, as a latin1 string; undefined when they were not captured. */
  str(i: number): string | undefined;
  /** Int number n of what argument i points to and the call has filled; undefined when that was not captured. */
  int?(i: number, n: number): number | undefined;
  /** How many arguments were recorded, when not all six. */
  readonly recorded?: number;
}

/** Bytes of a string that are printed before "...". */
const STRING_MAX = 32;
/** Strings of a list that are printed before "...". */
const STRINGS_MAX = 32;

interface Arg { readonly name: string; readonly kind: string; readonly size: number; readonly lenArg: number }

/** Parsed SYSCALL_ARGS by number, filled on first use. */
const parsed: Array<readonly Arg[] | undefined> = [];

function argsOf(nr: number): readonly Arg[] {
  const known = parsed[nr];
  if (known !== undefined) return known;
  const spec = SYSCALL_ARGS[nr] ?? '';
  const args = spec === '' ? [] : spec.split(' ').map((word) => {
    const [name = '', kind = 'hex', size = 0, lenArg = 0] = word.split(':');
    return { name, kind, size: Number(size), lenArg: Number(lenArg) };
  });
  parsed[nr] = args;
  return args;
}

const ESCAPES: ReadonlyMap<number, string> = new Map([
  [7, '\\a'], [8, '\\b'], [9, '\\t'], [10, '\\n'], [11, '\\v'], [12, '\\f'], [13, '\\r'], [34, '\\"'], [92, '\\\\'],
]);

/** A byte string in C quotes; octal escapes are as short as the next character allows. `more`: bytes follow that `s` lacks. */
export function quote(s: string, more = false): string {
  const n = Math.min(s.length, STRING_MAX);
  let out = '"';
  for (let i = 0; i < n; i++) {
    const c = s.charCodeAt(i);
    const escape = ESCAPES.get(c);
    if (escape !== undefined) out += escape;
    else if (c >= 32 && c < 127) out += s.charAt(i);
    else {
      const next = i + 1 < n ? s.charCodeAt(i + 1) : 0;
      const digit = next >= 48 && next <= 55;
      out += `\\${c.toString(8).padStart(digit ? 3 : 1, '0')}`;
    }
  }
  return s.length > n || more ? `${out}"...` : `${out}"`;
}

const hexOf = (v: number): string => `0x${(v >>> 0).toString(16)}`;
const octalOf = (v: number): string => (v === 0 ? '0' : `0${(v >>> 0).toString(8)}`);

/** Bits with names, or-ed; what has no name stays in hexadecimal. */
function formatFlags(set: FlagSet, value: number): string {
  let rest = value >>> 0;
  const names: string[] = [];
  if (set.field !== undefined) {
    const field = (rest & set.field.mask) >>> 0;
    names.push(set.field.names.get(field) ?? hexOf(field));
    rest = (rest & ~set.field.mask) >>> 0;
  }
  for (const [bit, name] of set.bits) {
    if (((rest & bit) >>> 0) !== bit) continue;
    names.push(name);
    rest = (rest & ~bit) >>> 0;
  }
  if (rest !== 0) names.push(hexOf(rest));
  return names.length === 0 ? set.zero : names.join('|');
}

/** SIGxxx, SIGRTn, or the number. */
export function signalName(signo: number): string {
  const name = SIGNALS.get(signo);
  if (name !== undefined) return name;
  if (signo >= 32 && signo <= 64) return `SIGRT_${signo - 32}`;
  return String(signo);
}

const FUTEX_PRIVATE = 128;
const FUTEX_CLOCK_REALTIME = 256;

function futexOp(op: number): string {
  const base = op & ~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME);
  let out = FUTEX_OPS.get(base) ?? hexOf(base);
  if ((op & FUTEX_PRIVATE) !== 0) out += '_PRIVATE';
  if ((op & FUTEX_CLOCK_REALTIME) !== 0) out += '|FUTEX_CLOCK_REALTIME';
  return out;
}

/** Low byte of clone(2)'s flags is the signal sent to the parent. */
function cloneFlags(flags: number): string {
  const set = FLAG_SETS.get('cloneflags');
  const signo = flags & 0x7f;
  const rest = (flags & ~0x7f) >>> 0;
  const names: string[] = [];
  if (set !== undefined && (rest !== 0 || signo === 0)) names.push(formatFlags(set, rest));
  if (signo !== 0) names.push(signalName(signo));
  return names.join('|');
}

const FILE_TYPES: ReadonlyMap<number, string> = new Map([
  [0o10000, 'S_IFIFO|'], [0o20000, 'S_IFCHR|'], [0o40000, 'S_IFDIR|'], [0o60000, 'S_IFBLK|'], [0o100000, 'S_IFREG|'],
  [0o120000, 'S_IFLNK|'], [0o140000, 'S_IFSOCK|'],
]);

function fileMode(mode: number): string {
  return (FILE_TYPES.get(mode & 0o170000) ?? '') + `0${(mode & 0o7777).toString(8).padStart(3, '0')}`;
}

function pointer(a: TraceArgs, i: number): string {
  const digits = a.hex(i).replace(/^0+/, '');
  return digits === '' ? 'NULL' : `0x${digits}`;
}

/** One value argument by its trace format. `v` is the low word, signed. */
export function formatValue(format: string, a: TraceArgs, i: number): string {
  const v = a.num(i) | 0;
  switch (format) {
    case 'int': case 'pid': case 'fd': return String(v);
    case 'uint': return String(v >>> 0);
    case 'long': return String(a.num(i));
    case 'ulong': case 'size': return a.num(i) < 0 ? `0x${a.hex(i)}` : String(a.num(i));
    case 'ptr': return pointer(a, i);
    case 'hex': return `0x${a.hex(i).replace(/^0+(?=.)/, '')}`.replace(/^0x0$/, '0');
    case 'dirfd': return v === -100 ? 'AT_FDCWD' : String(v);
    case 'mode': return octalOf(v);
    case 'filemode': return fileMode(v);
    case 'signo': return signalName(v);
    case 'futexop': return futexOp(v);
    case 'cloneflags': return cloneFlags(v);
    case 'ioctlcmd': return IOCTLS.get(v >>> 0) ?? hexOf(v);
    default: break;
  }
  const set = FLAG_SETS.get(format);
  if (set !== undefined) return formatFlags(set, v);
  return ENUMS.get(format)?.get(v) ?? String(v);
}

const O_CREAT = 0o100;
const O_TMPFILE_BIT = 0o20000000;

/** fcntl commands without a third argument: F_GETFD F_GETFL F_GETOWN F_GETSIG F_GETLEASE F_GETPIPE_SZ F_GET_SEALS. */
const FCNTL_NO_ARG: ReadonlySet<number> = new Set([1, 3, 9, 11, 1025, 1032, 1034]);

/** mknod(2) looks at its device argument for character and block devices only. */
function isDevice(mode: number): boolean {
  const type = mode & 0o170000;
  return type === 0o20000 || type === 0o60000;
}

/** Arguments in the middle that the operation ignores: futex's bitset forms use val3 but not what is before it. */
function skipped(name: string, a: TraceArgs, i: number): boolean {
  if (name !== 'futex') return false;
  const op = a.num(1) & ~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME);
  return (op === 9 && i === 4) || (op === 10 && (i === 3 || i === 4));
}

/** How many arguments are meaningful: open's mode, fcntl's and futex's tail depend on others. */
function usedArgs(name: string, a: TraceArgs, count: number): number {
  switch (name) {
    case 'open': return (a.num(1) & (O_CREAT | O_TMPFILE_BIT)) !== 0 ? 3 : 2;
    case 'openat': return (a.num(2) & (O_CREAT | O_TMPFILE_BIT)) !== 0 ? 4 : 3;
    case 'fcntl': return FCNTL_NO_ARG.has(a.num(1)) ? 2 : 3;
    case 'mq_open': return (a.num(1) & O_CREAT) !== 0 ? 4 : 2;
    case 'mknod': return isDevice(a.num(1)) ? 3 : 2;
    case 'mknodat': return isDevice(a.num(2)) ? 4 : 3;
    case 'mremap': return (a.num(3) & 2) !== 0 ? 5 : 4;
    case 'futex': {
      const op = a.num(1) & ~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME);
      if (op === 1) return 3;
      if (op === 7 || op === 8) return 2;
      return op === 0 || op === 6 || op === 13 ? 4 : 6;
    }
    default: return count;
  }
}

function formatFcntlArg(a: TraceArgs): string {
  const cmd = a.num(1);
  const v = a.num(2) | 0;
  const set = FLAG_SETS.get('openflags');
  if (cmd === 2) return v === 1 ? 'FD_CLOEXEC' : String(v);
  if (cmd === 4 && set !== undefined) return formatFlags(set, v);
  if (cmd === 0 || cmd === 1030 || cmd === 1031 || cmd === 8) return String(v);
  if (cmd === 10) return signalName(v);
  return pointer(a, 2);
}

/** What is printed of the ints that a call has stored: descriptors and the status of a child; undefined: the address is. */
function formatInts(name: string, a: TraceArgs, i: number, ret: number | undefined): string | undefined {
  if (ret === undefined || ret < 0) return undefined;
  const first = a.int?.(i, 0);
  if (first === undefined) return undefined;
  switch (name) {
    case 'pipe': case 'pipe2': case 'socketpair': return `[${first}, ${a.int?.(i, 1) ?? '?'}]`;
    case 'wait4': return i === 1 && ret > 0 ? `[${waitStatus(first)}]` : undefined;
    default: return undefined;
  }
}

/** A wait(2) status word as its macros say it. */
export function waitStatus(status: number): string {
  if (status === 0xffff) return '{WIFCONTINUED(s)}';
  const low = status & 0x7f;
  if (low === 0) return `{WIFEXITED(s) && WEXITSTATUS(s) == ${(status >> 8) & 0xff}}`;
  if ((status & 0xff) === 0x7f) return `{WIFSTOPPED(s) && WSTOPSIG(s) == ${signalName((status >> 8) & 0xff)}}`;
  return `{WIFSIGNALED(s) && WTERMSIG(s) == ${signalName(low)}${(status & 0x80) !== 0 ? ' && WCOREDUMP(s)' : ''}}`;
}

/** argv as a list; of an environment only how much there is. */
function formatStrings(a: TraceArgs, i: number, list: boolean): string {
  const carried = a.str(i);
  if (carried === undefined || carried.length < 4) return pointer(a, i);
  const strings = carried.slice(4).split('\0').slice(0, -1);
  if (!list) return `${pointer(a, i)} /* ${strings.length} vars */`;
  return `[${[...strings.slice(0, STRINGS_MAX).map((s) => quote(s)), ...(strings.length > STRINGS_MAX ? ['...'] : [])].join(', ')}]`;
}

/** One argument. `ret` bounds what an out buffer holds; below 0 it holds nothing. */
function formatArg(name: string, arg: Arg, a: TraceArgs, i: number, ret: number | undefined): string {
  const bytes = arg.kind === 'str' || ((arg.kind === 'inbuf' || arg.kind === 'outbuf') && arg.size === 1);
  const s = bytes ? a.str(i) : undefined;
  switch (arg.kind) {
    case 'str': return s === undefined ? pointer(a, i) : quote(s);
    case 'inbuf':
      if (s === undefined) return pointer(a, i);
      return quote(s, s.length < a.num(arg.lenArg));
    case 'outbuf':
      if (s === undefined || ret === undefined || ret < 0) return pointer(a, i);
      return quote(s.slice(0, ret), s.length < ret);
    case 'out': return formatInts(name, a, i, ret) ?? pointer(a, i);
    case 'in': case 'inout': return pointer(a, i);
    case 'strv': return formatStrings(a, i, arg.name === 'argv');
    default: return formatValue(arg.kind, a, i);
  }
}

/** pipe2(2) takes flags of open(2), but no access mode. */
const PIPE_FLAGS: FlagSet = { zero: '0', bits: [[0o2000000, 'O_CLOEXEC'], [0o4000, 'O_NONBLOCK'], [0o40000, 'O_DIRECT'], [0o200, 'O_EXCL']] };

/** Name of a call; `syscall_0x…` for a number without a row. */
function syscallName(nr: number): string {
  const name = SYSCALL_NAMES[nr];
  return name === undefined || name === '' ? `syscall_${hexOf(nr)}` : name;
}

/** `name(arg, arg)`. `ret` undefined: not known yet, or the call does not return. */
export function formatCall(nr: number, a: TraceArgs, ret: number | undefined): string {
  const name = syscallName(nr);
  const args = argsOf(nr);
  const known = SYSCALL_NAMES[nr] !== undefined && SYSCALL_NAMES[nr] !== '';
  const n = known ? Math.min(args.length, usedArgs(name, a, args.length)) : 6;
  const out: string[] = [];
  for (let i = 0; i < n; i++) {
    const arg = args[i];
    if (skipped(name, a, i)) continue;
    if (i >= (a.recorded ?? n)) { out.push('...'); break; }
    if (arg === undefined) out.push(`0x${a.hex(i)}`);
    else if (name === 'fcntl' && i === 2) out.push(formatFcntlArg(a));
    else if (name === 'pipe2' && i === 1) out.push(formatFlags(PIPE_FLAGS, a.num(1)));
    else out.push(formatArg(name, arg, a, i, ret));
  }
  return `${name}(${out.join(', ')})`;
}

const RESTARTS: ReadonlyMap<number, readonly [string, string]> = new Map([
  [512, ['ERESTARTSYS', 'To be restarted if SA_RESTART is set']],
  [513, ['ERESTARTNOINTR', 'To be restarted']],
  [514, ['ERESTARTNOHAND', 'To be restarted if no handler']],
]);

/** Calls whose result is an address. */
const ADDRESS_RESULT: ReadonlySet<string> = new Set(['mmap', 'mremap', 'brk', 'shmat']);

/** Calls that do not come back to where they were made. */
const NO_RESULT: ReadonlySet<string> = new Set(['exit', 'exit_group', 'rt_sigreturn']);

/** `= 3`, `= -1 ENOENT (No such file or directory)`, `= ?`. */
function formatResult(nr: number, ret: number | undefined): string {
  if (ret === undefined || NO_RESULT.has(syscallName(nr))) return '= ?';
  if (ret >= 0 || ret < -4095) {
    return ADDRESS_RESULT.has(syscallName(nr)) && ret > 0 ? `= 0x${ret.toString(16)}` : `= ${ret}`;
  }
  const restart = RESTARTS.get(-ret);
  if (restart !== undefined) return `= ? ${restart[0]} (${restart[1]})`;
  const errno = ERRNO.get(-ret);
  return errno === undefined ? `= -1 (errno ${-ret})` : `= -1 ${errno[0]} (${errno[1]})`;
}

/** The whole line, without pid, server and time, which the caller adds. */
export function formatSyscall(nr: number, a: TraceArgs, ret: number | undefined): string {
  return `${formatCall(nr, a, ret)} ${formatResult(nr, ret)}`;
}
