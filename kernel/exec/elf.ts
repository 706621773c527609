/**
 * Reading ELF64 files as Linux does: which mistakes are refused before the old program is given up (an errno), which are found too late (the
 * process dies of SIGSEGV), and what is mapped where.
 *
 * Sources: elf(5), execve(2), System V ABI AMD64; the order of checks and the errno of each was taken from observation of the host (the table in
 * elf.test.ts). Property notes are not looked at, as on the host. Deviation: 32-bit programs are refused with ENOEXEC. Addresses below vm.mmap_min_addr
 * and sizes that the host will not map are left to the stub, whose death the kernel then reports as SIGSEGV too.
 *
 * Numbers are Numbers: fields above 2^53 lose low bits, but everything at or above TASK_SIZE (2^47 - 4096) is refused alike.
 */
import { E } from '../../shared/errno.js';
import { inStub } from '../../shared/stub-range.js';

/** A file being read. `read` returns a Buffer of at most len bytes (shorter at the end of the file), or -errno. */
export interface ElfSource {
  read(pos: number, len: number): Buffer | number;
  /** Bytes of the file. */
  readonly size: number;
}

/** One mapping, page aligned, unrelocated; as in layout `segment`. */
export interface Segment { vaddr: number; fileOff: number; fileLen: number; memLen: number; prot: number }

export interface ElfFile {
  /** ET_EXEC 2, ET_DYN 3. */
  readonly type: number;
  readonly entry: number;
  readonly phnum: number;
  /** Virtual address of the program headers, 0 when no segment holds them. */
  readonly phdr: number;
  /** Path of the interpreter, latin1; undefined = none. */
  readonly interp: string | undefined;
  readonly execStack: boolean;
  readonly phdrs: Buffer;
  /** What is mapped, once that was worked out (mapOf). */
  map?: ElfMap | undefined;
}

export interface ElfMap {
  readonly segments: Segment[];
  readonly lo: number;
  readonly hi: number;
  readonly align: number;
}

/** End of the user address space. */
const TASK_SIZE = 0x7ffffffff000;
const PAGE = 4096;
const EHDR = 64;
export const PHDR = 56;
const PATH_MAX = 4096;
const PHDRS_MAX = 65536;
const ET_EXEC = 2, ET_DYN = 3, EM_X86_64 = 62;
const PT_LOAD = 1, PT_INTERP = 3, PT_GNU_STACK = 0x6474e551;
const PF_X = 1, PF_W = 2, PF_R = 4;

const pageDown = (x: number): number => Math.floor(x / PAGE) * PAGE;
const pageUp = (x: number): number => Math.ceil(x / PAGE) * PAGE;
export const u64 = (b: Buffer, off: number): number => b.readUInt32LE(off) + b.readUInt32LE(off + 4) * 4294967296;

/** Exactly len bytes, or -errno: -EIO when the file ends before, -EINVAL for a position that is negative as loff_t. */
function readExactly(src: ElfSource, pos: number, len: number): Buffer | number {
  if (pos >= 2 ** 63) return -E.EINVAL;
  if (pos >= src.size) return -E.EIO;
  const b = src.read(pos, len);
  if (typeof b === 'number') return b;
  return b.length === len ? b : -E.EIO;
}

/** Is this the header of a program for this machine? EI_CLASS and the rest of e_ident are not looked at, as on Linux. */
function goodHeader(h: Buffer): boolean {
  if (h.readUInt32BE(0) !== 0x7f454c46) return false;
  const type = h.readUInt16LE(16);
  return (type === ET_EXEC || type === ET_DYN) && h.readUInt16LE(18) === EM_X86_64;
}

/** The program headers, or undefined for any fault with them. */
function readPhdrs(src: ElfSource, h: Buffer): Buffer | undefined {
  if (h.readUInt16LE(54) !== PHDR) return undefined;
  const bytes = PHDR * h.readUInt16LE(56);
  if (bytes === 0 || bytes > PHDRS_MAX) return undefined;
  const b = readExactly(src, u64(h, 32), bytes);
  return typeof b === 'number' ? undefined : b;
}

/** Address of the program headers in the image: the last loaded range of the file that holds e_phoff. */
function phdrAddress(phdrs: Buffer, phoff: number): number {
  let addr = 0;
  for (let o = 0; o < phdrs.length; o += PHDR) {
    if (phdrs.readUInt32LE(o) !== PT_LOAD) continue;
    const off = u64(phdrs, o + 8);
    if (off <= phoff && phoff < off + u64(phdrs, o + 32)) addr = phoff - off + u64(phdrs, o + 16);
  }
  return addr;
}

/** Path of the interpreter, undefined without one, or -errno. */
function readInterp(src: ElfSource, phdrs: Buffer): string | number | undefined {
  for (let o = 0; o < phdrs.length; o += PHDR) {
    if (phdrs.readUInt32LE(o) !== PT_INTERP) continue;
    const len = u64(phdrs, o + 32);
    if (len > PATH_MAX || len < 2) return -E.ENOEXEC;
    const b = readExactly(src, u64(phdrs, o + 8), len);
    if (typeof b === 'number') return b;
    if (b[len - 1] !== 0) return -E.ENOEXEC;
    return b.latin1Slice(0, b.indexOf(0));
  }
  return undefined;
}

/**
 * A program file. `head` is its first 256 bytes, zero padded.
 * Errors, in order: -ENOEXEC no ELF, wrong type or machine, bad program headers, interpreter path too long or not terminated; -EIO the file
 * ends inside the interpreter's path.
 */
export function parseProgram(src: ElfSource, head: Buffer): ElfFile | number {
  if (!goodHeader(head)) return -E.ENOEXEC;
  const phdrs = readPhdrs(src, head);
  if (phdrs === undefined) return -E.ENOEXEC;
  const interp = readInterp(src, phdrs);
  if (typeof interp === 'number') return interp;
  return finish(head, phdrs, interp);
}

/** An interpreter. -EIO when shorter than an ELF header, -ELIBBAD for anything wrong with its headers. */
export function parseInterpreter(src: ElfSource): ElfFile | number {
  const head = readExactly(src, 0, EHDR);
  if (typeof head === 'number') return head;
  // The type is looked at only after the old program is gone; see layout().
  if (head.readUInt32BE(0) !== 0x7f454c46 || head.readUInt16LE(18) !== EM_X86_64) return -E.ELIBBAD;
  const phdrs = readPhdrs(src, head);
  return phdrs === undefined ? -E.ELIBBAD : finish(head, phdrs, undefined);
}

function finish(head: Buffer, phdrs: Buffer, interp: string | undefined): ElfFile {
  let execStack = false;
  for (let o = 0; o < phdrs.length; o += PHDR) {
    if (phdrs.readUInt32LE(o) === PT_GNU_STACK) execStack = (phdrs.readUInt32LE(o + 4) & PF_X) !== 0;
  }
  return { type: head.readUInt16LE(16), entry: u64(head, 24), phnum: phdrs.length / PHDR, phdr: phdrAddress(phdrs, u64(head, 32)), interp, execStack, phdrs };
}

const prot = (flags: number): number => ((flags & PF_R) !== 0 ? 1 : 0) | ((flags & PF_W) !== 0 ? 2 : 0) | ((flags & PF_X) !== 0 ? 4 : 0);

/**
 * What is mapped; undefined when Linux would find out while mapping, after the point of no return: the process then dies of SIGSEGV.
 * Such mistakes: offset and address differ modulo the page, more file than memory, outside the user address space, a writable bss that begins in a
 * page past the end of the file, no segment at all in a file that may lie anywhere.
 */
export function layout(src: ElfSource, elf: ElfFile): ElfMap | undefined {
  const segments: Segment[] = [];
  let lo = Infinity;
  let hi = 0;
  let align = 0;
  if (elf.type !== ET_EXEC && elf.type !== ET_DYN) return undefined;
  for (let o = 0; o < elf.phdrs.length; o += PHDR) {
    if (elf.phdrs.readUInt32LE(o) !== PT_LOAD) continue;
    const seg = loadSegment(src, elf.phdrs, o, elf.type === ET_EXEC);
    if (seg === undefined) return undefined;
    const a = u64(elf.phdrs, o + 48);
    // Only powers of two count; Linux ignores others.
    if (a > align && a < TASK_SIZE && Number.isInteger(Math.log2(a))) align = a;
    lo = Math.min(lo, seg.vaddr);
    hi = Math.max(hi, pageUp(seg.vaddr + seg.memLen));
    if (seg.memLen > 0) place(segments, seg);
  }
  if (lo === Infinity) { if (elf.type === ET_DYN) return undefined; lo = 0; }
  if (elf.entry >= TASK_SIZE) return undefined;
  return { segments, lo, hi, align };
}

/** layout, kept: it depends on nothing but the file. */
export function mapOf(src: ElfSource, elf: ElfFile): ElfMap | undefined { return elf.map ??= layout(src, elf); }

function loadSegment(src: ElfSource, phdrs: Buffer, o: number, fixed: boolean): Segment | undefined {
  const flags = phdrs.readUInt32LE(o + 4);
  const offset = u64(phdrs, o + 8);
  const addr = u64(phdrs, o + 16);
  const filesz = u64(phdrs, o + 32);
  const memsz = u64(phdrs, o + 40);
  if (addr >= TASK_SIZE || filesz > memsz || memsz > TASK_SIZE || TASK_SIZE - memsz < addr) return undefined;
  const vaddr = pageDown(addr);
  const lead = addr - vaddr;
  if (fixed && memsz > 0 && inStub(vaddr, lead + memsz)) return undefined;
  if (filesz === 0) return { vaddr, fileOff: 0, fileLen: 0, memLen: memsz === 0 ? 0 : memsz + lead, prot: prot(flags) };
  if (offset % PAGE !== lead || offset >= 2 ** 63) return undefined;
  const fileLen = filesz + lead;
  let memLen = memsz + lead;
  if (memLen > fileLen && fileLen % PAGE !== 0) {
    const tail = pageDown(offset + filesz);
    if ((flags & PF_W) === 0) {
      // Linux leaves the rest of the last file page as it is where it cannot write; without more pages there is then nothing to add.
      if (pageUp(memLen) === pageUp(fileLen)) memLen = fileLen;
    } else if (tail >= pageUp(src.size)) return undefined;
  }
  return { vaddr, fileOff: offset - lead, fileLen, memLen, prot: prot(flags) };
}

/** Add a segment over what is there, as MAP_FIXED does: earlier ones lose the pages that it covers. */
function place(list: Segment[], seg: Segment): void {
  const from = seg.vaddr;
  const to = pageUp(seg.vaddr + seg.memLen);
  for (let i = list.length - 1; i >= 0; i--) {
    const old = list[i] as Segment;
    const end = pageUp(old.vaddr + old.memLen);
    if (end <= from || old.vaddr >= to) continue;
    const parts: Segment[] = [];
    if (old.vaddr < from) parts.push(slice(old, old.vaddr, from));
    if (end > to) parts.push(slice(old, to, end));
    list.splice(i, 1, ...parts);
  }
  list.push(seg);
}

/** Pages from..to of a segment. */
function slice(s: Segment, from: number, to: number): Segment {
  const skip = from - s.vaddr;
  const fileLen = Math.max(0, Math.min(s.fileLen - skip, to - from));
  return { vaddr: from, fileOff: fileLen > 0 ? s.fileOff + skip : 0, fileLen, memLen: Math.min(s.memLen - skip, to - from), prot: s.prot };
}
