/*
 * What this machine offers, for boot and `carrick doctor`: each thing is tried, not guessed from version numbers.
 *
 * Trials that change the process (a seccomp filter, namespaces) run in a short-lived child that shares carrick's memory (CLONE_VM | CLONE_VFORK) and
 * uses raw system calls only. The result is one flat JSON object; keys are stable, `doctor` knows them.
 */
#include <napi.h>

#include "addon.h"
#include "exports.h"
#include "raw.h"
#include "sandbox.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <ucontext.h>

#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

constexpr size_t TRIAL_STACK = 64 * 1024;
constexpr long TRAP_ANSWER = 4242;

/* ---- trials ---- */

struct Trial {
	int (*body)(Trial *);
	int flags;
	const char *uid_map;
	const char *gid_map;
};

static int trial_main(void *arg)
{
	Trial *t = static_cast<Trial *>(arg);

	if ((t->flags & CLONE_NEWUSER) != 0 && sandbox_map_ids(t->uid_map, t->gid_map) < 0)
		return 1;
	return t->body(t);
}

/* Whether body returned 0 in a child cloned with `flags`. */
static bool trial(int (*body)(Trial *), int flags)
{
	char uid_map[40], gid_map[40];
	Trial t = { body, flags, uid_map, gid_map };
	void *stack = mmap(nullptr, TRIAL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	int status = -1;
	sigset_t all, old;

	if (stack == MAP_FAILED)
		return false;
	snprintf(uid_map, sizeof(uid_map), "%u %u 1", geteuid(), geteuid());
	snprintf(gid_map, sizeof(gid_map), "%u %u 1", getegid(), getegid());
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int pid = clone(trial_main, static_cast<uint8_t *>(stack) + TRIAL_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD | flags, &t);

	if (pid >= 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &old, nullptr);
	munmap(stack, TRIAL_STACK);
	return pid >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int nothing(Trial *)
{
	return 0;
}

static int empty_root(Trial *)
{
	return sandbox_empty_root() < 0;
}

static void on_sigsys(int, siginfo_t *, void *context)
{
	ucontext_t *uc = static_cast<ucontext_t *>(context);

#if defined(__x86_64__)
	uc->uc_mcontext.gregs[REG_RAX] = TRAP_ANSWER;
#else
	uc->uc_mcontext.regs[0] = TRAP_ANSWER;
#endif
}

/* Trap getppid and answer it: the engine in three lines. */
static int trap(Trial *)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, code };
	struct sigaction sa = {};
	sigset_t set;

	/* libc's sigaction brings the restorer. The child has a table of handlers of its own. */
	sa.sa_sigaction = on_sigsys;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGSYS, &sa, nullptr);
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	raw(SYS_rt_sigprocmask, static_cast<long>(SIG_UNBLOCK), &set, nullptr, 8L);
	if (raw(SYS_prctl, static_cast<long>(PR_SET_NO_NEW_PRIVS), 1L, 0L, 0L, 0L) < 0)
		return 1;
	if (raw(SYS_seccomp, static_cast<long>(SECCOMP_SET_MODE_FILTER), static_cast<long>(SECCOMP_FILTER_FLAG_SPEC_ALLOW), &prog) < 0)
		return 1;
	return raw(SYS_getppid) != TRAP_ANSWER;
}

static int wait_for_death(void *)
{
	for (;;)
		raw(SYS_ppoll, nullptr, 0L, nullptr, nullptr, 8L);
}

/* Whether carrick may read the memory of a child, in a user namespace of its own when there are any. */
static bool can_read_child(bool userns)
{
	void *stack = mmap(nullptr, TRIAL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	uint64_t want = 0x6b63697272616321, got = 0;
	struct iovec local = { &got, sizeof(got) };
	struct iovec remote = { &want, sizeof(want) };
	sigset_t all, old;

	if (stack == MAP_FAILED)
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int pid = clone(wait_for_death, static_cast<uint8_t *>(stack) + TRIAL_STACK,
			CLONE_VM | SIGCHLD | (userns ? CLONE_NEWUSER : 0), nullptr);
	bool ok = pid >= 0 && process_vm_readv(pid, &local, 1, &remote, 1, 0) == sizeof(got) && got == want;

	if (pid >= 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR)
			;
	}
	pthread_sigmask(SIG_SETMASK, &old, nullptr);
	munmap(stack, TRIAL_STACK);
	return ok;
}

/* ---- looking ---- */

static bool can_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* A number in a file of /proc/sys, or -1. */
static int64_t sysctl_number(const char *path)
{
	char text[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return -1;
	text[n] = 0;
	return strtoll(text, nullptr, 10);
}

static bool has_memfd()
{
	int fd = memfd_create("carrick-probe", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	bool ok = fd >= 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static bool has_pidfd()
{
	int fd = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* A feature bit of cpuid leaf 7: register 'b' or 'd'. For the report only; nothing depends on it. */
static bool cpu_has(char reg, int bit)
{
#if defined(__x86_64__)
	unsigned a = 0, b = 0, c = 0, d = 0;

	if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0)
		return false;
	return ((reg == 'b' ? b : d) >> bit & 1) != 0;
#else
	(void)reg;
	(void)bit;
	return false;
#endif
}

static bool has_fsgsbase()
{
#if defined(__x86_64__)
	return (getauxval(AT_HWCAP2) & 2) != 0; /* HWCAP2_FSGSBASE, asm/hwcap2.h */
#else
	return false;
#endif
}

/* ---- the report ---- */

struct Json {
	std::string text = "{";

	void key(const char *k)
	{
		if (text.size() > 1)
			text += ',';
		text += '"';
		text += k;
		text += "\":";
	}
	void flag(const char *k, bool v)
	{
		key(k);
		text += v ? "true" : "false";
	}
	/* Limits may be RLIM_INFINITY: -1. */
	void number(const char *k, int64_t v)
	{
		key(k);
		text += std::to_string(v);
	}
	/* Of letters that need no escape (uname). */
	void string(const char *k, const char *v)
	{
		key(k);
		text += '"';
		for (; *v != 0; v++)
			if (*v >= ' ' && *v != '"' && *v != '\\')
				text += *v;
		text += '"';
	}
};

napi_value js_probeHost(napi_env env, napi_callback_info)
{
	Json j;
	struct utsname u = {};
	struct rlimit nofile = {};
	bool userns = trial(nothing, CLONE_NEWUSER);
	int with = userns ? CLONE_NEWUSER : 0;

	uname(&u);
	getrlimit(RLIMIT_NOFILE, &nofile);
	j.string("release", u.release);
	j.string("machine", u.machine);
	j.number("euid", geteuid());
	j.flag("seccompTrap", trial(trap, 0));
	j.flag("userns", userns);
	j.flag("pidns", trial(nothing, with | CLONE_NEWPID));
	j.flag("mountns", trial(empty_root, with | CLONE_NEWNS));
	j.flag("ipcns", trial(nothing, with | CLONE_NEWIPC));
	j.flag("utsns", trial(nothing, with | CLONE_NEWUTS));
	j.flag("netns", trial(nothing, with | CLONE_NEWNET));
	j.flag("kvm", can_open("/dev/kvm", O_RDWR));
	j.flag("fsgsbase", has_fsgsbase());
	j.flag("avx512", cpu_has('b', 16));
	j.flag("amx", cpu_has('d', 24));
	j.flag("memfd", has_memfd());
	j.flag("pidfd", has_pidfd());
	j.flag("readMemory", can_read_child(userns));
	j.number("nofileSoft", nofile.rlim_cur == RLIM_INFINITY ? -1 : static_cast<int64_t>(nofile.rlim_cur));
	j.number("nofileHard", nofile.rlim_max == RLIM_INFINITY ? -1 : static_cast<int64_t>(nofile.rlim_max));
	j.number("pidMax", sysctl_number("/proc/sys/kernel/pid_max"));
	j.number("overcommit", sysctl_number("/proc/sys/vm/overcommit_memory"));
	j.number("maxMapCount", sysctl_number("/proc/sys/vm/max_map_count"));
	j.number("ptraceScope", sysctl_number("/proc/sys/kernel/yama/ptrace_scope"));
	j.text += '}';
	napi_value v = nullptr;

	napi_create_string_utf8(env, j.text.c_str(), j.text.size(), &v);
	return v;
}
