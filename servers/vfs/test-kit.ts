/**
 * For the tests of this server: calls through its handlers without a guest. A World has a temporary lower directory on the host, an upper one, the
 * tables with one task, and a guest memory of its own; `call` marshals arguments as the stub would and returns the result.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Endpoint, Handler } from '../../shared/endpoint.js';
import { Ret } from '../../shared/errno.js';
import { filesAlloc } from '../../shared/fdtable.js';
import { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import * as EL from '../../shared/endpoint-layout.js';
import * as host from '../../shared/host.js';
import type { MessageHandler } from '../../shared/endpoint.js';
import { loadNative, native } from '../../shared/native.js';
import type { Message } from '../../shared/rings.js';
import { Timer, TimerHeap, type WaitQueue, Why } from '../../shared/wait.js';
import { setEndpoint } from './file.js';
import { FsStruct, fsSet } from './fs-struct.js';
import { HostDir } from './host/dir.js';
import { installVfs } from './install.js';
import { Path, S_IFDIR } from './inode.js';
import { setDataDir } from './layered/data.js';
import { HostLower, type LowerDir } from './layered/lower.js';
import { LayeredSuper } from './layered/super.js';
import { mountAt, mountRoot } from './mounts.js';

const O_PATH = 0o10000000;
const GUEST = 0x10000;

let nativeLoaded = false;
/** The built addon, found from the test's working directory (the repository). */
export function needNative(): void {
  if (nativeLoaded) return;
  nativeLoaded = true;
  loadNative(resolve('native/build/Release/carrick.node'));
  host.initHost();
  L.attachTables(L.allocTables());
}

/** Room for `n` bytes of an out argument. */
export class Out {
  data: Buffer = Buffer.alloc(0);
  constructor(readonly n: number) {}
}
export type Arg = number | string | Buffer | Out;

interface Sent { readonly to: number; readonly kind: number; readonly words: readonly number[]; readonly text: string }

class FakeEndpoint {
  readonly srv = L.SRV_VFS;
  readonly timers = new TimerHeap();
  readonly handlers = new Map<number, Handler>();
  readonly messages = new Map<number, MessageHandler[]>();
  readonly sent: Sent[] = [];
  fallback: Handler = () => -38;
  onDropped: (f: Frame) => void = () => undefined;
  handle(nr: number, h: Handler): void { this.handlers.set(nr, h); }
  on(kind: number, h: MessageHandler): void { this.messages.set(kind, [...(this.messages.get(kind) ?? []), h]); }
  park(f: Frame, q: WaitQueue): number { q.add(f); f.queues.push(q); return Ret.BLOCKED; }
  wake(f: Frame): void { f.why = Why.WOKEN; }
  forward(): number { return Ret.NO_RETURN; }
  parkedFrame(): Frame | undefined { return undefined; }
  /** Messages to oneself (RELEASE) are handled at once. */
  send(to: number, kind: number, words: readonly number[], text = ''): void {
    if (to !== this.srv) { this.sent.push({ to, kind, words, text }); return; }
    this.deliver(kind, words, text);
  }
  /** What is to be done when nothing else is: by idle(). */
  private readonly work: Array<() => void> = [];
  whenIdle(what: () => void): void { this.work.push(what); }
  idle(): void { for (let what = this.work.shift(); what !== undefined; what = this.work.shift()) what(); }
  quiet(to: number, kind: number, words: readonly number[], text = ''): void { this.send(to, kind, words, text); }
  deliver(kind: number, words: readonly number[], text = ''): void {
    const m: Message = { from: 0, kind, w: Float64Array.from([...words, ...new Array<number>(12 - words.length).fill(0)]), text };
    for (const h of this.messages.get(kind) ?? []) h(m);
  }
}

export interface Who { uid: number; gid: number; groups?: readonly number[]; caps?: boolean }


export class World {
  readonly dir: string;
  readonly lower: string;
  readonly upper: string;
  readonly ep: FakeEndpoint;
  readonly root: Path;
  readonly sb: LayeredSuper;
  readonly task = 1;
  readonly tg = 1;
  readonly memory = Buffer.alloc(1 << 16);
  private readonly slots: Buffer;
  private readonly u32: Uint32Array;
  private readonly view: DataView;

  /** files: lower path → content; a path that ends in '/' is a directory. tree: a lower layer instead of that. */
  constructor(files: Readonly<Record<string, string>> = {}, lower = true, tree?: LowerDir) {
    needNative();
    this.dir = mkdtempSync(join(tmpdir(), 'carrick-vfs-'));
    this.lower = join(this.dir, 'lower');
    this.upper = join(this.dir, 'upper');
    mkdirSync(this.lower, { mode: 0o755 });
    mkdirSync(this.upper);
    for (const [name, content] of Object.entries(files)) {
      const at = join(this.lower, name);
      mkdirSync(name.endsWith('/') ? at : dirname(at), { recursive: true });
      if (!name.endsWith('/')) writeFileSync(at, content);
    }
    setDataDir(host.openat(host.AT_FDCWD, this.upper, O_PATH));
    const fd = host.openat(host.AT_FDCWD, this.lower, O_PATH);
    const below = tree ?? new HostLower(new HostDir(undefined, '', fd));
    below.stat('.');
    this.sb = new LayeredSuper(lower ? 'overlay' : 'tmpfs', lower ? below : undefined, S_IFDIR | 0o755);
    const mnt = mountRoot(this.sb, 0);
    this.root = new Path(mnt, mnt.root);
    const sab = new SharedArrayBuffer(L.SLOT_STRIDE * 4);
    this.slots = Buffer.from(sab);
    this.u32 = new Uint32Array(sab);
    this.view = new DataView(sab);
    this.ep = new FakeEndpoint();
    setEndpoint(this.ep as unknown as Endpoint);
    installVfs(this.ep as unknown as Endpoint);
    this.makeTask(1, 100);
    this.makeTask(2, 200);
    this.be({ uid: 0, gid: 0, caps: true });
    native.readMemory = (_tg, addr, off, len) => { const at = addr - GUEST; if (at < 0 || at + len > this.memory.length) return -14; this.memory.copy(host.scratch, off, at, at + len); return len; };
    native.writeMemory = (_tg, addr, off, len) => { const at = addr - GUEST; if (at < 0 || at + len > this.memory.length) return -14; host.scratch.copy(this.memory, at, off, off + len); return len; };
    native.hintSet = () => 0;
    native.hintGet = () => 0;
  }

  private makeTask(row: number, pid: number): void {
    L.setTaskTg(row, row);
    L.setTaskState(row, 2);
    L.setTaskFiles(row, filesAlloc());
    L.setTaskFs(row, row);
    L.setTgTgid(row, pid);
    L.setTgRlimCur(row, 7, 1024);
    L.setTgRlimCur(row, 1, Infinity);
    fsSet(row, new FsStruct(this.root, this.root));
  }

  /** Credentials of both tasks from now on; `caps`: all capabilities. */
  be(who: Who): void {
    const cred = 1;
    L.setCredUid(cred, who.uid); L.setCredEuid(cred, who.uid); L.setCredFsuid(cred, who.uid);
    L.setCredGid(cred, who.gid); L.setCredEgid(cred, who.gid); L.setCredFsgid(cred, who.gid);
    const caps = who.caps === true ? 0xffffffff : 0;
    for (let i = 0; i < 2; i++) { L.setCredCapEff(cred, i, caps); L.setCredCapPerm(cred, i, caps); }
    const groups = who.groups ?? [];
    L.setCredNgroups(cred, groups.length);
    groups.forEach((g, i) => L.setCredGroups(cred, i, g));
    L.setTaskCred(1, cred);
    L.setTaskCred(2, cred);
  }

  /** Guest address of byte `off` of its memory. */
  at(off: number): number { return GUEST + off; }

  /** A request as the stub would post it, in record `rec`. */
  frame(nr: number, args: readonly Arg[], task = 1, rec = 0): Frame {
    const base = rec * L.SLOT_STRIDE, w = base / 4;
    this.slots.fill(0, base, base + L.SLOT_STRIDE);
    this.u32[w + L.SLOT_NR / 4] = nr;
    this.u32[w + EL.REC_TASK / 4] = task;
    this.u32[w + EL.REC_TG / 4] = task;
    this.u32[w + EL.REC_SLOT / 4] = task;
    let off = 0;
    args.forEach((a, i) => {
      const set = (lo: number, hi: number): void => { this.u32[w + L.SLOT_ARGS / 4 + 2 * i] = lo; this.u32[w + L.SLOT_ARGS / 4 + 2 * i + 1] = hi; };
      if (typeof a === 'number') { set(a >>> 0, Math.floor(a / 4294967296) >>> 0); return; }
      const bytes = typeof a === 'string' ? Buffer.from(`${a}\0`, 'latin1') : a instanceof Out ? Buffer.alloc(a.n) : a;
      const len = typeof a === 'string' ? bytes.length - 1 : bytes.length;
      set(0x7000 + off, 0);
      this.u32[w + L.SLOT_ARGOFF / 4 + i] = off;
      this.u32[w + L.SLOT_ARGLEN / 4 + i] = len;
      bytes.copy(this.slots, base + L.PAYLOAD_OFF + off);
      if (!(a instanceof Out)) this.u32[w + L.SLOT_INLEN / 4] = off + bytes.length;
      off = (off + bytes.length + 7) & ~7;
    });
    const f = new Frame(rec, this.u32, this.slots, this.view, () => undefined, (fire) => new Timer(fire));
    f.arrive(EL.REC_TASK, EL.REC_TG, EL.REC_SLOT);
    return f;
  }

  run(f: Frame): number { return (this.ep.handlers.get(f.nr) ?? this.ep.fallback)(f); }

  /** Marshal, dispatch, copy the out arguments back. */
  call(nr: number, ...args: readonly Arg[]): number { return this.callAs(1, nr, ...args); }

  callAs(task: number, nr: number, ...args: readonly Arg[]): number {
    const f = this.frame(nr, args, task);
    const r = this.run(f);
    args.forEach((a, i) => {
      if (!(a instanceof Out)) return;
      const o = f.outOff(i);
      f.seal(0);
      a.data = Buffer.from(this.slots.subarray(o, o + a.n));
    });
    return r;
  }

  /** Mount an empty tmpfs at a guest directory. */
  tmpfs(dir: string, flags = 0): LayeredSuper {
    const sb = new LayeredSuper('tmpfs', undefined, S_IFDIR | 0o1777);
    mountAt(sb, undefined, this.pathOf(dir), flags);
    return sb;
  }

  pathOf(dir: string): Path {
    let d = this.root.dentry;
    for (const name of dir.split('/').filter((p) => p !== '')) {
      const r = this.call(4, dir, new Out(144));
      if (r < 0) throw new Error(`${dir}: ${r}`);
      const next = d.children?.get(name);
      if (next === undefined) throw new Error(`${dir} is not cached`);
      d = next;
    }
    return new Path(this.root.mnt, d);
  }

  end(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** What a further answer is about, how it was asked, and where it lies. */
interface Further { readonly about: string; readonly asked: number; readonly at: number }

/** The further answers of a reply whose out argument 5 had so much room, by where they lie in the frame's bytes. */
export function furtherAnswers(f: Frame, room: number): Further[] {
  const from = f.answerOff(room);
  return answersIn(f.bytes, (from + L.ANSWER_SIZE + 7) & ~7, from + f.produced(5));
}

/** The further answers that lie from `at` to `end`. */
export function answersIn(bytes: Buffer, at: number, end: number): Further[] {
  const all = [];
  while (at + L.ANSWER_SIZE <= end) {
    const len = bytes.readUInt32LE(at + L.ANSWER_TARGET_LEN);
    all.push({ about: bytes.latin1Slice(at + L.ANSWER_SIZE, at + L.ANSWER_SIZE + len), asked: bytes.readUInt32LE(at + L.ANSWER_ASKED), at });
    at = (at + L.ANSWER_SIZE + len + 7) & ~7;
  }
  return all;
}
