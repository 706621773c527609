/**
 * What an endpoint shares with its native half, on one thread (no atomics needed): the records of its inbox and the `lists` words.
 * native/addon mirrors these numbers.
 */

/** Requests that one server can hold, parked ones included. */
export const INBOX_RECORDS = 4096;
/** Byte offsets of the words that native adds to a record's header. */
export const REC_TASK = 240;
export const REC_TG = 244;
export const REC_SLOT = 248;

/** Word indexes in `lists`. */
export const LIST_FLAGS = 0;
export const LIST_NIN = 1;
export const LIST_NOUT = 2;
export const LIST_NFREE = 3;
export const LIST_NCANCEL = 4;
export const LIST_NFD = 5;
export const LIST_IN = 16;
export const LIST_OUT = 4112;
export const LIST_FREE = 8208;
export const LIST_CANCEL = 12304;
export const LIST_FD = 12816;
export const LIST_FD_MAX = 128;
export const LIST_WORDS = 12816 + 2 * LIST_FD_MAX;

/** Bits of lists[LIST_FLAGS]. */
export const WAKE_RINGS = 1;
export const WAKE_CONTROL = 2;
