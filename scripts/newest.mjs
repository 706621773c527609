/** What --if-stale of the builds asks. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Newest modification time of the files under a path, ms, but for what is built or installed there; 0 if there are none. */
export function newest(path) {
  if (!existsSync(path)) return 0;
  const st = statSync(path);
  if (!st.isDirectory()) return st.mtimeMs;
  const names = readdirSync(path).filter((name) => name !== 'build' && name !== 'node_modules');
  return Math.max(0, ...names.map((name) => newest(join(path, name))));
}
