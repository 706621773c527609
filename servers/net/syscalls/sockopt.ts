/** setsockopt(2), getsockopt(2). */
import { E } from '../../../shared/errno.js';
import type { Frame } from '../../../shared/frame.js';
import * as NR from '../../../shared/gen/syscalls.js';
import * as host from '../../../shared/host.js';
import { SO_PEERCRED, SOL_SOCKET } from '../abi.js';
import * as h from '../hostcalls.js';
import { onSocket } from '../on-socket.js';
import { checkOption } from '../option-list.js';
import type { Sock, Socks } from '../sock.js';

/** Longest option value passed on. */
const VALUE_MAX = 4096;

/** setsockopt(2). -EINVAL (negative length), -EFAULT, -ENOPROTOOPT, -EOPNOTSUPP, -EPERM, then the host's. Deviations: see option-list.ts. */
function setsockopt(f: Frame, s: Sock): number {
  const level = f.argInt(1);
  const opt = f.argInt(2);
  const len = f.argInt(4);
  if (len < 0) return -E.EINVAL;
  const may = checkOption(s.domain, s.type, level, opt, true);
  // Linux takes an int before it looks at which option of SOL_SOCKET it is.
  if (may < 0 && (level !== SOL_SOCKET || len < 4)) return level === SOL_SOCKET ? -E.EINVAL : may;
  const n = Math.min(len, VALUE_MAX);
  if (n > 0) {
    const at = f.inOff(3);
    if (at < 0) return at;
    if (f.argLen(3) < n) return -E.EFAULT;
    f.bytes.copy(host.scratch, host.DATA, at, at + n);
  }
  return may < 0 ? may : h.setsockopt(s.hostFd, level, opt, n);
}

/** getsockopt(2). -EFAULT, -EINVAL (negative length), -ENOPROTOOPT, -EOPNOTSUPP, then the host's. SO_PEERCRED shows guest ids. */
function getsockopt(f: Frame, s: Sock): number {
  const level = f.argInt(1);
  const opt = f.argInt(2);
  let r = f.copyIn(f.argU64(4), host.STRUCT, 4);
  if (r < 0) return r;
  const room = host.scratchView.getInt32(host.STRUCT, true);
  if (room < 0) return -E.EINVAL;
  let n: number;
  if (level === SOL_SOCKET && opt === SO_PEERCRED) {
    const v = host.scratchView;
    v.setInt32(host.DATA, s.peer?.pid ?? 0, true);
    v.setUint32(host.DATA + 4, s.peer?.uid ?? 0xffffffff, true);
    v.setUint32(host.DATA + 8, s.peer?.gid ?? 0xffffffff, true);
    n = Math.min(room, 12);
  } else {
    const may = checkOption(s.domain, s.type, level, opt, false);
    if (may < 0) return may;
    n = h.getsockopt(s.hostFd, level, opt, Math.min(room, VALUE_MAX));
    if (n < 0) return n;
  }
  host.scratchView.setUint32(host.STRUCT, n, true);
  r = f.copyOut(f.argU64(3), host.DATA, Math.min(n, room));
  if (r >= 0) r = f.copyOut(f.argU64(4), host.STRUCT, 4);
  return r < 0 ? r : 0;
}

export function installSockoptCalls(socks: Socks): void {
  socks.ep.handle(NR.NR_setsockopt, onSocket(socks, (f, _ofd, s) => setsockopt(f, s)));
  socks.ep.handle(NR.NR_getsockopt, onSocket(socks, (f, _ofd, s) => getsockopt(f, s)));
}
