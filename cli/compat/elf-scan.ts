/**
 * Which system calls an ELF file can make, without running it: its `syscall` instructions (0f 05) and what loads eax before each of them.
 *
 * This is no disassembler. From each site it looks back over at most WINDOW bytes for the last instruction that sets eax or rax to a constant: b8 imm32
 * (mov eax), 48 c7 c0 imm32 (mov rax), 31 c0 or 33 c0 (xor eax, eax), 6a imm8 58 (push, pop rax), or 89 /r (mov eax, reg) after a b8+reg imm32 for that register. A
 * site that has none takes its number from a register or memory, as syscall(2) and Go's runtime do: it is counted as open. Bytes that only look like an instruction can add a call that is never made; x86-64 only.
 */

/** Bytes before a site that are looked at. */
const WINDOW = 64;
/** A number above this is no call. */
const NR_LIMIT = 1024;

export interface Scan {
  /** Numbers of calls, ascending. */
  readonly calls: readonly number[];
  /** Sites whose number is not constant. */
  readonly open: number;
  /** Names of the libraries that it wants (DT_NEEDED). */
  readonly needed: readonly string[];
  /** Path of its loader, '' when it is static. */
  readonly interpreter: string;
}

const PT_LOAD = 1, PT_DYNAMIC = 2, PT_INTERP = 3;
const PF_X = 1;
const DT_NEEDED = 1, DT_STRTAB = 5;
const EM_X86_64 = 62;

interface Segment { readonly type: number; readonly flags: number; readonly offset: number; readonly vaddr: number; readonly filesz: number }

function segments(elf: Buffer): Segment[] {
  const phoff = Number(elf.readBigUInt64LE(32));
  const size = elf.readUInt16LE(54);
  return Array.from({ length: elf.readUInt16LE(56) }, (_, i) => {
    const at = phoff + i * size;
    return {
      type: elf.readUInt32LE(at), flags: elf.readUInt32LE(at + 4), offset: Number(elf.readBigUInt64LE(at + 8)), vaddr: Number(elf.readBigUInt64LE(at + 16)),
      filesz: Number(elf.readBigUInt64LE(at + 32)),
    };
  });
}

function cString(elf: Buffer, at: number): string {
  return elf.latin1Slice(at, elf.indexOf(0, at));
}

function neededOf(elf: Buffer, all: readonly Segment[]): string[] {
  const dynamic = all.find((s) => s.type === PT_DYNAMIC);
  if (dynamic === undefined) return [];
  const names: number[] = [];
  let table = 0;
  for (let at = dynamic.offset; at + 16 <= dynamic.offset + dynamic.filesz; at += 16) {
    const tag = Number(elf.readBigInt64LE(at));
    const value = Number(elf.readBigUInt64LE(at + 8));
    if (tag === 0) break;
    if (tag === DT_NEEDED) names.push(value);
    if (tag === DT_STRTAB) table = value;
  }
  const home = all.find((s) => s.type === PT_LOAD && table >= s.vaddr && table < s.vaddr + s.filesz);
  return home === undefined ? [] : names.map((name) => cString(elf, home.offset + table - home.vaddr + name));
}

/** Constant that was put into register `reg` (0 eax to 15 r15d) before `end`; undefined when none was. */
function constantIn(code: Buffer, begin: number, end: number, reg: number): number | undefined {
  for (let at = end - 5; at >= Math.max(begin, end - WINDOW); at--) {
    if (code[at] !== 0xb8 + (reg & 7) || (reg > 7) !== (at > begin && code[at - 1] === 0x41)) continue;
    const nr = code.readUInt32LE(at + 1);
    if (nr < NR_LIMIT) return nr;
  }
  return undefined;
}

/** The constant in eax at a `syscall` instruction at `site`; undefined when it is none. Code starts at `begin`. */
export function numberAt(code: Buffer, begin: number, site: number): number | undefined {
  for (let at = site - 2; at >= Math.max(begin, site - WINDOW); at--) {
    const b = code[at];
    // Another call between the constant and the site clobbers eax.
    if (b === 0x0f && code[at + 1] === 0x05 && at + 2 <= site) return undefined;
    if ((b === 0x31 || b === 0x33) && code[at + 1] === 0xc0) return 0;
    if (b === 0xb8 && at + 5 <= site) {
      const nr = code.readUInt32LE(at + 1);
      if (nr < NR_LIMIT) return nr;
    }
    if (b === 0x48 && code[at + 1] === 0xc7 && code[at + 2] === 0xc0 && at + 7 <= site) {
      const nr = code.readUInt32LE(at + 3);
      if (nr < NR_LIMIT) return nr;
    }
    // mov eax, reg: mod 3, rm 0; with REX.R (44) the register is one of r8d to r15d.
    if (b === 0x89 && ((code[at + 1] ?? 0) & 0xc7) === 0xc0 && at + 2 <= site) return constantIn(code, begin, at, (((code[at + 1] ?? 0) >> 3) & 7) + (at > begin && code[at - 1] === 0x44 ? 8 : 0));
    if (b === 0x6a && code[at + 2] === 0x58 && at + 3 <= site) return code[at + 1] ?? 0;
  }
  return undefined;
}

/** Scan a file's bytes. A string instead of a result says why it cannot be. */
export function scanElf(elf: Buffer): Scan | string {
  if (elf.length < 64 || elf.readUInt32BE(0) !== 0x7f454c46) return 'no ELF file';
  if (elf[4] !== 2 || elf[5] !== 1 || elf.readUInt16LE(18) !== EM_X86_64) return 'not for x86-64';
  const all = segments(elf);
  const calls = new Set<number>();
  let open = 0;
  for (const s of all) {
    if (s.type !== PT_LOAD || (s.flags & PF_X) === 0) continue;
    const end = Math.min(elf.length, s.offset + s.filesz);
    for (let at = elf.indexOf('\x0f\x05', s.offset, 'latin1'); at >= 0 && at + 2 <= end; at = elf.indexOf('\x0f\x05', at + 2, 'latin1')) {
      const nr = numberAt(elf, s.offset, at);
      if (nr === undefined) open++; else calls.add(nr);
    }
  }
  const interp = all.find((s) => s.type === PT_INTERP);
  return { calls: [...calls].sort((a, b) => a - b), open, needed: neededOf(elf, all), interpreter: interp === undefined ? '' : cString(elf, interp.offset) };
}
