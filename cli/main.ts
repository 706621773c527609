/**
 * `carrick`: reads the command line, runs one command, turns its outcome into an exit status. What only some commands need is imported when
 * they run, so that `carrick run` starts fast. Arguments are latin1 byte strings from here on (bytes.ts).
 */
import { openSync, writeFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import type { RunSpec, TraceSpec } from '../shared/spec.js';
import { argvBytes, envBytes, toBytes, toPath, toText } from './bytes.js';
import type { CompatFlags } from './compat/command.js';
import { exitNow, runContainer } from './container.js';
import { addDockerFlags } from './docker-flags.js';
import { EXIT_CARRICK, Failure, complain, report, why } from './failure.js';
import { collect, count } from './flag-values.js';
import { addLifeCommands } from './life/commands.js';
import type { ProfileFlags } from './profile/command.js';
import { type Caller, type RunFlags, hereSpec, runElfSpec, runSpec } from './run-options.js';
import { windowSize } from './terminal.js';
import { VERSION } from './version.js';

const NO_TRACE: TraceSpec = { mode: 'off', fd: -1 };

interface TraceFlags { readonly summary?: boolean; readonly output?: string }

function caller(): Caller {
  const getid = (get: (() => number) | undefined): number => get === undefined ? 0 : get();
  return {
    env: envBytes(),
    cwd: toBytes(process.cwd()),
    uid: getid(process.getuid), gid: getid(process.getgid), groups: process.getgroups?.() ?? [],
    ...windowSize(),
  };
}

/** --cidfile. One that is there belongs to another container. */
function writeIdFile(path: string, id: string): void {
  try {
    writeFileSync(toPath(path), id, { flag: 'wx' });
  } catch (error) {
    throw new Failure(`cannot write the container's id to ${toText(path)}: ${why(error)}`, undefined, { cause: error });
  }
}

/** Flags that `run` and `run-elf` share. */
function addRunFlags(command: Command): Command {
  return command
    .addOption(new Option('-e, --env <NAME[=VALUE]>', 'set a variable, or pass on your own').argParser(collect))
    .addOption(new Option('--env-file <FILE>', 'set the variables that FILE has, one per line').argParser(collect))
    .option('-w, --workdir <DIR>', 'start in DIR, which is made when missing')
    .option('-u, --user <USER[:GROUP]>', 'run as this user: numbers, or names of the container')
    .addOption(new Option('-v, --volume <HOST:GUEST[:ro]>', 'show a file or directory of the host in the container, or a volume by its name').argParser(collect))
    .addOption(new Option('--tmpfs <DIR[:OPTIONS]>', 'mount a tmpfs: size=N[k|m|g], mode=OCTAL, ro, noexec').argParser(collect))
    .addOption(new Option('--mount <SPEC>', 'the same, as type=bind,source=DIR,target=DIR[,readonly], type=volume,source=NAME,target=DIR or type=tmpfs,target=DIR').argParser(collect))
    .option('-t, --tty', 'give the program a terminal of its own')
    .option('--read-only', 'mount the root read-only');
}

function traceSpec(flags: TraceFlags): TraceSpec {
  let fd = 2;
  if (flags.output !== undefined) {
    try {
      fd = openSync(toPath(flags.output), 'w', 0o644);
    } catch (error) {
      throw new Failure(`cannot write the trace to ${toText(flags.output)}: ${why(error)}`, undefined, { cause: error });
    }
  }
  return { mode: flags.summary === true ? 'summary' : 'lines', fd };
}

type Finish = (status: number) => void;

/** How a container is run, and watched meanwhile. */
interface Way {
  trace(): TraceSpec;
  /** To its end; the exit status. */
  run(spec: RunSpec): Promise<number>;
}

const PLAIN: Way = { trace: () => NO_TRACE, run: async (spec) => (await runContainer(spec)).status };

/** `run` and `run-elf`, on the program itself and below `trace` and `profile`. */
function addRunCommands(parent: Command, way: Way, finish: Finish): void {
  const run = async (spec: RunSpec): Promise<void> => { finish(await way.run(spec)); };
  const command = addRunFlags(parent.command('run'));
  addDockerFlags(command);
  command
    .summary('run a program in a container')
    .description('Run a program on ROOTFS: "host" (the host\'s own root, never changed), "rootfs:DIR", or an image: its name (fetched when it is not here), '
      + '"oci:DIR[:TAG]", "oci-archive:TAR[:TAG]" or "docker-archive:TAR". Without COMMAND: what the image says, else /bin/sh.')
    .argument('<ROOTFS>').argument('[COMMAND...]')
    .option('-i, --interactive', 'let the program read your standard input; with -d, that of attach')
    .option('-d, --detach', 'run in the background and print the container\'s id; see logs, exec, stop')
    .option('--init', 'a small init as the first process: hands signals on, reaps orphans')
    .option('--stop-signal <SIGNAL>', 'what carrick stop sends first')
    .addOption(new Option('--stop-timeout <SECONDS>', 'how long carrick stop waits after that').argParser(count))
    .option('--rm', 'keep nothing of what the program writes')
    .option('--name <NAME>', 'name of the container')
    .helpOption('--help', 'display help for command')
    .option('-h, --hostname <NAME>', 'host name inside the container')
    .addOption(new Option('-l, --label <NAME=VALUE>', 'note for ps and inspect').argParser(collect))
    .option('--cidfile <FILE>', 'write the id of the container to FILE')
    .option('--network <MODE>', 'host: the host\'s network (default); none: only a loopback')
    .addOption(new Option('--add-host <NAME:ADDRESS>', 'one more line of /etc/hosts; ADDRESS host-gateway is the host').argParser(collect))
    .addOption(new Option('--dns <ADDRESS>', 'name server, in place of the host\'s').argParser(collect))
    .addOption(new Option('--dns-search <DOMAIN>', 'domain to look names up in, in place of the host\'s').argParser(collect))
    .addOption(new Option('--ulimit <NAME=SOFT[:HARD]>', 'a limit of getrlimit(2): nofile, nproc, core, stack, cpu, ...').argParser(collect))
    .option('--shm-size <SIZE>', 'most that /dev/shm holds: N[k|m|g]')
    .option('--entrypoint <PROGRAM>', 'program to run; COMMAND becomes its arguments')
    .option('--detach-keys <KEYS>', 'with -it: what to type to leave it running in the background, for example ctrl-p,ctrl-q; see attach')
    .passThroughOptions()
    .action(async (rootfs: string, operands: string[], flags: RunFlags) => {
      const image = rootfs === 'host' || rootfs.startsWith('rootfs:') ? undefined : await (await import('./images.js')).imageForRun(toText(rootfs));
      let spec = runSpec(flags, rootfs, operands, caller(), way.trace(), image);
      if (flags.stopSignal !== undefined) spec = { ...spec, stopSignal: String((await import('./life/lookup.js')).signalNumber(flags.stopSignal)) };
      if (flags.cidfile !== undefined) writeIdFile(flags.cidfile, spec.id);
      if (flags.init === true) spec = (await import('./life/init.js')).withInit(spec);
      const keys = flags.detachKeys;
      if (keys !== undefined && (flags.tty !== true || flags.interactive !== true || flags.detach === true)) throw new Failure('--detach-keys are typed at a terminal: they need -it, and no -d');
      if (flags.detach !== true && keys === undefined) await run(spec);
      else if (way !== PLAIN) throw new Failure('a container that is watched stays in the foreground; leave -d out');
      else if (keys !== undefined) finish(await (await import('./life/detach.js')).runAttached(spec, toText(keys)));
      else finish(await (await import('./life/detach.js')).runDetached({ ...spec, interactive: flags.interactive === true }));
    });
  addRunFlags(parent.command('run-elf'))
    .summary('run one ELF file as if it were started here')
    .description('Run FILE with your user, environment, directory and input, on the host\'s root; what it writes vanishes, but for volumes.')
    .argument('<FILE>').argument('[ARG...]')
    .passThroughOptions()
    .action(async (file: string, args: string[], flags: RunFlags) => {
      await run(runElfSpec(flags, file, args, caller(), way.trace()));
    });
}

function addImageCommands(root: Command): void {
  root.command('pull')
    .description('get an image from its registry: [HOST[:PORT]/]NAME[:TAG][@DIGEST], Docker Hub\'s without a host')
    .argument('<IMAGE>')
    .option('-q, --quiet', 'show no progress')
    .action(async (image: string, flags: { quiet?: boolean }) => { await (await import('./images.js')).pullCommand(toText(image), flags.quiet === true); });
  root.command('login')
    .description('remember a name and password for a registry, if it takes them; the password is read from standard input')
    .argument('[REGISTRY]', 'host[:port]', 'docker.io')
    .requiredOption('-u, --username <USER>', 'who you are there')
    .option('--password-stdin', 'as it is done in any case; for scripts written for docker')
    .action(async (registry: string, flags: { username: string }) => { await (await import('./images.js')).loginCommand(toText(registry), toText(flags.username)); });
  root.command('logout')
    .description('forget them')
    .argument('[REGISTRY]', 'host[:port]', 'docker.io')
    .action(async (registry: string) => { await (await import('./images.js')).logoutCommand(toText(registry)); });
  root.command('images')
    .description('list the images that are here')
    .option('-q, --quiet', 'only their ids')
    .option('--digests', 'with the digests of their manifests')
    .option('--json', 'for programs')
    .action(async (flags: { quiet?: boolean; digests?: boolean; json?: boolean }) => { await (await import('./images.js')).imagesCommand(flags); });
  root.command('rmi')
    .description('forget images, and remove what no other image or container needs of them')
    .argument('<IMAGE...>', 'names or ids')
    .action(async (images: string[]) => { await (await import('./images.js')).rmiCommand(images.map(toText)); });
  root.command('prune')
    .description('remove layers that no image and no container needs any more, and what crashes have left')
    .action(async () => { await (await import('./images.js')).pruneCommand(); });
  root.command('load')
    .description('take the images of an archive in: of docker save, or a tar of an OCI layout')
    .option('-i, --input <FILE>', 'read FILE instead of standard input')
    .option('-q, --quiet', 'show no progress')
    .action(async (flags: { input?: string; quiet?: boolean }) => { await (await import('./images.js')).loadCommand(flags.input === undefined ? undefined : toText(flags.input), flags.quiet === true); });
  root.command('import')
    .description('make an image of one layer from the tar of a root file system ("-": standard input)')
    .argument('<FILE>').argument('[IMAGE]', 'its name', 'localhost/imported')
    .addOption(new Option('-c, --change <INSTRUCTION>', 'what to run: CMD, ENTRYPOINT, ENV, USER, WORKDIR, STOPSIGNAL as in a Dockerfile').argParser(collect))
    .option('-q, --quiet', 'show no progress')
    .action(async (file: string, image: string, flags: { change?: string[]; quiet?: boolean }) => {
      await (await import('./images.js')).importCommand(toText(file), toText(image), (flags.change ?? []).map(toText), flags.quiet === true);
    });
}

function program(finish: Finish): Command {
  const root = new Command('carrick')
    .description('Linux programs on a kernel written in TypeScript')
    .version(VERSION, '--version', 'print the version')
    .helpCommand(false)
    .enablePositionalOptions()
    .configureOutput({ writeErr: () => undefined, writeOut: (text) => process.stdout.write(toText(text)) })
    .exitOverride();
  addRunCommands(root, PLAIN, finish);

  const trace: Command = root.command('trace')
    .summary('run, and print every system call')
    .description('Like strace: one line per call that a server answers: name, arguments, result, server, microseconds.')
    .usage('[options] run|run-elf ...')
    .option('-c, --summary', 'print counts and times at the end instead of lines')
    .option('-o, --output <FILE>', 'write to FILE instead of standard error')
    .helpCommand(false)
    .enablePositionalOptions();
  addRunCommands(trace, {
    trace: () => traceSpec(trace.opts<TraceFlags>()),
    run: async (spec) => {
      const { status, stats } = await runContainer(spec);
      if (spec.trace.mode === 'summary') (await import('./trace-summary.js')).printSummary(stats, spec.trace.fd);
      return status;
    },
  }, finish);

  const profile: Command = root.command('profile')
    .summary('run, and show where the time goes')
    .description('Run COMMAND here, or a container (run, run-elf), and show where its time went: functions, system calls by part, servers.')
    .usage('[options] -- COMMAND... | run ... | run-elf ...')
    .addOption(new Option('-f, --format <FORMAT>', 'what to write: text, html (a page with a flame graph), speedscope').default('text'))
    .option('-o, --output <FILE>', 'write to FILE instead of standard error')
    .addOption(new Option('--hz <N>', 'samples per second of processor time').default('997'))
    .argument('[COMMAND...]')
    .helpCommand(false)
    .enablePositionalOptions()
    .passThroughOptions();
  const profiled: Way = {
    trace: () => NO_TRACE,
    run: async (spec) => (await import('./profile/command.js')).profileRun(spec, profile.opts<ProfileFlags>()),
  };
  addRunCommands(profile, profiled, finish);
  profile.action(async (argv: string[]) => {
    if (argv.length === 0) throw new Failure('profile: no command; for example: carrick profile -- make');
    finish(await profiled.run(hereSpec({}, argv, caller(), NO_TRACE)));
  });

  addImageCommands(root);
  addLifeCommands(root, caller, finish);
  root.command('doctor')
    .description('show what this machine offers, and what is lost without it')
    .option('--json', 'for programs')
    .action(async (flags: { json?: boolean }) => { finish((await import('./doctor.js')).doctor(flags.json === true)); });
  root.command('compat-report')
    .summary('run a command, and say what it used of Linux and what is missing')
    .description('Run COMMAND as it would run here, on the host\'s root, and report for each of its programs the calls it made with counts, errors and times, and what was missing or refused. '
      + 'Its status is that of the command.')
    .argument('[COMMAND...]')
    .option('--format <FORMAT>', 'text, json or html', 'text')
    .option('-o, --output <FILE>', 'write the report to FILE instead of standard output')
    .option('--static <ELF>', 'run nothing: list the calls that this file and its libraries can make')
    .passThroughOptions()
    .action(async (argv: string[], flags: CompatFlags) => { finish(await (await import('./compat/command.js')).compatReport(argv, flags, caller())); });
  root.command('syscalls')
    .description('list the system calls and how far each is supported')
    .argument('[NAME|NUMBER]', 'one call, or those whose name contains NAME')
    .action(async (name?: string) => { finish((await import('./syscalls.js')).printSyscalls(name)); });
  return root;
}

/** commander's message as our one line. */
function usageLine(error: CommanderError): string {
  const text = toText(error.message).replace(/^error: /, '').split('\n', 1)[0] ?? '';
  return `carrick: ${text}; see carrick --help\n`;
}

async function main(): Promise<void> {
  let status = 0;
  try {
    const args = argvBytes();
    const command = program((value) => { status = value; });
    if (args.length === 0) {
      complain(command.helpInformation());
      status = EXIT_CARRICK;
    } else {
      await command.parseAsync(args, { from: 'user' });
    }
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) status = 0;
    else if (error instanceof CommanderError) { complain(error.code === 'commander.help' ? 'carrick: no command; see carrick --help\n' : usageLine(error)); status = EXIT_CARRICK; }
    else status = report(error);
  }
  // Nothing is left in a buffer: Node writes to files, terminals and (on Linux) pipes at once.
  exitNow(status);
}

void main();
