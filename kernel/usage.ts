/** What a container uses right now, for `carrick top`: what the kernel's tables and the servers' counts say. Processor time and memory are the host's to tell. */
import type { UsageReply } from '../shared/control-wire.js';
import { STAT_ROWS } from '../shared/endpoint.js';
import * as L from '../shared/gen/layout.js';
import { native } from '../shared/native.js';
import { TgState, eachTaskOf, eachTg, taskName } from '../shared/tasks.js';

/** stats: the servers' counts, BootData.stats. */
export function usage(stats: Float64Array): UsageReply {
  const servers = Array.from({ length: L.SRV_COUNT }, (_, srv) => {
    let calls = 0;
    for (let nr = 0; nr < STAT_ROWS; nr++) calls += stats[(srv * STAT_ROWS + nr) * 3] ?? 0;
    return { calls, parked: 0 };
  });
  const processes: Array<UsageReply['processes'][number]> = [];
  eachTg((tg) => {
    if (L.tgState(tg) !== TgState.RUNNING) return;
    let tasks = 0, requests = 0;
    eachTaskOf(tg, (task) => {
      tasks++;
      requests += native.slotLoad(L.taskSlot(task), L.SLOT_SEQ);
      const server = servers[L.taskParked(task) - 1];
      if (server !== undefined) server.parked++;
    });
    processes.push({ pid: L.tgTgid(tg), hostPid: native.hostPid(tg), name: taskName(L.tgLeader(tg)), tasks, requests });
  });
  return { event: 'usage', servers, processes };
}
