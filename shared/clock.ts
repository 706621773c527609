/** Time as the servers use it: nanoseconds of CLOCK_MONOTONIC as a Number (exact for 104 days of uptime, then to 1-2 ns). */

/** CLOCK_MONOTONIC now, ns. */
export function nowNs(): number {
  const t = process.hrtime();
  return t[0] * 1e9 + t[1];
}

/** CLOCK_REALTIME now, ns (to the microsecond that JavaScript offers). */
export function realtimeNs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1e6);
}

/** A timespec in a buffer as ns; -EINVAL's caller check: tv_nsec outside 0..999999999 or tv_sec < 0 gives NaN. */
export function readTimespec(view: DataView, off: number): number {
  const sec = view.getUint32(off, true) + view.getInt32(off + 4, true) * 4294967296;
  const nsec = view.getUint32(off + 8, true) + view.getInt32(off + 12, true) * 4294967296;
  if (sec < 0 || nsec < 0 || nsec > 999999999) return NaN;
  return sec * 1e9 + nsec;
}

/** Store ns as a timespec. */
export function writeTimespec(view: DataView, off: number, ns: number): void {
  const sec = Math.floor(ns / 1e9);
  view.setUint32(off, sec >>> 0, true);
  view.setInt32(off + 4, Math.floor(sec / 4294967296), true);
  view.setUint32(off + 8, Math.floor(ns - sec * 1e9), true);
  view.setInt32(off + 12, 0, true);
}
