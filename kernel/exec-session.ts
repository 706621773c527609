/**
 * One `carrick exec`: a process beside the container's first, with the client's own standard input, output and error.
 *
 *   start ─► Launch ─► started ─► runs ─► ended ─► exited
 *                └─► failed        └─ client gone: SIGHUP by its terminal, or SIGKILL, or nothing (-d); nobody is told
 *
 * It has no parent in the container (ppid 0), a session of its own, the container's environment, directory and user but for what the client asks.
 */
import type { ControlReply, ExecRequest } from '../shared/control-wire.js';
import { layEnv } from '../shared/control-wire.js';
import * as L from '../shared/gen/layout.js';
import * as host from '../shared/host.js';
import { Msg } from '../shared/messages.js';
import { native } from '../shared/native.js';
import type { RunSpec } from '../shared/spec.js';
import { TgState } from '../shared/tasks.js';
import { FAILED, Launch, Tty } from './launch.js';
import { type Kernel, SIGKILL } from './proc.js';

export class ExecSession {
  private readonly launch: Launch;
  private gone = false;

  /** stdio: taken; tell: at most 'started', then one 'failed' or 'exited'. */
  constructor(private readonly k: Kernel, spec: RunSpec, private readonly m: ExecRequest, private stdio: readonly number[], private readonly tell: (reply: ControlReply) => void) {
    const env = layEnv(spec.env, m.env);
    const [input = -1, output = -1, error = -1] = stdio;
    this.launch = new Launch(k, {
      first: false, argv: m.argv, env, cwd: m.cwd === '' ? spec.cwd : m.cwd, cwdMake: false,
      user: m.user?.text ?? spec.user, uid: m.user?.uid ?? spec.uid, gid: m.user?.gid ?? spec.gid, groups: m.user === undefined ? spec.groups : undefined,
      homeFromPasswd: !env.some((item) => item.startsWith('HOME=')),
      tty: m.tty ? Tty.NEW : Tty.NONE, rows: m.rows, cols: m.cols, stdio: [m.interactive ? input : -1, output, error],
      namespaces: spec.namespaces, hostname: spec.hostname, limits: spec.limits ?? [],
    }, {
      started: (p) => {
        this.closeStdio();
        if (this.gone) { this.clientGone(); return; }
        this.say({ event: 'started', pid: p.pid });
      },
      failed: (code, errno, message) => { this.closeStdio(); this.say({ event: 'failed', code, errno, message }); },
      ended: (status) => { this.closeStdio(); this.say({ event: 'exited', status }); },
    });
  }

  start(): void {
    const { init } = this.k;
    if (init !== undefined && L.tgState(init.tg) === TgState.RUNNING) { this.launch.start(); return; }
    this.closeStdio();
    this.say({ event: 'failed', code: FAILED, errno: 0, message: 'the container is ending' });
  }

  private say(reply: ControlReply): void { if (!this.gone) this.tell(reply); }

  /** vfs has its own duplicates by now. */
  private closeStdio(): void {
    for (const fd of this.stdio) host.close(fd);
    this.stdio = [];
  }

  resize(rows: number, cols: number): void { this.launch.resize(rows, cols); }

  signal(signo: number): void {
    const p = this.launch.running;
    if (p !== undefined && this.k.procs[p.tg] === p) this.k.ep.send(L.SRV_SIGNAL, Msg.SIG_TG, [p.tg, signo, 0, 0, 0, 0, 0, 0]);
  }

  /** Nobody waits for it any more, nor reads what it writes. */
  clientGone(): void {
    this.gone = true;
    const p = this.launch.running;
    if (this.m.detach || p === undefined || this.k.procs[p.tg] !== p) return;
    if (this.m.tty) { this.launch.hangUp(); return; }
    native.killProcess(p.tg, SIGKILL);
  }
}
