/*
 * The filter as it is installed, run by a small interpreter of the BPF subset that seccomp takes: what it allows, kills and traps.
 */
#include "../filter.c"
#include "test.h"

#define FDR 1008u

enum verdict { ALLOW, KILL, TRAP, NOSYS, BROKEN };

struct mm_state mm;
const char exec_path[1] = "";
static struct prog prog;

void die(void)
{
	__builtin_trap();
}

static enum verdict run(const struct seccomp_data *d)
{
	u32 a = 0;

	for (u32 pc = 0; pc < prog.n;) {
		const struct sock_filter *f = &prog.f[pc++];

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (f->k % 4 != 0 || f->k + 4 > sizeof(*d))
				return BROKEN;
			memcpy(&a, (const u8 *)d + f->k, 4);
			break;
		case BPF_JMP | BPF_JA:
			pc += f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += (a & f->k) ? f->jt : f->jf;
			break;
		case BPF_RET | BPF_K:
			switch (f->k) {
			case SECCOMP_RET_ALLOW: return ALLOW;
			case SECCOMP_RET_KILL_PROCESS: return KILL;
			case SECCOMP_RET_TRAP: return TRAP;
			case SECCOMP_RET_ERRNO | ENOSYS: return NOSYS;
			}
			return BROKEN;
		default:
			return BROKEN;
		}
	}
	return BROKEN;
}

static enum verdict at(u64 ip, u32 arch, int nr, u64 a, u64 b, u64 c, u64 d, u64 e)
{
	struct seccomp_data x = { .nr = nr, .arch = arch, .instruction_pointer = ip, .args = { a, b, c, d, e } };

	return run(&x);
}

/* A call made by the stub's own text. */
#define STUB(nr, ...) STUB_(nr, ##__VA_ARGS__, 0, 0, 0, 0, 0)
#define STUB_(nr, a, b, c, d, e, ...) at(CARRICK_STUB_ADDR + 0x1234, AUDIT_ARCH_X86_64, nr, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e))

static void where(void)
{
	for (int nr = 0; nr < 600; nr++) {
		CHECK(at(0x401000, AUDIT_ARCH_X86_64, nr, 0, 0, 0, 0, 0) == TRAP);
		CHECK(at(CARRICK_STUB_ADDR - 1, AUDIT_ARCH_X86_64, nr, 0, 0, 0, 0, 0) == TRAP);
		CHECK(at(CARRICK_STUB_ADDR + CARRICK_STUB_MAX, AUDIT_ARCH_X86_64, nr, 0, 0, 0, 0, 0) == TRAP);
	}
	CHECK(at(0x401000, AUDIT_ARCH_X86_64, -1, 0, 0, 0, 0, 0) == TRAP);
	CHECK(at(0x401000, AUDIT_ARCH_I386, 20, 0, 0, 0, 0, 0) == NOSYS);
	CHECK(at(CARRICK_STUB_ADDR + 0x1234, AUDIT_ARCH_I386, 20, 0, 0, 0, 0, 0) == NOSYS);
	CHECK(at(0x401000, AUDIT_ARCH_X86_64, 0x40000000 + 39, 0, 0, 0, 0, 0) == NOSYS);
	CHECK(STUB(0x40000000 + 39) == KILL && STUB(-1) == KILL);
}

/* Everything that is not in the table dies, whatever its arguments. */
static void unlisted(void)
{
	for (int nr = 0; nr < 600; nr++) {
		bool listed = false;

		for (u32 i = 0; i < NRULES; i++)
			listed |= rules[i].nr == (u32)nr;
		if (!listed)
			CHECK(STUB(nr) == KILL);
	}
	CHECK(STUB(__NR_open) == KILL && STUB(__NR_openat) == KILL && STUB(__NR_socket) == KILL && STUB(__NR_kill) == KILL);
	CHECK(STUB(__NR_tgkill) == KILL && STUB(__NR_ptrace) == KILL && STUB(__NR_clone3) == KILL && STUB(__NR_execve) == KILL);
	CHECK(STUB(__NR_pidfd_send_signal) == KILL && STUB(__NR_pidfd_getfd) == KILL && STUB(__NR_process_vm_writev) == KILL);
	CHECK(STUB(__NR_ioctl) == KILL && STUB(__NR_dup) == KILL && STUB(__NR_dup2) == KILL && STUB(__NR_seccomp) == KILL);
}

static void fds(void)
{
	CHECK(STUB(__NR_read, 0) == ALLOW && STUB(__NR_read, FDR - 1) == ALLOW);
	for (u32 fd = FDR; fd < FDR + 16; fd++) {
		CHECK(STUB(__NR_read, fd) == KILL && STUB(__NR_pwrite64, fd) == KILL && STUB(__NR_lseek, fd) == KILL);
		CHECK(STUB(__NR_recvmsg, fd) == (fd == FDR ? ALLOW : KILL));
		CHECK(STUB(__NR_sendmsg, fd) == (fd == FDR ? ALLOW : KILL));
		CHECK(STUB(__NR_close, fd) == (fd >= FDR + CARRICK_FDR_COUNT ? ALLOW : KILL));
		CHECK(STUB(__NR_close_range, fd, ~0u) == (fd >= FDR + CARRICK_FDR_COUNT ? ALLOW : KILL));
		CHECK(STUB(__NR_write, fd, 0, 4) == (fd >= FDR + 3 && fd < FDR + 8 ? ALLOW : KILL));
		CHECK(STUB(__NR_write, fd, 0, 8) == KILL);
		CHECK(STUB(__NR_dup3, fd, 5) == (fd >= FDR + CARRICK_FDR_COUNT ? ALLOW : KILL));
		CHECK(STUB(__NR_dup3, 5, fd) == (fd == FDR || fd == FDR + 1 ? ALLOW : KILL));
		CHECK(STUB(__NR_mmap, 0, 4096, 3, 1, fd) == (fd == FDR + 1 || fd >= FDR + CARRICK_FDR_COUNT ? ALLOW : KILL));
		CHECK(STUB(__NR_fcntl, fd, 2) == KILL);
	}
	CHECK(STUB(__NR_write, 1, 0, 100000) == ALLOW);
	CHECK(STUB(__NR_mmap, 0, 4096, 3, 0x22, -1) == ALLOW && STUB(__NR_mmap, 0, 4096, 3, 2, 7) == ALLOW);
	CHECK(STUB(__NR_recvmsg, 5) == KILL);
	CHECK(STUB(__NR_close_range, 0, ~0u) == KILL);
	CHECK(STUB(__NR_fcntl, 5, 2, 1) == ALLOW && STUB(__NR_fcntl, 5, 3) == ALLOW && STUB(__NR_fcntl, 5, 4, 1) == KILL);
	CHECK(STUB(__NR_fcntl, 5, 1030, FDR + CARRICK_FDR_COUNT) == ALLOW && STUB(__NR_fcntl, 5, 1030, 0) == KILL);
}

/* Sockets, polls, copies: on grants only, and never to an address. */
static void sockets(void)
{
	static const int one[] = { __NR_recvfrom, __NR_epoll_pwait, __NR_epoll_pwait2, __NR_shutdown, __NR_getsockname, __NR_getpeername };

	for (u32 fd = FDR; fd < FDR + 16; fd++) {
		for (u32 i = 0; i < sizeof(one) / sizeof(one[0]); i++)
			CHECK(STUB(one[i], fd) == KILL && STUB(one[i], 5) == ALLOW);
		CHECK(STUB(__NR_sendto, fd) == KILL && STUB(__NR_setsockopt, fd, 6, 1) == KILL && STUB(__NR_getsockopt, fd, 1, 4) == KILL);
		CHECK(STUB(__NR_epoll_ctl, fd, 1, 5) == KILL && STUB(__NR_epoll_ctl, 5, 1, fd) == KILL);
		CHECK(STUB(__NR_sendfile, fd, 5) == KILL && STUB(__NR_sendfile, 5, fd) == KILL);
		CHECK(STUB(__NR_tee, fd, 5) == KILL && STUB(__NR_tee, 5, fd) == KILL);
		CHECK(STUB(__NR_splice, fd, 0, 5) == KILL && STUB(__NR_splice, 5, 0, fd) == KILL);
	}
	CHECK(STUB(__NR_sendto, 5, 1, 1, 0, 0) == ALLOW && STUB(__NR_sendto, 5, 1, 1, 0, 8) == KILL && STUB(__NR_sendto, 5, 1, 1, 0, 1ull << 32) == KILL);
	CHECK(STUB(__NR_epoll_ctl, 5, 1, 6) == ALLOW && STUB(__NR_sendfile, 5, 6) == ALLOW && STUB(__NR_splice, 5, 0, 6) == ALLOW && STUB(__NR_tee, 5, 6) == ALLOW);
	CHECK(STUB(__NR_setsockopt, 5, 6, 1) == ALLOW && STUB(__NR_setsockopt, 5, 6, 12) == ALLOW && STUB(__NR_setsockopt, 5, 6, 13) == KILL);
	CHECK(STUB(__NR_setsockopt, 5, 1, 9) == ALLOW && STUB(__NR_setsockopt, 5, 1, 4) == KILL && STUB(__NR_setsockopt, 5, 1, 26) == KILL);
	CHECK(STUB(__NR_setsockopt, 5, 0, 1) == KILL && STUB(__NR_setsockopt, 5, 0, 64) == KILL && STUB(__NR_setsockopt, 5, 41, 1) == KILL);
	CHECK(STUB(__NR_getsockopt, 5, 1, 4) == ALLOW && STUB(__NR_getsockopt, 5, 1, 30) == ALLOW && STUB(__NR_getsockopt, 5, 1, 20) == ALLOW && STUB(__NR_setsockopt, 5, 1, 20) == KILL && STUB(__NR_getsockopt, 5, 6, 6) == ALLOW && STUB(__NR_getsockopt, 5, 1, 17) == KILL);
	CHECK(STUB(__NR_ppoll, 1) == ALLOW && STUB(__NR_pselect6, 1) == ALLOW && STUB(__NR_epoll_wait, 5) == KILL && STUB(__NR_vmsplice, 5) == KILL);
	CHECK(STUB(__NR_connect, 5) == KILL && STUB(__NR_bind, 5) == KILL && STUB(__NR_accept4, 5) == KILL && STUB(__NR_sendmmsg, 5) == KILL);
}

static void processes(void)
{
	static const u32 bad[] = { 0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x2000 };

	CHECK(STUB(__NR_clone, 17) == ALLOW && STUB(__NR_clone, 0x3d0f00) == ALLOW && STUB(__NR_clone, 0x4111) == ALLOW);
	for (u32 i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(STUB(__NR_clone, 17 | bad[i]) == KILL);
	CHECK(STUB(__NR_execveat, FDR + 2, exec_path, 0, 0, 0x1000) == ALLOW);
	CHECK(STUB(__NR_execveat, FDR + 2, "/bin/sh", 0, 0, 0x1000) == KILL);
	CHECK(STUB(__NR_execveat, FDR + 2, exec_path, 0, 0, 0) == KILL);
	CHECK(STUB(__NR_execveat, FDR + 1, exec_path, 0, 0, 0x1000) == KILL && STUB(__NR_execveat, 5, exec_path, 0, 0, 0x1000) == KILL);
	CHECK(STUB(__NR_prctl, 15) == ALLOW && STUB(__NR_prctl, 38) == KILL && STUB(__NR_prctl, 22) == KILL);
	CHECK(STUB(__NR_sched_getaffinity, 0) == ALLOW && STUB(__NR_sched_getaffinity, 1) == KILL);
	CHECK(STUB(__NR_get_robust_list, 0) == ALLOW && STUB(__NR_get_robust_list, 1) == KILL);
}

int main(void)
{
	build(&prog, FDR);
	where();
	unlisted();
	fds();
	sockets();
	processes();
	return report("filter");
}
