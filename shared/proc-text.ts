/**
 * Files of /proc whose content another server than vfs knows: vfs asks when a guest reads one (servers/vfs/procfs/asked.ts).
 *
 *   vfs ── PROC_ASK [serial]; name ──► server
 *   server ── PROC_TEXT [serial, more]; text ──► vfs     in pieces, `more` 1 but for the last
 */
import type { Endpoint } from './endpoint.js';
import * as L from './gen/layout.js';
import { Msg } from './messages.js';

/** Characters that one message carries. */
const PIECE = 48 * 1024;

/** Answer vfs with what `text` makes of a name. */
export function tellProc(ep: Endpoint, text: (name: string) => string): void {
  ep.on(Msg.PROC_ASK, (m) => {
    const serial = m.w[0] as number;
    const all = text(m.text);
    for (let at = 0; ; at += PIECE) {
      const more = at + PIECE < all.length;
      ep.send(L.SRV_VFS, Msg.PROC_TEXT, [serial, more ? 1 : 0], all.slice(at, at + PIECE));
      if (!more) return;
    }
  });
}
