/** The commands for containers that run elsewhere, ps, exec, cp, logs, attach, start, stop, kill, wait, rm, top, inspect, and for their volumes. */
import { type Command, Option } from 'commander';
import { toText } from '../bytes.js';
import { collect, count } from '../flag-values.js';
import type { Caller } from '../run-options.js';
import type { ExecFlags } from './exec.js';
import type { LogFlags } from './logs.js';
import type { PsFlags } from './ps.js';

export function addLifeCommands(root: Command, caller: () => Caller, finish: (status: number) => void): void {
  addLookCommands(root, finish);
  addVisitCommands(root, caller, finish);
  addEndCommands(root, caller, finish);
  addVolumeCommands(root, finish);
}

/** Who they are, and what they say and do. */
function addLookCommands(root: Command, finish: (status: number) => void): void {
  root.command('ps')
    .description('list running containers')
    .option('-a, --all', 'and those that have ended')
    .option('-q, --quiet', 'only ids')
    .option('-l, --latest', 'only the one that was made last, also when it has ended')
    .addOption(new Option('-n, --last <N>', 'only the last N, also when they have ended').argParser(count))
    .addOption(new Option('-f, --filter <KEY=VALUE>', 'only some: name, id, status, exited, ancestor, label').argParser(collect))
    .option('--format <FORMAT>', 'json, or a template with {{.ID}} {{.Image}} {{.Command}} {{.CreatedAt}} {{.RunningFor}} {{.Status}} {{.State}} {{.Names}} {{.Labels}}; "table ..." for columns')
    .option('--no-trunc', 'whole command lines')
    .action(async (flags: PsFlags) => { (await import('./ps.js')).psCommand({ ...flags, filter: flags.filter?.map(toText), ...(flags.format === undefined ? {} : { format: toText(flags.format) }) }); });
  root.command('logs')
    .description('show what a container of run -d has written')
    .argument('<CONTAINER>')
    .option('-f, --follow', 'go on until it ends')
    .addOption(new Option('-n, --tail <LINES>', 'only the last ones, or all').argParser((text: string) => text === 'all' ? undefined : count(text)))
    .option('-t, --timestamps', 'with the time of each line')
    .option('--since <TIME>', 'only what was written since then: a time, or how long ago (10m)')
    .option('--until <TIME>', 'only what was written until then')
    .action(async (ref: string, flags: LogFlags) => { await (await import('./logs.js')).logsCommand(toText(ref), flags); });
  root.command('top')
    .summary('show what a running container is doing')
    .description('Show the processes and the workers of a running container, and what they use, again and again until q.')
    .argument('<CONTAINER>')
    .addOption(new Option('-d, --delay <SECONDS>', 'time between rounds').argParser(count).default(2))
    .addOption(new Option('-n, --rounds <N>', 'end after so many').argParser(count))
    .action(async (ref: string, flags: { delay: number; rounds?: number }) => { await (await import('./top.js')).topCommand(toText(ref), flags.delay, flags.rounds); });
  root.command('inspect')
    .description('all that is known of containers, as JSON')
    .argument('<CONTAINER...>')
    .option('-f, --format <FORMAT>', 'a template instead, like {{.State.Running}}, or {{json .Config.Env}}')
    .action(async (refs: string[], flags: { format?: string }) => { finish(await (await import('./inspect.js')).inspectCommand(refs.map(toText), flags.format === undefined ? undefined : toText(flags.format))); });
}

/** To be at one that runs. */
function addVisitCommands(root: Command, caller: () => Caller, finish: (status: number) => void): void {
  root.command('exec')
    .summary('run a program in a running container')
    .description('Run COMMAND beside the first program of a running container, with your standard input, output and error.')
    .argument('<CONTAINER>').argument('<COMMAND...>')
    .option('-i, --interactive', 'with -t: let it read your keys')
    .option('-t, --tty', 'give it a terminal of its own')
    .option('-d, --detach', 'do not wait for it, nor show what it writes')
    .addOption(new Option('-e, --env <NAME[=VALUE]>', 'set a variable, or pass on your own').argParser(collect))
    .addOption(new Option('--env-file <FILE>', 'set the variables that FILE has, one per line').argParser(collect))
    .option('-w, --workdir <DIR>', 'start in DIR')
    .option('-u, --user <USER[:GROUP]>', 'run as this user: numbers, or names of the container')
    .passThroughOptions()
    .action(async (ref: string, command: string[], flags: ExecFlags) => {
      finish(await (await import('./exec.js')).execCommand(toText(ref), flags, command, caller()));
    });
  root.command('cp')
    .summary('copy files from or to a container')
    .description('Copy a file or directory between the host and a container, which must have tar, and may have ended: into a directory that exists, else under the new name. SRC/. copies what SRC holds.')
    .argument('<SRC>', 'path, or CONTAINER:PATH').argument('<DST>', 'path, or CONTAINER:PATH')
    .action(async (source: string, target: string) => { await (await import('./cp.js')).cpCommand(toText(source), toText(target)); });
  root.command('attach')
    .summary('be at a container of run -d')
    .description('Show what a container in the background writes from now on, hand your input (run -d -i) and signals on to its first program, and end as that ends. '
      + 'On a terminal (run -dit) the detach keys end the watching only.')
    .argument('<CONTAINER>')
    .addOption(new Option('--sig-proxy <BOOLEAN>', 'hand signals on; false: Ctrl-C ends only the watching').choices(['true', 'false']).default('true'))
    .option('--no-stdin', 'do not hand input on')
    .option('--detach-keys <KEYS>', 'what to type to leave a terminal', 'ctrl-p,ctrl-q')
    .action(async (ref: string, flags: { sigProxy: string; stdin: boolean; detachKeys: string }) => {
      finish(await (await import('./attach.js')).attachCommand(toText(ref), { ...flags, sigProxy: flags.sigProxy === 'true' }));
    });
  root.command('visit', { hidden: true })
    .argument('<ID>').argument('<COMMAND...>')
    .passThroughOptions()
    .action(async (id: string, argv: string[]) => { finish(await (await import('./cp.js')).visitCommand(id, argv)); });
}

/** How they end, and begin again. */
function addEndCommands(root: Command, caller: () => Caller, finish: (status: number) => void): void {
  root.command('start')
    .summary('run ended containers again')
    .description('Run the first program of containers that have ended again, on what it left in its layer (which is there unless --rm was given).')
    .argument('<CONTAINER...>')
    .option('-a, --attach', 'here, with your standard input and output, instead of in the background')
    .option('-i, --interactive', 'the same')
    .action(async (refs: string[], flags: { attach?: boolean; interactive?: boolean }) => {
      finish(await (await import('./start.js')).startCommand(refs.map(toText), flags.attach === true || flags.interactive === true, caller()));
    });
  root.command('restart')
    .description('stop containers that run, and start them again')
    .argument('<CONTAINER...>')
    .addOption(new Option('-t, --time <SECONDS>', 'how long to wait before SIGKILL (default: 10, or run --stop-timeout)').argParser(count))
    .action(async (refs: string[], flags: { time?: number }) => { finish(await (await import('./start.js')).restartCommand(refs.map(toText), flags.time)); });
  root.command('stop')
    .description('end containers: the image\'s stop signal or SIGTERM first, then SIGKILL')
    .argument('<CONTAINER...>')
    .addOption(new Option('-t, --time <SECONDS>', 'how long to wait before SIGKILL (default: 10, or run --stop-timeout)').argParser(count))
    .option('-s, --signal <SIGNAL>', 'send this one first')
    .action(async (refs: string[], flags: { time?: number; signal?: string }) => { finish(await (await import('./end.js')).stopCommand(refs.map(toText), flags.time, flags.signal)); });
  root.command('kill')
    .description('send a signal to the first program of containers')
    .argument('<CONTAINER...>')
    .option('-s, --signal <SIGNAL>', 'name or number', 'KILL')
    .action(async (refs: string[], flags: { signal: string }) => { finish(await (await import('./end.js')).killCommand(refs.map(toText), flags.signal)); });
  root.command('wait')
    .description('wait until containers have ended, and print their exit statuses')
    .argument('<CONTAINER...>')
    .action(async (refs: string[]) => { finish(await (await import('./end.js')).waitCommand(refs.map(toText))); });
  root.command('rm')
    .description('remove containers that have ended')
    .argument('<CONTAINER...>')
    .option('-f, --force', 'kill those that run')
    .action(async (refs: string[], flags: { force?: boolean }) => { finish(await (await import('./end.js')).rmCommand(refs.map(toText), flags.force === true)); });
  root.command('run-detached', { hidden: true })
    .argument('<ID>')
    .action(async (id: string) => { finish(await (await import('./detach.js')).continueDetached(id)); });
}

function addVolumeCommands(root: Command, finish: (status: number) => void): void {
  const volume = root.command('volume').summary('directories that outlive containers').description('Directories that outlive containers: run -v NAME:DIR.').helpCommand(false);
  volume.command('create')
    .description('make a volume, and print its name')
    .argument('[NAME]')
    .addOption(new Option('--label <NAME=VALUE>', 'note for ls and inspect').argParser(collect))
    .action(async (name: string | undefined, flags: { label?: string[] }) => { (await import('./volumes.js')).createCommand(name === undefined ? undefined : toText(name), (flags.label ?? []).map(toText)); });
  volume.command('ls')
    .description('list the volumes')
    .option('-q, --quiet', 'only names')
    .addOption(new Option('-f, --filter <KEY=VALUE>', 'only some: name, label, dangling (true: no container uses it)').argParser(collect))
    .option('--format <FORMAT>', 'json, or a template with {{.Name}} {{.Mountpoint}} {{.CreatedAt}} {{.Labels}}')
    .action(async (flags: { quiet?: boolean; filter?: string[]; format?: string }) => {
      (await import('./volumes.js')).lsCommand({ ...flags, filter: (flags.filter ?? []).map(toText), ...(flags.format === undefined ? {} : { format: toText(flags.format) }) });
    });
  volume.command('rm')
    .description('remove volumes that no container uses, with what is in them')
    .argument('<NAME...>')
    .option('-f, --force', 'one that is not there is no failure')
    .action(async (names: string[], flags: { force?: boolean }) => { finish(await (await import('./volumes.js')).rmCommand(names.map(toText), flags.force === true)); });
  volume.command('inspect')
    .description('print all that is known of volumes')
    .argument('<NAME...>')
    .option('-f, --format <FORMAT>', 'json, or a template')
    .action(async (names: string[], flags: { format?: string }) => { finish(await (await import('./volumes.js')).inspectCommand(names.map(toText), flags.format === undefined ? undefined : toText(flags.format))); });
  volume.command('prune')
    .description('remove all volumes that no container uses')
    .option('-f, --force', 'do it')
    .action(async (flags: { force?: boolean }) => { (await import('./volumes.js')).pruneCommand(flags.force === true); });
}
