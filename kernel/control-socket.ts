/**
 * The container's control socket, by which `carrick exec`, `kill`, `stop` and `wait` reach a running container (shared/control-wire.ts).
 *
 *   listener ──accept──► Connection ──lines──► exec: ExecSession (then all else on this connection is about it) │ signal │ wait
 *        (this worker's epoll set)     └─fds──► the next exec's standard input, output, error
 *
 * Only this user (or root) may connect: the socket has mode 0600, its directory 0700, and the peer's uid is asked for. Guests cannot: a path of theirs
 * names a socket of their own network (servers/net/path-names.ts), never this one.
 *
 * Replies are small and few; a client that does not read them is cut off when its socket is full.
 */
import type { BootData } from '../shared/boot.js';
import { type ControlReply, type ControlRequest, CONTROL_SOCKET, Lines, frame, parseRequest } from '../shared/control-wire.js';
import { E } from '../shared/errno.js';
import * as L from '../shared/gen/layout.js';
import { accept, listenAt, peerUid, receiveWith, sendWith } from '../shared/host-socket.js';
import * as host from '../shared/host.js';
import { logLine } from '../shared/log.js';
import { Msg } from '../shared/messages.js';
import { ExecSession } from './exec-session.js';
import type { Kernel } from './proc.js';
import { usage } from './usage.js';

const EPOLLIN = 1;
const CHUNK = 65536;
/** Fds that a request may bring. */
const FDS_MAX = 3;
/** Index of the container's own terminal, which is the first (vfs, tty/console.ts). */
const CONSOLE_PTY = 0;

class Connection {
  private readonly lines = new Lines();
  private fds: number[] = [];
  private readonly token: number;
  private session: ExecSession | undefined;
  private closed = false;
  waits = false;

  constructor(private readonly k: Kernel, private readonly boot: BootData, private readonly fd: number, private readonly onClose: (c: Connection) => void) {
    this.token = k.ep.watch(fd, EPOLLIN, () => { this.readable(); });
    if (this.token < 0) this.close();
  }

  private readable(): void {
    while (!this.closed) {
      const n = receiveWith(this.fd, CHUNK, this.fds);
      if (n === -E.EAGAIN || n === -E.EINTR) return;
      if (n <= 0 || this.fds.length > FDS_MAX) { this.close(); return; }
      const lines = this.lines.push(host.scratch.latin1Slice(host.DATA, host.DATA + n));
      if (lines === undefined) { this.close(); return; }
      for (const line of lines) {
        const m = parseRequest(line);
        if (m === undefined || this.closed) { this.close(); return; }
        this.request(m);
      }
    }
  }

  private request(m: ControlRequest): void {
    switch (m.op) {
      case 'exec': this.exec(m); return;
      case 'signal': this.signal(m.signo); return;
      case 'resize': this.resize(m.rows, m.cols); return;
      case 'wait': this.waits = true; return;
      case 'usage': this.reply(usage(new Float64Array(this.boot.stats))); return;
    }
  }

  /** Of this connection's program; of the container's first one when there is none. */
  private resize(rows: number, cols: number): void {
    if (this.session !== undefined) this.session.resize(rows, cols);
    else if (this.boot.spec.tty) this.k.ep.send(L.SRV_VFS, Msg.CONSOLE_SIZE, [CONSOLE_PTY, rows, cols]);
  }

  private exec(m: Extract<ControlRequest, { op: 'exec' }>): void {
    const [input, output, error, ...rest] = this.fds;
    if (this.session !== undefined || input === undefined || output === undefined || error === undefined || rest.length > 0) { this.close(); return; }
    this.fds = [];
    this.session = new ExecSession(this.k, this.boot.spec, m, [input, output, error], (reply) => {
      this.reply(reply);
      if (reply.event === 'started') return;
      this.session = undefined;
      this.close();
    });
    this.session.start();
  }

  private signal(signo: number): void {
    if (this.session !== undefined) { this.session.signal(signo); return; }
    this.k.ep.send(L.SRV_SIGNAL, Msg.SIG_TG, [L.metaInitTg(1), signo, 0, 0, 0, 0, 0, 0]);
    this.reply({ event: 'done' });
  }

  reply(r: ControlReply): void {
    if (this.closed) return;
    const text = frame(r);
    if (sendWith(this.fd, text) !== text.length) this.close();
  }

  private close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.token >= 0) this.k.ep.unwatch(this.token, this.fd);
    for (const fd of this.fds) host.close(fd);
    this.fds = [];
    host.close(this.fd);
    this.session?.clientGone();
    this.onClose(this);
  }
}

export class ControlSocket {
  private readonly connections = new Set<Connection>();

  constructor(private readonly k: Kernel, private readonly boot: BootData) {}

  /** From now on clients are heard. Without the socket the container runs all the same. */
  listen(): void {
    const fd = listenAt(this.boot.spec.upperDir.replace(/\/[^/]*$/, ''), CONTROL_SOCKET);
    const r = fd < 0 ? fd : this.k.ep.watch(fd, EPOLLIN, () => { this.welcome(fd); });
    if (r < 0) logLine(`carrick exec will not work with this container: its control socket cannot be made (errno ${-r})`);
  }

  private welcome(listener: number): void {
    for (;;) {
      const fd = accept(listener);
      if (fd < 0) return;
      const uid = peerUid(fd);
      if (uid !== 0 && uid !== this.ownUid()) { host.close(fd); continue; }
      this.connections.add(new Connection(this.k, this.boot, fd, (c) => { this.connections.delete(c); }));
    }
  }

  private ownUid(): number { return process.geteuid?.() ?? 0; }

  /** The first process has ended: wait(2) status word. */
  ended(status: number): void {
    for (const c of [...this.connections]) if (c.waits) c.reply({ event: 'exited', status });
  }
}
