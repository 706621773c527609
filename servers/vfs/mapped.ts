/**
 * Which guest file a host file is, for /proc/PID/maps: by the host's device and inode of the data. Remembered when a file is mapped or executed; only the most recent
 * are kept, since a mapping without a name does no harm.
 */
import { absolutePath } from './dpath.js';
import { $st, hostStatFd } from './host/stat.js';
import { makeDev, type Path } from './inode.js';

const LIMIT = 8192;
const byHost = new Map<string, Path>();

/** hostFd's file appears in the guest at path. */
export function rememberMapped(hostFd: number, path: Path): void {
  if (hostStatFd(hostFd) < 0) return;
  const key = `${$st.dev}:${$st.ino}`;
  byHost.delete(key);
  byHost.set(key, path);
  if (byHost.size > LIMIT) byHost.delete(byHost.keys().next().value as string);
}

/** Guest path of a host file that was mapped. */
export function mappedPath(major: number, minor: number, ino: number): string | undefined {
  const path = byHost.get(`${makeDev(major, minor)}:${ino}`);
  return path === undefined ? undefined : absolutePath(path, undefined, true);
}
