/** How an image's progress is shown: a bar per layer on a terminal, a line per layer and state elsewhere, or nothing. */
import { MultiBar, type SingleBar } from 'cli-progress';

export interface Bar {
  /** A new state, in which there are `total` bytes to come (0 = not known). */
  step(state: string, total: number): void;
  at(bytes: number): void;
  done(state: string): void;
}

export interface Progress {
  begin(name: string): Bar;
  /** Nothing more comes. */
  end(): void;
}

const nothing: Bar = { step: () => undefined, at: () => undefined, done: () => undefined };
export const silent: Progress = { begin: () => nothing, end: () => undefined };

/** 1234567 -> "1.2 MB" */
export function humanSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let n = bytes, unit = 0;
  while (n >= 1000 && unit < units.length - 1) { n /= 1000; unit++; }
  return `${unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`;
}

export function lines(write: (text: string) => void): Progress {
  return {
    begin: (name) => ({
      step: (state, total) => { write(`${name}: ${state}${total > 0 ? ` ${humanSize(total)}` : ''}\n`); },
      at: () => undefined,
      done: (state) => { write(`${name}: ${state}\n`); },
    }),
    end: () => undefined,
  };
}

export function bars(stream: NodeJS.WriteStream): Progress {
  const multi = new MultiBar({
    stream, hideCursor: true, clearOnComplete: false, barsize: 30, forceRedraw: false, emptyOnZero: true, autopadding: true,
    format: '{name} {bar} {have}/{all} {state}', barCompleteChar: '#', barIncompleteChar: '.',
  });
  const begin = (name: string): Bar => {
    let bar: SingleBar | undefined;
    let state = '', total = 0;
    const payload = (bytes: number): object => ({ name, state, have: humanSize(bytes), all: humanSize(total) });
    return {
      step: (next, size) => {
        state = next;
        total = size;
        bar ??= multi.create(1, 0, payload(0));
        bar.setTotal(Math.max(1, size));
        bar.update(0, payload(0));
      },
      at: (bytes) => { bar?.update(bytes, payload(bytes)); },
      done: (last) => { state = last; bar?.update(Math.max(1, total), payload(total)); },
    };
  };
  return { begin, end: () => { multi.stop(); } };
}
