/**
 * Other ways to run the same program on the same root, for comparison: measured when they are installed, and left out when they do not run here.
 *
 * None of them is the same thing: proot traces every path call, qemu-user translates every instruction, bwrap only makes namespaces, runsc is the
 * one that answers all calls by a kernel of its own as carrick does.
 */
import { spawnSync } from 'node:child_process';

export interface Peer { readonly name: string; argv(command: readonly string[]): string[] }

const ALL: readonly Peer[] = [
  { name: 'proot', argv: (c) => ['proot', '-r', '/', ...c] },
  { name: 'bwrap', argv: (c) => ['bwrap', '--dev-bind', '/', '/', '--unshare-user', '--unshare-pid', '--', ...c] },
  { name: 'qemu-x86_64', argv: (c) => ['qemu-x86_64', ...c] },
  { name: 'runsc', argv: (c) => ['runsc', '--rootless', '--network=none', 'do', ...c] },
];

/** Those that can run a program here. */
export function peers(): Peer[] {
  return ALL.filter((p) => {
    const [cmd, ...args] = p.argv(['/bin/true']);
    return spawnSync(cmd as string, args, { stdio: 'ignore', timeout: 20_000 }).status === 0;
  });
}
