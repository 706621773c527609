/** The runner of the documentation's commands: it must see what is wrong. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { docCommands, outputMatches, runPage } from './doc-commands.js';
import { scratchDir } from './harness.js';

const page = (text: string): string => { const file = join(scratchDir('doc'), 'page.md'); writeFileSync(file, text); return file; };

test('commands and their output are found, other blocks are not', () => {
  assert.deepEqual(docCommands('a\n```console\n$ echo a \\\n> b\na b\n$ true\n```\n```\n$ no\n```\n'), [
    { line: 3, command: 'echo a \\\nb', output: ['a b'] }, { line: 6, command: 'true', output: [] },
  ]);
  assert.throws(() => docCommands('```console\noutput first\n```\n'), /line 2/);
});

test('dots stand for any text, on a line of their own for any lines', () => {
  assert.ok(outputMatches(['pid ... ok'], 'pid 17 ok\n'));
  assert.ok(outputMatches(['a', '...', 'z'], 'a\nb\nc\nz\n'));
  assert.ok(outputMatches(['a', '...', 'z'], 'a\nz'));
  assert.ok(outputMatches(['...', 'a ... z'], '1%\r2%\r\na b\r z\n'));
  assert.ok(outputMatches([], ''));
  assert.ok(!outputMatches(['a.c'], 'abc\n'));
  assert.ok(!outputMatches(['a'], 'a\nb\n'));
  assert.ok(!outputMatches([], 'x\n'));
});

test('a page is one session, and what differs is told', () => {
  runPage(page('```console\n$ x=5\n```\ntext\n```console\n$ echo $x\n5\n$ false\n$ echo $?\n1\n$ carrick --version\n...\n```\n'));
  assert.throws(() => { runPage(page('```console\n$ echo 6\n5\n```\n')); }, /should print:\n5\n {2}printed:\n6/);
  assert.throws(() => { runPage(page('```console\n$ false\n$ true\n```\n')); }, /ended with 1/);
  assert.throws(() => { runPage(page('```console\n$ exit 3\n$ echo late\nlate\n```\n')); }, /not reached/);
});
