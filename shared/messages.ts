/**
 * Messages between workers (rings.ts). Words are Numbers; `bytes` is latin1 text or raw data. Each kind says: from → to, words, bytes.
 */
export const enum Msg {
  /** any → owner. The last reference to an open file description is gone. [ofd row, kind, obj] */
  RELEASE = 1,
  /** kernel → all. A thread group has ended: drop its parked requests and its objects. [tg, tgid] */
  TG_GONE = 2,
  /** kernel → all. A task has ended (thread exit, or killed by another's exec). [task, slot id] */
  TASK_GONE = 3,
  /** any → kernel. Answer FENCED when every request posted before this was read. [fence] */
  CATCH_UP = 7,
  /** any → any. Answer FENCED when everything sent before this was dealt with. [fence] */
  FENCE = 4,
  /** The answer. [fence] */
  FENCED = 5,
  /** net → itself. Look which messages in flight were thrown away. [] */
  SETTLE = 6,
  /** kernel → vfs. Copy fs_struct `from` as `to` (fork), or count one more user when equal (CLONE_FS). [from, to] */
  FS_CLONE = 10,
  /** kernel → vfs. One user of the fs_struct less. [fs] */
  FS_DROP = 11,
  /** kernel → vfs. Find a program for exec. [1 = an absolute path without flags, which may be kept (EXEC_KEEP), fs, cred, dirfd ofd or 0, flags (AT_*), serial, task, tg (0 = the first process)]; bytes path. Answer EXEC_OPENED. */
  EXEC_OPEN = 12,
  /** vfs → kernel. [ret (host fd open O_RDONLY, to be closed by the kernel, or -errno), serial, mode (st_mode), uid, gid, exe path id, flags, and what the answer depends on (answers.ts; 0 = not
   *  known): cell 0's value, the name's cell and value, the inode's cell and value]; bytes absolute guest path. flags: EXEC_*. */
  EXEC_OPENED = 13,
  /** kernel → vfs. tg's executable is path id (from EXEC_OPENED); count it. [tg, path id, A, area, pctx]; bytes argv and environment, the first A bytes argv (0: all; -1: as tg's parent, and no more words). */
  EXE_SET = 14,
  /** kernel → vfs. Build the fs_struct of a process that nobody forked: [fs, cred, serial, make the directory (0|1)]; bytes working directory. Answer BOOT_FS_DONE. */
  BOOT_FS = 15,
  /** vfs → kernel. [ret, serial] */
  BOOT_FS_DONE = 16,
  /** kernel → vfs. Read a small file for the kernel (/etc/passwd, /etc/group). [serial]; bytes path. Answer FILE_READ. */
  READ_FILE = 17,
  /** vfs → kernel. [serial, ret]; bytes content. */
  FILE_READ = 18,
  /**
   * kernel → vfs. Make stdio in file table `files`: open file descriptions for three host fds (-1 = /dev/null), or a terminal that is relayed to
   * them: tty 1 = the container's console, 2 = a new one. [files, tty (0|1|2), serial, uid, fd 0, fd 1, fd 2, rows, cols]. The fds stay the sender's. Answer STDIO_DONE.
   */
  BOOT_STDIO = 19,
  /** vfs → kernel. [ret (with a terminal: its index), serial] */
  STDIO_DONE = 20,
  /** kernel → vfs. The session leader tg, which will run soon, gets terminal `index`. [tg, index] */
  BOOT_TTY = 21,
  /** kernel → vfs. New window size of a console. [index, rows, cols] */
  CONSOLE_SIZE = 22,
  /** kernel → vfs. The process that a console of `exec` was made for has ended: write out what there is, then close it; or (hang up) nobody is there any more to read it, which
   *  is not answered. [index, serial, hang up (0|1)]. Answer CONSOLE_ENDED. */
  CONSOLE_END = 23,
  /** vfs → kernel. [serial] */
  CONSOLE_ENDED = 24,
  /** kernel → vfs. A program is not kept any more. [exe path id] */
  EXEC_DROP = 25,
  /** any → signal. Send a signal to a thread group. [tg, signo, code, sender pid, sender uid, value lo, value hi, status] */
  SIG_TG = 30,
  /** any → signal. Send a signal to a task. [task, signo, code, sender pid, sender uid, value lo, value hi] */
  SIG_TASK = 31,
  /** any → signal. Send to every process of a process group. [pgid, signo, code, sender pid, sender uid] */
  SIG_PGRP = 32,
  /** kernel → signal. exec done: dispositions were reset, the pctx is new; publish pending bits anew. [tg] */
  SIG_EXEC = 33,
  /** kernel → signal. The task shall come to the kernel as soon as it can (NR_PTRACE_STOP), be its process stopped or not. [task] */
  TRACE_TRAP = 34,
  /** kernel → signal. [parent tg, child tg, status word, uid, utime ns, stime ns, code (CLD_*), exit signal] */
  SIG_CHILD = 35,
  /** signal → kernel. A signal is killing tg: status word to announce. The host SIGKILL follows from signal. [tg, status word] */
  FATAL = 40,
  /** signal → kernel. [tg, signo] stopped. */
  TG_STOPPED = 41,
  /** signal → kernel. [tg] continued. */
  TG_CONTINUED = 42,
  /** any → kernel. A handler threw on behalf of tg: kill it. [tg] */
  BUG_KILL = 43,
  /** kernel → vfs. A session leader with a controlling terminal has ended: hang up. [tg, tg.ctty word] */
  TTY_HANGUP = 50,
  /** ipc → owner. Start or stop telling about readiness changes of an ofd. [ofd, +1 | -1] (the count itself is ofd.watched) */
  WATCH = 60,
  /** owner → ipc. ofd.ready changed; [ofd, mask] */
  READY = 61,
  /** any → ipc. O_ASYNC of an ofd has changed; sent before the answer of who changed it (a fence). [ofd, fd that it was done by, 1 = set] */
  ASYNC = 62,
  /** any → ipc / net / vfs. fifo_open, unix path binding and the like: [slot, op, ino key, flags]; answer by PEER_REPLY. */
  PEER_CALL = 70,
  /** [slot, ret, w2, w3] */
  PEER_REPLY = 71,
  /** net → vfs. An AF_UNIX path: [slot, op (1 make, 2 find), task]; bytes path. Answer UNIX_NAMED. */
  UNIX_NAME = 72,
  /** vfs → net. [slot, inode key > 0 or -errno] */
  UNIX_NAMED = 73,
  /** vfs → net, ipc. A file of /proc/net, /proc/sysvipc: [serial]; bytes its name. Answer PROC_TEXT (proc-text.ts). */
  PROC_ASK = 74,
  /** The answer. [serial, 1 = more pieces follow]; bytes a piece of the content. */
  PROC_TEXT = 75,
  /** ipc → vfs. The umask of an fs_struct, which is not a process's own (servers/vfs/umask.ts). [slot, fs] */
  UMASK_ASK = 78,
  /** The answer. [slot, umask] */
  UMASK_TOLD = 79,
  /** ipc → vfs. A splice has read or written an open file that is not granted. [ofd, 1 = written] */
  DATA_MOVED = 80,
  /** kernel → ipc. A process that may have System V segments attached has a child, which then has them, too. [tg, child's tg] */
  SHM_FORK = 76,
  /** kernel → ipc. Such a process is about to run another program, and has none attached any more. [tg, pid] */
  SHM_EXEC = 77,
}

/** Flags of EXEC_OPENED: the program may be told what /proc/self/exe leads to. */
export const EXEC_TELL_EXE = 1;
/** The kernel may keep the answer while the cells hold, also that there is no such file; vfs takes a program to be kept until EXEC_DROP. */
export const EXEC_KEEP = 2;
