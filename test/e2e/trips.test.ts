/** How often servers are asked: a walk through a tree is one request for each directory (decision 0023). */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { carrick, Footprint } from './harness.js';
import { people } from './servers.js';

const WIDE = 16;
/** Directories at two depths, with three files each. */
const DIRECTORIES = 1 + WIDE + WIDE * WIDE, NAMES = DIRECTORIES * 4;

/** In the host's root, of which the container's is made; /tmp is the container's own. */
function tree(): string {
  const root = mkdtempSync('/var/tmp/carrick-trips-');
  const fill = (dir: string, depth: number): void => {
    for (const f of ['a', 'b', 'c']) writeFileSync(join(dir, f), '');
    for (let i = 0; depth > 0 && i < WIDE; i++) {
      mkdirSync(join(dir, `d${i}`));
      fill(join(dir, `d${i}`), depth - 1);
    }
  };
  fill(root, 2);
  chmodSync(root, 0o755);
  return root;
}

/** Calls of that name that vfs has answered, by the table of trace -c. */
const served = (table: string, name: string): number =>
  Number(new RegExp(`^ *[\\d.]+ +[\\d.]+ +\\d+ +(\\d+) +(?:\\d+ +)?vfs +${name}$`, 'm').exec(table)?.[1] ?? 0);

for (const [who, ordinary] of people) {
  for (const [what, args] of [['names', []], ['names and attributes', ['-newer', '/etc/passwd', '-o', '-true']]] as const) {
    test(`find asks once for each directory: ${what}, for ${who}`, () => {
      const root = tree(), footprint = new Footprint(ordinary);
      const r = carrick(['trace', '-c', 'run', '--rm', 'host', '--', 'sh', '-c', 'find "$@" | wc -l', 'sh', root, ...args], footprint.options);
      rmSync(root, { recursive: true });
      assert.deepEqual([r.status, r.out.trim()], [0, String(NAMES)], r.err);
      const asked = (name: string): number => served(r.err, name);
      // And what three programs open when they start.
      assert.ok(asked('openat') >= DIRECTORIES && asked('openat') < DIRECTORIES + 120, r.err);
      // Until it is known that the program reads what it opens, and asks about what it has read; and again from time to time.
      assert.ok(asked('getdents64') < 8 && asked('newfstatat') < 30 && asked('fcntl') + asked('close') < 20, r.err);
      assert.deepEqual(footprint.left(), []);
    });
  }
}
