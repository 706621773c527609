/**
 * Writing an exec plan (layouts plan, image, segment) into an area, for the stub to carry out.
 *
 *   plan header │ image[2] │ segment[n] │ (16-aligned) strings: argv, envp, execfn
 *   0           1024       1152
 */
import { E } from '../../shared/errno.js';
import * as L from '../../shared/gen/layout.js';
import { DATA, DATA_BYTES, scratch } from '../../shared/host.js';
import { native } from '../../shared/native.js';
import type { ElfFile, ElfMap } from './elf.js';
import type { Strings } from './strings.js';

export interface Program { readonly elf: ElfFile; readonly map: ElfMap }

export interface PlanSpec {
  readonly first: boolean;
  readonly slot: number;
  readonly sigmaskLo: number;
  readonly sigmaskHi: number;
  readonly program: Program;
  /** undefined = static program. */
  readonly interpreter: Program | undefined;
  readonly argv: Strings;
  readonly envp: Strings;
  readonly execfn: string;
  readonly comm: string;
  /** What /proc/self/exe leads to, while these cells have these values; cell 0 = not to be told. */
  readonly exePath: string;
  readonly exeName: { readonly gen: number; readonly cell: number; readonly value: number };
  readonly stackLimit: number;
  readonly ids: { readonly uid: number; readonly euid: number; readonly gid: number; readonly egid: number; readonly secure: boolean };
}

const PLAN_MAGIC = 0x4e414c50;
/** Room for what /proc/self/exe leads to. A longer path the program asks for. */
const EXE_MAX = 112;
const IMAGES = 1024;
const SEGMENTS = IMAGES + 2 * L.IMAGE_SIZE;
const ET_EXEC = 2;
const KIND_FIXED = 0, KIND_PIE = 1, KIND_INTERPRETER = 2;
const RLIM_INFINITY_WORD = 0xffffffff;
/** getauxval(3), linux/auxvec.h. */
const enum At {
  PHDR = 3, PHENT = 4, PHNUM = 5, PAGESZ = 6, BASE = 7, FLAGS = 8, ENTRY = 9, UID = 11, EUID = 12, GID = 13, EGID = 14, PLATFORM = 15, HWCAP = 16, CLKTCK = 17,
  SECURE = 23, RANDOM = 25, HWCAP2 = 26, EXECFN = 31, SYSINFO_EHDR = 33, MINSIGSTKSZ = 51,
}

function put64(b: Buffer, off: number, v: number): void {
  b.writeUInt32LE(v % 4294967296 >>> 0, off);
  b.writeUInt32LE(Math.floor(v / 4294967296) >>> 0, off + 4);
}

/** In Linux's order; a value of 0 is a place that the stub fills. */
function auxv(s: PlanSpec): ReadonlyArray<readonly [At, number]> {
  return [
    [At.SYSINFO_EHDR, 0], [At.MINSIGSTKSZ, 0], [At.HWCAP, 0], [At.PAGESZ, 4096], [At.CLKTCK, 100], [At.PHDR, 0], [At.PHENT, 56], [At.PHNUM, s.program.elf.phnum], [At.BASE, 0],
    [At.FLAGS, 0], [At.ENTRY, 0], [At.UID, s.ids.uid], [At.EUID, s.ids.euid], [At.GID, s.ids.gid], [At.EGID, s.ids.egid], [At.SECURE, s.ids.secure ? 1 : 0],
    [At.RANDOM, 0], [At.HWCAP2, 0], [At.EXECFN, 0], [At.PLATFORM, 0],
  ];
}

function putImage(b: Buffer, ix: number, p: Program, firstSeg: number): void {
  const o = IMAGES + ix * L.IMAGE_SIZE;
  const fixed = p.elf.type === ET_EXEC;
  b.writeUInt32LE(fixed ? KIND_FIXED : ix === 0 ? KIND_PIE : KIND_INTERPRETER, o + L.IMAGE_KIND);
  b.writeUInt32LE(ix, o + L.IMAGE_FD_INDEX);
  b.writeUInt32LE(firstSeg, o + L.IMAGE_FIRST_SEG);
  b.writeUInt32LE(p.map.segments.length, o + L.IMAGE_NSEG);
  put64(b, o + L.IMAGE_LO, p.map.lo);
  put64(b, o + L.IMAGE_HI, p.map.hi);
  put64(b, o + L.IMAGE_ENTRY, p.elf.entry);
  put64(b, o + L.IMAGE_PHDR, p.elf.phdr);
  put64(b, o + L.IMAGE_ALIGN, p.map.align);
  p.map.segments.forEach((s, i) => {
    const at = SEGMENTS + (firstSeg + i) * L.SEGMENT_SIZE;
    put64(b, at + L.SEGMENT_VADDR, s.vaddr);
    put64(b, at + L.SEGMENT_FILE_OFF, s.fileOff);
    put64(b, at + L.SEGMENT_FILE_LEN, s.fileLen);
    put64(b, at + L.SEGMENT_MEM_LEN, s.memLen);
    b.writeUInt32LE(s.prot, at + L.SEGMENT_PROT);
  });
}

/** The header, images and segments of a plan whose strings follow at the returned buffer's end. Exported for tests. */
function encodePlan(s: PlanSpec): Buffer {
  const nseg = s.program.map.segments.length + (s.interpreter?.map.segments.length ?? 0);
  const b = Buffer.alloc(Math.ceil((SEGMENTS + nseg * L.SEGMENT_SIZE) / 16) * 16);
  b.writeUInt32LE(PLAN_MAGIC, L.PLAN_MAGIC);
  b.writeUInt32LE(s.first ? L.PLAN_FIRST : 0, L.PLAN_FLAGS);
  b.writeUInt32LE(L.metaFdrBase(1), L.PLAN_FDR_BASE);
  b.writeUInt32LE(s.slot, L.PLAN_SLOT);
  const images = s.interpreter === undefined ? 1 : 2;
  b.writeUInt32LE(images, L.PLAN_NIMAGE);
  b.writeUInt32LE(images, L.PLAN_NFD);
  b.writeUInt32LE(nseg, L.PLAN_NSEG);
  b.writeUInt32LE(s.argv.count, L.PLAN_ARGC);
  b.writeUInt32LE(s.envp.count, L.PLAN_ENVC);
  b.writeUInt32LE(s.sigmaskLo, L.PLAN_SIGMASK);
  b.writeUInt32LE(s.sigmaskHi, L.PLAN_SIGMASK + 4);
  put64(b, L.PLAN_STACK_OFF, b.length);
  put64(b, L.PLAN_STACK_LEN, s.argv.len + s.envp.len + s.execfn.length + 1);
  b.writeUInt32LE(s.program.elf.execStack ? 1 : 0, L.PLAN_EXEC_STACK);
  b.writeUInt32LE(1, L.PLAN_BRK_RANDOM);
  const pairs = auxv(s);
  pairs.forEach(([type, value], i) => { put64(b, L.PLAN_AUXV + 16 * i, type); put64(b, L.PLAN_AUXV + 16 * i + 8, value); });
  b.writeUInt32LE(pairs.length, L.PLAN_NAUXV);
  b.latin1Write(s.comm.slice(0, 15), L.PLAN_COMM);
  if (Number.isFinite(s.stackLimit)) put64(b, L.PLAN_STACK_LIMIT, s.stackLimit);
  else { b.writeUInt32LE(RLIM_INFINITY_WORD, L.PLAN_STACK_LIMIT); b.writeUInt32LE(RLIM_INFINITY_WORD, L.PLAN_STACK_LIMIT + 4); }
  b.writeUInt32LE(s.argv.count + s.envp.count, L.PLAN_EXECFN_INDEX);
  if (s.exeName.cell !== 0 && s.exePath.length <= EXE_MAX) {
    b.writeUInt32LE(s.exePath.length, L.PLAN_EXE_LEN);
    b.writeUInt32LE(s.exeName.gen, L.PLAN_EXE_GEN);
    b.writeUInt32LE(s.exeName.cell, L.PLAN_EXE_CELL);
    b.writeUInt32LE(s.exeName.value, L.PLAN_EXE_VAL);
    b.latin1Write(s.exePath, L.PLAN_EXE);
  }
  putImage(b, 0, s.program, 0);
  if (s.interpreter !== undefined) putImage(b, 1, s.interpreter, s.program.map.segments.length);
  return b;
}

/** Copy bytes into the plan region by way of scratch. */
function put(area: number, at: number, b: Buffer, len: number): number {
  for (let o = 0; o < len; o += DATA_BYTES) {
    const n = Math.min(DATA_BYTES, len - o);
    b.copy(scratch, DATA, o, o + n);
    const r = native.planWrite(area, at + o, DATA, n);
    if (r < 0) return r;
  }
  return at + len;
}

/** Write the plan: 0, or -E2BIG when it does not fit. */
export function writePlan(area: number, s: PlanSpec): number {
  const head = encodePlan(s);
  const name = Buffer.from(`${s.execfn}\0`, 'latin1');
  if (head.length + s.argv.len + s.envp.len + name.length > L.PLAN_MAX) return -E.E2BIG;
  let at = put(area, 0, head, head.length);
  if (at >= 0) at = put(area, at, s.argv.bytes, s.argv.len);
  if (at >= 0) at = put(area, at, s.envp.bytes, s.envp.len);
  if (at >= 0) at = put(area, at, name, name.length);
  return at < 0 ? at : 0;
}
