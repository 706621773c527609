/**
 * Malformed programs, for tests: small ELF files with one thing wrong each, and the interpreter files that some of them name. `DIR` in an interpreter's
 * path is replaced by the folder that the files are written to. What the host makes of each is recorded in elf.test.ts; test/probes runs them for real.
 */

export interface Case { readonly name: string; readonly bytes: Buffer; /** File of INTERPRETERS that it needs. */ readonly interp?: string }

const EHDR = 64, PHDR = 56, PAGE = 4096;
const PT_LOAD = 1, PT_INTERP = 3, PT_GNU_STACK = 0x6474e551, PT_GNU_PROPERTY = 0x6474e553;
const R = 4, W = 2, X = 1;
/** exit_group(7) */
const CODE = Buffer.from([0xb8, 231, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x0f, 0x05]);
const CODE_AT = 0x200;
export const STATUS = 7;

interface Ph { type: number; flags?: number; off?: number | bigint; vaddr?: number | bigint; filesz?: number | bigint; memsz?: number | bigint; align?: number }

interface Spec { type?: number; machine?: number; entry?: number | bigint; phentsize?: number; phnum?: number; phoff?: number | bigint; phs: Ph[]; base?: number; size?: number; tail?: Buffer; tailAt?: number }

const BASE = 0x400000;
const text = (base: number): Ph => ({ type: PT_LOAD, flags: R | X, off: 0, vaddr: base, filesz: 0x300, memsz: 0x300, align: PAGE });
const data = (base: number): Ph => ({ type: PT_LOAD, flags: R | W, off: 0x1000, vaddr: base + 0x1000, filesz: 0x10, memsz: 0x2000, align: PAGE });

function build(s: Spec): Buffer {
  const base = s.base ?? BASE;
  const b = Buffer.alloc(s.size ?? 0x1010);
  b.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1], 0);
  b.writeUInt16LE(s.type ?? 2, 16);
  b.writeUInt16LE(s.machine ?? 62, 18);
  b.writeUInt32LE(1, 20);
  b.writeBigUInt64LE(BigInt(s.entry ?? base + CODE_AT), 24);
  b.writeBigUInt64LE(BigInt(s.phoff ?? EHDR), 32);
  b.writeUInt16LE(EHDR, 52);
  b.writeUInt16LE(s.phentsize ?? PHDR, 54);
  b.writeUInt16LE(s.phnum ?? s.phs.length, 56);
  s.phs.forEach((p, i) => {
    const o = EHDR + i * PHDR;
    b.writeUInt32LE(p.type, o);
    b.writeUInt32LE(p.flags ?? R, o + 4);
    b.writeBigUInt64LE(BigInt(p.off ?? 0), o + 8);
    b.writeBigUInt64LE(BigInt(p.vaddr ?? 0), o + 16);
    b.writeBigUInt64LE(BigInt(p.vaddr ?? 0), o + 24);
    b.writeBigUInt64LE(BigInt(p.filesz ?? 0), o + 32);
    b.writeBigUInt64LE(BigInt(p.memsz ?? p.filesz ?? 0), o + 40);
    b.writeBigUInt64LE(BigInt(p.align ?? 1), o + 48);
  });
  CODE.copy(b, CODE_AT);
  s.tail?.copy(b, s.tailAt ?? 0x400);
  return b;
}

const plain: Spec = { phs: [text(BASE), data(BASE)] };
const with1 = (p: Partial<Ph>): Spec => ({ phs: [text(BASE), { ...data(BASE), ...p }] });
const interpPath = (path: string): Buffer => Buffer.from(`${path}\0`, 'latin1');
function withInterp(path: Buffer, over: Partial<Ph> = {}): Spec {
  return { phs: [{ type: PT_INTERP, off: 0x400, filesz: path.length, ...over }, text(BASE), data(BASE)], tail: path, tailAt: 0x400 };
}
/** GNU property note: {4, descsz, 5, "GNU\0", properties}. */
function note(descsz: number, props: readonly number[], type = 5): Buffer {
  const b = Buffer.alloc(16 + props.length * 4);
  b.writeUInt32LE(4, 0); b.writeUInt32LE(descsz, 4); b.writeUInt32LE(type, 8); b.write('GNU\0', 12, 'latin1');
  props.forEach((p, i) => { b.writeUInt32LE(p, 16 + 4 * i); });
  return b;
}
function withNote(n: Buffer, filesz = n.length): Spec {
  return { phs: [{ type: PT_GNU_PROPERTY, off: 0x400, filesz }, text(BASE), data(BASE)], tail: n, tailAt: 0x400 };
}
const pie = (over: Partial<Spec> = {}): Spec => ({ type: 3, base: 0, phs: [text(0), data(0)], ...over });

/** Files that programs name as their interpreter. */
export const INTERPRETERS: ReadonlyArray<readonly [string, Buffer]> = [
  ['i-good', build(pie())],
  ['i-empty', Buffer.alloc(0)],
  ['i-short', build(pie()).subarray(0, 63)],
  ['i-text', Buffer.alloc(200, 0x41)],
  ['i-machine', build(pie({ machine: 183 }))],
  ['i-rel', build(pie({ type: 1 }))],
  ['i-nophdr', build(pie({ phnum: 0 }))],
  ['i-phentsize', build(pie({ phentsize: 32 }))],
  ['i-phoff', build(pie({ phoff: 0x100000 }))],
  ['i-noload', build(pie({ phs: [{ type: PT_GNU_STACK }] }))],
  ['i-exec', build({ base: 0x600000, phs: [text(0x600000), data(0x600000)] })],
  ['i-filesz', build(pie({ phs: [text(0), { ...data(0), filesz: 0x3000 }] }))],
  ['i-note', build({ ...withNote(note(12, [1, 4])), type: 3, base: 0 })],
];

const randomBytes = (seed: number, n: number): Buffer => {
  const b = Buffer.alloc(n);
  let x = seed;
  for (let i = 0; i < n; i++) { x = (Math.imul(x, 1103515245) + 12345) >>> 0; b[i] = x >>> 16; }
  return b;
};

export function cases(): Case[] {
  const out: Case[] = [];
  const add = (name: string, bytes: Buffer, interp?: string): void => { out.push(interp === undefined ? { name, bytes } : { name, bytes, interp }); };
  const elf = (name: string, s: Spec): void => { add(name, build(s)); };
  elf('good', plain);
  elf('good-pie', pie());
  const whole = build({ phs: [text(BASE), data(BASE), { type: PT_GNU_STACK, flags: R | W }] });
  for (let n = 0; n <= EHDR + 3 * PHDR + 63; n += 64) add(`cut-${n}`, whole.subarray(0, n));
  for (const n of [1, 4, 16, 52, 56, 63, 65, 119, 120, 121, 231, 232, 0x1fc, 0x20c, 0x1000]) add(`cut-${n}`, whole.subarray(0, n));
  for (let i = 1; i <= 4; i++) add(`random-${i}`, randomBytes(i, 4096));
  for (let i = 1; i <= 4; i++) add(`random-body-${i}`, Buffer.concat([build(plain).subarray(0, EHDR), randomBytes(i, 4096)]));
  add('magic-only', Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46]), Buffer.alloc(300)]));
  for (const [n, m] of [['i386', 3], ['aarch64', 183], ['none', 0], ['arm', 40], ['riscv', 243]] as const) elf(`machine-${n}`, { ...plain, machine: m });
  for (const t of [0, 1, 4, 5, 0xfe00]) elf(`type-${t}`, { ...plain, type: t });
  const cls = build(plain);
  cls[4] = 1;
  add('class-32', cls);
  const endian = build(plain);
  endian[5] = 2;
  add('big-endian', endian);
  for (const n of [0, 32, 55, 57, 64, 0xffff]) elf(`phentsize-${n}`, { ...plain, phentsize: n });
  for (const n of [0, 1, 3, 72, 73, 1170, 1171, 0xffff]) elf(`phnum-${n}`, { ...plain, phnum: n });
  elf('phoff-eof', { ...plain, phoff: 0x1010 - 50 });
  elf('phoff-huge', { ...plain, phoff: 1n << 62n });
  elf('phoff-negative', { ...plain, phoff: (1n << 64n) - 64n });
  elf('phoff-zero', { ...plain, phoff: 0 });
  elf('no-load', { phs: [{ type: PT_GNU_STACK, flags: R | W }] });
  elf('no-load-pie', { type: 3, phs: [{ type: PT_GNU_STACK, flags: R | W }] });
  elf('entry-zero', { ...plain, entry: 0 });
  elf('entry-kernel', { ...plain, entry: 0xffffffff80000000n });
  elf('entry-end', { ...plain, entry: 0x7ffffffff000 });
  elf('overlap-same', { phs: [text(BASE), { ...data(BASE), vaddr: BASE, off: 0, filesz: 0x300, memsz: 0x300 }] });
  elf('overlap-tail', { phs: [{ ...text(BASE), filesz: 0x1010, memsz: 0x3000, flags: R | W | X }, data(BASE)] });
  elf('overlap-code', { phs: [text(BASE), { ...text(BASE), flags: R, off: 0 }, data(BASE)] });
  elf('overlap-middle', { phs: [{ ...text(BASE), memsz: 0x6000, flags: R | W | X }, { ...data(BASE), vaddr: BASE + 0x2000, memsz: 0x1000 }] });
  elf('descending', { phs: [data(BASE), text(BASE)] });
  elf('filesz-gt-memsz', with1({ filesz: 0x3000, memsz: 0x1000 }));
  elf('memsz-huge', with1({ memsz: 1n << 46n }));
  elf('memsz-task-size', with1({ memsz: 0x7ffffffff000 }));
  elf('memsz-max', with1({ memsz: (1n << 64n) - 1n }));
  elf('memsz-64t', with1({ memsz: 1n << 63n }));
  elf('filesz-huge', with1({ filesz: 1n << 46n, memsz: 1n << 46n }));
  elf('filesz-max', with1({ filesz: (1n << 64n) - 1n, memsz: (1n << 64n) - 1n }));
  elf('filesz-past-eof', with1({ filesz: 0x8000, memsz: 0x8000 }));
  elf('bss-past-eof', with1({ filesz: 0x8010, memsz: 0x9000 }));
  elf('bss-past-eof-ro', { phs: [text(BASE), { ...data(BASE), flags: R, filesz: 0x8010, memsz: 0x9000 }] });
  elf('off-past-eof', with1({ off: 0x100000 }));
  elf('off-huge', with1({ off: (1n << 63n) - 0x1000n }));
  elf('off-negative', with1({ off: (1n << 64n) - 0x1000n }));
  elf('off-misaligned', with1({ off: 0x800 }));
  elf('vaddr-misaligned', with1({ vaddr: BASE + 0x1800 }));
  elf('vaddr-zero', with1({ vaddr: 0 }));
  elf('vaddr-low', with1({ vaddr: 0x1000 }));
  elf('vaddr-end', with1({ vaddr: 0x7fffffffe000, memsz: 0x1000 }));
  elf('vaddr-past-end', with1({ vaddr: 0x7ffffffff000, memsz: 0x1000 }));
  elf('vaddr-kernel', with1({ vaddr: 0xffffffff80000000n }));
  elf('vaddr-noncanonical', with1({ vaddr: 1n << 50n }));
  elf('vaddr-wraps', with1({ vaddr: (1n << 64n) - 0x1000n, memsz: 0x2000 }));
  elf('bss-only', with1({ off: 0, filesz: 0, memsz: 0x1000 }));
  elf('bss-only-misaligned', with1({ off: 0x123, filesz: 0, memsz: 0x1000 }));
  elf('empty-segment', with1({ filesz: 0, memsz: 0 }));
  elf('empty-segment-bad-addr', with1({ filesz: 0, memsz: 0, vaddr: 0xffffffff80000000n }));
  elf('align-odd', with1({ align: 3 }));
  elf('align-huge-pie', { type: 3, base: 0, phs: [{ ...text(0), align: 1 << 30 }, data(0)] });
  elf('stack-exec', { phs: [text(BASE), { type: PT_GNU_STACK, flags: R | W | X }] });
  elf('no-perm', { phs: [{ ...text(BASE), flags: 0 }, data(BASE)] });

  add('interp-good', build(withInterp(interpPath('DIR/i-good'))), 'i-good');
  add('interp-missing', build(withInterp(interpPath('/nonexistent/ld.so'))));
  add('interp-empty-name', build(withInterp(Buffer.from([0, 0]))));
  add('interp-dir', build(withInterp(interpPath('/'))));
  add('interp-noexec', build(withInterp(interpPath('/etc/passwd'))));
  add('interp-len-1', build(withInterp(Buffer.from([0]))));
  add('interp-len-0', build(withInterp(interpPath('/nonexistent/x'), { filesz: 0 })));
  add('interp-not-terminated', build(withInterp(Buffer.from('/lib64/ld', 'latin1'))));
  add('interp-nul-inside', build(withInterp(Buffer.from('/nonexistent\0abc\0', 'latin1'))));
  add('interp-4096', build({ ...withInterp(interpPath('/nonexistent/x'), { filesz: 4096 }), size: 0x3000 }));
  add('interp-4097', build({ ...withInterp(interpPath('/nonexistent/x'), { filesz: 4097 }), size: 0x3000 }));
  add('interp-huge', build(withInterp(interpPath('/nonexistent/x'), { filesz: (1n << 63n) })));
  add('interp-past-eof', build(withInterp(interpPath('/nonexistent/x'), { off: 0x100000 })));
  add('interp-cut', build(withInterp(interpPath('/nonexistent/x'), { off: 0x1010 - 4, filesz: 10 })));
  add('interp-off-negative', build(withInterp(interpPath('/nonexistent/x'), { off: (1n << 64n) - 8n })));
  for (const [name] of INTERPRETERS) if (name !== 'i-good') add(`interp-${name}`, build(withInterp(interpPath(`DIR/${name}`))), name);

  elf('note-good', withNote(note(16, [0xc0000002, 4, 3, 0])));
  elf('note-two', withNote(note(32, [1, 4, 3, 0, 0xc0000002, 4, 3, 0])));
  elf('note-descending', withNote(note(32, [0xc0000002, 4, 3, 0, 1, 4, 3, 0])));
  elf('note-type', withNote(note(16, [0xc0000002, 4, 3, 0], 4)));
  elf('note-short-desc', withNote(note(12, [0xc0000002, 4, 3, 0])));
  elf('note-cut', withNote(note(6, [0xc0000002, 4, 3, 0])));
  elf('note-desc-long', withNote(note(1000, [0xc0000002, 4, 3, 0])));
  elf('note-datasz', withNote(note(16, [0xc0000002, 400, 3, 0])));
  elf('note-feature-datasz', withNote(note(16, [0xc0000002, 8, 3, 0])));
  elf('note-empty', withNote(note(0, []), 0));
  elf('note-nodesc', withNote(note(0, [])));
  elf('note-short', withNote(note(16, [0xc0000002, 4, 3, 0]), 12));
  elf('note-big', { ...withNote(note(16, [0xc0000002, 4, 3, 0]), 1025), size: 0x3000 });
  elf('note-past-eof', { ...withNote(note(16, [0xc0000002, 4, 3, 0])), phs: [{ type: PT_GNU_PROPERTY, off: 0x100000, filesz: 32 }, text(BASE), data(BASE)] });
  return out;
}

/** Programs that are no ELF. */
export function textCases(): Case[] {
  const c = (name: string, s: string): Case => ({ name, bytes: Buffer.from(s, 'latin1') });
  return [
    c('t-empty', ''), c('t-newline', '\n'), c('t-text', 'echo hello\n'), c('t-hash', '#'), c('t-hashbang', '#!'), c('t-hashbang-nl', '#!\n'), c('t-blanks', '#! \t \n'),
    c('t-blanks-no-nl', '#!   '), c('t-true', '#!/bin/true\n'), c('t-true-no-nl', '#!/bin/true'), c('t-true-blank', '#! /bin/true \t\n'), c('t-missing', '#!/nonexistent/x\n'),
    c('t-dir', '#!/\n'), c('t-noexec', '#!/etc/passwd\n'), c('t-long', `#!/${'x'.repeat(300)}\n`), c('t-255', `#!/bin/true${' '.repeat(300)}\n`),
    c('t-254', `#!${'/'.repeat(244)}bin/true\n`), c('t-256', `#!${'/'.repeat(246)}bin/true\n`), c('t-253', `#!${'/'.repeat(243)}bin/true\n`), c('t-nul', '#!/bin/true\0x\n'), c('t-cr', '#!/bin/true\r\n'),
    c('t-no-slash', '#!true\n'), c('t-arg', '#!/bin/true a b c\n'),
  ];
}
