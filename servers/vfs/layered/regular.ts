/** Regular files of the layered file system: lower data until the first write, then data of their own (data.ts). */
import { E } from '../../../shared/errno.js';
import { touched } from '../answers.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import * as host from '../../../shared/host.js';
import { native } from '../../../shared/native.js';
import { type File, O_ACCMODE, O_APPEND, O_RDONLY, O_SYNC } from '../file.js';
import { HostFile } from '../host/host-file.js';
import { $st, fillData } from '../host/stat.js';
import { applyAttr, encodeInodeTimes, encodeTimes, TIMES, touchModified } from '../host/times.js';
import { type Caller, type Path, S_ISGID, S_ISUID, type SetAttr } from '../inode.js';
import { copyBytes, type Data, dataCreate } from './data.js';
import { LNode } from './node.js';

const O_RDWR = 2, O_CLOEXEC = 0o2000000;
const SEEK_SET = 0, SEEK_CUR = 1;
const SYS_dup3 = 292;

export class LRegular extends LNode {
  /** undefined = the data are the lower's, or there are none yet. */
  private data: Data | undefined = undefined;
  /** Open files that read the lower's data: they are switched over when it is copied up. */
  private lowerReaders: Set<LFile> | undefined = undefined;

  private loose = false;
  /** The attributes are those of the data, and were since it was last open. */
  private fresh = false;

  /** The lower's attributes were read once. Data of its own change, with their times, through every open descriptor: grants, mappings, splice in ipc. */
  override get isSettled(): boolean { return this.data === undefined || (this.opens === 0 && !this.loose); }
  override get isLower(): boolean { return this.data === undefined && this.lower !== undefined; }
  override loosen(): void { this.loose = true; }
  override opened(): void {
    super.opened();
    if (this.data === undefined) return;
    this.fresh = false;
    touched(this);
  }

  override refresh(): number {
    if (this.data === undefined || (this.fresh && this.isSettled)) return 0;
    const r = this.data.stat();
    if (r < 0) return r;
    fillData(this);
    this.fresh = this.isSettled;
    // Writes through grants move the host's ctime, chmod and the like ours: the later one counts.
    if ($st.ctime > this.ctime || ($st.ctime === this.ctime && $st.ctimeNsec > this.ctimeNsec)) {
      this.ctime = $st.ctime;
      this.ctimeNsec = $st.ctimeNsec;
    }
    return 0;
  }

  protected override destroy(): void {
    if (this.data === undefined) return;
    if (this.sb.limit > 0 && this.refresh() === 0) this.sb.used -= this.size;
    if (this.sb.journal === undefined) this.data.remove();
    else this.sb.journal.discard(this, this.data);
    this.data = undefined;
  }

  /** Has it data of its own? */
  get hasData(): boolean { return this.data !== undefined; }
  /** Name of its data in the upper directory, '' = it has none there. */
  get dataName(): string { return this.data?.name ?? ''; }

  /** Saved data, of a node that was just made. */
  adoptData(data: Data): void {
    this.data = data;
    this.refresh();
  }

  /** Host fd on the lower's data, or -errno. The caller closes it. */
  private openLower(): number {
    const lower = this.lower;
    if (lower === undefined) return -E.ENOENT;
    return lower.dir.open(lower.name);
  }

  /** Give the file data of its own, with at most `keep` bytes of the lower's. 0 or -errno; a failure changes nothing. */
  private copyUp(keep: number): number {
    if (this.data !== undefined) return 0;
    const data = dataCreate(this.sb.inMemory);
    if (typeof data === 'number') return data;
    const len = this.lower === undefined ? 0 : Math.min(keep, this.size);
    const r = len > 0 ? this.copyFrom(data, len) : 0;
    if (r < 0) { data.remove(); return r; }
    encodeInodeTimes(this);
    data.setTimes(TIMES);
    touched(this);
    this.fresh = false;
    this.data = data;
    this.pin();
    this.size = len;
    if (this.sb.limit > 0) this.sb.used += len;
    this.switchReaders(data);
    return 0;
  }

  private copyFrom(data: Data, len: number): number {
    const from = this.openLower();
    if (from < 0) return from;
    const to = data.open(O_RDWR);
    const r = to < 0 ? to : copyBytes(from, to, len);
    host.close(from);
    if (to >= 0) host.close(to);
    return r;
  }

  /** Files opened for reading before the copy-up go on with the new data, at the same offset. (A copy granted to a guest keeps the old ones, as on overlayfs.) */
  private switchReaders(data: Data): void {
    if (this.lowerReaders === undefined) return;
    for (const file of this.lowerReaders) {
      const fd = data.open(O_RDONLY);
      if (fd < 0) continue;
      host.lseek(fd, host.lseek(file.hostFd, 0, SEEK_CUR), SEEK_SET);
      native.sys(SYS_dup3, 0, fd, file.hostFd, O_CLOEXEC);
      host.close(fd);
    }
    this.lowerReaders = undefined;
  }

  forgetReader(file: LFile): void { this.lowerReaders?.delete(file); }

  override open(_c: Caller | undefined, path: Path, flags: number): File | number {
    const acc = flags & O_ACCMODE;
    if (acc !== O_RDONLY || (this.data === undefined && this.lower === undefined)) {
      const r = this.copyUp(Infinity);
      if (r < 0) return r;
    }
    const { journal } = this.sb;
    const sync = journal === undefined ? 0 : flags & O_SYNC;
    const fd = this.data !== undefined ? this.data.open(acc | (flags & O_APPEND) | sync) : this.openLower();
    if (fd < 0) return fd;
    // What is written is on the disk at once; so must its name be.
    if (sync !== 0 && acc !== O_RDONLY) journal?.flush(true);
    const file = new LFile(path, flags, fd, this);
    if (this.data === undefined) (this.lowerReaders ??= new Set()).add(file);
    return file;
  }

  override setattr(c: Caller, a: SetAttr): number {
    if (a.size !== undefined) {
      const r = this.truncate(a.size);
      if (r < 0) return r;
    }
    this.pin();
    applyAttr(this, a);
    if (this.data === undefined || !encodeTimes(a)) return 0;
    // The host stamps its ctime a little later than ours.
    this.fresh = false;
    return Math.min(0, this.data.setTimes(TIMES));
  }

  private truncate(size: number): number {
    const r = this.copyUp(size);
    if (r < 0) return r;
    const st = this.refresh();
    if (st < 0) return st;
    if (this.sb.limit > 0 && this.sb.used + size - this.size > this.sb.limit && size > this.size) return -E.ENOSPC;
    this.fresh = false;
    const fd = this.data?.open(O_RDWR) ?? -E.EIO;
    if (fd < 0) return fd;
    const t = host.ftruncate(fd, size);
    host.close(fd);
    if (t < 0) return t;
    if (this.sb.limit > 0) this.sb.used += size - this.size;
    touchModified(this);
    return this.refresh();
  }
}

/** An open regular file. fsync has nothing to do where names and metadata end with the container: data alone need no durability. */
export class LFile extends HostFile {
  constructor(path: Path, flags: number, hostFd: number, private readonly node: LRegular) {
    super(path, flags, hostFd);
    // A descriptor on the lower's data, once granted, stays there when the file is copied up.
    this.live = node.hasData;
    // Writes that have to be counted, or that take set-id bits off the file, must come by here.
    if (node.sb.limit > 0 || (node.mode & (S_ISUID | S_ISGID)) !== 0) this.grantable &= ~L.HINT_WRITE;
  }

  override fsync(data: boolean): number {
    const { journal } = this.node.sb;
    if (journal === undefined) return 0;
    const r = this.node.dataName === '' ? 0 : super.fsync(data);
    return r < 0 ? r : journal.flush(true);
  }

  override write(f: Frame | undefined, off: number, len: number, pos: number): number {
    const sb = this.node.sb;
    if (sb.limit === 0) return super.write(f, off, len, pos);
    const r = this.node.refresh();
    if (r < 0) return r;
    const size = this.node.size;
    const at = (this.flags & O_APPEND) !== 0 ? size : pos < 0 ? host.lseek(this.hostFd, 0, SEEK_CUR) : pos;
    const room = Math.max(0, sb.limit - sb.used) + Math.max(0, size - at);
    if (room === 0 && len > 0) return -E.ENOSPC;
    const n = super.write(f, off, Math.min(len, room), pos);
    if (n > 0) sb.used += Math.max(0, at + n - size);
    return n;
  }

  override release(): void { this.node.forgetReader(this); }
}
