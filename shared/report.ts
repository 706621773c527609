/**
 * What `carrick compat-report` counts, in one worker: calls by the program that made them, and what carrick refused.
 *
 *   guest call ─► server answers ─► Endpoint.finish ─► trace hook ─► Report.count ─► (end of the run) Report.take ─► cli/compat
 *
 * Every answer of a server passes the hook; what a stub answers by itself is told to the kernel (NR_TRACE), which counts it here too, so the sum over
 * the workers is every call of every process. A program is an executable's path: the kernel numbers them at exec and writes the number to `tg.prog`,
 * which children inherit; an execve that succeeds is thus counted with the program that it started. Counting costs a Map look-up per call, a refusal of a new kind one string; nothing of this exists outside of a report.
 *
 * A refusal is a call that failed in a way in which something that is not there fails: ENOSYS; ENOTTY for an ioctl; ENOPROTOOPT for a socket option; EINVAL,
 * EOPNOTSUPP for a call with flags or an operation; ENOENT below /proc and /sys. Linux refuses some of these too: what is known of that is said by the reader
 * (cli/compat/refusals.ts), not here.
 */
import type { Endpoint } from './endpoint.js';
import { E } from './errno.js';
import type { Frame } from './frame.js';
import * as L from './gen/layout.js';
import { NR_MAX, NR_getsockopt, NR_ioctl, NR_setsockopt, SYSCALL_ARGS } from './gen/syscalls.js';
import { formatValue } from './trace-format.js';
import { FrameArgs } from './trace.js';

/** nr, calls, errors, ns of one program. */
export type CallCount = readonly [program: number, nr: number, calls: number, errors: number, ns: number];

export type RefusalKind = 'call' | 'ioctl' | 'sockopt' | 'flags' | 'path';

export interface Refusal { readonly program: number; readonly kind: RefusalKind; readonly nr: number; readonly detail: string; readonly errno: number; readonly count: number }

/** One worker's part. `programs` is filled by the kernel: paths by number, from 1. */
export interface ReportPart { readonly calls: readonly CallCount[]; readonly refusals: readonly Refusal[]; readonly programs: readonly string[] }

/** Formats of arguments that choose what a call does. */
const CHOOSING = new Set(['openflags', 'mmapprot', 'mmapflags', 'mremapflags', 'msyncflags', 'madvice', 'futexop', 'cloneflags', 'timerflags', 'fcntlcmd', 'lockop', 'fallocmode',
  'memfdflags', 'rwfflags', 'closerangeflags', 'atflags', 'atremove', 'ataccess', 'renameflags', 'waitoptions', 'idtype', 'prctlop', 'archprctl', 'grndflags', 'epollop',
  'sockdomain', 'socktype', 'msgflags']);
/** Kinds of refusals that one worker keeps: a program that tries everything must not fill memory. */
const REFUSALS_MAX = 4096;

const words = (nr: number): string[] => (SYSCALL_ARGS[nr] ?? '').split(' ');

/** Index of the first argument that is a path. */
function pathArgument(nr: number): number {
  return words(nr).findIndex((word) => word.endsWith(':str'));
}

export class Report {
  /** By program * NR_MAX + nr: calls, errors, ns. */
  private readonly counts = new Map<number, [number, number, number]>();
  private readonly refusals = new Map<string, { -readonly [K in keyof Refusal]: Refusal[K] }>();
  private readonly programs = new Map<string, number>();
  private readonly args = new FrameArgs();

  /** tg runs this executable from now on. Kernel only. */
  program(tg: number, path: string): void {
    let id = this.programs.get(path);
    if (id === undefined) { id = this.programs.size + 1; this.programs.set(path, id); }
    L.setTgProg(tg, id);
  }

  /** A call was answered. `ns`: 0 when a stub answered it. */
  count(tg: number, nr: number, ret: number, ns: number): void {
    if (nr < 0 || nr >= L.NR_CLONE_COMMIT) return;
    const key = L.tgProg(tg) * L.NR_CLONE_COMMIT + nr;
    let row = this.counts.get(key);
    if (row === undefined) { row = [0, 0, 0]; this.counts.set(key, row); }
    row[0]++;
    // Restarts (-512 and below) are no errors of the program's.
    if (ret < 0 && ret > -512) row[1]++;
    row[2] += ns;
  }

  refuse(tg: number, kind: RefusalKind, nr: number, detail: string, errno: number): void {
    const program = L.tgProg(tg);
    const key = `${program} ${kind} ${nr} ${errno} ${detail}`;
    const known = this.refusals.get(key);
    if (known !== undefined) known.count++;
    else if (this.refusals.size < REFUSALS_MAX) this.refusals.set(key, { program, kind, nr, detail, errno, count: 1 });
  }

  /** An answer that may be a refusal. */
  look(f: Frame, ret: number): void {
    const { nr } = f;
    const errno = -ret;
    if (errno === E.ENOSYS) { this.refuse(f.tg, 'call', nr, '', errno); return; }
    if (nr === NR_ioctl) {
      if (errno === E.ENOTTY || errno === E.EINVAL || errno === E.EOPNOTSUPP) this.refuse(f.tg, 'ioctl', nr, String(f.argU32(1)), errno);
      return;
    }
    if (nr === NR_getsockopt || nr === NR_setsockopt) {
      if (errno === E.ENOPROTOOPT || errno === E.EOPNOTSUPP) this.refuse(f.tg, 'sockopt', nr, `${f.argInt(1)} ${f.argInt(2)}`, errno);
      return;
    }
    if (errno === E.ENOENT) { this.lookPath(f); return; }
    if (errno === E.EINVAL || errno === E.EOPNOTSUPP || errno === E.EAFNOSUPPORT || errno === E.EPROTONOSUPPORT) this.lookFlags(f, errno);
  }

  private lookPath(f: Frame): void {
    const at = pathArgument(f.nr);
    const path = at < 0 ? undefined : f.str(at);
    if (typeof path === 'string' && /^\/(proc|sys)\//.test(path)) this.refuse(f.tg, 'path', f.nr, path.replace(/^\/proc\/\d+/, '/proc/self').replace(/\/task\/\d+/, '/task/self'), E.ENOENT);
  }

  private lookFlags(f: Frame, errno: number): void {
    this.args.frame = f;
    const chosen = words(f.nr).flatMap((word, i) => {
      const [name = '', format = ''] = word.split(':');
      return CHOOSING.has(format) ? [`${name}=${formatValue(format, this.args, i)}`] : [];
    });
    if (chosen.length > 0) this.refuse(f.tg, 'flags', f.nr, chosen.join(', '), errno);
  }

  take(): ReportPart {
    return {
      calls: [...this.counts].map(([key, [calls, errors, ns]]) => [Math.floor(key / L.NR_CLONE_COMMIT), key % L.NR_CLONE_COMMIT, calls, errors, ns]),
      refusals: [...this.refusals.values()],
      programs: [...this.programs.keys()],
    };
  }
}

/** Count every answer of this endpoint. */
export function installReport(ep: Endpoint): Report {
  const report = new Report();
  ep.trace = (f, ret, ns): void => {
    // A request whose task died has no result, but it was made.
    report.count(f.tg, f.nr, Number.isNaN(ret) ? 0 : ret, ns);
    if (ret < 0 && f.nr < NR_MAX) report.look(f, ret);
  };
  return report;
}
