/**
 * What one row of the syscall table says (ARCHITECTURE section 8).
 *
 * A row is data: it names a Linux system call, its numbers, the server that answers it, and for every argument what the
 * stub must move between the guest's memory and the slot. Everything else (marshalling header, decoders, trace, docs) is
 * generated from it, so no two tables can drift apart.
 *
 * Arguments are written as words `name:kind`, separated by spaces, in argument order:
 *
 *   fd:fd               a value; the word after the colon is its trace format (FORMATS below)
 *   pathname:str        a NUL-terminated string that the stub copies in
 *   argv:strv           an array of strings that ends with NULL, copied in, their number first, if they fit
 *   set:in:8            a fixed struct of 8 bytes, copied in
 *   statbuf:out:144     a fixed struct, copied back from the reply
 *   offset:inout:8      both
 *   buf:inbuf:1:2       elements of 1 byte, as many as argument 2 says, copied in
 *   buf:outbuf:1:2      the same, copied back
 *
 * `ptr` and `hex` are values: the server reads or writes guest memory itself (msghdr, fd sets, ioctl arguments).
 */

/** Who answers. `stub`: never posted to a server. */
export type Owner = 'kernel' | 'vfs' | 'net' | 'ipc' | 'signal' | 'stub';

/** `full`: nothing known is missing. `partial`: `note` says what. `absent`: ENOSYS, counted. */
export type Status = 'full' | 'partial' | 'absent';

/** Kinds of argument; the order is that of the CK_* enum in the generated C header. */
export const KINDS = ['none', 'val', 'str', 'in', 'out', 'inout', 'inbuf', 'outbuf', 'strv'] as const;
export type Kind = (typeof KINDS)[number];

/** Trace formats of value arguments; `shared/trace-format.ts` prints each of them. */
export const FORMATS = [
  'int', 'uint', 'long', 'ulong', 'size', 'hex', 'ptr', 'fd', 'dirfd', 'mode', 'filemode', 'pid', 'signo', 'openflags',
  'mmapprot', 'mmapflags', 'mremapflags', 'msyncflags', 'madvice', 'futexop', 'cloneflags', 'clockid', 'timerflags',
  'whence', 'fcntlcmd', 'ioctlcmd', 'lockop', 'fadvice', 'fallocmode', 'memfdflags', 'rwfflags', 'closerangeflags',
  'accessmode', 'atflags', 'atremove', 'ataccess', 'renameflags', 'waitoptions', 'idtype', 'schedpolicy', 'rlimit',
  'rusagewho', 'prctlop', 'archprctl', 'grndflags', 'sighow', 'itimer', 'epollop', 'sockdomain', 'socktype', 'msgflags',
  'shuthow', 'socklevel',
] as const;
export type Format = (typeof FORMATS)[number];

export interface SyscallArg {
  readonly name: string;
  readonly kind: Kind;
  /** Trace format of a value; '' for what points to a payload. */
  readonly format: Format | '';
  /** Bytes of a fixed struct, bytes per element of a buffer, 0 otherwise. */
  readonly size: number;
  /** Buffers: index of the argument that counts the elements; 0 otherwise. */
  readonly lenArg: number;
}

export interface SyscallRow {
  /** x86-64 number. */
  readonly nr: number;
  /** arm64 number, -1 where arm64 lacks the call. */
  readonly arm64: number;
  readonly name: string;
  readonly owner: Owner;
  readonly status: Status;
  /** The stub may answer it by itself. */
  readonly fast: boolean;
  /** Argument 0 is an fd and the call acts on that fd's object, so the object's owner answers. */
  readonly byfd: boolean;
  readonly args: readonly SyscallArg[];
  /** The argument words as written: the compact form that trace metadata keeps. */
  readonly spec: string;
  /** What is missing, or why the call is absent. */
  readonly note: string;
}

const KIND_SET: ReadonlySet<string> = new Set(KINDS);
const FORMAT_SET: ReadonlySet<string> = new Set(FORMATS);

/** Reads one argument word. A mistake in the table is a bug, so it throws while the table loads. */
function parseArg(word: string): SyscallArg {
  const parts = word.split(':');
  const name = parts[0] ?? '';
  const kind = parts[1] ?? '';
  const size = Number(parts[2] ?? 0);
  const lenArg = Number(parts[3] ?? 0);
  if (FORMAT_SET.has(kind)) {
    if (parts.length !== 2) throw new Error(`value argument with a size: ${word}`);
    return { name, kind: 'val', format: kind as Format, size: 0, lenArg: 0 };
  }
  if (!KIND_SET.has(kind) || kind === 'none' || kind === 'val') throw new Error(`unknown argument kind: ${word}`);
  const wants = kind === 'str' || kind === 'strv' ? 2 : kind === 'inbuf' || kind === 'outbuf' ? 4 : 3;
  if (parts.length !== wants) throw new Error(`wrong number of fields: ${word}`);
  if (wants > 2 && !(Number.isInteger(size) && size > 0 && size < 0x10000)) throw new Error(`bad size: ${word}`);
  return { name, kind: kind as Kind, format: '', size, lenArg };
}

/** Builds a row; `flags` holds `fast` and `byfd`, in any order. */
export function row(
  nr: number, arm64: number, name: string, owner: Owner, status: Status, flags: string, spec: string, note = '',
): SyscallRow {
  const words = flags === '' ? [] : flags.split(' ');
  for (const word of words) if (word !== 'fast' && word !== 'byfd') throw new Error(`${name}: unknown flag ${word}`);
  const args = spec === '' ? [] : spec.split(' ').map(parseArg);
  return { nr, arm64, name, owner, status, fast: words.includes('fast'), byfd: words.includes('byfd'), args, spec, note };
}
