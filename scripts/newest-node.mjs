/**
 * `npm run test:newest-node`: a smoke test of the addon and the bundles, as they are, on the newest Node; then the addon's own tests. npm's
 * `node` package brings it, into a folder of its own (it is large, and nothing else needs it): dist/newest-node, kept between runs.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './bundle.mjs';

const folder = join(root, 'dist/newest-node');
const node = join(folder, 'node_modules/node/bin/node');

if (!existsSync(join(root, 'dist/carrick.mjs')) || !existsSync(join(root, 'native/build/Release/carrick.node'))) {
  process.stderr.write('newest-node: carrick is not built; run: npm run bootstrap\n');
  process.exit(1);
}
if (!existsSync(node)) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const install = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', folder, 'node@latest'], { cwd: folder, stdio: 'inherit' });
  if (install.status !== 0) {
    process.stderr.write('newest-node: npm could not install the package "node"\n');
    process.exit(1);
  }
}

const carrick = join(root, 'dist/carrick.mjs');
const steps = [
  { args: ['run', 'host', '--', 'true'], status: 0, stdout: '' },
  { args: ['run', 'host', '--', 'sh', '-c', 'echo "$0 $1"; exit 7', 'a', 'b'], status: 7, stdout: 'a b\n' },
  { args: ['run', 'host', '--', 'sh', '-c', 'kill -9 $$'], status: 137, stdout: '' },
];
process.stdout.write(`newest-node: ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout}`);
for (const { args, status, stdout } of steps) {
  const run = spawnSync(node, [carrick, ...args], { encoding: 'utf8', timeout: 60_000, killSignal: 'SIGKILL', env: { ...process.env, CARRICK_HOME: join(folder, 'home') } });
  if (run.status === status && run.stdout === stdout) continue;
  process.stderr.write(`newest-node: carrick ${args.join(' ')}: status ${run.status ?? run.signal}, printed ${JSON.stringify(run.stdout + run.stderr)}\n`);
  process.exitCode = 1;
}
const tests = spawnSync(node, [join(root, 'scripts/test.mjs'), 'native/test/'], { stdio: 'inherit', timeout: 300_000 });
if (tests.status !== 0) process.exitCode = 1;
