/**
 * Writing an exec plan (layouts plan, image, segment) into an area, for the stub to carry out.
 *
 *   plan header │ image[2] │ segment[n] │ (16-aligned) strings: argv, envp, execfn
 *   0           1024       1152
 */
import { E } from '../../shared/errno.js';
import * as L from '../../shared/gen/layout.js';
import { DATA, DATA_BYTES, scratch, scratchView } from '../../shared/host.js';
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

/** In Linux's order. */
const AUXV_KEYS: readonly At[] = [
  At.SYSINFO_EHDR, At.MINSIGSTKSZ, At.HWCAP, At.PAGESZ, At.CLKTCK, At.PHDR, At.PHENT, At.PHNUM, At.BASE, At.FLAGS, At.ENTRY, At.UID, At.EUID, At.GID, At.EGID, At.SECURE,
  At.RANDOM, At.HWCAP2, At.EXECFN, At.PLATFORM,
];

/** Keys with values. 0: the stub fills it, or it is the process's own (VARYING). */
function auxv(program: Program): ReadonlyArray<readonly [At, number]> {
  return AUXV_KEYS.map((key) => [key, key === At.PAGESZ ? 4096 : key === At.CLKTCK ? 100 : key === At.PHENT ? 56 : key === At.PHNUM ? program.elf.phnum : 0]);
}

/** Offset of the value of UID; those of EUID, GID, EGID and SECURE follow it, 16 bytes apart. */
const VARYING = L.PLAN_AUXV + 16 * AUXV_KEYS.indexOf(At.UID) + 8;

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

/** The header, images and segments of every plan for this program; strings follow. */
function encode(program: Program, interpreter: Program | undefined): Buffer {
  const nseg = program.map.segments.length + (interpreter?.map.segments.length ?? 0);
  const b = Buffer.alloc(Math.ceil((SEGMENTS + nseg * L.SEGMENT_SIZE) / 16) * 16);
  b.writeUInt32LE(PLAN_MAGIC, L.PLAN_MAGIC);
  b.writeUInt32LE(L.metaFdrBase(1), L.PLAN_FDR_BASE);
  const images = interpreter === undefined ? 1 : 2;
  b.writeUInt32LE(images, L.PLAN_NIMAGE);
  b.writeUInt32LE(images, L.PLAN_NFD);
  b.writeUInt32LE(nseg, L.PLAN_NSEG);
  put64(b, L.PLAN_STACK_OFF, b.length);
  b.writeUInt32LE(program.elf.execStack ? 1 : 0, L.PLAN_EXEC_STACK);
  b.writeUInt32LE(1, L.PLAN_BRK_RANDOM);
  const pairs = auxv(program);
  pairs.forEach(([type, value], i) => { put64(b, L.PLAN_AUXV + 16 * i, type); put64(b, L.PLAN_AUXV + 16 * i + 8, value); });
  b.writeUInt32LE(pairs.length, L.PLAN_NAUXV);
  putImage(b, 0, program, 0);
  if (interpreter !== undefined) putImage(b, 1, interpreter, program.map.segments.length);
  return b;
}

/** What encode said last, by the program's layout, which is kept as long as its file is known (exec.ts). */
const encoded = new WeakMap<ElfMap, { readonly interpreter: ElfMap | undefined; readonly bytes: Buffer }>();

function encodedPlan(s: PlanSpec): Buffer {
  const known = encoded.get(s.program.map), interpreter = s.interpreter?.map;
  if (known !== undefined && known.interpreter === interpreter) return known.bytes;
  const bytes = encode(s.program, s.interpreter);
  encoded.set(s.program.map, { interpreter, bytes });
  return bytes;
}

/** The same in scratch, with what is this process's own. strings: bytes of them. */
function fillIn(s: PlanSpec, strings: number): void {
  const v = scratchView;
  const word = (off: number, value: number): void => { v.setUint32(DATA + off, value, true); };
  word(L.PLAN_FLAGS, s.first ? L.PLAN_FIRST : 0);
  word(L.PLAN_SLOT, s.slot);
  word(L.PLAN_ARGC, s.argv.count);
  word(L.PLAN_ENVC, s.envp.count);
  word(L.PLAN_SIGMASK, s.sigmaskLo);
  word(L.PLAN_SIGMASK + 4, s.sigmaskHi);
  word(L.PLAN_STACK_LEN, strings);
  word(VARYING, s.ids.uid);
  word(VARYING + 16, s.ids.euid);
  word(VARYING + 32, s.ids.gid);
  word(VARYING + 48, s.ids.egid);
  word(VARYING + 64, s.ids.secure ? 1 : 0);
  scratch.latin1Write(s.comm.slice(0, 15), DATA + L.PLAN_COMM);
  const finite = Number.isFinite(s.stackLimit);
  word(L.PLAN_STACK_LIMIT, finite ? s.stackLimit % 4294967296 : RLIM_INFINITY_WORD);
  word(L.PLAN_STACK_LIMIT + 4, finite ? Math.floor(s.stackLimit / 4294967296) : RLIM_INFINITY_WORD);
  word(L.PLAN_EXECFN_INDEX, s.argv.count + s.envp.count);
  if (s.exeName.cell === 0 || s.exePath.length > EXE_MAX) return;
  word(L.PLAN_EXE_LEN, s.exePath.length);
  word(L.PLAN_EXE_GEN, s.exeName.gen);
  word(L.PLAN_EXE_CELL, s.exeName.cell);
  word(L.PLAN_EXE_VAL, s.exeName.value);
  scratch.latin1Write(s.exePath, DATA + L.PLAN_EXE);
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
  const head = encodedPlan(s);
  const strings = s.argv.len + s.envp.len + s.execfn.length + 1;
  if (head.length + strings > L.PLAN_MAX) return -E.E2BIG;
  head.copy(scratch, DATA);
  fillIn(s, strings);
  let at = native.planWrite(area, 0, DATA, head.length);
  if (at >= 0) at = put(area, head.length, s.argv.bytes, s.argv.len);
  if (at >= 0) at = put(area, at, s.envp.bytes, s.envp.len);
  if (at >= 0) {
    const n = scratch.latin1Write(`${s.execfn}\0`, DATA);
    at = native.planWrite(area, at, DATA, n);
  }
  return at < 0 ? at : 0;
}
