/**
 * Waiting for a PollSet: what poll and select have in common.
 *
 * First dispatch: the scratch set is filled and evaluated. If the call has to wait, a copy is kept in f.obj with a reference on every OFD, and the frame is parked on every entry;
 * later dispatches evaluate the copy. SOFT entries are evaluated once more after parking, because their owner may have changed
 * them between our look and our interest (ready.ts).
 * Wakers: any entry's event, the deadline, a signal, the task's death.
 */
import type { Endpoint } from '../../shared/endpoint.js';
import { E, Ret } from '../../shared/errno.js';
import { filesOf } from '../../shared/fdcalls.js';
import { fdLookup, ofdRef, ofdUnref } from '../../shared/fdtable.js';
import type { Frame } from '../../shared/frame.js';
import * as L from '../../shared/gen/layout.js';
import { DATA, pollNow, scratchView } from '../../shared/host.js';
import { EPOLLERR, EPOLLHUP } from '../../shared/hostwatch.js';
import { O_PATH } from './abi.js';
import { HOST_BATCH, type PollEnv, PollSet } from './poll-set.js';
import { PollClass, pollClass, type Readiness } from './ready.js';

/** Scratch for host pollfds, clear of what the calls read and write at DATA. */
const POLLFDS = DATA + 512 * 1024;

export class PollWaits {
  /** The set of calls that have not parked. */
  readonly asked = new PollSet(64);
  private readonly env: PollEnv;

  constructor(private readonly ep: Endpoint, private readonly ready: Readiness) {
    this.env = {
      classOf: pollClass,
      mask: (row, events) => ready.mask(row, events),
      hostFd: L.ofdHostFd,
      put: (ix, fd, events) => {
        scratchView.setInt32(POLLFDS + 8 * ix, fd, true);
        scratchView.setInt32(POLLFDS + 8 * ix + 4, events & 0xffff, true);
      },
      pollNow: (n) => pollNow(POLLFDS, n),
      got: (ix) => scratchView.getUint16(POLLFDS + 8 * ix + 6, true),
    };
    if (HOST_BATCH * 8 > 512 * 1024) throw new Error('HOST_BATCH does not fit scratch');
  }

  /** The set of a parked request; undefined at first dispatch. */
  held(f: Frame): PollSet | undefined { return f.obj instanceof PollSet ? f.obj : undefined; }

  /** OFD row of an fd as poll sees it: -EBADF when not open or O_PATH. */
  lookup(f: Frame, fd: number): number {
    const row = fdLookup(filesOf(f), fd);
    return row > 0 && (L.ofdFlags(row) & O_PATH) !== 0 ? -E.EBADF : row;
  }

  evaluate(set: PollSet): number { return set.evaluate(this.env); }

  /**
   * Nothing is ready: park f on every entry of its set. Ret.BLOCKED; a count > 0 when an entry became ready meanwhile (the held set then
   * has the findings); or -errno.
   */
  park(f: Frame, set: PollSet): number {
    const mine = this.held(f) ?? this.hold(f, set);
    let soft = false;
    for (let i = 0; i < mine.n; i++) {
      const row = mine.rows[i] as number;
      // A standing error that this call cannot report (select) would wake it for ever.
      if (row <= 0 || ((set.found[i] as number) & (EPOLLERR | EPOLLHUP)) !== 0) continue;
      if (pollClass(row) === PollClass.SOFT) soft = true;
      const r = this.ready.park(f, row, mine.want[i] as number);
      if (r !== Ret.BLOCKED) return r;
    }
    if (!soft) return Ret.BLOCKED;
    const n = this.evaluate(mine);
    return n === 0 ? Ret.BLOCKED : n;
  }

  private hold(f: Frame, set: PollSet): PollSet {
    const mine = set.keep();
    for (let i = 0; i < mine.n; i++) if ((mine.rows[i] as number) > 0) ofdRef(mine.rows[i] as number);
    f.obj = mine;
    return mine;
  }

  /** The call ends: drop the references. */
  release(f: Frame): void {
    const mine = this.held(f);
    if (mine === undefined) return;
    f.obj = undefined;
    for (let i = 0; i < mine.n; i++) if ((mine.rows[i] as number) > 0) ofdUnref(this.ep, mine.rows[i] as number);
  }
}
