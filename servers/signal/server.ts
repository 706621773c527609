/** Everything that the signal server registers in its endpoint; apart from main.ts, so that tests can be the server. */
import type { Endpoint } from '../../shared/endpoint.js';
import * as L from '../../shared/gen/layout.js';
import { Msg } from '../../shared/messages.js';
import { SignalFds } from './calls/fds.js';
import { Itimers } from './calls/itimer.js';
import { installClock } from './calls/clock.js';
import { installKill } from './calls/kill.js';
import { installPidfd } from './calls/pidfd.js';
import { PosixTimers } from './calls/posix-timer.js';
import { installWait } from './calls/wait.js';
import { Delivery } from './delivery.js';
import { childInfo, userInfo } from './siginfo.js';
import { SIGCONT } from './sigset.js';

const CLD_EXITED = 1, CLD_STOPPED = 5, CLD_CONTINUED = 6;

/** si_status of SIGCHLD from a wait status word: exit code or signal. */
function childStatus(code: number, word: number): number {
  if (code === CLD_EXITED || code === CLD_STOPPED) return (word >> 8) & 0xff;
  return code === CLD_CONTINUED ? SIGCONT : word & 0x7f;
}

export function installSignal(ep: Endpoint): Delivery {
  const d = new Delivery(ep);
  installKill(ep, d);
  installPidfd(ep, d);
  installWait(ep, d);
  installClock(ep);
  new Itimers(ep, d);
  new PosixTimers(ep, d);
  new SignalFds(ep, d);
  const info = (w: Float64Array): ReturnType<typeof userInfo> => userInfo(w[1] as number, w[2] as number, w[3] as number, w[4] as number, w[5] as number, w[6] as number);
  ep.on(Msg.SIG_TG, (m) => { d.sendTg(m.w[0] as number, info(m.w)); });
  ep.on(Msg.SIG_TASK, (m) => { d.sendTask(m.w[0] as number, info(m.w)); });
  ep.on(Msg.SIG_PGRP, (m) => { d.sendPgrp(m.w[0] as number, info(m.w)); });
  ep.on(Msg.SIG_CHILD, (m) => {
    const [parent, child, word, uid, utime, stime, code, signo] = m.w as unknown as [number, number, number, number, number, number, number, number];
    if (signo !== 0) d.sendTg(parent, childInfo(signo, code, L.tgTgid(child), uid, childStatus(code, word), Math.round(utime / 1e7), Math.round(stime / 1e7)));
  });
  return d;
}
