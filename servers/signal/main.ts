/** The signal worker: delivery decisions, pending queues, timers of every kind, signalfd and timerfd. */
import { runWorker } from '../../shared/boot.js';
import type { SignalControl } from '../../shared/control.js';
import * as L from '../../shared/gen/layout.js';
import { installSignal } from './server.js';
import { userInfo } from './siginfo.js';

runWorker((ep) => {
  const d = installSignal(ep);
  const api: SignalControl = {
    signalInit: (signo) => { d.sendTg(L.metaInitTg(1), userInfo(signo, 0, 0, 0)); },
  };
  return api;
});
