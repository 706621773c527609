/**
 * What goes over a running container's control socket (control.sock in its directory): a JSON object per line, both ways.
 *
 *   client                                   carrick (the kernel worker)
 *   ExecRequest + fds 0, 1, 2 (SCM_RIGHTS) ─►
 *   signal | resize (of that process, else of the first one's terminal) ─►
 *                                          ◄─ started │ failed (then end of file)
 *                                          ◄─ exited  (then end of file)
 *   signal (of the first process)          ─►◄─ done
 *   usage                                  ─►◄─ usage
 *   wait                                   ─►◄─ exited, when the first process has ended; end of file when carrick has
 *
 * When the client goes first, its process is hung up (with a terminal) or killed, unless it said `detach`. Byte strings are latin1, as everywhere; JSON escapes them.
 * The other end is the same user's, but may be another version or a broken one: nothing that it sends is trusted to have its type.
 */

export interface ExecRequest {
  readonly op: 'exec';
  readonly argv: readonly string[];
  /** "K=V", laid over the container's own; "K=" stays, there is no way to unset. */
  readonly env: readonly string[];
  /** Absolute, '' = the container's own. */
  readonly cwd: string;
  /** As RunSpec.user, uid, gid; undefined = the container's own. */
  readonly user: { readonly text: string; readonly uid: number; readonly gid: number } | undefined;
  readonly tty: boolean;
  /** Without: fd 0 is /dev/null, or a terminal's keys are not read. */
  readonly interactive: boolean;
  readonly rows: number;
  readonly cols: number;
  /** It goes on when the client goes. */
  readonly detach: boolean;
}

export type ControlRequest =
  | ExecRequest
  | { readonly op: 'signal'; readonly signo: number }
  | { readonly op: 'resize'; readonly rows: number; readonly cols: number }
  | { readonly op: 'usage' }
  | { readonly op: 'wait' };

export interface UsageReply {
  readonly event: 'usage';
  /** By SRV_*: calls answered so far, and requests parked now. */
  readonly servers: ReadonlyArray<{ readonly calls: number; readonly parked: number }>;
  /** requests: what its living threads have asked of servers so far. Names are byte strings. */
  readonly processes: ReadonlyArray<{ readonly pid: number; readonly hostPid: number; readonly name: string; readonly tasks: number; readonly requests: number }>;
}

export type ControlReply =
  | UsageReply
  /** Its pid in the container. */
  | { readonly event: 'started'; readonly pid: number }
  /** As KernelEvent 'failed'. */
  | { readonly event: 'failed'; readonly code: number; readonly errno: number; readonly message: string }
  /** wait(2) status word. */
  | { readonly event: 'exited'; readonly status: number }
  | { readonly event: 'done' };

export const CONTROL_SOCKET = 'control.sock';
/** Longest line, characters: as much as execve takes, and then some. */
export const LINE_MAX = 8 << 20;

export const frame = (message: ControlRequest | ControlReply): string => `${asciiJson(message)}\n`;

/** One byte per character on the wire, whatever the strings hold. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(/[\x7f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Puts lines together from pieces of any size. */
export class Lines {
  private rest: string[] = [];
  private length = 0;

  /** Complete lines that a piece (latin1) ends; undefined when one has grown too long. */
  push(piece: string): string[] | undefined {
    const parts = piece.split('\n');
    const out: string[] = [];
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as string;
      this.length += part.length;
      if (this.length > LINE_MAX) return undefined;
      this.rest.push(part);
      if (i === parts.length - 1) break;
      out.push(this.rest.join(''));
      this.rest = [];
      this.length = 0;
    }
    return out;
  }
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(line: string): Fields | undefined {
  let v: unknown;
  try {
    v = JSON.parse(line);
  } catch {
    return undefined;
  }
  return typeof v === 'object' && v !== null && !Array.isArray(v) ? v as Fields : undefined;
}

const isInt = (v: unknown, min: number, max: number): v is number => typeof v === 'number' && Number.isInteger(v) && v >= min && v <= max;
/** A byte string without NUL, which no argument and no path can hold. */
const isBytes = (v: unknown): v is string => typeof v === 'string' && /^[\x01-\xff]*$/.test(v);
const isList = (v: unknown): v is string[] => Array.isArray(v) && v.every(isBytes);

function userOf(v: unknown): ExecRequest['user'] | false {
  if (v === undefined || v === null) return undefined;
  const { text, uid, gid } = v as Fields;
  return isBytes(text) && isInt(uid, -1, 0xffffffff) && isInt(gid, -1, 0xffffffff) ? { text, uid, gid } : false;
}

/** A request, or undefined when the line is none. */
export function parseRequest(line: string): ControlRequest | undefined {
  const m = fieldsOf(line);
  if (m === undefined) return undefined;
  const { op, argv, env, cwd, tty, interactive, rows, cols, signo, detach = false } = m;
  switch (op) {
    case 'wait': case 'usage': return { op };
    case 'signal': return isInt(signo, 1, 64) ? { op, signo } : undefined;
    case 'resize': return isInt(rows, 0, 0xffff) && isInt(cols, 0, 0xffff) ? { op, rows, cols } : undefined;
    case 'exec': {
      const user = userOf(m['user']);
      if (!isList(argv) || argv.length === 0 || !isList(env) || !isBytes(cwd) || user === false) return undefined;
      if (typeof tty !== 'boolean' || typeof interactive !== 'boolean' || typeof detach !== 'boolean' || !isInt(rows, 0, 0xffff) || !isInt(cols, 0, 0xffff)) return undefined;
      return { op, argv, env, cwd, user, tty, interactive, rows, cols, detach };
    }
    default: return undefined;
  }
}

const isCount = (v: unknown): v is number => isInt(v, 0, Number.MAX_SAFE_INTEGER);

function usageOf(servers: unknown, processes: unknown): UsageReply | undefined {
  if (!Array.isArray(servers) || !Array.isArray(processes)) return undefined;
  const good = (servers as Fields[]).every((s) => isCount(s['calls']) && isCount(s['parked']))
    && (processes as Fields[]).every((p) => isCount(p['pid']) && isInt(p['hostPid'], -4095, 0x7fffffff) && isBytes(p['name']) && isCount(p['tasks']) && isCount(p['requests']));
  return good ? { event: 'usage', servers: servers as UsageReply['servers'], processes: processes as UsageReply['processes'] } : undefined;
}

/** A reply, or undefined when the line is none. */
export function parseReply(line: string): ControlReply | undefined {
  const m = fieldsOf(line);
  if (m === undefined) return undefined;
  const { event, pid, code, errno, message, status } = m;
  switch (event) {
    case 'done': return { event };
    case 'usage': return usageOf(m['servers'], m['processes']);
    case 'started': return isInt(pid, 0, 0x7fffffff) ? { event, pid } : undefined;
    case 'exited': return isInt(status, 0, 0xffff) ? { event, status } : undefined;
    case 'failed': return isInt(code, 0, 255) && isInt(errno, 0, 4095) && typeof message === 'string' ? { event, code, errno, message } : undefined;
    default: return undefined;
  }
}

/** Environment of a process of `exec`: the container's, with some variables replaced or added. */
export function layEnv(base: readonly string[], over: readonly string[]): string[] {
  const name = (item: string): string => item.slice(0, item.indexOf('=') < 0 ? item.length : item.indexOf('='));
  const env = new Map(base.map((item) => [name(item), item]));
  for (const item of over) env.set(name(item), item);
  return [...env.values()];
}
