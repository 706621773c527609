/** The start of the container: what there is once, and its first process (launch.ts). What comes of it is a KernelEvent on the control port. */
import type { BootData } from '../shared/boot.js';
import type { KernelEvent } from '../shared/control.js';
import * as L from '../shared/gen/layout.js';
import { native } from '../shared/native.js';
import { setName, tellNames } from './calls/system.js';
import { FAILED, Launch, Tty, installLaunches } from './launch.js';
import type { Kernel } from './proc.js';

export class Boot {
  private begun = false;

  /** onStarted: the first process runs. */
  constructor(private readonly k: Kernel, private readonly boot: BootData, private readonly onStarted: () => void) {
    installLaunches(k.ep);
  }

  start(): void {
    if (this.begun) return;
    this.begun = true;
    const { spec } = this.boot;
    setName(L.META_HOSTNAME_BYTE(1), spec.hostname);
    setName(L.META_DOMAINNAME_BYTE(1), '(none)');
    tellNames();
    const failed = (code: number, errno: number, message: string): void => { this.tell({ carrick: 'failed', code, errno, message }); };
    const stub = native.stubFd();
    if (stub < 0) { failed(FAILED, -stub, `cannot load the stub (errno ${-stub}); build it with: npm run build:native`); return; }
    const { argv, env, cwd, cwdMake, user, uid, gid, groups, homeFromPasswd, rows, cols, namespaces, hostname } = spec;
    const [input, output, error] = spec.stdio;
    new Launch(this.k, {
      first: true, argv, env, cwd, cwdMake, user, uid, gid, groups, homeFromPasswd, rows, cols, namespaces, hostname, limits: spec.limits ?? [],
      tty: spec.tty ? Tty.CONSOLE : Tty.NONE, stdio: [spec.interactive ? input : -1, output, error],
    }, {
      spawned: (hostPid) => { if (spec.profileHz > 0) this.tell({ carrick: 'sampling', result: native.perfOpen(hostPid, spec.profileHz) }); },
      // In this order: who is told that it runs may ask for it at once.
      started: () => { this.onStarted(); this.tell({ carrick: 'started' }); },
      failed,
      ended: (status) => { this.tell({ carrick: 'exited', status }); },
    }).start();
  }

  private tell(event: KernelEvent): void { this.boot.control.postMessage(event); }
}
