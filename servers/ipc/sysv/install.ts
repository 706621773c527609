/** System V IPC in the ipc server: the three kinds, their calls, what happens to them when processes fork, begin a program, end. */
import type { Endpoint } from '../../../shared/endpoint.js';
import type { Frame } from '../../../shared/frame.js';
import * as L from '../../../shared/gen/layout.js';
import { Msg } from '../../../shared/messages.js';
import { tellProc } from '../../../shared/proc-text.js';
import { dropMsgop, installMsgCalls } from '../syscalls/msg.js';
import { dropSemop, installSemCalls } from '../syscalls/sem.js';
import { installShmCalls } from '../syscalls/shm.js';
import { Msgs } from './msg.js';
import { sysvText } from './proc.js';
import { Sems } from './sem.js';
import { Shms } from './shm.js';

/** Returns what Endpoint.onDropped has to do. */
export function installSysv(ep: Endpoint): (f: Frame) => void {
  const shms = new Shms((work) => { ep.whenIdle(work); });
  const sems = new Sems((tg) => { L.setTgSysv(tg, 1); });
  const msgs = new Msgs();
  installShmCalls(ep, shms);
  installSemCalls(ep, sems);
  installMsgCalls(ep, msgs);
  ep.on(Msg.SHM_FORK, (m) => { shms.forked(m.w[0] as number, m.w[1] as number); });
  ep.on(Msg.SHM_EXEC, (m) => { shms.gone(m.w[0] as number, m.w[1] as number, true); });
  ep.on(Msg.TG_GONE, (m) => {
    sems.gone(m.w[0] as number, m.w[1] as number);
    shms.gone(m.w[0] as number, m.w[1] as number, false);
  });
  tellProc(ep, (name) => sysvText(name, shms, sems, msgs));
  return (f) => { dropSemop(sems, f); dropMsgop(msgs, f); };
}
