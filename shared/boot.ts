/** What boot hands a worker, and the frame in which every worker runs. */
import { type MessagePort, workerData } from 'node:worker_threads';
import * as Comlink from 'comlink';
import { installCallLog } from './call-log.js';
import { Endpoint } from './endpoint.js';
import { type Tables, attachTables, metaTrace } from './gen/layout.js';
import { initHost, nameThread } from './host.js';
import { loadNative, native } from './native.js';
import type { ReportControl } from './control.js';
import type { RingSet } from './rings.js';
import { SERVER_NAMES } from './server-names.js';
import type { RunSpec } from './spec.js';
import { installReport } from './report.js';
import { installTrace } from './trace.js';

export interface BootData {
  /** SRV_* of this worker. */
  readonly srv: number;
  readonly tables: Tables;
  readonly rings: RingSet;
  /** Float64 [SRV_COUNT][STAT_ROWS][calls, errors, ns]; each server writes its own part. */
  readonly stats: SharedArrayBuffer;
  readonly addonPath: string;
  readonly spec: RunSpec;
  /** Host fd for trace lines, -1 = no trace. */
  readonly traceFd: number;
  /** `carrick profile`: where this worker logs its calls. */
  readonly callLog?: SharedArrayBuffer | undefined;
  readonly control: MessagePort;
}

/** A worker's first message: it serves from now on. */
export interface WorkerReady {
  readonly carrick: 'ready';
  /** Its thread on the host. */
  readonly tid: number;
}

const NR_HOST_gettid = process.arch === 'arm64' ? 178 : 186;

type Listener = ((event: { data: unknown }) => void) | { handleEvent(event: { data: unknown }): void };

/** A node:worker_threads port as comlink wants it (an EventTarget). */
function endpointOf(port: MessagePort): Comlink.Endpoint {
  const wrapped = new Map<Listener, (data: unknown) => void>();
  return {
    postMessage: (message: unknown, transfer?: readonly ArrayBuffer[]) => { port.postMessage(message, transfer === undefined ? [] : [...transfer]); },
    addEventListener: (_type: string, listener: Listener) => {
      const l = (data: unknown): void => {
        const event = { data };
        if (typeof listener === 'function') listener(event); else listener.handleEvent(event);
      };
      wrapped.set(listener, l);
      port.on('message', l);
    },
    removeEventListener: (_type: string, listener: Listener) => {
      const l = wrapped.get(listener);
      if (l !== undefined) port.off('message', l);
      wrapped.delete(listener);
    },
    start: () => { port.start(); },
  } as unknown as Comlink.Endpoint;
}

/** comlink over a worker_threads port, for both sides. */
export const comlinkPort = endpointOf;

/**
 * Run a server worker: loads the addon, attaches the tables, lets `setup` register handlers and return the control API, then serves for
 * ever. The only place where a worker's event loop turns is between two `serve` calls, when DB_CONTROL was rung.
 */
export function runWorker(setup: (ep: Endpoint, boot: BootData) => object): void {
  const boot = workerData as BootData;
  loadNative(boot.addonPath);
  initHost();
  nameThread(`carrick-${SERVER_NAMES[boot.srv] ?? '?'}`);
  attachTables(boot.tables);
  const ep = new Endpoint(boot.srv, boot.rings, new Float64Array(boot.stats));
  const report = boot.spec.trace.mode === 'report' ? installReport(ep) : undefined;
  if (report !== undefined) ep.report = report;
  else if (boot.callLog !== undefined) installCallLog(ep, boot.callLog);
  else if (metaTrace(1) !== 0) installTrace(ep, boot.traceFd);
  const api: object & ReportControl = { ...setup(ep, boot), report: () => report?.take() };
  Comlink.expose(api, endpointOf(boot.control));
  const loop = (): void => {
    ep.serve();
    // Two turns: one lets the port's message in, the next lets comlink's answer out.
    setImmediate(() => setImmediate(loop));
  };
  boot.control.postMessage({ carrick: 'ready', tid: native.sys(NR_HOST_gettid, 0) } satisfies WorkerReady);
  setImmediate(loop);
}
