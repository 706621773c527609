/**
 * What of the refusals that a run met is carrick's, and what Linux refuses as well.
 *
 *   missing   carrick lacks it: a call that answers ENOSYS, an ioctl request that no server knows, a file of /proc or /sys that this host has
 *   refused   failed in a way that may be Linux's own: a flag that is not valid there either, a socket option that the host's kernel lacks
 *   (absent)  Linux answers the same: TCGETS of something that is no terminal, a file of /proc that the host has not
 */
import { existsSync } from 'node:fs';
import { NR_getsockopt, SYSCALL_NAMES } from '../../shared/gen/syscalls.js';
import type { Refusal } from '../../shared/report.js';
import { ENUMS, IOCTLS } from '../../shared/trace-flags.js';

export type Verdict = 'missing' | 'refused';

export interface Judged { readonly verdict: Verdict; readonly program: number; readonly what: string; readonly errno: number; readonly count: number }

/**
 * Requests that some server answers for the objects that have them (ioctl_tty(2), ioctl(2), socket(7), ioctl_ficlonerange(2)): for others ENOTTY or EINVAL is
 * Linux's answer too. cli/compat/compat.test.ts looks each of them up in the servers' sources.
 */
export const SERVED_IOCTLS: readonly number[] = [
  0x5401, 0x5402, 0x5403, 0x5404, 0x5405, 0x5406, 0x5407, 0x5408, 0x5409, 0x540a, 0x540b, 0x540c, 0x540d, 0x540e, 0x540f, 0x5410, 0x5411, 0x5412, 0x5413, 0x5414,
  0x5419, 0x541a, 0x541b, 0x5420, 0x5421, 0x5422, 0x5423, 0x5424, 0x5425, 0x5427, 0x5428, 0x5429, 0x5450, 0x5451, 0x5452, 0x5460, 0x802c542a, 0x402c542b, 0x402c542c,
  0x402c542d, 0x80045440, 0x5441, 0x8905, 0x40049409, 0x4020940d,
];
const SERVED: ReadonlySet<number> = new Set(SERVED_IOCTLS);

function option(detail: string): string {
  const [level = 0, name = 0] = detail.split(' ').map(Number);
  return `${ENUMS.get('socklevel')?.get(level) ?? `level ${level}`} option ${name}`;
}

/** Undefined when Linux answers the same. `onHost`: whether a path is there on the host. */
export function judge(r: Refusal, onHost: (path: string) => boolean = existsSync): Judged | undefined {
  const name = SYSCALL_NAMES[r.nr] ?? '';
  const call = name === '' ? `call ${r.nr}` : name;
  const judged = (verdict: Verdict, what: string): Judged => ({ verdict, program: r.program, what, errno: r.errno, count: r.count });
  switch (r.kind) {
    case 'call': return judged('missing', call);
    case 'ioctl': {
      const request = Number(r.detail);
      return SERVED.has(request) ? undefined : judged('missing', `ioctl ${IOCTLS.get(request) ?? `0x${request.toString(16)}`}`);
    }
    case 'sockopt': return judged('refused', `${r.nr === NR_getsockopt ? 'getsockopt' : 'setsockopt'} ${option(r.detail)}`);
    case 'path': return onHost(r.detail) ? judged('missing', r.detail) : undefined;
    case 'flags': return judged('refused', `${call}(${r.detail})`);
  }
}
