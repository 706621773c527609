/**
 * Limits of System V IPC and POSIX message queues: Linux's defaults, which no one can change here. ipc enforces them, vfs shows them in /proc/sys.
 * Sources: sysvipc(7), mq_overview(7), uapi linux/shm.h, sem.h, msg.h.
 */

/** Bytes of a segment, pages of all segments (2^64 - 2^24, to the precision of a Number), segments. */
export const SHMMAX = 2 ** 64 - 2 ** 24, SHMALL = SHMMAX, SHMMNI = 4096;
/** What /proc/sys/kernel/shmmax says: not a Number. */
export const SHMMAX_TEXT = '18446744073692774399';
/** Semaphores of an array, of all arrays, operations of a call, arrays, highest value. */
export const SEMMSL = 32000, SEMMNS = 1024000000, SEMOPM = 500, SEMMNI = 32000, SEMVMX = 32767;
/** Bytes of a message, of a queue, queues. */
export const MSGMAX = 8192, MSGMNB = 16384, MSGMNI = 32000;
/** POSIX queues: messages of a queue and bytes of a message, by default and at most without CAP_SYS_RESOURCE, and queues. */
export const MQ_MSG_DEFAULT = 10, MQ_MSG_MAX = 10, MQ_SIZE_DEFAULT = 8192, MQ_SIZE_MAX = 8192, MQ_QUEUES_MAX = 256;
/** The same at most with it: HARD_MSGMAX, HARD_MSGSIZEMAX. */
export const MQ_MSG_HARD = 65536, MQ_SIZE_HARD = 16 * 1024 * 1024;
