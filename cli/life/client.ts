/**
 * The other end of a running container's control socket (shared/control-wire.ts). Connected and first written to by raw system calls, because only these
 * can pass descriptors on; from then on an ordinary node:net socket.
 */
import { Socket } from 'node:net';
import { type ControlReply, type ControlRequest, CONTROL_SOCKET, Lines, frame, parseReply } from '../../shared/control-wire.js';
import * as host from '../../shared/host.js';
import { connectTo, sendWith } from '../../shared/host-socket.js';
import { toBytes } from '../bytes.js';
import { loadAddon } from '../addon.js';
import { type State, directoryOf } from '../container-dir.js';
import { Failure } from '../failure.js';

export class Client {
  private readonly lines = new Lines();
  /** Told of every reply, and once of the end: undefined. */
  onReply: (reply: ControlReply | undefined) => void = () => undefined;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (bytes: Buffer) => {
      for (const line of this.lines.push(bytes.toString('latin1')) ?? []) {
        const reply = parseReply(line);
        if (reply !== undefined) this.onReply(reply);
      }
    });
    // The end says it all: carrick has gone.
    socket.on('error', () => undefined);
    socket.on('close', () => { this.onReply(undefined); });
  }

  /** Connect, and send a first request with descriptors. undefined: it has ended, or is not up yet. */
  static tryOpen(state: State, first: ControlRequest, fds: readonly number[] = []): Client | undefined {
    loadAddon();
    const fd = connectTo(toBytes(directoryOf(state)), CONTROL_SOCKET);
    if (fd < 0) return undefined;
    let text = frame(first);
    for (let with_ = fds; text !== ''; with_ = []) {
      const n = sendWith(fd, text, with_);
      if (n <= 0) { host.close(fd); return undefined; }
      text = text.slice(n);
    }
    return new Client(new Socket({ fd, readable: true, writable: true }));
  }

  static open(state: State, first: ControlRequest, fds: readonly number[] = []): Client {
    const client = Client.tryOpen(state, first, fds);
    if (client === undefined) throw new Failure(`container ${state.name} cannot be reached; it may be starting or ending`);
    return client;
  }

  send(request: ControlRequest): void { this.socket.write(frame(request), 'latin1'); }

  close(): void { this.socket.destroy(); }

  /** Everything said until the end, which comes when carrick, or what was asked for, has ended; undefined when `ms` pass before (0 = no limit). */
  untilEnd(ms = 0): Promise<ControlReply[] | undefined> {
    return new Promise((resolve) => {
      const replies: ControlReply[] = [];
      const late = ms > 0 ? setTimeout(() => { resolve(undefined); }, ms) : undefined;
      this.onReply = (reply): void => {
        if (reply !== undefined) { replies.push(reply); return; }
        clearTimeout(late);
        resolve(replies);
      };
    });
  }
}
