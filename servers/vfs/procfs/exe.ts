/**
 * What program a process runs and with which arguments: /proc/PID/{exe,cmdline,environ}.
 *
 * The kernel announces each exec (EXE_SET); the strings live in the guest's memory, where the program may change them (setproctitle). If the kernel knows their
 * addresses they are read there, else the announced text is shown. A child that has not called execve shows what its parent had when it was
 * announced, or when first asked.
 */
import type { Endpoint } from '../../../shared/endpoint.js';
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { Msg } from '../../../shared/messages.js';
import { native } from '../../../shared/native.js';
import type { Path } from '../inode.js';

interface Program { readonly args: string; readonly env: string }

const programs = new Map<number, Program>();
const NONE: Program = { args: '', env: '' };
/** Longest block of strings that is shown. */
const STRINGS_MAX = 1024 * 1024;

let exePathOf: (id: number) => Path | undefined = () => undefined;

/** EXE_SET [tg, path id, bytes of argv in text | 0 all | -1 as the parent, ...]. pathOf: where an executable's id leads (the exec code keeps them). */
export function installExe(ep: Endpoint, pathOf: (id: number) => Path | undefined): void {
  exePathOf = pathOf;
  ep.on(Msg.EXE_SET, (m) => setProgram(m.w[0] as number, m.w[2] as number, m.text));
  ep.on(Msg.TG_GONE, (m) => { programs.delete(m.w[0] as number); });
}

/** Record what EXE_SET said. */
export function setProgram(tg: number, argBytes: number, text: string): void {
  if (argBytes < 0) { programs.set(tg, programOf(L.tgParent(tg))); return; }
  // A list ends with a NUL, whether the sender counted it or not.
  const args = argBytes === 0 ? text : text.slice(0, argBytes);
  programs.set(tg, { args: args === '' || args.endsWith('\0') ? args : `${args}\0`, env: argBytes === 0 ? '' : text.slice(argBytes) });
}

function programOf(tg: number): Program {
  const p = programs.get(tg);
  if (p !== undefined) return p;
  const parent = tg > 0 ? L.tgParent(tg) : 0;
  const inherited = parent > 0 && parent !== tg ? programs.get(parent) : undefined;
  if (inherited === undefined) return NONE;
  programs.set(tg, inherited);
  return inherited;
}

export function exePath(tg: number): Path | undefined { return exePathOf(L.tgExe(tg)); }

/** Strings in guest memory; undefined when they cannot be read. */
function guestStrings(tg: number, from: number, to: number): string | undefined {
  const len = Math.min(to - from, STRINGS_MAX);
  if (from === 0 || len <= 0) return undefined;
  const n = native.readMemory(tg, from, host.DATA, len);
  return n > 0 ? host.scratch.latin1Slice(host.DATA, host.DATA + n) : undefined;
}

/** The auxiliary vector that the program began with; what its stub keeps of it is the process's own memory, so the length is checked. */
export function auxvText(tg: number): string {
  const area = L.tgArea(tg), pctx = L.tgPctx(tg);
  const at = (native.pctxLoad(area, pctx, L.PCTX_AUXV) >>> 0) + (native.pctxLoad(area, pctx, L.PCTX_AUXV + 4) >>> 0) * 4294967296;
  const len = native.pctxLoad(area, pctx, L.PCTX_AUXV_LEN);
  return guestStrings(tg, at, at + Math.min(len, 1024)) ?? '';
}

export function cmdlineText(tg: number): string {
  return guestStrings(tg, L.tgArgStart(tg), L.tgArgEnd(tg)) ?? programOf(tg).args;
}

export function environText(tg: number): string {
  return guestStrings(tg, L.tgEnvStart(tg), L.tgEnvEnd(tg)) ?? programOf(tg).env;
}
