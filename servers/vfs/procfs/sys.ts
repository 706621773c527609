/**
 * /proc/sys: sysctls that programs read. proc_sys(5). Values that are the host's by nature (memory, scheduler, random) are read from it at the time; limits
 * that carrick itself sets are its own; the rest are Linux's defaults, for hosts that do not have them. It is read-only, as in any unprivileged container: EROFS.
 */
import { E } from '../../../shared/errno.js';
import { FD_LIMIT } from '../../../shared/fdtable.js';
import * as IPC from '../../../shared/ipc-limits.js';
import { domainName, hostName } from '../../../shared/tasks.js';
import { CAP_LAST } from '../../../shared/creds.js';
import { type File, O_ACCMODE, O_RDONLY } from '../file.js';
import type { Caller, Path, SuperBlock } from '../inode.js';
import { PTY_MAX, ptys } from '../tty/pty.js';
import { hostFile } from './global.js';
import { type Gen, type StaticDir, TextInode } from './node.js';

class SysctlInode extends TextInode {
  override open(c: Caller, path: Path, flags: number): File | number {
    return (flags & O_ACCMODE) !== O_RDONLY ? -E.EROFS : super.open(c, path, flags);
  }
}

/** [path, value without newline when the host has none or is not asked, ask the host?] */
type Row = readonly [path: string, value: string, fromHost: boolean];

const HOST = true, OWN = false;
const ROWS: readonly Row[] = [
  ['kernel/ostype', 'Linux', OWN], ['kernel/osrelease', '5.10.0', HOST], ['kernel/version', '#1 SMP', HOST], ['kernel/arch', 'x86_64', HOST],
  ['kernel/pid_max', '4194304', HOST], ['kernel/threads-max', '4096', OWN], ['kernel/ngroups_max', '65536', OWN], ['kernel/cap_last_cap', String(CAP_LAST), OWN],
  ['kernel/shmmax', IPC.SHMMAX_TEXT, OWN], ['kernel/shmall', IPC.SHMMAX_TEXT, OWN], ['kernel/shmmni', String(IPC.SHMMNI), OWN], ['kernel/shm_rmid_forced', '0', OWN],
  ['kernel/msgmax', String(IPC.MSGMAX), OWN], ['kernel/msgmnb', String(IPC.MSGMNB), OWN], ['kernel/msgmni', String(IPC.MSGMNI), OWN],
  ['kernel/sem', [IPC.SEMMSL, IPC.SEMMNS, IPC.SEMOPM, IPC.SEMMNI].join('\t'), OWN],
  ['kernel/core_pattern', 'core', OWN], ['kernel/core_uses_pid', '0', OWN], ['kernel/core_pipe_limit', '0', OWN], ['kernel/overflowuid', '65534', OWN], ['kernel/overflowgid', '65534', OWN],
  ['kernel/perf_event_paranoid', '3', OWN], ['kernel/kptr_restrict', '1', OWN], ['kernel/dmesg_restrict', '1', OWN], ['kernel/tainted', '0', OWN],
  ['kernel/randomize_va_space', '2', HOST], ['kernel/panic', '0', OWN], ['kernel/panic_on_oops', '0', OWN], ['kernel/printk', '4\t4\t1\t7', OWN],
  ['kernel/sched_rt_period_us', '1000000', HOST], ['kernel/sched_rt_runtime_us', '950000', HOST], ['kernel/sched_rr_timeslice_ms', '100', HOST],
  ['kernel/sched_autogroup_enabled', '0', HOST], ['kernel/numa_balancing', '0', HOST], ['kernel/unprivileged_bpf_disabled', '2', OWN], ['kernel/io_uring_disabled', '0', OWN],
  ['kernel/seccomp/actions_avail', 'kill_process kill_thread trap errno user_notif trace log allow', OWN],
  ['kernel/pty/max', String(PTY_MAX), OWN], ['kernel/pty/reserve', '1024', OWN], ['kernel/keys/maxkeys', '200', OWN], ['kernel/keys/maxbytes', '20000', OWN],
  ['kernel/random/entropy_avail', '256', HOST], ['kernel/random/poolsize', '256', HOST], ['kernel/random/write_wakeup_threshold', '256', HOST], ['kernel/random/urandom_min_reseed_secs', '60', HOST],
  ['vm/overcommit_memory', '0', HOST], ['vm/overcommit_ratio', '50', HOST], ['vm/overcommit_kbytes', '0', HOST], ['vm/max_map_count', '65530', HOST], ['vm/swappiness', '60', HOST],
  ['vm/mmap_min_addr', '65536', HOST], ['vm/min_free_kbytes', '67584', HOST], ['vm/dirty_ratio', '20', HOST], ['vm/dirty_background_ratio', '10', HOST], ['vm/nr_hugepages', '0', OWN],
  ['vm/page-cluster', '3', HOST], ['vm/vfs_cache_pressure', '100', HOST], ['vm/panic_on_oom', '0', OWN], ['vm/legacy_va_layout', '0', HOST], ['vm/zone_reclaim_mode', '0', HOST],
  ['vm/mmap_rnd_bits', '28', HOST], ['vm/unprivileged_userfaultfd', '0', OWN], ['vm/memfd_noexec', '0', OWN],
  ['fs/file-max', '9223372036854775807', HOST], ['fs/nr_open', String(FD_LIMIT), OWN], ['fs/file-nr', '1024\t0\t9223372036854775807', OWN], ['fs/inode-nr', '4096\t0', OWN],
  ['fs/inode-state', '4096\t0\t0\t0\t0\t0\t0', OWN], ['fs/dentry-state', '4096\t0\t45\t0\t0\t0', OWN], ['fs/pipe-max-size', '1048576', HOST], ['fs/pipe-user-pages-soft', '16384', HOST],
  ['fs/pipe-user-pages-hard', '0', HOST], ['fs/aio-max-nr', '65536', HOST], ['fs/aio-nr', '0', OWN], ['fs/lease-break-time', '45', OWN], ['fs/leases-enable', '1', OWN],
  ['fs/mount-max', '100000', OWN], ['fs/overflowuid', '65534', OWN], ['fs/overflowgid', '65534', OWN], ['fs/suid_dumpable', '0', OWN],
  ['fs/protected_hardlinks', '1', OWN], ['fs/protected_symlinks', '1', OWN], ['fs/protected_fifos', '1', OWN], ['fs/protected_regular', '2', OWN],
  ['fs/inotify/max_queued_events', '16384', HOST], ['fs/inotify/max_user_instances', '128', HOST], ['fs/inotify/max_user_watches', '65536', HOST], ['fs/epoll/max_user_watches', '1048576', HOST],
  ['fs/mqueue/msg_default', String(IPC.MQ_MSG_DEFAULT), OWN], ['fs/mqueue/msg_max', String(IPC.MQ_MSG_MAX), OWN], ['fs/mqueue/msgsize_default', String(IPC.MQ_SIZE_DEFAULT), OWN],
  ['fs/mqueue/msgsize_max', String(IPC.MQ_SIZE_MAX), OWN], ['fs/mqueue/queues_max', String(IPC.MQ_QUEUES_MAX), OWN],
  ['net/core/somaxconn', '4096', HOST], ['net/core/rmem_default', '212992', HOST], ['net/core/rmem_max', '212992', HOST], ['net/core/wmem_default', '212992', HOST], ['net/core/wmem_max', '212992', HOST],
  ['net/core/optmem_max', '131072', HOST], ['net/core/netdev_max_backlog', '1000', HOST],
  ['net/ipv4/ip_forward', '0', OWN], ['net/ipv4/ip_local_port_range', '32768\t60999', HOST], ['net/ipv4/ip_unprivileged_port_start', '1024', HOST], ['net/ipv4/tcp_rmem', '4096\t131072\t6291456', HOST],
  ['net/ipv4/tcp_wmem', '4096\t16384\t4194304', HOST], ['net/ipv4/tcp_fin_timeout', '60', HOST], ['net/ipv4/tcp_keepalive_time', '7200', HOST], ['net/ipv4/tcp_keepalive_intvl', '75', HOST],
  ['net/ipv4/tcp_keepalive_probes', '9', HOST], ['net/ipv4/tcp_syncookies', '1', HOST], ['net/ipv4/tcp_max_syn_backlog', '1024', HOST], ['net/ipv4/tcp_congestion_control', 'cubic', HOST],
  ['net/ipv4/tcp_available_congestion_control', 'reno cubic', HOST], ['net/ipv4/tcp_fastopen', '1', HOST], ['net/ipv4/ping_group_range', '1\t0', HOST],
  ['net/ipv6/conf/all/disable_ipv6', '0', HOST], ['net/ipv6/conf/default/disable_ipv6', '0', HOST], ['net/ipv6/conf/lo/disable_ipv6', '0', HOST], ['net/ipv6/bindv6only', '0', HOST], ['net/unix/max_dgram_qlen', '512', HOST],
  ['user/max_user_namespaces', '0', OWN], ['dev/tty/legacy_tiocsti', '1', OWN],
];

/** A random version 4 UUID: the host makes them. */
const uuid = (): string => hostFile('/proc/sys/kernel/random/uuid', '00000000-0000-4000-8000-000000000000\n');

export function addSys(root: StaticDir, sb: SuperBlock): void {
  const add = (path: string, gen: Gen): void => {
    const parts = path.split('/');
    const name = parts.pop() as string;
    let d = root;
    for (const p of parts) d = d.dir(p);
    d.put(name, new SysctlInode(sb, 0o644, gen));
  };
  for (const [path, value, fromHost] of ROWS) {
    const text = `${value}\n`;
    add(path, fromHost ? (): string => hostFile(`/proc/sys/${path}`, text) : (): string => text);
  }
  add('kernel/hostname', () => `${hostName()}\n`);
  add('kernel/domainname', () => `${domainName()}\n`);
  add('kernel/pty/nr', () => `${ptys.size}\n`);
  add('kernel/random/uuid', uuid);
  // The id of this boot: of the container's, made when it is first asked for.
  let boot = '';
  add('kernel/random/boot_id', () => (boot === '' ? (boot = uuid()) : boot));
  root.dir('debug');
  root.dir('abi');
}
