/**
 * Decodes the host's records of perf_event_open(2), as native/addon/perf.cc asks for them: PERF_SAMPLE_IP | TID | TIME | CALLCHAIN, with sample_id_all, so that every other
 * record ends with pid, tid and time.
 */

export interface Event {
  /** CLOCK_MONOTONIC, ns. */
  readonly ns: number;
  /** Host process and thread. */
  readonly pid: number;
  readonly tid: number;
}

export type PerfRecord = Event & (
  /** Program counters, innermost first, without those of the host's kernel. */
  | { readonly kind: 'sample'; readonly kernel: boolean; readonly pcs: readonly number[] }
  /** An executable mapping. */
  | { readonly kind: 'map'; readonly start: number; readonly end: number; readonly offset: number; readonly ino: number; readonly path: string }
  | { readonly kind: 'comm'; readonly comm: string; readonly exec: boolean }
  | { readonly kind: 'fork'; readonly parent: number; readonly parentTid: number }
  | { readonly kind: 'exit' }
  /** preempted: it would have gone on, but somebody else got the processor. */
  | { readonly kind: 'switch'; readonly out: boolean; readonly preempted: boolean }
  | { readonly kind: 'lost'; readonly records: number });

const LOST = 2, COMM = 3, EXIT = 4, FORK = 7, SAMPLE = 9, MMAP2 = 10, SWITCH = 14;
const MISC_CPUMODE = 7, MISC_KERNEL = 1, MISC_BIT13 = 1 << 13, MISC_BIT14 = 1 << 14;

function u64(v: DataView, at: number): number { return v.getUint32(at, true) + v.getUint32(at + 4, true) * 4294967296; }

function text(bytes: Buffer, from: number, to: number): string {
  const end = bytes.indexOf(0, from);
  return bytes.toString('latin1', from, end < 0 || end > to ? to : end);
}

/** The records in the first `length` bytes. Kinds that nobody asked for are passed over. */
export function* perfRecords(bytes: Buffer, length: number): IterableIterator<PerfRecord> {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= length;) {
    const type = v.getUint32(at, true), misc = v.getUint16(at + 4, true), size = v.getUint16(at + 6, true);
    if (size < 8 || at + size > length) throw new Error(`perf record of ${size} bytes at ${at} of ${length}`);
    const body = at + 8, end = at + size;
    at = end;
    if (type === SAMPLE) { yield sample(v, body, misc); continue; }
    if (size < 24) continue;
    const id = { pid: v.getUint32(end - 16, true), tid: v.getUint32(end - 12, true), ns: u64(v, end - 8) };
    switch (type) {
      case SWITCH: yield { ...id, kind: 'switch', out: (misc & MISC_BIT13) !== 0, preempted: (misc & MISC_BIT14) !== 0 }; break;
      case COMM: yield { ...id, kind: 'comm', comm: text(bytes, body + 8, end - 16), exec: (misc & MISC_BIT13) !== 0 }; break;
      case FORK: yield { ns: id.ns, kind: 'fork', pid: v.getUint32(body, true), parent: v.getUint32(body + 4, true), tid: v.getUint32(body + 8, true), parentTid: v.getUint32(body + 12, true) }; break;
      case EXIT: yield { ns: id.ns, kind: 'exit', pid: v.getUint32(body, true), tid: v.getUint32(body + 8, true) }; break;
      case LOST: yield { ...id, kind: 'lost', records: u64(v, body + 8) }; break;
      case MMAP2: {
        const start = u64(v, body + 8);
        yield {
          ns: id.ns, kind: 'map', pid: v.getUint32(body, true), tid: v.getUint32(body + 4, true), start, end: start + u64(v, body + 16), offset: u64(v, body + 24),
          ino: u64(v, body + 40), path: text(bytes, body + 64, end - 16),
        };
        break;
      }
    }
  }
}

function sample(v: DataView, body: number, misc: number): PerfRecord {
  const n = u64(v, body + 24);
  const pcs: number[] = [];
  for (let i = 0; i < n; i++) {
    const at = body + 32 + 8 * i;
    // From 2^63: the marks between the kernel's and the program's part.
    if (v.getUint32(at + 4, true) < 0x80000000) pcs.push(u64(v, at));
  }
  return { kind: 'sample', ns: u64(v, body + 16), pid: v.getUint32(body + 8, true), tid: v.getUint32(body + 12, true), kernel: (misc & MISC_CPUMODE) === MISC_KERNEL, pcs };
}
