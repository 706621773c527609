/**
 * Unpacks a tar that a container has written, for `carrick cp`. The archive is a guest's, so it is not trusted: names lead only to below the directory given, which is fresh and
 * the caller's alone; nothing is written through a symlink; what is no file, directory or link is refused; set-id bits are dropped, since owners become the caller. Names are bytes.
 */
import { chmodSync, closeSync, futimesSync, linkSync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs';
import type { TarEntry, TarSink } from '../../image/tar.js';
import { toPath, toText } from '../bytes.js';
import { Failure } from '../failure.js';

/** Permissions that are taken over: rwx for all three. */
const PERMISSIONS = 0o777;

export class Unpacker implements TarSink {
  /** Directories and files that were made here, latin1, relative; the root is ''. */
  private readonly dirs = new Map<string, number>([['', 0o700]]);
  private readonly files = new Set<string>();
  private fd = -1;
  private mtime = 0;

  /** dir: latin1, absolute, empty. */
  constructor(private readonly dir: string) {}

  entry(e: TarEntry): void {
    const name = this.checked(e.name);
    if (name === '' && e.type === 'dir') return;
    const parent = name.slice(0, Math.max(0, name.lastIndexOf('/')));
    if (name === '' || !this.dirs.has(parent) || (this.dirs.has(name) && e.type !== 'dir') || this.files.has(name)) throw new Failure(`the container's archive is not to be trusted: ${toText(e.name)}`);
    const path = this.path(name);
    switch (e.type) {
      case 'dir':
        // Written to first; its own permissions come at the end.
        if (!this.dirs.has(name)) mkdirSync(path, 0o700);
        this.dirs.set(name, e.mode & PERMISSIONS);
        return;
      case 'file':
        this.files.add(name);
        this.fd = openSync(path, 'wx', e.mode & PERMISSIONS);
        this.mtime = e.mtime;
        return;
      case 'symlink':
        this.files.add(name);
        symlinkSync(toPath(e.linkname), path);
        return;
      case 'link': {
        const target = this.checked(e.linkname);
        if (!this.files.has(target)) throw new Failure(`the container's archive is not to be trusted: a link to ${toText(e.linkname)}`);
        this.files.add(name);
        linkSync(this.path(target), path);
        return;
      }
      default: throw new Failure(`${toText(e.name)} is a device or FIFO, which cp does not copy`);
    }
  }

  data(chunk: Buffer): void {
    for (let done = 0; done < chunk.length;) done += writeSync(this.fd, chunk, done);
  }

  done(): void {
    if (this.fd < 0) return;
    futimesSync(this.fd, this.mtime, this.mtime);
    closeSync(this.fd);
    this.fd = -1;
  }

  /**
   * Everything has come, and is where it belongs: directories get their permissions, the deepest first. Not before: what may not be written to cannot be moved, nor
   * removed when something goes wrong. final: where the directory of this name is now (latin1), undefined = it is not one of ours.
   */
  finish(final: (name: string) => string | undefined): void {
    for (const [name, mode] of [...this.dirs].sort((a, b) => b[0].length - a[0].length)) {
      const path = name === '' ? undefined : final(name);
      if (path !== undefined) chmodSync(toPath(path), mode);
    }
  }

  private path(name: string): Buffer { return toPath(`${this.dir}/${name}`); }

  /** A name without empty and "." parts; throws when it would lead out. */
  private checked(name: string): string {
    const parts = name.split('/').filter((part) => part !== '' && part !== '.');
    if (name.startsWith('/') || parts.includes('..')) throw new Failure(`the container's archive is not to be trusted: ${toText(name)}`);
    return parts.join('/');
  }
}
