/**
 * What the network flags of `carrick run` mean: the mode, and the three files that tell a program who and where it is. As with docker, the container
 * gets files of its own over those of its root: /etc/hostname; /etc/hosts, the host's own with --network host, otherwise just the loopback's; and
 * /etc/resolv.conf, a copy of the host's. The container's name is always among its hosts, so that looking it up needs no DNS. Pure but for reading
 * the host's files.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type FileSpec, type NetworkMode, NAMESPACE_NET, type RunSpec } from '../shared/spec.js';
import { toText } from './bytes.js';
import { Failure } from './failure.js';

export interface NetworkFlags {
  readonly network?: string;
  readonly addHost?: readonly string[];
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
}

/** Files of the host, latin1; '' = it has none. */
export interface HostFiles { readonly hosts: string; readonly resolvConf: string }

const LOOPBACK_HOSTS = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n';
/** --add-host NAME:host-gateway: where a program in the container finds the host. */
const GATEWAY = 'host-gateway';

export function hostFiles(): HostFiles {
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'latin1');
    } catch (error) {
      // A host without the file has nothing to say; the container's own lines are enough.
      if (error instanceof Error && 'code' in error) return '';
      throw error;
    }
  };
  return { hosts: read('/etc/hosts'), resolvConf: read('/etc/resolv.conf') };
}

function parseMode(text: string | undefined): NetworkMode {
  if (text === undefined || text === 'host') return 'host';
  if (text === 'none') return 'none';
  throw new Failure(`unknown network "${toText(text)}"; use host or none`);
}

/** NAME:IP, or NAME=IP, to a line of /etc/hosts. */
function hostLine(arg: string, mode: NetworkMode): string {
  const match = /^([^\s:=#]+)[:=](.+)$/.exec(arg);
  const [, name = '', ip = ''] = match ?? [];
  if (ip === GATEWAY && mode === 'host') return `127.0.0.1\t${name}\n`;
  const address = ip.replace(/^\[(.*)\]$/, '$1');
  if (match === null || isIP(address) === 0) throw new Failure(`bad --add-host "${toText(arg)}"; write NAME:ADDRESS${mode === 'host' ? ` or NAME:${GATEWAY}` : ''}`);
  return `${address}\t${name}\n`;
}

/** Whether a hosts file has a line for a name. */
const knows = (hosts: string, name: string): boolean => hosts.split('\n').some((line) => line.replace(/#.*/, '').split(/\s+/).slice(1).includes(name));

const withNewline = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`);

function hostsFile(mode: NetworkMode, hostname: string, add: readonly string[], host: HostFiles): string {
  const base = mode === 'host' && host.hosts !== '' ? withNewline(host.hosts) : LOOPBACK_HOSTS;
  const own = knows(base, hostname) ? '' : `127.0.0.1\t${hostname}\n`;
  return base + own + add.map((a) => hostLine(a, mode)).join('');
}

/** --dns takes the place of the host's name servers, --dns-search that of its search list ("." = none); the rest stays. */
function resolvFile(dns: readonly string[], search: readonly string[], host: HostFiles): string {
  for (const server of dns) if (isIP(server) === 0) throw new Failure(`bad --dns "${toText(server)}"; write an address`);
  for (const domain of search) if (!/^[\w.-]+$/.test(domain)) throw new Failure(`bad --dns-search "${toText(domain)}"; write a domain`);
  if (dns.length === 0 && search.length === 0) return host.resolvConf;
  const replaced = [...(dns.length > 0 ? ['nameserver'] : []), ...(search.length > 0 ? ['search', 'domain'] : [])];
  const kept = host.resolvConf.split('\n').filter((line) => line !== '' && !replaced.includes(/^\s*(\w*)/.exec(line)?.[1] ?? ''));
  const domains = search.filter((domain) => domain !== '.');
  return [...dns.map((server) => `nameserver ${server}`), ...(domains.length > 0 ? [`search ${domains.join(' ')}`] : []), ...kept, ''].join('\n');
}

/** The part of a RunSpec that the network decides; `namespaces`: those wanted anyway, 0 = none at all. */
export function networkSpec(flags: NetworkFlags, hostname: string, namespaces: number, host: HostFiles): Pick<RunSpec, 'network' | 'files' | 'namespaces'> {
  const network = parseMode(flags.network);
  const files: FileSpec[] = [
    { target: '/etc/hostname', text: `${hostname}\n` },
    { target: '/etc/hosts', text: hostsFile(network, hostname, flags.addHost ?? [], host) },
    { target: '/etc/resolv.conf', text: resolvFile(flags.dns ?? [], flags.dnsSearch ?? [], host) },
  ];
  return { network, files, namespaces: network === 'none' && namespaces !== 0 ? namespaces | NAMESPACE_NET : namespaces };
}
