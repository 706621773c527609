/**
 * carrick for another user: tests that run as root do some of their work as an ordinary user, who may not be allowed to enter the checkout or
 * the folder of Node (root's home). Then both are copied to where everybody may read them.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

/** An ordinary user's id; nobody has to exist in /etc/passwd for it. */
export const ORDINARY_UID = 1000;

/** Words that start a command as the ordinary user. */
export const AS_ORDINARY: readonly string[] = ['setpriv', '--reuid', String(ORDINARY_UID), '--regid', String(ORDINARY_UID), '--clear-groups'];

function readable(path: string): boolean {
  const [setpriv = '', ...rest] = AS_ORDINARY;
  return spawnSync(setpriv, [...rest, 'test', '-r', path]).status === 0;
}

const made = new Map<string, readonly [string, string]>();

/** Node and a carrick bundle (dist/carrick.mjs), or copies of them, where the ordinary user can read them. Copies go with this process. */
export function publicCommand(carrick: string): readonly [string, string] {
  const known = made.get(carrick);
  if (known !== undefined) return known;
  let node = process.execPath;
  let bundle = carrick;
  const copies = !readable(node) || !readable(bundle) ? mkdtempSync(join(tmpdir(), 'carrick-public-')) : '';
  if (copies !== '') {
    process.on('exit', () => { rmSync(copies, { recursive: true, force: true }); });
    chmodSync(copies, 0o755);
    if (!readable(node)) {
      node = join(copies, 'node');
      copyFileSync(process.execPath, node);
    }
    const dist = dirname(carrick);
    const native = resolve(dist, '../native/build');
    mkdirSync(join(copies, 'native/build/Release'), { recursive: true });
    cpSync(dist, join(copies, 'dist'), { recursive: true, filter: (path) => path === dist || (dirname(path) === dist && /\.(mjs|cjs|cache)$/.test(path)) });
    for (const file of ['Release/carrick.node', 'stub', 'stub-check', 'init']) copyFileSync(join(native, file), join(copies, 'native/build', file));
    // The one package that is not bundled.
    cpSync(resolve(dist, '../node_modules/piscina'), join(copies, 'node_modules/piscina'), { recursive: true });
    bundle = join(copies, 'dist', basename(carrick));
    spawnSync('chmod', ['-R', 'a+rX', copies]);
  }
  const command = [node, bundle] as const;
  made.set(carrick, command);
  return command;
}
