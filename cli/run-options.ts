/**
 * The flags of `carrick run` and `carrick run-elf`, from what commander read to a RunSpec. Pure but for looks at the host file system
 * (does the rootfs exist, does a volume's source). Strings are latin1 byte strings throughout; toText() for messages.
 */
import { accessSync, closeSync, constants, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { hostname as hostHostname } from 'node:os';
import { posix } from 'node:path';
import { RW_AFTER } from '../shared/gen/layout.js';
import { NAMESPACES_DEFAULT } from '../shared/spec.js';
import type { BindSpec, RootfsSpec, RunSpec, TmpfsSpec, TraceSpec } from '../shared/spec.js';
import { lookupEnv, toBytes, toPath, toText } from './bytes.js';
import { type EnvFlags, envFlags } from './env-file.js';
import { Failure, why } from './failure.js';
import { parseLabels, parseUlimit } from './limits.js';
import { type NetworkFlags, hostFiles, networkSpec } from './network.js';
import { SHM, parseMount } from './mount-option.js';
import { dataOf, isVolumeName } from './volume-dir.js';

/** As commander hands them over. */
export interface RunFlags extends NetworkFlags, EnvFlags {
  readonly workdir?: string;
  readonly user?: string;
  readonly volume?: readonly string[];
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly rm?: boolean;
  readonly name?: string;
  readonly hostname?: string;
  readonly readOnly?: boolean;
  readonly tmpfs?: readonly string[];
  readonly entrypoint?: string;
  readonly detach?: boolean;
  readonly init?: boolean;
  readonly stopSignal?: string;
  readonly stopTimeout?: number;
  readonly label?: readonly string[];
  readonly ulimit?: readonly string[];
  readonly mount?: readonly string[];
  readonly shmSize?: string;
  readonly cidfile?: string;
  readonly detachKeys?: string;
}

/** What the caller of the command brings along. */
export interface Caller {
  /** "K=V", latin1. */
  readonly env: readonly string[];
  /** Absolute, latin1. */
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly rows: number;
  readonly cols: number;
}

/** What an image says about running it; latin1. Absent for roots that are no images. */
export interface ImageRun {
  readonly rootfs: RootfsSpec;
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** '' = not said, as with the next two. */
  readonly workdir: string;
  readonly user: string;
  readonly stopSignal: string;
}

/** docker's default, and Debian's for root. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Most ids of user_namespaces(7): -1 is "no change" to the calls that take one. */
const ID_MAX = 0xfffffffe;

/** mount(2). */
export const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const TMPFS_FLAGS: Readonly<Record<string, readonly [number, number]>> = {
  ro: [MS_RDONLY, 0], rw: [0, MS_RDONLY],
  nosuid: [MS_NOSUID, 0], suid: [0, MS_NOSUID],
  nodev: [MS_NODEV, 0], dev: [0, MS_NODEV],
  noexec: [MS_NOEXEC, 0], exec: [0, MS_NOEXEC],
};

export function parseRootfs(arg: string, cwd: string): RootfsSpec {
  if (arg === 'host') return { kind: 'host', dir: '/' };
  if (arg.startsWith('rootfs:')) {
    const dir = posix.resolve(cwd, arg.slice('rootfs:'.length));
    return { kind: 'dir', dir: hostDirectory(dir, 'rootfs') };
  }
  throw new Failure(`unknown root file system "${toText(arg)}"; use host, or rootfs:DIR`);
}

function hostDirectory(dir: string, what: string): string {
  try {
    const real = realpathSync(toPath(dir), 'buffer').toString('latin1');
    if (!statSync(toPath(real)).isDirectory()) throw new Failure(`${what} ${toText(dir)} is not a directory`);
    return real;
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(`cannot use ${what} ${toText(dir)}: ${why(error)}`, undefined, { cause: error });
  }
}

/** HOST:GUEST or NAME:GUEST, then [:ro|:rw|:nocopy, with commas]. A HOST without a slash is a volume's name, but for `.` and `..`. */
export function parseVolume(arg: string, cwd: string): BindSpec {
  const [host = '', guest = '', mode = 'rw', ...rest] = arg.split(':'), modes = mode.split(','), readOnly = modes.includes('ro'), named = isVolumeName(host);
  if (host === '' || !guest.startsWith('/') || rest.length > 0 || modes.some((word) => !['ro', 'rw', ...named ? ['nocopy'] : []].includes(word)) || (readOnly && modes.includes('rw'))) {
    throw new Failure(`bad volume "${toText(arg)}"; write -v HOST:GUEST or -v HOST:GUEST:ro, GUEST absolute, or a volume's name for HOST`);
  }
  const target = posix.normalize(guest).replace(/(.)\/$/, '$1');
  if (target === '/') throw new Failure(`bad volume "${toText(arg)}": it would cover the root; use rootfs:DIR for that`);
  if (named) return { source: toBytes(dataOf(host)), target, readOnly, volume: host, ...(modes.includes('nocopy') ? {} : { fill: true }) };
  const path = posix.resolve(cwd, host);
  try {
    return { source: realpathSync(toPath(path), 'buffer').toString('latin1'), target, readOnly };
  } catch (error) {
    throw new Failure(`cannot mount volume ${toText(path)}: ${why(error)}`, undefined, { cause: error });
  }
}

/** Two mounts at one place: one of them would be invisible, which nobody means. */
function checkTargets(binds: readonly BindSpec[], tmpfs: readonly TmpfsSpec[]): void {
  const seen = new Set<string>();
  for (const { target } of [...binds, ...tmpfs]) {
    if (seen.has(target)) throw new Failure(`two mounts at ${toText(target)}; give each -v and --tmpfs a directory of its own`);
    seen.add(target);
  }
}

/** Bytes of "64m", "1g", "4096", or -1. */
export function parseSize(text: string): number {
  const match = /^(\d{1,12})([kmgKMG]?)$/.exec(text);
  if (match === null) return -1;
  const unit = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[(match[2] ?? '').toLowerCase()] ?? 1;
  return Number(match[1]) * unit;
}

/** DIR[:OPTION,...]; options: size=N[kmg], mode=OCTAL, ro, rw, [no]suid, [no]dev, [no]exec. */
export function parseTmpfs(arg: string): TmpfsSpec {
  const colon = arg.indexOf(':');
  const dir = colon < 0 ? arg : arg.slice(0, colon);
  if (!dir.startsWith('/')) throw new Failure(`bad --tmpfs "${toText(arg)}"; DIR must be absolute`);
  let size = 0;
  let mode = 0o1777;
  let flags = MS_NOSUID | MS_NODEV;
  for (const option of colon < 0 ? [] : arg.slice(colon + 1).split(',')) {
    const change = TMPFS_FLAGS[option];
    if (change !== undefined) flags = (flags | change[0]) & ~change[1];
    else if (option.startsWith('size=') && parseSize(option.slice(5)) >= 0) size = parseSize(option.slice(5));
    else if (/^mode=[0-7]{1,4}$/.test(option)) mode = parseInt(option.slice(5), 8);
    else throw new Failure(`bad --tmpfs option "${toText(option)}"; known: size=N[k|m|g], mode=OCTAL, ro, nosuid, nodev, noexec`);
  }
  return { target: posix.normalize(dir).replace(/(.)\/$/, '$1'), size, mode, flags };
}

/** --shm-size as a --tmpfs. */
function shmOption(size: string): string {
  const bytes = parseSize(size.replace(/b$/i, ''));
  if (bytes <= 0) throw new Failure(`bad --shm-size "${toText(size)}"; write a number of bytes, or one with k, m or g`);
  return `${SHM}:size=${bytes},noexec`;
}

function parseId(text: string, whole: string): number {
  if (!/^\d+$/.test(text)) return -1;
  if (Number(text) > ID_MAX) throw new Failure(`bad user "${toText(whole)}": ids go up to ${ID_MAX}`);
  return Number(text);
}

/** UID[:GID] | NAME[:GROUP]; -1 where a name has to be looked up in the guest. */
export function parseUser(arg: string): { user: string; uid: number; gid: number } {
  const [user = '', group, ...rest] = arg.split(':');
  if (user === '' || group === '' || rest.length > 0) throw new Failure(`bad user "${toText(arg)}"; write UID[:GID] or NAME[:GROUP]`);
  return { user: arg, uid: parseId(user, arg), gid: group === undefined ? -1 : parseId(group, arg) };
}

/** Lay -e flags over an environment. K alone takes the caller's value, and nothing when the caller has none. */
export function mergeEnv(base: readonly string[], flags: readonly string[], caller: readonly string[]): string[] {
  const env = new Map(base.map((item) => [item.slice(0, item.indexOf('=')), item]));
  for (const flag of flags) {
    const equals = flag.indexOf('=');
    if (equals === 0 || flag === '') throw new Failure(`bad variable "${toText(flag)}"; write -e NAME=VALUE, or -e NAME to pass yours on`);
    if (equals > 0) { env.set(flag.slice(0, equals), flag); continue; }
    const value = lookupEnv(caller, flag);
    if (value === undefined) env.delete(flag); else env.set(flag, `${flag}=${value}`);
  }
  return [...env.values()];
}

/** Environment of `run` before -e: as docker's; HOME follows from the user's passwd entry inside the guest. */
function defaultEnv(flags: RunFlags, caller: Caller, hostname: string): string[] {
  const env = [`PATH=${DEFAULT_PATH}`, `HOSTNAME=${hostname}`];
  if (flags.tty === true) env.push(`TERM=${lookupEnv(caller.env, 'TERM') ?? 'xterm'}`);
  for (const key of ['LANG', 'LC_ALL']) {
    const value = lookupEnv(caller.env, key);
    if (value !== undefined && value !== '') env.push(`${key}=${value}`);
  }
  return env;
}

/** A switch from the environment: unset or "1" is on, "0" is off. */
function enabled(name: string): boolean {
  const value = process.env[name];
  if (value === undefined || value === '' || value === '1') return true;
  if (value === '0') return false;
  throw new Failure(`bad ${name}="${value}"; use 0 or 1`);
}

/** CARRICK_REWRITE: traps of a call site before it is rewritten, 0 = never; a small number is for tests. */
function rewriteWanted(): number {
  const value = process.env['CARRICK_REWRITE'];
  if (value === undefined || value === '') return RW_AFTER;
  if (!/^\d{1,4}$/.test(value)) throw new Failure(`bad CARRICK_REWRITE="${value}"; use 0 (never), or after how many traps, up to 9999`);
  return Number(value);
}

function namespacesWanted(): number {
  const value = process.env['CARRICK_NAMESPACES'];
  if (value === undefined || value === '') return NAMESPACES_DEFAULT;
  if (value === 'none') return 0;
  throw new Failure(`bad CARRICK_NAMESPACES="${value}"; the only setting is none`);
}

function checkName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(name)) return name;
  throw new Failure(`bad name "${toText(name)}"; letters, digits, "_", "." and "-", a letter or digit first`);
}

function checkHostname(name: string): string {
  // HOST_NAME_MAX is 64; sethostname(2) itself takes any bytes.
  if (/^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$/.test(name)) return name;
  throw new Failure(`bad hostname "${toText(name)}"; up to 64 letters, digits, "-" and "."`);
}

/** A new container's id, 12 hexadecimal digits. From the host's random device: node:crypto takes milliseconds to load. */
function newId(): string {
  const bytes = Buffer.alloc(6);
  const fd = openSync('/dev/urandom', 'r');
  readSync(fd, bytes);
  closeSync(fd);
  return bytes.toString('hex');
}

/** What is the same for `run` and `run-elf`; upperDir is filled in when the container's directory exists. */
function baseSpec(caller: Caller, trace: TraceSpec): Pick<RunSpec, 'id' | 'upperDir' | 'stdio' | 'rows' | 'cols' | 'trace' | 'profileHz' | 'namespaces' | 'fastpath' | 'rewrite' | 'grants'> {
  return {
    id: newId(), upperDir: '', stdio: [0, 1, 2], rows: caller.rows, cols: caller.cols, trace, profileHz: 0,
    namespaces: namespacesWanted(), fastpath: enabled('CARRICK_FASTPATH'), rewrite: rewriteWanted(), grants: enabled('CARRICK_GRANTS'),
  };
}

function mounts(flags: RunFlags, caller: Caller): Pick<RunSpec, 'binds' | 'tmpfs'> {
  const given = (flags.mount ?? []).map(parseMount);
  const binds = [...flags.volume ?? [], ...given.flatMap((m) => m.volume ?? [])].map((volume) => parseVolume(volume, caller.cwd));
  const tmpfs = [...flags.tmpfs ?? [], ...given.flatMap((m) => m.tmpfs ?? []), ...flags.shmSize === undefined ? [] : [shmOption(flags.shmSize)]].map(parseTmpfs);
  checkTargets(binds, tmpfs);
  return { binds, tmpfs };
}

/** Home of the guest's root, in every /etc/passwd. */
const ROOT_HOME = '/root';

/**
 * A root that is given by its directory may have a home for root which the caller may not enter: the host's own, for an ordinary user. Then the container
 * gets an empty one in memory, so that root in the container has a home as it has everywhere else; nothing of the host's is shown.
 */
function ownHome(rootfs: RootfsSpec, { binds, tmpfs }: Pick<RunSpec, 'binds' | 'tmpfs'>): readonly TmpfsSpec[] {
  if (rootfs.kind === 'layers' || [...binds, ...tmpfs].some((m) => m.target === ROOT_HOME)) return tmpfs;
  try {
    accessSync(toPath(posix.join(rootfs.dir, ROOT_HOME)), constants.R_OK | constants.X_OK);
    return tmpfs;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return error.code === 'EACCES' ? [{ target: ROOT_HOME, size: 0, mode: 0o700, flags: MS_NOSUID | MS_NODEV }, ...tmpfs] : tmpfs;
  }
}

/**
 * What to run: the command of the command line, else the image's, behind the entrypoint. As with docker, --entrypoint takes the image's command away
 * too, and an empty one leaves just the command.
 */
function commandLine(flags: RunFlags, command: readonly string[], image: ImageRun | undefined): string[] {
  const entrypoint = flags.entrypoint === undefined ? image?.entrypoint ?? [] : flags.entrypoint === '' ? [] : [flags.entrypoint];
  const args = command.length > 0 || flags.entrypoint !== undefined ? command : image?.cmd ?? [];
  const argv = [...entrypoint, ...args];
  if (argv.length > 0) return argv;
  if (image !== undefined && flags.entrypoint === undefined) throw new Failure('the image names no command to run; give one');
  return ['/bin/sh'];
}

/** `carrick run [FLAGS] ROOTFS [--] [COMMAND [ARG...]]` */
export function runSpec(flags: RunFlags, rootfsArg: string, operands: readonly string[], caller: Caller, trace: TraceSpec, image?: ImageRun): RunSpec {
  const base = baseSpec(caller, trace);
  const rootfs = image?.rootfs ?? parseRootfs(rootfsArg, caller.cwd);
  const argv = commandLine(flags, operands[0] === '--' ? operands.slice(1) : operands, image);
  if (argv[0] === '') throw new Failure('the command is an empty string');
  if (flags.workdir !== undefined && !flags.workdir.startsWith('/')) throw new Failure(`bad --workdir "${toText(flags.workdir)}": it must be absolute`);
  const hostname = flags.hostname === undefined ? base.id : checkHostname(flags.hostname);
  const imageEnv = (image?.env ?? []).filter((item) => item.indexOf('=') > 0);
  const env = mergeEnv(mergeEnv(defaultEnv(flags, caller, hostname), imageEnv, []), envFlags(flags), caller.env);
  const cwd = flags.workdir ?? image?.workdir ?? '';
  const user = flags.user ?? image?.user ?? '';
  const mounted = mounts(flags, caller);
  return {
    ...base, ...mounted, tmpfs: ownHome(rootfs, mounted), ...networkSpec(flags, hostname, base.namespaces, hostFiles()), rootfs, argv, env, hostname,
    name: flags.name === undefined ? base.id : checkName(flags.name),
    keep: flags.rm !== true,
    cwd: posix.normalize(`/${cwd}`),
    cwdMake: cwd !== '',
    ...(user === '' ? { user: '', uid: 0, gid: 0 } : parseUser(user)),
    groups: undefined,
    stopSignal: image?.stopSignal ?? '',
    ...(flags.stopTimeout === undefined ? {} : { stopTimeout: flags.stopTimeout }),
    labels: parseLabels(flags.label ?? []),
    limits: (flags.ulimit ?? []).map(parseUlimit),
    homeFromPasswd: lookupEnv(env, 'HOME') === undefined,
    readOnly: flags.readOnly === true,
    tty: flags.tty === true,
    // Without a terminal the guest's 0, 1 and 2 are the caller's own, so pipes work as with any command.
    interactive: flags.interactive === true || flags.tty !== true,
    hostTmp: false,
  };
}

/**
 * `carrick run-elf [FLAGS] FILE [ARG...]`: the program as if it were started here: the caller's ids, environment, directory and input. Its root is
 * the host's, so every path means what it means to the caller; what it writes stays in the container's layer, except below the bind mounts of -v.
 */
export function runElfSpec(flags: RunFlags, file: string, args: readonly string[], caller: Caller, trace: TraceSpec): RunSpec {
  if (file === '') throw new Failure('the program is an empty string');
  // Like a shell, a file is a path: run-elf a.out is ./a.out, never a PATH lookup.
  return hereSpec(flags, [file.includes('/') ? file : `./${file}`, ...args], caller, trace);
}

/** A command as the caller's shell would start it here, looked up in PATH: what `profile` and the like take after `--`. At least one word. */
export function hereSpec(flags: RunFlags, argv: readonly string[], caller: Caller, trace: TraceSpec): RunSpec {
  const base = baseSpec(caller, trace);
  return {
    ...base, ...mounts(flags, caller),
    name: base.id,
    keep: false,
    network: 'host', files: [],
    rootfs: { kind: 'host', dir: '/' },
    argv,
    env: mergeEnv(caller.env, envFlags(flags), caller.env),
    cwd: flags.workdir === undefined ? caller.cwd : posix.resolve(caller.cwd, flags.workdir),
    cwdMake: false,
    ...(flags.user === undefined ? { user: `${caller.uid}:${caller.gid}`, uid: caller.uid, gid: caller.gid } : parseUser(flags.user)),
    groups: flags.user === undefined ? caller.groups : undefined,
    homeFromPasswd: false,
    hostname: hostHostname().slice(0, 64),
    readOnly: flags.readOnly === true,
    tty: flags.tty === true,
    interactive: true,
    hostTmp: true,
  };
}
