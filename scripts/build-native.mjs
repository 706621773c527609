/**
 * Builds the addon (node-gyp), the stub and the init of --init (make) into native/build/. Run by `npm ci` (postinstall), and by hand as
 * `npm run build:native`. Node's headers are taken from beside the running Node when they are there, so nothing is downloaded.
 * `--if-stale` does nothing when what was built is newer than every source.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newest } from './newest.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const native = join(root, 'native');

function fail(message) {
  process.stderr.write(`build-native: ${message}\n`);
  process.exit(1);
}

function has(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}

function run(program, args) {
  // npm hands its configuration down as variables; node-gyp would read another Node's nodedir or headers from them.
  const { npm_config_nodedir: nodedir, ...env } = process.env;
  const { status, error } = spawnSync(program, args, { cwd: native, stdio: 'inherit', env: headers === undefined ? process.env : env });
  if (error !== undefined) fail(`cannot run ${program}: ${error.message}`);
  if (status !== 0) fail(`${program === process.execPath ? 'node-gyp' : [program, ...args].join(' ')} failed, see above${nodedir === undefined ? '' : ` (npm's nodedir is ${nodedir})`}`);
}

/** Folders with a Makefile, each of which makes build/NAME. */
const MAKES = ['stub', 'init'];

const built = [join(native, 'build/Release/carrick.node'), ...MAKES.map((name) => join(native, 'build', name))];
const sources = [native, ...readdirSync(join(root, 'shared/gen')).filter((name) => name.endsWith('.h')).map((name) => join(root, 'shared/gen', name))];
if (process.argv.includes('--if-stale') && built.every(existsSync)) {
  if (Math.min(...built.map((path) => statSync(path).mtimeMs)) >= Math.max(...sources.map(newest))) process.exit(0);
}

const missing = ['cc', 'c++', 'make', 'python3'].filter((program) => !has(program));
if (missing.length > 0) fail(`${missing.join(', ')} not found; install the Debian packages build-essential and python3`);

const prefix = dirname(dirname(process.execPath));
const headers = existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : undefined;
const gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const options = ['--directory', native, '--loglevel', 'warn', '--jobs', '2', ...(headers === undefined ? [] : [`--nodedir=${headers}`])];
// configure and build, not rebuild: make then compiles only what has changed.
run(process.execPath, [gyp, 'configure', ...options]);
run(process.execPath, [gyp, 'build', ...options]);
for (const name of MAKES) run('make', ['--no-print-directory', '--silent', '-C', join(native, name)]);
