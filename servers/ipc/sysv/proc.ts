/** /proc/sysvipc/shm, sem and msg: what ipcs(1) reads. proc_sysvipc(5), formats of ipc/shm.c, sem.c, msg.c. */
import type { MsgQueue, Msgs } from './msg.js';
import type { IpcPerm } from './ids.js';
import type { SemArray, Sems } from './sem.js';
import { PAGE, type Segment, type Shms } from './shm.js';

const SHM_HEAD = '       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n';
const MSG_HEAD = '       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n';
const SEM_HEAD = '       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n';

const pad = (n: number, width: number): string => String(n).padStart(width);
const head = (o: IpcPerm): string => `${pad(o.key, 10)} ${pad(o.id, 10)}  ${o.mode.toString(8).padStart(4)}`;
const owners = (o: IpcPerm): string => [o.uid, o.gid, o.cuid, o.cgid].map((n) => pad(n, 5)).join(' ');
const times = (...list: readonly number[]): string => list.map((n) => pad(n, 10)).join(' ');

const shmLine = (s: Segment, nattch: number, pages: number): string =>
  `${head(s)} ${pad(s.size, 21)} ${pad(s.cpid, 5)} ${pad(s.lpid, 5)}  ${pad(nattch, 5)} ${owners(s)} ${times(s.atime, s.dtime, s.ctime)} ${pad(pages * PAGE, 21)} ${pad(0, 21)}\n`;
const semLine = (a: SemArray): string => `${head(a)} ${pad(a.nsems, 10)} ${owners(a)} ${times(a.otime, a.ctime)}\n`;
const msgLine = (q: MsgQueue): string =>
  `${head(q)}  ${pad(q.bytes, 10)} ${pad(q.messages.length, 10)} ${pad(q.lspid, 5)} ${pad(q.lrpid, 5)} ${owners(q)} ${times(q.stime, q.rtime, q.ctime)}\n`;

/** Content of a file by its name. */
export function sysvText(name: string, shms: Shms, sems: Sems, msgs: Msgs): string {
  switch (name) {
    case 'shm': {
      const counts = shms.attached();
      return SHM_HEAD + shms.list(counts).map((s) => shmLine(s, counts.get(s.ino) ?? 0, shms.resident(s))).join('');
    }
    case 'sem': return SEM_HEAD + sems.ids.all().map(semLine).join('');
    case 'msg': return MSG_HEAD + msgs.ids.all().map(msgLine).join('');
    default: return '';
  }
}
