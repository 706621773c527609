/** Directory entries as getdents(2) and getdents64(2) hand them out. */

/** One name. */
export interface Entry { readonly name: string; readonly ino: number; readonly type: number }

/** Bytes of a record for a name of `len` bytes: the head, the name, its NUL (and d_type in the old layout), 8-byte aligned. */
export const direntBytes = (len: number): number => (20 + len + 7) & ~7;

/** Put the record of `e` at `at`; off: position after it (d_off). wide: struct linux_dirent64, else the old linux_dirent. Returns its bytes. */
export function putDirent(buf: Buffer, view: DataView, at: number, e: Entry, off: number, wide: boolean): number {
  const { name, ino, type } = e, reclen = direntBytes(name.length);
  view.setUint32(at, ino >>> 0, true);
  view.setUint32(at + 4, Math.floor(ino / 4294967296), true);
  view.setUint32(at + 8, off, true);
  view.setUint32(at + 12, 0, true);
  view.setUint16(at + 16, reclen, true);
  const nameAt = wide ? at + 19 : at + 18;
  if (wide) buf[at + 18] = type;
  buf.latin1Write(name, nameAt);
  buf.fill(0, nameAt + name.length, at + reclen);
  // struct linux_dirent keeps d_type in the record's last byte.
  if (!wide) buf[at + reclen - 1] = type;
  return reclen;
}
