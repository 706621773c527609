/**
 * Flags of `docker run` that mean nothing here, or that carrick cannot do: each is told in one line, with what to do instead. What has the same effect
 * in any case is accepted. Nothing is accepted that would not be done.
 */
import { type Command, Option } from 'commander';
import { toText } from './bytes.js';
import { Failure } from './failure.js';

const NO_CGROUPS = 'carrick puts nobody into a cgroup; start it in one: systemd-run --user --scope -p MemoryMax=1G -p CPUQuota=150% -p TasksMax=100 carrick run ...';
const NO_DAEMON = 'there is no daemon that could; let a systemd unit run carrick, with Restart=';
const OWN_KERNEL = 'the container has a kernel of its own, which shares nothing of the host\'s';

/** By flag, as commander writes it: what to say. */
const REFUSED: Readonly<Record<string, string>> = {
  '-m, --memory <SIZE>': NO_CGROUPS,
  '--memory-swap <SIZE>': NO_CGROUPS,
  '--memory-reservation <SIZE>': NO_CGROUPS,
  '--cpus <N>': NO_CGROUPS,
  '-c, --cpu-shares <N>': NO_CGROUPS,
  '--pids-limit <N>': `${NO_CGROUPS} (or --ulimit nproc=N, for a user who is not root)`,
  '--blkio-weight <N>': NO_CGROUPS,
  '--cgroup-parent <NAME>': NO_CGROUPS,
  '--cpuset-cpus <LIST>': 'guests run where carrick may: taskset -c LIST carrick run ...',
  '--privileged': `${OWN_KERNEL}; root in it may do what carrick's kernel can do`,
  '--device <DEVICE>': 'devices of the host cannot be shown in a container',
  '--gpus <SPEC>': 'devices of the host cannot be shown in a container',
  '--cap-drop <NAME>': 'root in the container has all capabilities there, and none on the host; give the program another user with -u',
  '--health-cmd <COMMAND>': NO_DAEMON,
  '--log-driver <NAME>': 'what a container in the background writes is in its log file, see carrick logs and carrick inspect -f \'{{.LogPath}}\'',
  '--log-opt <NAME=VALUE>': 'the log is a plain file',
  '--ip <ADDRESS>': 'containers share the host\'s network, or have none',
  '--link <NAME>': 'containers share the host\'s network: localhost, and the port that the other one listens on',
  '--network-alias <NAME>': 'containers share the host\'s network; see --add-host',
  '--volumes-from <NAME>': 'give each container its -v',
  '--sysctl <NAME=VALUE>': 'write to /proc/sys in the container',
  '--domainname <NAME>': 'give --hostname a name with dots',
  '--runtime <NAME>': 'carrick is the runtime',
};

/** What is done or true in any case: accepted. */
const ACCEPTED: ReadonlyArray<readonly [flag: string, value: RegExp, else_: string]> = [
  ['--restart <POLICY>', /^no$/, NO_DAEMON],
  ['--cap-add <NAME>', /./, ''],
  ['--expose <PORT>', /./, ''],
  ['--ipc <MODE>', /^(private|none|shareable)$/, OWN_KERNEL],
  ['--pid <MODE>', /^private$/, OWN_KERNEL],
  ['--uts <MODE>', /^private$/, OWN_KERNEL],
  ['--cgroupns <MODE>', /^private$/, OWN_KERNEL],
  ['--security-opt <OPTION>', /^(seccomp|apparmor)[=:]unconfined$|^label[=:]disable$/, 'there are no profiles of seccomp, AppArmor or SELinux in a container'],
  ['--platform <PLATFORM>', new RegExp(`^linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}(/v\\d)?$`), 'programs run on the machine\'s own processor'],
];

const refuse = (flag: string, why: string): Failure => new Failure(`${/--[\w-]+/.exec(flag)?.[0] ?? flag}: ${why}`);

/** [ADDRESS:]HOST[-END]:GUEST[-END][/tcp|udp], or GUEST alone. Ports are the host's: only what asks for just that can be done. */
export function checkPublish(arg: string): void {
  const [, address = '', host, guest = ''] = /^(?:(\[[^\]]*\]|[\d.]*):)?(?:([\d-]*):)?(\d+(?:-\d+)?)(?:\/(?:tcp|udp))?$/.exec(arg) ?? [];
  // One colon: what stands before it is a port, not an address.
  const [where, port] = host === undefined && /^\d+(-\d+)?$/.test(address) ? ['', address] : [address, host ?? ''];
  if (guest === '') throw new Failure(`bad --publish "${toText(arg)}"; write PORT:PORT`);
  if (!['', '0.0.0.0', '[::]'].includes(where)) throw new Failure(`--publish ${toText(arg)}: the program listens on the host itself; tell it the address ${where.replace(/[[\]]/g, '')}`);
  if (port !== '' && port !== guest) throw new Failure(`--publish ${toText(arg)}: the program listens on the host's own ports; let it listen on ${port}, or reach it on ${guest}`);
}

export function addDockerFlags(run: Command): void {
  const hidden = (flag: string): Option => new Option(flag).hideHelp();
  for (const [flag, why] of Object.entries(REFUSED)) {
    const option = hidden(flag);
    run.addOption(option).on(`option:${option.name()}`, () => { throw refuse(flag, why); });
  }
  for (const [flag, value, why] of ACCEPTED) {
    run.addOption(hidden(flag).argParser((text: string) => {
      if (!value.test(text)) throw refuse(flag, why);
      return text;
    }));
  }
  run.addOption(new Option('-p, --publish <PORT:PORT>', 'a port that the program listens on is one of the host, so this only checks that both are the same')
    .argParser((text: string) => { checkPublish(text); return text; }));
  run.addOption(hidden('-P, --publish-all'));
}
