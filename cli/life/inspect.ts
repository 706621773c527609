/** `carrick inspect`: all that is known of containers, under docker's names where docker has the thing; `Carrick` holds the configuration as carrick keeps it. */
import { join } from 'node:path';
import { toText } from '../bytes.js';
import { type State, directoryOf } from '../container-dir.js';
import { MS_RDONLY } from '../run-options.js';
import { type Fields, render } from './format.js';
import { LOGS } from './log-times.js';
import { each, find } from './lookup.js';
import { rootOf } from './ps.js';

/** Byte strings of the configuration as text. */
function readable(value: unknown): unknown {
  if (typeof value === 'string') return toText(value);
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, v]) => [toText(key), readable(v)]));
  return value;
}

/** What docker says of a time that has not come. */
const NEVER = '0001-01-01T00:00:00Z';

function aboutConfig({ config }: State): Fields {
  if (config === undefined) return {};
  return {
    Config: {
      Hostname: config.hostname, User: config.user, Tty: config.tty, OpenStdin: config.interactive, Env: readable(config.env), Cmd: readable(config.argv), WorkingDir: toText(config.cwd),
      Labels: readable(config.labels ?? {}), StopSignal: config.stopSignal ?? '',
    },
    HostConfig: { NetworkMode: config.network, AutoRemove: !config.keep, ReadonlyRootfs: config.readOnly },
    Mounts: [
      ...config.binds.map((b) => ({ ...(b.volume === undefined ? { Type: 'bind' } : { Type: 'volume', Name: b.volume }), Source: toText(b.source), Destination: toText(b.target), RW: !b.readOnly })),
      ...config.tmpfs.map((t) => ({ Type: 'tmpfs', Source: '', Destination: toText(t.target), RW: (t.flags & MS_RDONLY) === 0 })),
    ],
    Carrick: readable(config),
  };
}

export function about(s: State): Fields {
  const directory = directoryOf(s), running = s.status === 'running';
  return {
    Id: s.id, Name: `/${s.name}`, Created: s.created, Path: s.command[0] ?? '', Args: s.command.slice(1), Image: rootOf(s), Directory: directory,
    State: { Status: s.status, Running: running, Pid: running ? s.pid : 0, ExitCode: s.exitStatus ?? 0, StartedAt: s.started ?? s.created, FinishedAt: s.finished ?? NEVER },
    LogPath: s.detached === true ? join(directory, LOGS[0]) : '',
    ...aboutConfig(s),
  };
}

export async function inspectCommand(refs: readonly string[], format: string | undefined): Promise<number> {
  const found: Fields[] = [];
  const status = await each(refs, (ref) => {
    const fields = about(find(ref));
    if (format === undefined) found.push(fields);
    else process.stdout.write(`${format === 'json' ? JSON.stringify(fields) : render(format, fields)}\n`);
  });
  if (format === undefined) process.stdout.write(`${JSON.stringify(found, undefined, 2)}\n`);
  return status;
}
