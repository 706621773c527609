/** Malformed programs get the errno that the host gives; nothing that the host runs is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { E, ERRNO } from '../../shared/errno.js';
import { INTERPRETERS, cases, textCases, type Case } from './elf-cases.js';
import { type ElfSource, layout, parseInterpreter, parseProgram } from './elf.js';
import { HEAD_BYTES, parseScript } from './script.js';

/**
 * What execve of each case did on Linux 6.18 (x86-64, as an ordinary user and as root; vaddr-zero runs only as root). sig11 after the point of no return and sig11 of the program
 * itself cannot be told apart there.
 */
const HOST: ReadonlyArray<readonly [string, string]> = [
  ['exit7', 'good good-pie class-32 big-endian phnum-1 phnum-3 phnum-72 overlap-tail overlap-middle descending filesz-past-eof bss-past-eof-ro vaddr-zero vaddr-low vaddr-end bss-only bss-only-misaligned empty-segment align-odd align-huge-pie stack-exec interp-good interp-i-exec note-good note-two note-descending note-type note-short-desc note-cut note-desc-long note-datasz note-feature-datasz note-empty note-nodesc note-short note-big note-past-eof'],
  ['ENOEXEC', 'cut-0 cut-64 cut-128 cut-192 cut-1 cut-4 cut-16 cut-52 cut-56 cut-63 cut-65 cut-119 cut-120 cut-121 cut-231 random-1 random-2 random-3 random-4 magic-only machine-i386 machine-aarch64 machine-none machine-arm machine-riscv type-0 type-1 type-4 type-5 type-65024 phentsize-0 phentsize-32 phentsize-55 phentsize-57 phentsize-64 phentsize-65535 phnum-0 phnum-73 phnum-1170 phnum-1171 phnum-65535 phoff-eof phoff-huge phoff-negative interp-len-1 interp-len-0 interp-not-terminated interp-4097 interp-huge t-empty t-newline t-text t-hash t-hashbang-nl t-blanks t-long t-256'],
  ['sig11', 'cut-256 cut-232 cut-508 cut-524 cut-4096 random-body-1 random-body-2 random-body-3 random-body-4 phoff-zero no-load no-load-pie entry-zero entry-kernel entry-end overlap-same overlap-code filesz-gt-memsz memsz-huge memsz-task-size memsz-max memsz-64t filesz-huge filesz-max bss-past-eof off-past-eof off-huge off-negative off-misaligned vaddr-misaligned vaddr-past-end vaddr-kernel vaddr-noncanonical vaddr-wraps empty-segment-bad-addr no-perm interp-i-rel interp-i-noload interp-i-filesz interp-i-note'],
  ['ENOENT', 'interp-missing interp-nul-inside interp-4096 t-missing t-cr t-no-slash'],
  ['EACCES', 'interp-empty-name interp-dir interp-noexec t-hashbang t-blanks-no-nl t-dir t-noexec'],
  ['EIO', 'interp-past-eof interp-cut interp-i-empty interp-i-short'],
  ['EINVAL', 'interp-off-negative'],
  ['ELIBBAD', 'interp-i-text interp-i-machine interp-i-nophdr interp-i-phentsize interp-i-phoff'],
  ['exit0', 't-true t-true-no-nl t-true-blank t-255 t-254 t-253 t-nul t-arg'],
];

class Bytes implements ElfSource {
  constructor(private readonly b: Buffer) {}
  get size(): number { return this.b.length; }
  read(pos: number, len: number): Buffer { return this.b.subarray(pos, pos + len); }
}

const errname = (r: number): string => ERRNO.get(-r)?.[0] ?? String(r);

/** Interpreters by path, as vfs would answer for them. */
function openPath(path: string): Buffer | number {
  if (path === '' || path === '/' || path === '/etc/passwd') return -E.EACCES;
  const name = path.startsWith('DIR/') ? path.slice(4) : '';
  return INTERPRETERS.find(([n]) => n === name)?.[1] ?? -E.ENOENT;
}

/** 'runs', 'sig11' or an errno name, as the parts of exec decide. */
function outcome(c: Case): string {
  const head = Buffer.alloc(HEAD_BYTES);
  c.bytes.copy(head);
  const script = parseScript(head);
  if (typeof script === 'number') return errname(script);
  if (script !== undefined) {
    if (script.interpreter.endsWith('/bin/true')) return 'runs';
    const r = openPath(script.interpreter);
    return typeof r === 'number' ? errname(r) : 'runs';
  }
  const src = new Bytes(c.bytes);
  const elf = parseProgram(src, head);
  if (typeof elf === 'number') return errname(elf);
  if (elf.interp === undefined) return layout(src, elf) === undefined ? 'sig11' : 'runs';
  const file = openPath(elf.interp);
  if (typeof file === 'number') return errname(file);
  const isrc = new Bytes(file);
  const interp = parseInterpreter(isrc);
  if (typeof interp === 'number') return errname(interp);
  return layout(src, elf) === undefined || layout(isrc, interp) === undefined ? 'sig11' : 'runs';
}

test('every case has a result of the host', () => {
  const listed = new Set(HOST.flatMap(([, names]) => names.split(' ')));
  assert.deepEqual([...cases(), ...textCases()].map((c) => c.name).filter((n) => !listed.has(n)), []);
});

test('the same errno as the host', () => {
  const byName = new Map([...cases(), ...textCases()].map((c) => [c.name, c]));
  const wrong: string[] = [];
  for (const [host, names] of HOST) {
    for (const name of names.split(' ')) {
      const got = outcome(byName.get(name) as Case);
      const ok = host.startsWith('exit') ? got === 'runs' : host === 'sig11' ? got === 'sig11' || got === 'runs' : got === host;
      if (!ok) wrong.push(`${name}: host ${host}, here ${got}`);
    }
  }
  assert.deepEqual(wrong, []);
});

/** Those that would harm the stub if they were let through. */
test('what cannot be mapped is found before the stub tries', () => {
  for (const name of ['memsz-max', 'memsz-task-size', 'filesz-gt-memsz', 'filesz-max', 'vaddr-kernel', 'vaddr-past-end', 'vaddr-wraps', 'off-misaligned', 'off-negative', 'bss-past-eof', 'no-load-pie', 'entry-end',
    'interp-i-rel', 'interp-i-noload', 'interp-i-filesz']) {
    assert.equal(outcome([...cases()].find((c) => c.name === name) as Case), 'sig11', name);
  }
});

test('overlapping segments: the later one wins, page by page', () => {
  const map = (name: string): unknown => {
    const c = cases().find((x) => x.name === name) as Case;
    const src = new Bytes(c.bytes);
    const head = Buffer.alloc(HEAD_BYTES);
    c.bytes.copy(head);
    const elf = parseProgram(src, head);
    assert.ok(typeof elf !== 'number');
    return layout(src, elf)?.segments.map((s) => [s.vaddr, s.fileOff, s.fileLen, s.memLen, s.prot]);
  };
  assert.deepEqual(map('overlap-same'), [[0x400000, 0, 0x300, 0x300, 3]]);
  assert.deepEqual(map('overlap-tail'), [[0x400000, 0, 0x1000, 0x1000, 7], [0x401000, 0x1000, 0x10, 0x2000, 3]]);
  assert.deepEqual(map('overlap-middle'), [[0x400000, 0, 0x300, 0x2000, 7], [0x403000, 0, 0, 0x3000, 7], [0x402000, 0x1000, 0x10, 0x1000, 3]]);
});

test('a good file: addresses, program headers, stack', () => {
  const c = cases().find((x) => x.name === 'stack-exec') as Case;
  const src = new Bytes(c.bytes);
  const elf = parseProgram(src, c.bytes.subarray(0, 256));
  assert.ok(typeof elf !== 'number');
  assert.deepEqual([elf.entry, elf.phnum, elf.phdr, elf.execStack, elf.interp], [0x400200, 2, 0x400040, true, undefined]);
  const m = layout(src, elf);
  assert.deepEqual([m?.lo, m?.hi, m?.align], [0x400000, 0x401000, 4096]);
});

test('scripts: interpreter and argument', () => {
  const parse = (s: string): unknown => {
    const head = Buffer.alloc(HEAD_BYTES);
    head.write(s, 'latin1');
    return parseScript(head);
  };
  assert.deepEqual(parse('#! /bin/sh  -e  x \n'), { interpreter: '/bin/sh', argument: '-e  x' });
  assert.deepEqual(parse('#!/bin/sh\t\n'), { interpreter: '/bin/sh', argument: undefined });
  // Without a newline the blank before the end of the file starts an empty argument.
  assert.deepEqual(parse('#!/bin/sh '), { interpreter: '/bin/sh', argument: '' });
  assert.equal(parse('#!\n'), -E.ENOEXEC);
  assert.equal(parse('echo'), undefined);
});
