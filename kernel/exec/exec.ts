/**
 * Finding and reading a program: the part of execve that may still fail. commit.ts does the rest.
 *
 *           EXEC_OPEN                    #! line: EXEC_OPEN of the interpreter, depth + 1
 *   start ────────────► PROGRAM ─┬──────────────► PROGRAM ...
 *                                ├─ ELF with PT_INTERP ──EXEC_OPEN──► INTERPRETER ──► DONE (result 0)
 *                                ├─ static ELF ─────────────────────────────────────► DONE (result 0)
 *                                └─ anything else ──────────────────────────────────► DONE (result -errno)
 *
 * A program that the kernel keeps (kept.ts) is found at once. Else each phase is woken by EXEC_OPENED from vfs and by nothing else: Linux's execve cannot be
 * interrupted there either, but by a fatal signal, which drops the frame (abort). An answer that finds no Exec closes the fd that it brought. Host fds belong to the Exec until commit sends them on.
 *
 * A program that was executed before by the same path is expected to have the same interpreter, which is then asked for together with it: vfs is woken
 * once, not twice. The expectation decides nothing: a guess that does not come true is dropped.
 */
import { E } from '../../shared/errno.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { type Message } from '../../shared/rings.js';
import { EXEC_KEEP, EXEC_TELL_EXE, Msg } from '../../shared/messages.js';
import type { Kernel } from '../proc.js';
import { type ElfFile, parseInterpreter, parseProgram } from './elf.js';
import { HostFile, type KnownFiles } from './host-file.js';
import type { Found } from './kept.js';
import { HEAD_BYTES, parseScript } from './script.js';
import { Strings, STRING_MAX, argLimit, ARG_ROOM, countPointers, readStrings } from './strings.js';

const enum Phase { PROGRAM, INTERPRETER, DONE }

/** Interpreter scripts in a row. execve(2). */
const DEPTH_MAX = 5;
export const AT_EMPTY_PATH = 0x1000;
/** Only check whether the file could be executed. execveat(2), Linux 6.14. */
export const AT_EXECVE_CHECK = 0x10000;

/** What is asked for. */
export interface ExecRequest {
  readonly task: number;
  readonly tg: number;
  readonly path: string;
  /** OFD row of the directory, 0 = the working directory. */
  readonly dirfd: number;
  /** The fd number that it had, for "/dev/fd/N". */
  readonly fd: number;
  /** The fd is close-on-exec: a script opened by it could not be opened again by its interpreter. */
  readonly fdCloexec: boolean;
  readonly flags: number;
  /** What is known of them; undefined = to be read at their guest addresses. */
  readonly argv: Strings | undefined;
  readonly envp: Strings | undefined;
  readonly argvAddr: number;
  readonly envpAddr: number;
}

/** Questions to vfs, by serial. */
interface Asked { readonly exec: Exec; readonly cred: number; readonly path: string }
const pending = new Map<number, Asked>();

const knownPrograms: KnownFiles = new Map();
const knownInterpreters: KnownFiles = new Map();

/** Interpreters of programs, by the absolute path that they were executed by. Forgotten as a whole when there are too many. */
const interpreterOf = new Map<string, string>();
const INTERPRETERS_MAX = 512;

/** The kernel may keep what vfs says of it: what it means depends on the path and the credentials alone. */
const mayKeep = (path: string, flags: number): boolean => path.startsWith('/') && flags === 0;

export class Exec {
  private phase = Phase.PROGRAM;
  /** Valid when done: 0, or -errno. */
  result = 0;
  done = false;
  readonly argv: Strings;
  readonly envp: Strings;
  program: ElfFile | undefined;
  interpreter: ElfFile | undefined;
  programFile: HostFile | undefined;
  interpreterFile: HostFile | undefined;
  mode = 0;
  uid = 0;
  gid = 0;
  exe = 0;
  /** Its absolute path in the container, and while which cells have which values /proc/self/exe leads there (cell 0 = not known). */
  exePath = '';
  readonly exeName = { gen: 0, cell: 0, value: 0 };
  /** bprm->filename: AT_EXECFN, and the task's name by its last component. */
  readonly filename: string;
  comm: string;
  private depth = 0;
  private haveArgs = false;
  private serial = 0;
  /** The interpreter that was asked for with the program; '' = none. guessAnswer: what came of it, if it came early. */
  private guess = '';
  private guessSerial = 0;
  private guessAnswer: HostFile | number | undefined;
  private scriptName: string;

  /** onDone: called once, from a message handler. */
  constructor(private readonly k: Kernel, readonly req: ExecRequest, private readonly onDone: () => void) {
    const { path, fd } = req;
    this.argv = req.argv ?? new Strings();
    this.envp = req.envp ?? new Strings();
    this.filename = fd < 0 || path.startsWith('/') ? path : path === '' ? `/dev/fd/${fd}` : `/dev/fd/${fd}/${path}`;
    this.comm = this.filename.slice(this.filename.lastIndexOf('/') + 1);
    this.scriptName = this.filename;
  }

  /** Begin. It may be done when this returns. */
  start(): void {
    const kept = this.kept(this.req.path, this.req.flags);
    if (kept !== undefined) { this.programOpened(kept); return; }
    if (mayKeep(this.req.path, this.req.flags) && this.k.programs.isMissing(L.taskCred(this.req.task), this.req.path)) { this.finish(-E.ENOENT); return; }
    this.serial = this.open(this.req.path, this.req.dirfd, this.req.flags);
    const guess = this.req.path.startsWith('/') ? interpreterOf.get(this.req.path) : undefined;
    if (guess === undefined) return;
    this.guess = guess;
    this.guessSerial = this.open(guess, 0, 0);
  }

  /** What the kernel keeps of a path. */
  private kept(path: string, flags: number): Found | undefined {
    return mayKeep(path, flags) ? this.k.programs.find(L.taskCred(this.req.task), path) : undefined;
  }

  /** Ask vfs; the answer comes under the serial returned. */
  private open(path: string, dirfd: number, flags: number): number {
    const serial = ++this.k.serial, cred = L.taskCred(this.req.task);
    pending.set(serial, { exec: this, cred, path });
    this.k.ep.send(L.SRV_VFS, Msg.EXEC_OPEN, [mayKeep(path, flags) ? 1 : 0, L.taskFs(this.req.task), cred, dirfd, flags, serial, this.req.task, this.req.tg], path);
    return serial;
  }

  private dropGuess(): void {
    if (this.guessSerial !== 0) pending.delete(this.guessSerial);
    if (typeof this.guessAnswer === 'object') host.close(this.guessAnswer.fd);
    this.guessSerial = 0;
    this.guessAnswer = undefined;
  }

  /** An empty name is the working directory to Linux here, which is no program. */
  private openInterpreter(path: string): void {
    if (path === '') { this.finish(-E.EACCES); return; }
    const kept = this.kept(path, 0);
    if (kept === undefined) { this.serial = this.open(path, 0, 0); return; }
    if (this.phase === Phase.PROGRAM) this.programOpened(kept); else this.interpreterOpened(kept.file);
  }

  /** Its frame is gone. */
  abort(): void {
    pending.delete(this.serial);
    this.dropGuess();
    this.closeFiles();
  }

  closeFiles(): void {
    if (this.programFile !== undefined) host.close(this.programFile.fd);
    if (this.interpreterFile !== undefined) host.close(this.interpreterFile.fd);
    this.programFile = this.interpreterFile = undefined;
  }

  private finish(result: number): void {
    this.phase = Phase.DONE;
    this.result = result;
    this.done = true;
    this.dropGuess();
    if (result < 0) this.closeFiles();
    this.onDone();
  }

  /** vfs has answered the question `serial`: what it found, or -errno. */
  opened(serial: number, found: Found | number): void {
    const file = typeof found === 'number' ? found : found.file;
    if (serial === this.guessSerial) {
      this.guessSerial = 0;
      if (this.phase === Phase.PROGRAM) this.guessAnswer = file; else this.interpreterOpened(file);
      return;
    }
    if (typeof found === 'number') { this.finish(found); return; }
    switch (this.phase) {
      case Phase.PROGRAM: this.programOpened(found); return;
      case Phase.INTERPRETER: this.interpreterOpened(found.file); return;
      case Phase.DONE: host.close(found.file.fd);
    }
  }

  private interpreterOpened(file: HostFile | number): void {
    if (typeof file === 'number') { this.finish(file); return; }
    this.interpreterFile = file;
    const known = this.interpreterFile.known(knownInterpreters);
    const elf = known ?? parseInterpreter(this.interpreterFile);
    if (typeof elf === 'number') { this.finish(elf); return; }
    if (known === undefined) this.interpreterFile.remember(knownInterpreters, elf);
    this.interpreter = elf;
    this.finish(0);
  }

  /** Ask for the program's interpreter, unless it was guessed. */
  private findInterpreter(path: string): void {
    this.phase = Phase.INTERPRETER;
    if (path === this.guess && this.depth === 0) {
      const answer = this.guessAnswer;
      this.guessAnswer = undefined;
      if (answer !== undefined) this.interpreterOpened(answer);
      return;
    }
    if (this.depth === 0 && this.req.path.startsWith('/')) {
      if (interpreterOf.size >= INTERPRETERS_MAX) interpreterOf.clear();
      interpreterOf.set(this.req.path, path);
    }
    this.dropGuess();
    this.openInterpreter(path);
  }

  private programOpened(found: Found): void {
    if (this.programFile !== undefined) host.close(this.programFile.fd);
    this.programFile = found.file;
    this.mode = found.mode;
    this.uid = found.uid;
    this.gid = found.gid;
    this.exe = found.exe;
    this.exePath = found.exePath;
    this.exeName.gen = found.gen;
    this.exeName.cell = found.tellExe ? found.cell : 0;
    this.exeName.value = found.value;
    if (this.depth === 0 && this.req.fd >= 0 && this.req.path === '') this.comm = found.exePath.slice(found.exePath.lastIndexOf('/') + 1);
    if ((this.req.flags & AT_EXECVE_CHECK) !== 0) { this.closeFiles(); this.finish(0); return; }
    const r = this.haveArgs ? 0 : this.readArgs();
    if (r < 0) { this.finish(r); return; }
    if (this.depth > DEPTH_MAX) { this.finish(-E.ELOOP); return; }
    this.identify(this.programFile);
  }

  /** envp before argv, as Linux copies them: it decides between EFAULT and E2BIG. */
  private readArgs(): number {
    const { tg, argv, envp, argvAddr, envpAddr } = this.req;
    this.haveArgs = true;
    const argc = argv?.count ?? countPointers(tg, argvAddr);
    if (argc < 0) return argc;
    const envc = envp?.count ?? countPointers(tg, envpAddr);
    if (envc < 0) return envc;
    let room = argLimit(tg) - 8 * (Math.max(argc, 1) + envc);
    if (room <= 0) return -E.E2BIG;
    room = Math.min(room, ARG_ROOM) - this.filename.length - 1;
    const e = envp?.len ?? readStrings(tg, envpAddr, envc, this.envp, room);
    if (e < 0) return e;
    const a = argv?.len ?? readStrings(tg, argvAddr, argc, this.argv, room - e);
    if (a < 0) return a;
    if (e + a > room) return -E.E2BIG;
    // Linux 5.18: a program always gets an argv[0].
    if (argc === 0) this.argv.push('');
    return 0;
  }

  private identify(file: HostFile): void {
    const known = file.known(knownPrograms);
    if (known !== undefined) { this.isProgram(known); return; }
    const head = Buffer.alloc(HEAD_BYTES);
    const got = file.read(0, HEAD_BYTES);
    if (typeof got === 'number') { this.finish(got); return; }
    got.copy(head);
    const script = parseScript(head);
    if (typeof script === 'number') { this.finish(script); return; }
    if (script !== undefined) {
      if (this.req.fd >= 0 && this.req.fdCloexec && !this.req.path.startsWith('/')) { this.finish(-E.ENOENT); return; }
      this.argv.replaceFirst(script.argument === undefined ? [script.interpreter, this.scriptName] : [script.interpreter, script.argument, this.scriptName]);
      if (this.argv.len > STRING_MAX * 32) { this.finish(-E.E2BIG); return; }
      this.scriptName = script.interpreter;
      this.depth++;
      this.openInterpreter(script.interpreter);
      return;
    }
    const elf = parseProgram(file, head);
    if (typeof elf === 'number') { this.finish(elf); return; }
    file.remember(knownPrograms, elf);
    this.isProgram(elf);
  }

  private isProgram(elf: ElfFile): void {
    this.program = elf;
    if (elf.interp !== undefined) { this.findInterpreter(elf.interp); return; }
    this.finish(0);
  }
}

/** Route the answers of vfs. */
export function installExecOpened(k: Kernel): void {
  k.ep.on(Msg.EXEC_OPENED, (m) => {
    const ret = m.w[0] as number, serial = m.w[1] as number;
    const asked = pending.get(serial), keep = ((m.w[6] as number) & EXEC_KEEP) !== 0;
    if (asked === undefined) {
      if (keep && ret >= 0) k.programs.letGo(m.w[5] as number);
      if (ret >= 0) host.close(ret);
      return;
    }
    pending.delete(serial);
    const found = ret < 0 ? ret : foundOf(m, ret);
    if (keep && typeof found === 'object') k.programs.learn(asked.cred, asked.path, found, m.w[10] as number, m.w[11] as number);
    else if (keep) k.programs.learnMissing(asked.cred, asked.path, m.w[7] as number, m.w[8] as number, m.w[9] as number);
    asked.exec.opened(serial, found);
  });
}

function foundOf(m: Message, fd: number): Found {
  const flags = m.w[6] as number;
  return {
    file: new HostFile(fd), mode: m.w[2] as number, uid: m.w[3] as number, gid: m.w[4] as number, exe: m.w[5] as number, exePath: m.text,
    tellExe: (flags & EXEC_TELL_EXE) !== 0, gen: m.w[7] as number, cell: m.w[8] as number, value: m.w[9] as number,
  };
}
