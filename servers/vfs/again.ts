/**
 * Files that a process opens again and again: a server its pages and tables, a shell its scripts, a monitor its counters.
 *
 *   the same path opened for the third time ──► with the answer one more open of it, made ahead (ahead.ts), marked OPENED_AGAIN
 *     ──► the process's next open takes it, without a trip; closing it takes that back, and it waits for the next (native/stub/ahead.c)
 *     ──► a server heard of the open before the close: the file is the process's, and its next open is a request again
 *
 * So only what was opened by request is seen here, and a path that is seen although one was made for it did not stay with the process. Each time that takes twice as many
 * requests, so that making one costs little where it is of no use. What a process was given and has not taken is let go of with the process, as everything that was opened ahead.
 */
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { isPlainOpen, makeAgain, nwaitingAgain, tellAgain } from './ahead.js';
import { O_DIRECTORY, O_NOCTTY } from './file.js';
import type { Caller } from './inode.js';

/** Paths of a process that are looked out for: the latest. */
const RECENT = 8;
/** Files of a process that wait to be opened again. */
const WAITING_MAX = 8;
/** The first time. */
const FIRST = 3;

/** A path that a process has opened. */
class Opened {
  path = '';
  flags = 0;
  requests = 0;
  /** Requests after which one is made. */
  due = 0;
}

/** The latest paths of one process. */
class Recent {
  private readonly list: readonly Opened[] = Array.from({ length: RECENT }, () => new Opened());
  private next = 0;

  /** Count an open. */
  count(path: string, flags: number): Opened {
    for (const o of this.list) {
      if (o.path !== path || o.flags !== flags) continue;
      o.requests++;
      return o;
    }
    const o = this.list[this.next] as Opened;
    this.next = (this.next + 1) % RECENT;
    o.path = path;
    o.flags = flags;
    o.requests = 1;
    o.due = FIRST;
    return o;
  }
}

const ofProcess = new Map<number, Recent>();

/** Another program begins in the process of tg, or it ends. */
export function forgetOpened(tg: number): void { ofProcess.delete(tg); }

/** The process of f has opened `path` with `asked` by request, and may remember that. */
export function openedAgain(f: Frame, c: Caller, path: string, asked: number): void {
  const flags = asked & ~O_NOCTTY;
  if (!isPlainOpen(path, flags) || (flags & O_DIRECTORY) !== 0 || f.produced(5) === 0) return;
  let recent = ofProcess.get(f.tg);
  if (recent === undefined) ofProcess.set(f.tg, recent = new Recent());
  const o = recent.count(path, flags);
  if (o.requests < o.due) return;
  o.due = 2 * o.requests;
  if (nwaitingAgain(f.tg) >= WAITING_MAX) return;
  const made = makeAgain(c, L.tgTgid(f.tg), path, flags);
  if (made !== undefined) tellAgain(f, made);
}
