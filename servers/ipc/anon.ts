/** fstat of objects without an inode of their own: all share one of the kernel's internal file system. stat(2) shows mode 0600 and no file type. */
import { STAT_BYTES } from './hostcalls.js';

/** Any small major:minor of a nodev file system, and one inode number for all. */
const ANON_DEV = 15;
const ANON_INO = 1057;

export function statAnonymous(bytes: Buffer, off: number): number {
  bytes.fill(0, off, off + STAT_BYTES);
  bytes.writeUInt32LE(ANON_DEV, off); // st_dev
  bytes.writeUInt32LE(ANON_INO, off + 8); // st_ino
  bytes.writeUInt32LE(1, off + 16); // st_nlink
  bytes.writeUInt32LE(0o600, off + 24); // st_mode
  bytes.writeUInt32LE(4096, off + 56); // st_blksize
  return 0;
}
