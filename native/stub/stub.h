/*
 * What the stub's files share: its per-task record, its per-address-space state, and their functions.
 *
 * The stub is the part of carrick that lives inside a guest process. It catches the guest's system calls (SIGSYS), answers what
 * concerns only the process itself, posts the rest to a server through the task's slot, and makes signal frames. docs/internals.md is
 * its contract. It has no libc, no TLS and uses no vector registers, since the guest's are live in them.
 *
 * Three kinds of memory:
 *   - the area (AREA_ADDR): shared with carrick: slots and pctx. Per address space.
 *   - `struct task`, at the top of each task's stub stack (STACKS_ADDR): private, found by %gs:0.
 *   - .data/.bss: private to the address space; so threads *and vfork children* share it, fork copies it.
 */
#ifndef CARRICK_STUB_H
#define CARRICK_STUB_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <linux/types.h>
#include <asm/unistd.h>
#include <asm/errno.h>
#include <asm/signal.h>
#include <asm/siginfo.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include "../../shared/gen/layout.h"
#include "../../shared/gen/syscalls.h"

/* lib.c; the compiler calls them by itself. */
void *memcpy(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);

/* One link unit at one address: no symbol needs the GOT. */
#pragma GCC visibility push(hidden)

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;

typedef struct carrick_slot slot_t;
typedef struct carrick_pctx pctx_t;

/* Where the stub, the area and the stub stacks are; guests may not change mappings in here. */
#define STUB_LO CARRICK_STUB_ADDR
#define STUB_HI (CARRICK_STUB_ADDR + CARRICK_STUB_RANGE)

#define PLAN_MAGIC 0x4e414c50u

enum { CTL_GRANT = 1, CTL_EXEC, CTL_CLONE, CTL_IMAGES, CTL_MMAP, CTL_PIDFD, CTL_AHEAD, CTL_START };

/* Results that are no system call results. Above them: -4095..-1 errno, >= 0 success. */
#define R_DONE (-0x10000L) /* the frame is as it shall be: touch no register */
#define R_SLOW (-0x10001L) /* not answered here: post it */

/* Kernel-internal errors that become EINTR or a restart; include/linux/errno.h says what they mean, errno(3) does not. */
enum { ERESTARTSYS = 512, ERESTARTNOINTR = 513, ERESTARTNOHAND = 514, ERESTART_RESTARTBLOCK = 516 };

/*
 * The guest's registers at a rewritten call (rewrite_x86_64.S). rax becomes the result. rcx names the thunk, to go back to; r11 are the flags, as
 * `syscall` leaves them.
 */
struct regs {
	u64 rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
};

/* What restart_syscall(2) goes on with: a sleep that was interrupted for a tracer, which has to see the call end. */
struct resume {
	u32 what; /* RESUME_* */
	u32 op;	  /* of a futex; of a sleep its clock */
	u64 addr; /* the futex; of a sleep where the time left goes */
	u64 value;
	i64 sec, nsec; /* when it ends */
};
enum { RESUME_NOTHING, RESUME_SLEEP, RESUME_FUTEX };

/* A task's private record. */
struct task {
	struct task *self; /* %gs:0 */
	slot_t *slot;
	pctx_t *pctx;
	u64 stack; /* lowest address of its stub stack */
	u32 id;    /* slot id: area << SLOT_BITS | index */
	u32 index; /* slot index */
	u32 restart; /* ERESTART* of the call being answered; 0 = none */
	u32 restart_nr; /* its number, for rax when it is restarted */
	u32 fetch; /* the reply said RF_SIGNAL: a signal was sent before it, whose bit may not be visible yet */
	u32 owing; /* OWING_*: what has to be waited for before the next request */
	u32 seen; /* the server watched the slot when it was posted */
	u16 skip[CARRICK_SRV_COUNT], backoff[CARRICK_SRV_COUNT]; /* per server: replies not to look for; how many more after the next failure */
	u32 bell; /* 1 + epoll fd whose bell came with other events: the server is asked first the next time */
	u32 ask;  /* the call that is posted may be told an answer to remember (names.c) */
	u32 view; /* by which answers are told apart: credentials, fd table, directories */
	u32 ask_off, ask_epoch, ask_closes;
	u64 raise; /* signals that the host raised, bit signo-1, yet to be delivered, or told to the signal server (take_raised, post_raised) */
	struct regs g; /* the guest's, of a call that came by a thunk */
	u64 top;   /* where the stub's stack begins for such a call: below the room for a signal frame */
	struct ucontext *uc; /* the guest's registers as a signal frame, once such a call needs one (take_frame) */
	u64 tried_ip; /* where a trap was out of date last, and at which restoring (rewrite_fixup) */
	u32 tried;
	u32 evictions; /* rewrite_evictions() at the call's begin */
	u32 clone_event, clone_vfork; /* what a tracer is told of the clone that is being made: PTRACE_EVENT_*, 0 = nothing; does the parent wait? */
	struct resume resume;
	u32 traced_call; /* the call is being answered by ptrace_call */
	u32 forced; /* the trap flag in the guest's frame is a tracer's */
};

/* The reply to the slot's last request, which was posted without waiting for it; the same of a fork child's own commit; a fork child of this task (slot.born). */
enum { OWING_NOTHING, OWING_REPLY, OWING_OWN_BIRTH, OWING_BIRTH };

#define TASK_SIZE 512
_Static_assert(sizeof(struct task) <= TASK_SIZE, "task record");

/* Arguments of a host call that a kick may interrupt (stub_call_int). */
struct hostcall {
	long nr;
	u64 a[6];
};

#include "arch_x86_64.h"

/* Stack pointer of the calling guest code. */
static inline u64 guest_sp(const struct task *t, const struct ucontext *uc) { return uc != NULL ? uc_sp(uc) : t->g.rsp; }

/* ---- state of the address space ---- */
struct mm_state {
	u32 fdr; /* first reserved host fd */
	bool fsgsbase;
	u32 brk_lock;
	u32 rewrite_lock; /* rewrite.c */
	u64 brk_start, brk;
	u32 auxv_len; /* bytes of auxv, with AT_NULL */
	u64 auxv[2 * 40];
	u32 names; /* names.c: 0 nothing is remembered, 1 the cells are mapped, 2 so is the memory, 3 it is being made */
	u32 names_epoch, names_views, names_closes;
	u32 ids_view; /* task.view for which the pctx has the credentials */
	u32 fds_epoch, fds_seeks, fds_reads; /* fds.c: advanced when another process may have got an open file; when a directory is sought in, or read, by request */
	u32 fds_off; /* FDS_*: others may change descriptors, or see when they are closed */
	u32 tasks; /* threads that are alive of the process whose address space it is */
	const pctx_t *owner; /* that process; a vfork child has another pctx */
	u32 ahead_waiting, ahead_taken, ahead_back; /* entries of ahead.c in these states */
	u32 early, early_epoch; /* early.c: questions that will look for CTL_START; names_epoch when the program began */
	u32 opens; /* open files that were known so far */
	u32 listings; /* that were told so far */
	u32 ahead_requests; /* posted while files that were opened ahead waited, or were to be given back */
	u32 membarrier; /* what the guest has registered for, of what the stub has, too: MEMBARRIER_CMD_REGISTER_* */
	u32 frame_room; /* bytes that the host's signal frame needs at most */
};
extern struct mm_state mm;

/* mm.fds_off: another process has the table or the memory too, or files are locked, for good; as long as there are threads. */
enum { FDS_SHARED = 1, FDS_THREADS = 2 };

/* ---- entry, copies, restartable sections: entry_x86_64.S, copy_x86_64.S ---- */

/* Bytes NOT copied; 0 = all. Either side may be guest memory that is not there. */
u64 stub_copy(void *dst, const void *src, u64 n);
/* Copies a string with its NUL, at most max bytes: its length without NUL, -EFAULT, or -ENAMETOOLONG when no NUL is among max. */
long stub_copy_str(void *dst, const void *src, u64 max);
/* Sleep until the slot's state leaves POSTED: 0; or until a deliverable signal is pending: 1. */
long stub_wait(void);
/* A host call that is not made (-ERESTARTSYS) or ends early (-EINTR) when a deliverable signal is pending. */
long stub_call_int(const struct hostcall *c);
/* Any other host call that is made often, and from which the way leads back to the guest: host() with what entry_x86_64.S says of returns. */
long stub_call(const struct hostcall *c);
#define host_back(...) HOST_BACK_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define HOST_BACK_(nr, a, b, c, d, e, f, ...) \
	stub_call(&(struct hostcall){ nr, { (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f) } })
/* clone with a child that starts on child_sp with clone_child(child). */
long stub_clone_vm(u64 flags, u64 child_sp, u64 ptid, u64 ctid, u64 tls, struct task *child);
_Noreturn void stub_exit_thread(u32 *state, u64 status);
_Noreturn void stub_jump(u64 entry, u64 sp);
_Noreturn void stub_resume(u64 frame);
void stub_entry(void);
/* rewrite_x86_64.S: where thunks jump to; the trap by which a call from there gets a signal frame. */
void stub_thunk(void);
void stub_take_frame(void);
void stub_restorer(void);

static inline u64 guest_read(void *to, u64 from, u64 n) { return stub_copy(to, (const void *)from, n); }
static inline u64 guest_write(u64 to, const void *from, u64 n) { return stub_copy((void *)to, from, n); }

/* ---- lib.c ---- */
size_t str_len(const char *s);
_Noreturn void die(void);
void lock(u32 *word);
void unlock(u32 *word);

/* ---- trap.c ---- */
int signal_entry(int signo, siginfo_t *info, struct ucontext *uc);
long call_server(struct task *t, long nr, const u64 a[6]);
/* The guest's signal frame: of a call that trapped it is `uc`; else (NULL) it is made now. */
struct ucontext *take_frame(struct task *t, struct ucontext *uc);
/* The system call in a context whose rip is after it. */
void trap_call(struct task *t, struct ucontext *uc);

/* Answer a call: its result, or R_DONE. uc: the guest's context, or NULL when the call came by a thunk and does not need one yet. */
long answer(struct task *t, struct ucontext *uc, long nr, const u64 a[6]);

/* ---- ptrace.c: only for tasks whose slot.traced is not 0 ---- */
void ptrace_call(struct task *t, struct ucontext *uc);
/* A signal has come: the one to deliver instead, 0 = none; *info may change. */
int ptrace_signal(struct task *t, struct ucontext *uc, int signo, siginfo_t *info);
void ptrace_trap(struct task *t, struct ucontext *uc);
void ptrace_exiting(struct task *t, struct ucontext *uc, u64 status);
void ptrace_entered(struct task *t, struct ucontext *uc);
/* Before the guest's registers are copied to where the guest may see them. */
void ptrace_hide(struct task *t, struct ucontext *uc);
void ptrace_newborn(struct task *t, struct ucontext *uc);
_Noreturn void ptrace_started(struct task *t, u64 entry, u64 sp);

/* ---- rewrite.c ---- */

/* A program begins, or a fork child. */
void rewrite_begin(const struct task *t);
/* The guest has mapped this; it is noted if it is code that may be rewritten. */
void rewrite_text(u64 lo, u64 len, u64 prot, u64 flags);
/* A call has trapped whose `syscall` ends at `after`. */
void rewrite_trapped(struct task *t, u64 after, long nr);
/* Before a guest sees a context: no thunk is in it. Before one is restored: it need not go by way of a trap. */
void rewrite_hide(struct ucontext *uc);
void rewrite_resume(struct ucontext *uc);
/* The address after the `syscall` for which a thunk stands, by where the stub is to come back to; how often such an address may have lost its thunk. */
u64 rewrite_after(u64 back);
u32 rewrite_evictions(void);
/* A fault in guest code: was it due to rewriting? Then the context is right again. */
bool rewrite_fixup(struct task *t, int signo, const siginfo_t *info, struct ucontext *uc);
/* Changes of memory where code was or may have been rewritten: under the lock, leave before the host's call, gone after it. */
bool rewrite_touches(u64 lo, u64 len);
/* Give every rewritten site back: somebody is going to look. */
void rewrite_undo(const struct task *t);
void rewrite_lock(void);
void rewrite_unlock(void);
void rewrite_leave(u64 lo, u64 len, bool keep);
void rewrite_gone(u64 lo, u64 len);
void rewrite_keep_out(u64 lo, u64 len);

/* ---- marshal.c ---- */
struct marshalled {
	u32 off[6], room[6];
};
void marshal_in(const struct carrick_call *c, slot_t *s, u8 *payload, const u64 a[6], struct marshalled *m);
int marshal_out(const slot_t *s, const u8 *payload, const u64 a[6], const struct marshalled *m);

/* ---- slot.c ---- */
slot_t *slot_at(u32 index);
pctx_t *pctx_at(u32 index);
struct task *task_at(u32 index);
u64 stack_at(u32 index);
struct task *task_bind(u32 index);
void born_wait(struct task *t);
void slot_post(struct task *t, u32 srv);
void slot_post_unborn(struct task *t);
void slot_wait(struct task *t, bool deaf);
void slot_done(struct task *t);
/* Post exit(2); the caller goes away. */
void post_exit(struct task *t, const u64 a[6]);
/* Post exit_group(2), if nothing else is posted; the process goes away. */
void post_last(struct task *t, const u64 a[6]);
/* Post a request of the stub's own whose reply only the slot's next request waits for. */
void post_later(struct task *t, u32 srv, i32 nr, u64 a0, u64 a1, u32 owing);
/* Before anything is written into the slot: wait until it is free. */
void slot_claim(struct task *t);
long post_own(struct task *t, u32 srv, i32 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);
static inline u8 *payload_of(slot_t *s) { return (u8 *)s + CARRICK_PAYLOAD_OFF; }

/* ---- fast path: fast.c, io.c, fds.c, names.c, sock.c, poll.c, epoll.c, sleep.c, mem.c, signal.c ---- */
long fast_call(struct task *t, struct ucontext *uc, long nr, const u64 a[6]);
long io_fast(struct task *t, struct ucontext *uc, long nr, const u64 a[6]);
long io_posted(struct task *t, long nr, const u64 a[6]);
void mirror_close(struct task *t, u64 fd);
void mirror_dup(struct task *t, u32 from, u32 to, bool from_granted, bool to_granted, bool cloexec);
long copy_fast(struct task *t, struct ucontext *uc, long nr, const u64 a[6]);
u8 fd_hint(const struct task *t, u64 fd);
/* The process holds the host fd behind a guest's fd. */
static inline bool granted(const struct task *t, u64 fd)
{
	return (u32)fd < mm.fdr && (fd_hint(t, fd) & CARRICK_HINT_GRANTED);
}
/* Granted, and with all of these HINT_* bits. */
static inline bool granted_for(const struct task *t, u64 fd, u8 bits)
{
	u8 need = CARRICK_HINT_GRANTED | bits;

	return (u32)fd < mm.fdr && (fd_hint(t, fd) & need) == need;
}
long sock_fast(struct task *t, struct ucontext *uc, long nr, const u64 a[6]);
long raise_sigpipe(struct task *t, long r);
long poll_fast(struct task *t, struct ucontext *uc, long nr, const u64 a[6]);
long epoll_fast(struct task *t, long nr, const u64 a[6]);

struct ts {
	i64 sec, nsec;
};
bool ts_valid(const struct ts *x);
bool ts_zero(const struct ts *x);
struct ts ts_now(int clock);
struct ts ts_add(struct ts a, struct ts b);
struct ts ts_sub(struct ts a, struct ts b);
/* A wait of at most `left`, counted by CLOCK_MONOTONIC, which `call` points to or (ms) has in its fourth argument as milliseconds. */
struct wait {
	struct hostcall call;
	struct ts left, end;
	bool limited, ms;
};
/* Begin: as long as it takes, or what *limit says. */
void begin_wait(struct wait *w, const struct ts *limit);
/* Make the call, which may sleep: its result, or -EINTR when a signal is deliverable. */
long wait_once(struct task *t, struct wait *w);

bool interrupt(struct task *t, struct ucontext *uc, u32 restart);
long sleep_call(struct task *t, struct ucontext *uc, const struct hostcall *c, u32 restart);
long do_futex(struct task *t, struct ucontext *uc, const u64 a[6]);
/* restart_syscall(2). */
long do_resume(struct task *t, struct ucontext *uc);
long do_nanosleep(struct task *t, struct ucontext *uc, int clock, bool absolute, u64 req, u64 rem);
long names_call(struct task *t, long nr, const u64 a[6]);
void umask_share(struct task *t, u32 flags);
u64 nofile_limit(const struct task *t);
void names_start(int fd, const struct carrick_plan *p, bool nofast);
/* What is told before the first question (early.c). */
void early_expect(void);
u8 *early_room(void);
void early_keep(const int *fds, u32 n, u32 len);
void names_before(struct task *t, long nr, const u64 a[6]);
void names_after(struct task *t, long nr, const u64 a[6], long r);
void names_share(u32 flags);
void names_child(struct task *child, const struct task *t, u32 flags);
u32 names_serial(u32 fd);
void names_fd_changed(u32 fd);
void fds_opened(const struct task *t, u32 fd, const struct carrick_answer *a);
long fds_close(struct task *t, u64 fd);
long fds_dup(struct task *t, u64 fd, u64 min, bool cloexec);
long fds_fcntl(struct task *t, const u64 a[6]);
long fds_ioctl(const struct task *t, const u64 a[6]);
long fds_getdents(struct task *t, long nr, const u64 a[6]);
void fds_before(struct task *t, long nr, const u64 a[6]);
void fds_read(struct task *t, u64 fd, long r);
bool fds_shared(u32 flags);
void fds_share(const struct task *t, u32 flags);
void fds_thread(const pctx_t *of, i32 change);
void fds_alone(const struct task *t);
bool fds_owe(struct task *t, u32 word);
bool fds_may_owe(struct task *t);
u32 fds_last_word(struct task *t, u32 fd, u32 end);
u32 fds_word(const struct task *t, u32 i);
void fds_unowe(struct task *t, u32 i);
u32 fds_open_file(const struct task *t, u64 fd);
long fds_lowest(struct task *t, u64 min);
void fds_take(struct task *t, u32 to, u32 word, const struct carrick_answer *a);

/* ---- names of directories (listing.c), files opened ahead (ahead.c) ---- */
long listing_read(struct task *t, u64 fd, u64 to, u64 size);
bool ahead_closed(struct task *t, u32 fd, u32 last);
void ahead_before(struct task *t);
void ahead_share(const struct task *t, u32 flags);
void brk_tell(struct task *t);
long mem_call(struct task *t, long nr, const u64 a[6]);
long do_mmap(struct task *t, const u64 a[6]);
long do_shmat(struct task *t, const u64 a[6]);
long do_shmdt(struct task *t, const u64 a[6]);

bool deliverable(const struct task *t);
void post_raised(struct task *t);
void set_sigmask(struct task *t, u64 mask);
bool deliver(struct task *t, struct ucontext *uc);
/* A signal that was fetched and, with a tracer, seen: true when it has a handler, whose frame was built. */
bool deliver_one(struct task *t, struct ucontext *uc, int signo, const siginfo_t *info);
void finish_call(struct task *t, struct ucontext *uc, long r);
void guest_fault(struct task *t, int signo, const siginfo_t *info, struct ucontext *uc);
_Noreturn void fatal(struct task *t, int signo, int code, u64 addr);
long do_sigaction(struct task *t, const u64 a[6]);
long do_sigprocmask(struct task *t, const u64 a[6]);
long do_sigpending(struct task *t, const u64 a[6]);
long do_sigaltstack(struct task *t, const struct ucontext *uc, const u64 a[6]);
long do_sigreturn(struct task *t, struct ucontext *uc);
long masked_call(struct task *t, long nr, const u64 a[6]);
/* Put another mask in force for the time of a call (ptr 0: none): 0, -EINVAL, -EFAULT. mask_end takes it back, unless a handler's frame has. */
long mask_begin(struct task *t, u64 ptr, u64 size);
void mask_end(struct task *t);
int mask_arg(long nr, const u64 a[6], u64 *ptr, u64 *size);

/* ---- frame_x86_64.c ---- */
struct frame_in {
	int signo;
	u64 handler, flags, restorer;
	u64 mask; /* guest mask that sigreturn shall restore */
	u64 alt_sp, alt_size;
	u32 alt_flags;
	const siginfo_t *info;
};
/* The frame that the host made at uc: its end. Move it to end at or below `top`; where its context is then. */
struct ucontext *frame_move(const struct ucontext *uc, u64 top);
/* Build a signal frame for *uc in guest memory and make *uc enter the handler: 0 or -EFAULT (uc unchanged). */
int frame_build(struct ucontext *uc, const struct frame_in *in);
/* What a guest's rt_sigreturn restores. */
struct frame_out {
	u64 mask;
	stack_t alt;
};
int frame_restore(struct ucontext *uc, u64 frame, struct frame_out *out);
/* Bytes of the extended state at fp without its trailing magic. */
u32 frame_fp_size(const u8 *fp);
bool on_altstack(u64 sp, u64 alt_sp, u64 alt_size, u32 alt_flags);

#define SIG_UNMASKABLE ((1ull << (SIGKILL - 1)) | (1ull << (SIGSTOP - 1)))
#define SIG_BIT(n) (1ull << ((n) - 1))

/* ---- clone.c, exec.c, ctl.c, start.c, load.c, filter.c ---- */
long do_clone(struct task *t, struct ucontext *uc, long nr, const u64 a[6]);
u64 clone_child(struct task *t);
long do_execve(struct task *t, long nr, const u64 a[6]);

/* Read control messages until `need` have been seen. */
void ctl_sync(struct task *t, u32 need);
/* Read what there is: for a granted fd that is not there yet. */
void ctl_catch_up(struct task *t);
/* Take the fds of message number `need` (of this kind); count or -errno. */
int ctl_take(struct task *t, u32 kind, u32 need, int fds[8]);
/* The same for a message kind that comes exactly once; reads no further than it. */
int ctl_take_first(struct task *t, u32 kind, int fds[8]);
int ctl_send_fd(u32 kind, int fd);
void ctl_forget(u32 pctx_index);
void install_handlers(struct task *t);
u64 load_plan(const struct carrick_plan *p, const int *fds, int nfd, const u64 *host_auxv, u64 stack_top, u64 *entry);
int filter_install(u32 fdr);

/*
 * The checking stub (build/stub-check, CARRICK_STUB=check) asks the servers again whatever it has answered from memory, and looks at its own state: what does not agree ends the
 * process with a line on fd 2.
 */
#ifdef CARRICK_STUB_CHECK
_Noreturn void check_failed(const char *what, long a, long b);
void check_fd(struct task *t, u32 fd, u32 cmd, long told);
void check_idle(const struct task *t);
/* Stay for a while where another thread may come in between. */
static inline void check_linger(void)
{
	for (volatile u32 i = 0; i < 300000; i++)
		;
}
#define HOLDS(cond, what, a, b) ((cond) ? (void)0 : check_failed(what, (long)(a), (long)(b)))
#else
#define check_fd(t, fd, cmd, told) ((void)0)
#define check_idle(t) ((void)0)
#define check_linger() ((void)0)
#define HOLDS(cond, what, a, b) ((void)0)
#endif

#ifdef CARRICK_STUB_DEBUG
void dbg(const char *what, long a, long b, long c);
#else
#define dbg(what, a, b, c) ((void)0)
#endif

#pragma GCC visibility pop

#endif
