/** Linux ABI numbers of pipes, polling and eventfd. Sources: uapi asm-generic/fcntl.h, poll.h, ioctls.h; linux/eventpoll.h, eventfd.h. */

export const O_ACCMODE = 3;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_EXCL = 0o200;
export const O_NONBLOCK = 0o4000;
export const O_DIRECT = 0o40000;
export const O_PATH = 0o10000000;
export const O_CLOEXEC = 0o2000000;

/** Always reported, asked for or not. poll(2), epoll_ctl(2). */
export const EPOLL_ALWAYS = 0x18;
export const EPOLLEXCLUSIVE = 1 << 28;
export const EPOLLWAKEUP = 1 << 29;
export const EPOLLONESHOT = 1 << 30;
export const EPOLLET = 1 << 31;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

export const POLLNVAL = 0x20;
/** What poll says of files that have no poll operation: DEFAULT_POLLMASK. */
export const POLL_DEFAULT = 0x145;

export const FIONREAD = 0x541b;
export const FIONBIO = 0x5421;
export const FIOCLEX = 0x5451;
export const FIONCLEX = 0x5450;
export const FIOASYNC = 0x5452;
export const F_SETPIPE_SZ = 1031;
export const F_GETPIPE_SZ = 1032;

export const SIGPIPE = 13;
