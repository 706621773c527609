/** /proc/PID/{mounts,mountinfo,mountstats}: the mounts that a process can reach below its root. proc_pid_mounts(5), proc_pid_mountinfo(5). */
import { absolutePath, lastReach, Reach } from '../dpath.js';
import { MNT_NODEV, MNT_NOEXEC, MNT_NOSUID, MNT_RDONLY, type Mount, Path, devMajor, devMinor } from '../inode.js';
import { mounts } from '../mounts.js';

/** Spaces and their like as octal escapes, as in fstab(5). */
export function mangle(s: string): string {
  return s.replace(/[ \t\n\\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

function flagText(flags: number): string {
  return `${(flags & MNT_RDONLY) !== 0 ? 'ro' : 'rw'}${(flags & MNT_NOSUID) !== 0 ? ',nosuid' : ''}${(flags & MNT_NODEV) !== 0 ? ',nodev' : ''}${(flags & MNT_NOEXEC) !== 0 ? ',noexec' : ''},relatime`;
}

/** Mount points as seen from root, in order of mounting; those outside are left out. */
function visible(root: Path | undefined): Array<readonly [Mount, string]> {
  const list: Array<readonly [Mount, string]> = [];
  for (const m of mounts()) {
    const name = absolutePath(new Path(m, m.root), root);
    if (lastReach() === Reach.ROOT) list.push([m, name]);
  }
  return list;
}

const withOptions = (flags: string, options: string): string => (options === '' ? flags : `${flags},${options}`);

export function mountsText(root: Path | undefined): string {
  return visible(root).map(([m, at]) => `${mangle(m.sb.source)} ${mangle(at)} ${m.sb.fstype} ${withOptions(flagText(m.flags), m.sb.options)} 0 0\n`).join('');
}

export function mountinfoText(root: Path | undefined): string {
  return visible(root).map(([m, at]) => {
    const { sb } = m;
    // The part of the file system that is mounted: its root, or a directory for bind mounts.
    const part = m.root.parent === undefined || m.root.inode === sb.root ? '/' : absolutePath(new Path(m, m.root), new Path(m, topOf(m)));
    const super_ = withOptions((m.flags & MNT_RDONLY) !== 0 ? 'ro' : 'rw', sb.options);
    return `${m.id} ${m.parent?.id ?? m.id - 1} ${devMajor(sb.dev)}:${devMinor(sb.dev)} ${mangle(part)} ${mangle(at)} ${flagText(m.flags)} - ${sb.fstype} ${mangle(sb.source)} ${super_}\n`;
  }).join('');
}

function topOf(m: Mount): Mount['root'] {
  let d = m.root;
  while (d.parent !== undefined && d.parent !== d) d = d.parent;
  return d;
}

export function mountstatsText(root: Path | undefined): string {
  return visible(root).map(([m, at]) => `device ${mangle(m.sb.source)} mounted on ${mangle(at)} with fstype ${m.sb.fstype}\n`).join('');
}
