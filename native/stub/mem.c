/*
 * Memory calls: the host does them on the guest's address space, which is this one, except that the stub's own range is not the guest's
 * to map or unmap, brk is emulated, and files come as grants.
 *
 * brk state is per address space and lives in .bss. The break is ordinary anonymous memory after the program's image.
 */
#include "stub.h"

#define MAP_FIXED_BIT 0x10
#define MAP_ANON_BIT 0x20
#define MAP_FIXED_NOREPLACE_BIT 0x100000
#define MREMAP_FIXED_BIT 2
#define PROT_EXEC_BIT 4
#define MADV_DONTNEED_ADVICE 4

static bool in_stub(u64 addr, u64 len)
{
	u64 end = addr + len;

	if (end < addr)
		end = ~0ull;
	return addr < STUB_HI && end > STUB_LO;
}

/* Tell the servers where heap and auxiliary vector are: in a new program, and in a process that begins with its parent's. */
void brk_tell(struct task *t)
{
	t->pctx->brk_start = mm.brk_start;
	t->pctx->brk = mm.brk;
	t->pctx->auxv = (u64)mm.auxv;
	t->pctx->auxv_len = mm.auxv_len;
}

/**
 * brk(2) as the system call: the new break, or the present one when it cannot be had.
 * Deviation: RLIMIT_DATA is not looked at.
 */
static long do_brk(struct task *t, u64 addr)
{
	u64 old, want;
	long r;

	lock(&mm.brk_lock);
	old = page_up(mm.brk);
	want = page_up(addr);
	if (addr < mm.brk_start || want < addr || in_stub(mm.brk_start, want - mm.brk_start))
		goto out;
	if (want > old) {
		if (rewrite_touches(old, want - old)) {
			rewrite_lock();
			rewrite_leave(old, want - old, false);
			rewrite_unlock();
		}
		r = host_back(__NR_mmap, old, want - old, 3, 0x22 | MAP_FIXED_NOREPLACE_BIT, -1, 0);
		if (r < 0)
			goto out;
		if ((u64)r != old) {
			host(__NR_munmap, r, want - old);
			goto out;
		}
	} else if (want < old) {
		host(__NR_munmap, want, old - want);
	}
	mm.brk = addr;
	t->pctx->brk = addr;
out:
	addr = mm.brk;
	unlock(&mm.brk_lock);
	return (long)addr;
}

/* The host's mmap. Code that may be rewritten is noted, code that it replaces forgotten. */
static long map(u64 addr, u64 len, u64 prot, u64 flags, u64 fd, u64 off)
{
	bool over = (flags & MAP_FIXED_BIT) && rewrite_touches(addr, len);
	long r;

	if (over) {
		rewrite_lock();
		rewrite_leave(addr, len, false);
	}
	r = host_back(__NR_mmap, addr, len, prot, flags, fd, off);
	if (over) {
		if (r >= 0)
			rewrite_gone(addr, len);
		rewrite_unlock();
	}
	if (r >= 0 && (prot & PROT_EXEC_BIT))
		rewrite_text((u64)r, len, prot, flags);
	return r;
}

/* The host's munmap, mprotect, mremap or madvise of memory where code was or may have been rewritten. */
static long change_code(long nr, const u64 a[6])
{
	bool goes = nr == __NR_munmap;
	long r;

	rewrite_lock();
	rewrite_leave(a[0], a[1], !goes);
	if (nr == __NR_mremap && (a[3] & MREMAP_FIXED_BIT))
		rewrite_leave(a[4], a[2], false);
	r = host(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (r >= 0 && goes)
		rewrite_gone(a[0], a[1]);
	else if (nr == __NR_mprotect || nr == __NR_mremap)
		rewrite_keep_out(a[0], a[1]);
	if (r >= 0 && nr == __NR_mremap && (a[3] & MREMAP_FIXED_BIT))
		rewrite_gone(a[4], a[2]);
	rewrite_unlock();
	return r;
}

/**
 * mmap(2). Anonymous memory and granted files (HINT_MAP) are mapped at once. Otherwise the server is asked: it grants the fd for good (RF_GRANT:
 * look again), sends an fd to be used once (RF_MMAP_FD), or says why not.
 */
long do_mmap(struct task *t, const u64 a[6])
{
	u64 addr = a[0];
	int fds[8], n;
	u32 rflags;
	long r;

	if (in_stub(addr, page_up(a[1]))) {
		if (a[3] & MAP_FIXED_NOREPLACE_BIT)
			return -EEXIST;
		if (a[3] & MAP_FIXED_BIT)
			return -ENOMEM;
		addr = 0;
	}
	if (a[3] & MAP_ANON_BIT)
		return map(addr, a[1], a[2], a[3], -1, a[5]);
	for (int tries = 0; tries < 2; tries++) {
		u8 hint = fd_hint(t, a[4]);

		if ((u32)a[4] < mm.fdr && (hint & CARRICK_HINT_GRANTED) && (hint & CARRICK_HINT_MAP)) {
			r = map(addr, a[1], a[2], a[3], a[4], a[5]);
			if (r != -EBADF)
				return r;
		}
		r = call_server(t, __NR_mmap, a);
		rflags = t->slot->rflags;
		if (r < 0)
			return r;
		if (rflags & CARRICK_RF_MMAP_FD) {
			n = ctl_take(t, CTL_MMAP, t->slot->ctl_need, fds);
			if (n < 1)
				return -ENOMEM;
			r = map(addr, a[1], a[2], a[3], (u64)fds[0], a[5]);
			host(__NR_close, fds[0]);
			return r;
		}
		if (!(rflags & CARRICK_RF_GRANT))
			return r;
	}
	return -EAGAIN;
}

#define SHM_RDONLY_FLAG 010000
#define SHM_REMAP_FLAG 040000
#define SHM_EXEC_FLAG 0100000

/**
 * shmat(2). The server has looked at everything but what is mapped there: it answers with the bytes to map and the fd to map them from.
 */
long do_shmat(struct task *t, const u64 a[6])
{
	u64 addr = a[1] & ~4095ull, flags = 1 /* MAP_SHARED */, prot = (a[2] & SHM_RDONLY_FLAG) ? 1 : 3;
	long len = call_server(t, __NR_shmat, a), r;
	int fds[8];

	if (len < 0)
		return len;
	if (ctl_take(t, CTL_MMAP, t->slot->ctl_need, fds) < 1)
		return -ENOMEM;
	if (a[2] & SHM_EXEC_FLAG)
		prot |= PROT_EXEC_BIT;
	if (a[1] != 0)
		flags |= (a[2] & SHM_REMAP_FLAG) ? MAP_FIXED_BIT : MAP_FIXED_NOREPLACE_BIT;
	r = a[1] != 0 && in_stub(addr, (u64)len) ? -EINVAL : map(addr, (u64)len, prot, flags, (u64)fds[0], 0);
	host(__NR_close, fds[0]);
	return r == -EEXIST ? -EINVAL : r;
}

/* shmdt(2): the server finds the pieces, pairs of address and length. */
long do_shmdt(struct task *t, const u64 a[6])
{
	u64 none[6] = { 0 }, pieces[2 * 512];
	long n = call_server(t, __NR_shmdt, a);

	if (n < 0)
		return n;
	if (n > 512)
		return -EINVAL;
	memcpy(pieces, payload_of(t->slot), 16 * (u64)n);
	for (long i = 0; i < n; i++) {
		none[0] = pieces[2 * i];
		none[1] = pieces[2 * i + 1];
		mem_call(t, __NR_munmap, none);
	}
	return 0;
}

long mem_call(struct task *t, long nr, const u64 a[6])
{
	switch (nr) {
	case __NR_mmap:
		return do_mmap(t, a);
	case __NR_brk:
		return do_brk(t, a[0]);
	case __NR_munmap:
	case __NR_mprotect:
	case __NR_madvise:
		if (in_stub(a[0], a[1]))
			return -EINVAL;
		/* Other advice leaves the bytes as they are. */
		if ((nr != __NR_madvise || a[2] == MADV_DONTNEED_ADVICE) && rewrite_touches(a[0], a[1]))
			return change_code(nr, a);
		break;
	case __NR_mremap:
		if (in_stub(a[0], a[1]))
			return -EFAULT;
		if ((a[3] & MREMAP_FIXED_BIT) && in_stub(a[4], a[2]))
			return -EINVAL;
		if (rewrite_touches(a[0], a[1]) || ((a[3] & MREMAP_FIXED_BIT) && rewrite_touches(a[4], a[2])))
			return change_code(nr, a);
		break;
	}
	return host_back(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
