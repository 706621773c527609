/**
 * Names of functions, from the symbol tables of ELF files: .symtab, else .dynsym, or what Debian's debug packages keep under the file's build id.
 *
 * A file is read when the first program counter in it is asked for, and kept. A file that is gone, is no ELF file or has no symbols has no names; that is no
 * failure of a profile.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';

const PT_LOAD = 1, SHT_SYMTAB = 2, SHT_NOTE = 7, SHT_DYNSYM = 11, STT_FUNC = 2, STT_GNU_IFUNC = 10, NT_GNU_BUILD_ID = 3;
const EHDR = 64, PHDR = 56, SHDR = 64, SYM = 24;

interface Section { readonly type: number; readonly offset: number; readonly size: number; readonly link: number }

/** One ELF64 file. Throws RangeError when it is cut off. */
class Elf {
  readonly view: DataView;
  constructor(readonly bytes: Buffer) { this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength); }

  u64(at: number): number { return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 4294967296; }

  get valid(): boolean { return this.bytes.length >= EHDR && this.bytes.readUInt32BE(0) === 0x7f454c46 && this.bytes[4] === 2 && this.bytes[5] === 1; }

  /** Virtual address of a byte of the file, NaN when none is mapped there. */
  addressOf(offset: number): number {
    const at = this.u64(32), n = this.view.getUint16(56, true);
    for (let i = 0; i < n; i++) {
      const p = at + i * PHDR, from = this.u64(p + 8);
      if (this.view.getUint32(p, true) === PT_LOAD && offset >= from && offset < from + this.u64(p + 32)) return this.u64(p + 16) + offset - from;
    }
    return NaN;
  }

  sections(): Section[] {
    const at = this.u64(40), n = this.view.getUint16(60, true);
    return Array.from({ length: n }, (_, i) => {
      const s = at + i * SHDR;
      return { type: this.view.getUint32(s + 4, true), offset: this.u64(s + 24), size: this.u64(s + 32), link: this.view.getUint32(s + 40, true) };
    });
  }

  /** Hexadecimal, '' when there is none. */
  buildId(): string {
    for (const s of this.sections()) {
      if (s.type !== SHT_NOTE || s.size < 16) continue;
      const name = this.view.getUint32(s.offset, true), length = this.view.getUint32(s.offset + 4, true);
      if (this.view.getUint32(s.offset + 8, true) === NT_GNU_BUILD_ID && name === 4) return this.bytes.toString('hex', s.offset + 16, s.offset + 16 + length);
    }
    return '';
  }
}

interface Table { readonly elf: Elf; readonly starts: Float64Array; readonly ends: Float64Array; readonly names: readonly string[] }

/** Functions of a file by address; undefined when it has none. */
function functionsOf(elf: Elf): Omit<Table, 'elf'> | undefined {
  const sections = elf.sections();
  const symbols = sections.find((s) => s.type === SHT_SYMTAB) ?? sections.find((s) => s.type === SHT_DYNSYM);
  const strings = symbols === undefined ? undefined : sections[symbols.link];
  if (symbols === undefined || strings === undefined) return undefined;
  const found: Array<{ start: number; end: number; name: string }> = [];
  for (let at = symbols.offset; at + SYM <= symbols.offset + symbols.size; at += SYM) {
    const kind = elf.view.getUint8(at + 4) & 15, start = elf.u64(at + 8), size = elf.u64(at + 16);
    if ((kind !== STT_FUNC && kind !== STT_GNU_IFUNC) || start === 0) continue;
    const name = strings.offset + elf.view.getUint32(at, true);
    found.push({ start, end: start + Math.max(size, 1), name: elf.bytes.toString('latin1', name, elf.bytes.indexOf(0, name)) });
  }
  found.sort((a, b) => a.start - b.start);
  return { starts: Float64Array.from(found, (f) => f.start), ends: Float64Array.from(found, (f) => f.end), names: found.map((f) => f.name) };
}

function readElf(path: string): Elf | undefined {
  const elf = new Elf(readFileSync(path));
  return elf.valid ? elf : undefined;
}

function load(path: string, ino: number): Table | undefined {
  try {
    if (ino !== 0 && statSync(path).ino !== ino) return undefined;
    const elf = readElf(path);
    if (elf === undefined) return undefined;
    const id = elf.buildId(), debug = `/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`;
    const functions = functionsOf((id !== '' && existsSync(debug) ? readElf(debug) : undefined) ?? elf);
    return functions === undefined ? undefined : { elf, ...functions };
  } catch (error) {
    // Gone, not ours to read, or cut off.
    if (error instanceof RangeError || (error instanceof Error && 'code' in error)) return undefined;
    throw error;
  }
}

export class Symbols {
  private readonly tables = new Map<string, Table | undefined>();

  private table(path: string, ino: number): Table | undefined {
    const key = `${ino} ${path}`;
    if (!this.tables.has(key)) this.tables.set(key, load(path, ino));
    return this.tables.get(key);
  }

  /** Function at a byte of a file (ino 0: whatever file has that path), undefined when it has no name. */
  at(path: string, ino: number, offset: number): string | undefined {
    const table = this.table(path, ino);
    return table === undefined ? undefined : this.find(table, table.elf.addressOf(offset));
  }

  /** Function at a virtual address of a file that runs where it was linked. */
  atAddress(path: string, address: number): string | undefined {
    const table = this.table(path, 0);
    return table === undefined ? undefined : this.find(table, address);
  }

  private find(t: Table, address: number): string | undefined {
    let low = 0, high = t.starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((t.starts[middle] as number) <= address) low = middle + 1; else high = middle;
    }
    return low > 0 && address < (t.ends[low - 1] as number) ? t.names[low - 1] : undefined;
  }
}
