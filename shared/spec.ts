/**
 * RunSpec: everything the command line decides about a container, as plain data that postMessage can copy. Written by cli/ once,
 * read by the kernel (first program, namespaces), vfs (root, mounts, stdio, terminal) and signal; nobody changes it. Strings that name guest
 * paths, arguments and environment are latin1 byte strings (STYLE H4), host paths too: `Buffer.from(s, 'latin1')` gives the bytes.
 */

/** Where the container's root file system comes from. */
export interface RootfsSpec {
  /** `host`: the host's own root as a read-only lower layer; `dir`: a directory tree as one; `layers`: the layers of an image, merged. */
  readonly kind: 'host' | 'dir' | 'layers';
  /** Host path of the lower layer, absolute, latin1: '/' for `host`. Of an image its id, which is no path. */
  readonly dir: string;
  /** `layers`: host directories as shared/layer-index.ts describes them, absolute, latin1, the topmost first. */
  readonly layers?: readonly string[];
}

/** -v HOST:GUEST[:ro] */
export interface BindSpec {
  /** Host path, absolute, exists; latin1. */
  readonly source: string;
  /** Guest path, absolute; latin1. The mount point is made when it is missing. */
  readonly target: string;
  readonly readOnly: boolean;
  /** Name of the volume whose directory the source is, if it is one. */
  readonly volume?: string;
  /** When the source is empty, it first gets what the guest's root has at the target. */
  readonly fill?: boolean;
}

/** A small file that carrick makes and lays over the root, root's and mode 644: /etc/hosts and its kin. */
export interface FileSpec {
  /** Guest path, absolute; latin1. Made when it is missing. */
  readonly target: string;
  readonly text: string;
}

/** `host`: guest sockets are in the host's network; `none`: only a loopback, in a network namespace of its own where the host gives one. */
export type NetworkMode = 'host' | 'none';

/** --tmpfs DIR[:size=N,mode=M,...] */
export interface TmpfsSpec {
  /** Guest path, absolute; latin1. */
  readonly target: string;
  /** Bytes, 0 = no limit of its own. */
  readonly size: number;
  /** Mode of its root directory. */
  readonly mode: number;
  /** Mount flags wished: MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC of mount(2). */
  readonly flags: number;
}

/** One of setrlimit(2). Infinity is null, because this goes through JSON. */
export interface LimitSpec { readonly resource: number; readonly soft: number | null; readonly hard: number | null }

/** `carrick trace` */
export interface TraceSpec {
  /** `lines`: one line per call; `summary`: counts and times at the end (-c); `report`: counts and refusals by program (`carrick compat-report`). */
  readonly mode: 'off' | 'lines' | 'summary' | 'report';
  /** Host fd that the trace is written to. */
  readonly fd: number;
}

export interface RunSpec {
  /** Id of the container, 12 hexadecimal digits: its directory and default hostname. */
  readonly id: string;
  /** --name, or the id. */
  readonly name: string;
  readonly rootfs: RootfsSpec;
  /** Host directory (absolute, latin1) of the writable layer, made and empty. */
  readonly upperDir: string;
  /** What is written there outlives the container (no --rm), so it must outlive carrick, too. */
  readonly keep: boolean;
  /** The root is mounted read-only (--read-only). */
  readonly readOnly: boolean;
  readonly binds: readonly BindSpec[];
  readonly tmpfs: readonly TmpfsSpec[];
  readonly files: readonly FileSpec[];
  readonly network: NetworkMode;
  /** Program and arguments, at least one; looked up in the guest's PATH when argv[0] has no slash. latin1. */
  readonly argv: readonly string[];
  /** Full environment of the first program, "K=V"; latin1. */
  readonly env: readonly string[];
  /** Guest directory to start in, absolute; latin1. Made when it is missing if `cwdMake`. */
  readonly cwd: string;
  /** -w was given: make the directory, as docker does. */
  readonly cwdMake: boolean;
  /** Signal that `stop` sends, as the image writes it ("SIGQUIT", "3"); '' or absent = SIGTERM. */
  readonly stopSignal?: string;
  /** --stop-timeout: seconds that `stop` waits before SIGKILL; absent = 10. */
  readonly stopTimeout?: number;
  /** --label. latin1; kept for `ps` and `inspect`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** --ulimit: what the first process and those of exec start with instead of carrick's own limits. */
  readonly limits?: readonly LimitSpec[];
  /**
   * -u as written, '' = not given. `uid` and `gid` are its numbers, -1 = a name that has to be looked up in the guest's /etc/passwd and /etc/group
   * (gid -1 with a numeric uid: the group of its passwd entry, else 0).
   */
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  /** Take the caller's supplementary groups over (run-elf); otherwise those of the guest's /etc/group. */
  readonly groups: readonly number[] | undefined;
  /** HOME is not given by the caller: set it from the user's passwd entry, '/' without one. */
  readonly homeFromPasswd: boolean;
  readonly hostname: string;
  /** -t: fds 0, 1, 2 are a new pty whose other side is relayed to `stdio`. */
  readonly tty: boolean;
  /** fd 0 is the caller's; otherwise (-t without -i) nothing is read. */
  readonly interactive: boolean;
  /** run-elf: /tmp and /run show the lower layer's, where the program may well be; otherwise they are empty tmpfs. */
  readonly hostTmp: boolean;
  /** Window at start with -t. */
  readonly rows: number;
  readonly cols: number;
  /** Host fds of the caller's standard input, output, error. */
  readonly stdio: readonly [number, number, number];
  readonly trace: TraceSpec;
  /** `carrick profile`: samples a second of guests' processor time, 0 = no profile. */
  readonly profileHz: number;
  /** Bits as in SpawnOptions.namespaces: 1 user, 2 pid, 4 mount, 8 ipc, 16 uts, 32 net. 0 with CARRICK_NAMESPACES=none. */
  readonly namespaces: number;
  /** False with CARRICK_FASTPATH=0: the stub posts every call. */
  readonly fastpath: boolean;
  /** Traps of a call site before it is rewritten: CARRICK_REWRITE. 0: every call traps, no code of the guest's is changed. */
  readonly rewrite: number;
  /** False with CARRICK_GRANTS=0: no host fd is ever given to a guest. */
  readonly grants: boolean;
}

/** Namespaces asked for by default: user, pid, mount, ipc, uts. */
export const NAMESPACES_DEFAULT = 1 | 2 | 4 | 8 | 16;
/** A network namespace, asked for with --network none. */
export const NAMESPACE_NET = 32;
