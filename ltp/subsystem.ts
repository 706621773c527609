/** Which subsystem a test is about, by the words of its name. Only for tables: a row counts the same wherever it stands. */
import type { Subsystem } from './result.js';

const WORDS: ReadonlyArray<readonly [RegExp, Subsystem]> = [
  [/sched|affinity|nice|yield|priority|rseq|membarrier|numa/i, 'scheduler'],
  [/timer|clock|time|sleep|alarm|itimer|deadline|after|tick/i, 'timers'],
  [/signal|sig(?!n)|kill|abort|interrupt/i, 'signals'],
  [/socket|sock|net|tcp|udp|unix|inet|http|dial|listen|conn|resolv|dns|sendmsg|recv|bind|accept|splice_sock/i, 'networking'],
  [/futex|pipe|poll|select|epoll|eventfd|mq_|mqueue|sem|shm|msg|ipc|queue|lock|mutex|cond|barrier|atomic|fifo/i, 'IPC'],
  [/mmap|mem|brk|madv|mprotect|mremap|mincore|vm|heap|malloc|stack|gc|alloc|page|cow|mlock/i, 'memory'],
  [/fork|exec|wait|clone|proc|pid|thread|spawn|exit|ptrace|prctl|seccomp|uid|gid|cred|cap|session|rlimit|rusage/i, 'process'],
  [/file|dir|path|open|read|write|stat|link|mount|fs|chmod|chown|xattr|rename|copy|io|buf|temp|glob|walk|tty|pty|splice|sendfile|fallocate|fcntl|access/i, 'filesystem'],
];

/** The first that matches; `other` when none does. */
export function subsystemOf(name: string): Subsystem {
  return WORDS.find(([words]) => words.test(name))?.[1] ?? 'other';
}
