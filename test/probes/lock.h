/* For probes of record locks. */
#ifndef LOCK_H
#define LOCK_H
#include "probe.h"

/* fcntl(2) with a struct flock that counts from the file's start. */
static int lk(int fd, int cmd, short type, long start, long len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	return fcntl(fd, cmd, &l);
}
#endif
