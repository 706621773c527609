/** The pages about first steps, terminals and the life of containers: every command on them, as the caller and as an ordinary user. */
import { test } from 'node:test';
import { runPage } from './doc-commands.js';

const people = process.getuid?.() === 0 ? [false, true] : [false];

for (const page of ['docs/quick-start.md', 'docs/workloads/shell.md', 'docs/workloads/life.md']) {
  for (const ordinary of people) test(`${page}, ${ordinary ? 'as an ordinary user' : 'as the caller'}`, () => { runPage(page, { ordinary, timeoutMs: 300_000 }); });
}
