/** Signal numbers, sets as two u32 words, and default actions. Source: signal(7). */

export const SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGILL = 4, SIGTRAP = 5, SIGBUS = 7, SIGFPE = 8, SIGKILL = 9, SIGSEGV = 11, SIGPIPE = 13, SIGALRM = 14, SIGCHLD = 17, SIGCONT = 18,
  SIGSTOP = 19, SIGTSTP = 20, SIGTTIN = 21, SIGTTOU = 22, SIGURG = 23, SIGXCPU = 24, SIGXFSZ = 25, SIGVTALRM = 26, SIGPROF = 27, SIGWINCH = 28, SIGSYS = 31;
export const SIGRTMIN = 32;
export const NSIG = 64;

export const enum Action { TERM, IGNORE, STOP, CONT }

/** Default action of a signal. */
export function defaultAction(signo: number): Action {
  switch (signo) {
    case SIGCHLD: case SIGURG: case SIGWINCH: return Action.IGNORE;
    case SIGCONT: return Action.CONT;
    case SIGSTOP: case SIGTSTP: case SIGTTIN: case SIGTTOU: return Action.STOP;
    default: return Action.TERM;
  }
}

/** Bit of signo in the low word (signals 1..32) or the high word (33..64). */
export const bitLo = (signo: number): number => (signo <= 32 ? (1 << (signo - 1)) >>> 0 : 0);
export const bitHi = (signo: number): number => (signo > 32 ? (1 << (signo - 33)) >>> 0 : 0);
export const has = (lo: number, hi: number, signo: number): boolean => (signo <= 32 ? (lo & bitLo(signo)) !== 0 : (hi & bitHi(signo)) !== 0);

const SYNC = bitLo(SIGSEGV) | bitLo(SIGBUS) | bitLo(SIGILL) | bitLo(SIGTRAP) | bitLo(SIGFPE) | bitLo(SIGSYS);

/** The signal that Linux would take first from a set: synchronous ones, then the lowest number; 0 = empty. */
export function firstOf(lo: number, hi: number): number {
  const sync = lo & SYNC;
  if (sync !== 0) return lowest(sync);
  if (lo !== 0) return lowest(lo);
  return hi !== 0 ? 32 + lowest(hi) : 0;
}

function lowest(word: number): number { return 32 - Math.clz32(word & -word); }
