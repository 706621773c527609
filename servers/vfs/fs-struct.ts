/**
 * fs_struct: root, working directory and umask, shared by the tasks that were cloned with CLONE_FS. The kernel allocates the ids
 * (task.fs) and tells who is born and who dies (FS_CLONE, FS_DROP); the objects live here.
 */
import * as L from '../../shared/gen/layout.js';
import type { Path } from './inode.js';
import { pathGet, pathPut } from './dcache.js';

export class FsStruct {
  users = 1;
  /** Unless its process has it: umask.ts. */
  umask: number = L.UMASK_FIRST;
  constructor(
    /** Root directory as this task sees it; counted. Change with setRoot. */
    public root: Path,
    /** Working directory; counted. Change with setCwd. */
    public cwd: Path,
  ) {
    pathGet(root);
    pathGet(cwd);
  }

  setRoot(p: Path): void { pathGet(p); pathPut(this.root); this.root = p; }
  setCwd(p: Path): void { pathGet(p); pathPut(this.cwd); this.cwd = p; }
}

const table = new Map<number, FsStruct>();

export function fsGet(id: number): FsStruct | undefined { return table.get(id); }
export function fsSet(id: number, fs: FsStruct): void { table.set(id, fs); }

/** FS_CLONE: a copy under a new id, or one more user of the same. */
export function fsClone(from: number, to: number): void {
  const fs = table.get(from);
  if (fs === undefined) return;
  if (from === to) { fs.users++; return; }
  const copy = new FsStruct(fs.root, fs.cwd);
  copy.umask = fs.umask;
  table.set(to, copy);
}

/** FS_DROP. */
export function fsDrop(id: number): void {
  const fs = table.get(id);
  if (fs === undefined || --fs.users > 0) return;
  table.delete(id);
  pathPut(fs.root);
  pathPut(fs.cwd);
}
