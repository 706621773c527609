/** A host file that is executed: as elf.ts reads it, and what was found out about it before. The fd belongs to who made it. */
import * as host from '../../shared/host.js';
import type { ElfFile, ElfSource } from './elf.js';

/** struct statx, offsets. */
const STX_INO = 32, STX_SIZE = 40, STX_CTIME = 96, STX_DEV_MAJOR = 136, STX_DEV_MINOR = 140;
const STATX_CTIME_INO_SIZE = 0x80 | 0x100 | 0x200;
/** The host's clock of files moves in steps of up to 10 ms: what has changed less than this ago may change again without a trace. ns */
const RACY_NS = 40e6;

const stat64 = (off: number): number => host.scratchView.getUint32(host.STRUCT + off, true) + host.scratchView.getUint32(host.STRUCT + off + 4, true) * 4294967296;

/** An ELF file that was read before; by inode number. */
interface Known { readonly was: HostFile; readonly elf: ElfFile }
const KNOWN_MAX = 256;
export type KnownFiles = Map<number, Known>;

export class HostFile implements ElfSource {
  readonly size: number = 0;
  private readonly ino: number = 0;
  private readonly dev: number = 0;
  /** Last change of anything about it, ns since 1970. */
  private readonly ctime: number = 0;
  constructor(readonly fd: number) {
    if (host.statx(fd, '', host.AT_EMPTY_PATH, STATX_CTIME_INO_SIZE) < 0) return;
    this.size = stat64(STX_SIZE);
    this.ino = stat64(STX_INO);
    this.dev = host.scratchView.getUint32(host.STRUCT + STX_DEV_MAJOR, true) * 1048576 + host.scratchView.getUint32(host.STRUCT + STX_DEV_MINOR, true);
    this.ctime = stat64(STX_CTIME) * 1e9 + host.scratchView.getUint32(host.STRUCT + STX_CTIME + 8, true);
  }

  /** Is it the file that `other` was, unchanged? */
  isAs(other: HostFile): boolean { return this.ino === other.ino && this.dev === other.dev && this.size === other.size && this.ctime === other.ctime; }

  /** What the file was found to be when it was as it is now. */
  known(cache: KnownFiles): ElfFile | undefined {
    const k = cache.get(this.ino);
    return k?.was.isAs(this) === true ? k.elf : undefined;
  }

  remember(cache: KnownFiles, elf: ElfFile): void {
    if (Date.now() * 1e6 - this.ctime < RACY_NS) return;
    if (cache.size >= KNOWN_MAX) cache.clear();
    cache.set(this.ino, { was: this, elf });
  }

  read(pos: number, len: number): Buffer | number {
    const out = Buffer.alloc(len);
    let done = 0;
    while (done < len) {
      const n = host.pread(this.fd, host.DATA, Math.min(len - done, host.DATA_BYTES), pos + done);
      if (n < 0) return n;
      if (n === 0) break;
      host.scratch.copy(out, done, host.DATA, host.DATA + n);
      done += n;
    }
    return out.subarray(0, done);
  }
}
