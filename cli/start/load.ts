/**
 * How bundles are loaded: the command and every worker run a CommonJS bundle of dist/ whose bytecode lies beside it, so that V8 does not have to read half a
 * megabyte of JavaScript before anything happens (docs/decisions/0016-start.md).
 *
 *   NAME.cjs         the bundle, in ASCII: as latin1 it is one byte per character, for us and for V8
 *   NAME.cjs.cache   V8's code cache, made by the build (make-cache.ts). V8 refuses one that another version of it made, or that was made for another text or with
 *                    other flags; without a good one everything works as with it, and starts later.
 *
 * A cache holds code: it comes from where the bundle comes from, and has the same permissions.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';

type Body = (require: NodeJS.Require, module: object, exports: object, filename: string, dirname: string) => void;

/** As Node wraps a CommonJS module. Lines keep their numbers. */
const HEAD = '(function (require, module, exports, __filename, __dirname) {', TAIL = '\n})';

export const cachePath = (path: string): string => `${path}.cache`;

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined; // not made, or not to be read: V8 compiles
  }
}

/** A bundle's program, with its cache if there is one. */
export function compile(path: string, cachedData?: Buffer): Script {
  return new Script(HEAD + readFileSync(path, 'latin1') + TAIL, { filename: path, ...(cachedData === undefined ? {} : { cachedData }) });
}

/** Run a bundle; path is absolute. With CARRICK_DEBUG=1 by Node's own loader, which finds its source map. */
export function loadBundle(path: string): void {
  const require = createRequire(path);
  if (process.env['CARRICK_DEBUG'] === '1') {
    process.setSourceMapsEnabled(true);
    require(path);
    return;
  }
  const module = { exports: {} };
  (compile(path, read(cachePath(path))).runInThisContext() as Body)(require, module, module.exports, path, dirname(path));
}
