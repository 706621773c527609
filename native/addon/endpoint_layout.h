/*
 * The endpoint's inbox and lists; the same numbers as shared/endpoint-layout.ts, whose test compares them.
 *
 * The lists are one Int32Array; LIST_* are word indexes. The counts LIST_NIN, LIST_NCANCEL, LIST_NFD are reset and written by native at each
 * replyAndWait; LIST_NOUT is written by TypeScript and zeroed by native after the flush; LIST_NFREE belongs to both, which is no race
 * because both run in the same thread.
 */
#ifndef CARRICK_ENDPOINT_LAYOUT_H
#define CARRICK_ENDPOINT_LAYOUT_H

enum {
	INBOX_RECORDS = 4096,

	/* Byte offsets in a record, in the unused tail of the slot header. */
	REC_TASK = 240,
	REC_TG = 244,
	REC_SLOT = 248,

	LIST_FLAGS = 0,
	LIST_NIN = 1,
	LIST_NOUT = 2,
	LIST_NFREE = 3,
	LIST_NCANCEL = 4,
	LIST_NFD = 5,
	LIST_IN = 16,
	LIST_OUT = 4112,
	LIST_FREE = 8208,
	LIST_CANCEL = 12304,
	LIST_FD = 12816,
	LIST_WORDS = 12816 + 256,

	LIST_CANCEL_MAX = 512,
	/* Pairs token, events. */
	LIST_FD_MAX = 128,

	FLAG_RINGS = 1,
	FLAG_CONTROL = 2,
};

#endif
