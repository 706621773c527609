/**
 * Runs tests with node:test. Every *.test.ts is bundled to dist/test/, because the bundle is what ships (STYLE H9).
 *
 *   node scripts/test.mjs             unit tests: beside the code
 *   node scripts/test.mjs --guest     guest tests: those under test/, ltp/ and bench/, which start carrick
 *   node scripts/test.mjs --e2e       the long guest tests, *.e2e.ts (`npm run e2e`): two files at a time, but those that measure or fill the machine, *-time.e2e.ts and *-load.e2e.ts, alone and first
 *   node scripts/test.mjs TEXT...     only files whose path contains one of the words
 *   --repeat N                        N times in a row, with a line for each time; fails when one fails
 *
 * Fails when a selection holds no test at all, so that a typo or a moved folder cannot look green.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, root } from './bundle.mjs';

const UNIT = ['shared', 'kernel', 'servers', 'native', 'image', 'cli'];
const GUEST = ['test', 'ltp', 'bench'];
const SKIP = new Set(['node_modules', 'build', 'dist']);

const e2e = process.argv.includes('--e2e');
const ending = e2e ? '.e2e.ts' : '.test.ts';

function* testFiles(dir) {
  for (const entry of readdirSync(join(root, dir), { withFileTypes: true })) {
    const path = `${dir}/${entry.name}`;
    if (entry.isDirectory()) { if (!SKIP.has(entry.name)) yield* testFiles(path); }
    else if (entry.name.endsWith(ending)) yield path;
  }
}

const guest = process.argv.includes('--guest');
const args = process.argv.slice(2);
const at = args.indexOf('--repeat');
const repeat = at < 0 ? 1 : Number(args.splice(at, 2)[1]);
if (!Number.isInteger(repeat) || repeat < 1) {
  process.stderr.write('test: --repeat takes how many times, for example --repeat 10\n');
  process.exit(1);
}
const words = args.filter((word) => !word.startsWith('--'));
const folders = guest || e2e ? GUEST : words.length > 0 ? [...UNIT, ...GUEST] : UNIT;
const files = folders.flatMap((dir) => [...testFiles(dir)])
  .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
  .sort();
if (files.length === 0) {
  process.stderr.write(`test: no test file ${words.length > 0 ? `matches ${words.join(' ')}` : `under ${folders.join(' ')}`}\n`);
  process.exit(1);
}

const seconds = (since) => `${String(Math.round((Date.now() - since) / 1000)).padStart(5)} s`;
const verdict = (ok) => ok ? 'ok    ' : 'FAILED';

/** All of it in one node:test. Whether all passed. */
function together(entries) {
  const run = spawnSync(process.execPath, ['--enable-source-maps', '--test', '--test-concurrency=2', '--test-reporter=spec', ...entries.map((entry) => entry.out)], { stdio: 'inherit', cwd: root });
  return run.status === 0;
}

/** One file; what it says is told when it has ended, in one piece. */
function oneFile(entry) {
  const begin = Date.now();
  const child = spawn(process.execPath, ['--enable-source-maps', '--test', '--test-reporter=spec', entry.out], { stdio: ['ignore', 'pipe', 'pipe'], cwd: root });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => said.push(chunk));
  return new Promise((done) => {
    child.on('close', (status) => {
      process.stdout.write(Buffer.concat(said));
      process.stdout.write(`${verdict(status === 0)} ${seconds(begin)}  ${entry.in}\n\n`);
      done(status === 0);
    });
  });
}

/**
 * Long files: what measures or fills the machine first, alone, then the others two at a time. The longest begin, so that the last to end is a short one. Whether all passed.
 */
async function longFiles(entries) {
  const LONGEST = ['/python.', '/apt.', '/go.'];
  const rank = (entry) => { const i = LONGEST.findIndex((word) => entry.in.includes(word)); return i < 0 ? LONGEST.length : i; };
  const alone = entries.filter((entry) => /-(time|load)\.e2e\.ts$/.test(entry.in)), others = entries.filter((entry) => !alone.includes(entry)).sort((a, b) => rank(a) - rank(b));
  let ok = true;
  const work = async (queue) => { for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) ok = await oneFile(entry) && ok; };
  await work(alone);
  await Promise.all([work(others), work(others)]);
  return ok;
}

// A folder of its own per run: two runs at once must not delete each other's bundles.
const outDir = join(root, 'dist/test', String(process.pid));
mkdirSync(outDir, { recursive: true });
let status = 1;
try {
  const entries = files.map((path) => ({ in: path, out: join(outDir, path.replaceAll('/', '.').replace(/\.ts$/, '.mjs')) }));
  await bundle(entries);
  const times = [];
  status = 0;
  for (let i = 1; i <= repeat; i++) {
    const begin = Date.now();
    const ok = e2e ? await longFiles(entries) : together(entries);
    if (!ok) status = 1;
    times.push(`${String(i).padStart(4)}  ${verdict(ok)}  ${seconds(begin)}`);
    if (e2e) process.stdout.write(`run ${i} of ${repeat}: ${times.at(-1)}\n`);
  }
  if (repeat > 1) process.stdout.write(`\n${times.join('\n')}\n`);
} catch (error) {
  process.stderr.write(`test: bundling failed: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}\n`);
} finally {
  rmSync(outDir, { recursive: true, force: true });
}
process.exitCode = status;
