/**
 * Programs that the kernel keeps: what vfs has said of a path that was executed, so that executing it again asks nobody.
 *
 *   EXEC_OPENED with EXEC_KEEP ──learn──► entry (a host fd of its own, a reference to the credentials' row) ──find──► the same, for a further exec
 *                                           └─ a cell has moved, the host's file has changed, or there are too many ──► dropped: EXEC_DROP to vfs
 *
 * Key: the credentials' row and the absolute path. A row never changes while somebody refers to it, so its number stands for what its holders may do. An entry holds for as
 * long as the cells have the values that vfs told with it (servers/vfs/answers.ts): of what paths lead through, of the name, of the inode's attributes; vfs says EXEC_KEEP
 * only where nothing else decides (servers/vfs/exec.ts), and advances a cell when that ends. The directory of a host that carrick runs on may change under it: a file that was
 * replaced or removed there has another ctime or size. vfs keeps the path id alive until EXEC_DROP. Only the kernel worker uses this.
 *
 * That there is no such program is kept in the same way (execvp(3) asks in each directory of PATH), without a descriptor and a path id.
 */
import type { Endpoint } from '../../shared/endpoint.js';
import * as L from '../../shared/gen/layout.js';
import * as host from '../../shared/host.js';
import { Msg } from '../../shared/messages.js';
import { native } from '../../shared/native.js';
import type { CredRows } from '../cred-rows.js';
import { HostFile } from './host-file.js';

/** Programs and interpreters; each holds a host descriptor. */
const KEPT_MAX = 96;
/** Paths where there is none. */
const MISSING_MAX = 256;

/** A program that was found. */
export interface Found {
  /** Whoever gets it closes its fd. */
  readonly file: HostFile;
  /** st_mode (without set-id bits where they do not count), owner. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Path id of vfs. */
  readonly exe: number;
  /** Absolute path in the container. */
  readonly exePath: string;
  /** The program may be told where /proc/self/exe leads while its name holds. */
  readonly tellExe: boolean;
  /** Value of cell 0, the name's cell and its value. */
  readonly gen: number;
  readonly cell: number;
  readonly value: number;
}

interface Entry { readonly found: Found; readonly cred: number; readonly inodeCell: number; readonly inodeVal: number }
/** Value of cell 0, the name's cell and its value. */
interface Missing { readonly cred: number; readonly gen: number; readonly cell: number; readonly value: number }

const namesHold = (of: Omit<Missing, 'cred'>): boolean => native.namesLoad(0) === of.gen && native.namesLoad(of.cell) === of.value;

export class KeptPrograms {
  private readonly entries = new Map<string, Entry>();
  private readonly missing = new Map<string, Missing>();

  constructor(private readonly ep: Endpoint, private readonly creds: CredRows) {}

  get size(): number { return this.entries.size; }

  /** Keep what vfs has found for `path` with credentials `cred`. Its fd stays the caller's. */
  learn(cred: number, path: string, found: Found, inodeCell: number, inodeVal: number): void {
    const key = keyOf(cred, path), fd = host.dup(found.file.fd);
    this.drop(key);
    if (fd < 0) { this.letGo(found.exe); return; }
    if (this.entries.size >= KEPT_MAX) this.drop(this.entries.keys().next().value as string);
    this.creds.ref(cred);
    this.entries.set(key, { found: { ...found, file: new HostFile(fd) }, cred, inodeCell, inodeVal });
  }

  /** The program that `path` is to credentials `cred`, with an fd for the caller; undefined = not known, ask vfs. */
  find(cred: number, path: string): Found | undefined {
    const key = keyOf(cred, path), e = this.entries.get(key);
    if (e === undefined) return undefined;
    const { found } = e;
    if (namesHold(found) && native.namesLoad(e.inodeCell) === e.inodeVal) {
      const fd = host.dup(found.file.fd);
      if (fd < 0) return undefined;
      const file = new HostFile(fd);
      if (file.isAs(found.file)) {
        // The one that was used longest ago goes first.
        this.entries.delete(key);
        this.entries.set(key, e);
        return { ...found, file };
      }
      host.close(fd);
    }
    this.drop(key);
    return undefined;
  }

  /** vfs has said that there is nothing at `path`, and what that depends on. */
  learnMissing(cred: number, path: string, gen: number, cell: number, value: number): void {
    const key = keyOf(cred, path);
    this.forgetMissing(key);
    if (this.missing.size >= MISSING_MAX) this.forgetMissing(this.missing.keys().next().value as string);
    this.creds.ref(cred);
    this.missing.set(key, { cred, gen, cell, value });
  }

  /** Is it known that there is nothing at `path`, to credentials `cred`? */
  isMissing(cred: number, path: string): boolean {
    const key = keyOf(cred, path), m = this.missing.get(key);
    if (m === undefined) return false;
    if (namesHold(m)) return true;
    this.forgetMissing(key);
    return false;
  }

  private forgetMissing(key: string): void {
    const m = this.missing.get(key);
    if (m === undefined) return;
    this.missing.delete(key);
    this.creds.unref(m.cred);
  }

  private drop(key: string): void {
    const e = this.entries.get(key);
    if (e === undefined) return;
    this.entries.delete(key);
    host.close(e.found.file.fd);
    this.creds.unref(e.cred);
    this.letGo(e.found.exe);
  }

  /** vfs may forget a path id that is not kept. */
  letGo(exe: number): void { this.ep.quiet(L.SRV_VFS, Msg.EXEC_DROP, [exe]); }
}

const keyOf = (cred: number, path: string): string => `${cred} ${path}`;
