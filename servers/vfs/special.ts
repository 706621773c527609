/**
 * Opening device nodes wherever they are: the device belongs to a driver by its number, not to the file system that holds the name.
 * devfs registers the driver table at boot.
 */
import { E } from '../../shared/errno.js';
import type { File } from './file.js';
import { type Caller, type Path, S_IFBLK, S_IFCHR } from './inode.js';

export type DeviceOpener = (c: Caller, path: Path, flags: number, rdev: number, block: boolean) => File | number;

let opener: DeviceOpener = () => -E.ENXIO;
/** Who opens devices by number (inode.rdev); -ENXIO for unknown ones. */
export function setDeviceOpener(o: DeviceOpener): void { opener = o; }

/** Open the device node at path. FIFOs are handled by open(2) itself (fifo.ts); sockets cannot be opened. ENXIO. */
export function specialOpen(c: Caller, path: Path, flags: number): File | number {
  const type = path.inode.type;
  if (type !== S_IFCHR && type !== S_IFBLK) return -E.ENXIO;
  return opener(c, path, flags, path.inode.rdev, type === S_IFBLK);
}
