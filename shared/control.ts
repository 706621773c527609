/** Control plane: what the main thread may ask of a worker (comlink). Each call must be followed by ringDoorbell(srv, DB_CONTROL). */

import type { ReportPart } from './report.js';

/** What the kernel tells the main thread, unasked. */
export type KernelEvent =
  /** The first process runs. */
  | { readonly carrick: 'started' }
  /** Somebody waits for a server that is started when it is needed; once for each. */
  | { readonly carrick: 'needed'; readonly srv: number }
  /** `carrick profile`: processors that are sampled, or -errno. Before 'started'. */
  | { readonly carrick: 'sampling'; readonly result: number }
  /** The first process has ended: wait(2) status word. */
  | { readonly carrick: 'exited'; readonly status: number }
  /** It could not be started; a message that begins with "exec" or is empty means that execve refused with errno. */
  | { readonly carrick: 'failed'; readonly code: number; readonly errno: number; readonly message: string };

export interface KernelControl {
  /** Begin to build and start the container's first process; what comes of it is a KernelEvent on the control port. */
  start(): void;
  /** Kill every guest process. */
  killAll(): void;
}

export interface SignalControl {
  /** A signal from outside for the first process (docker kill semantics: SIG_DFL of pid 1 kills it). */
  signalInit(signo: number): void;
}

export interface VfsControl {
  /** New window size of the console tty. */
  resize(rows: number, cols: number): void;
  /** Flush what must outlive the run (the upper layer's index) . */
  shutdown(): void;
}

export interface ReportControl {
  /** What this worker has counted for a compat report; undefined when none was asked for. */
  report(): ReportPart | undefined;
}
