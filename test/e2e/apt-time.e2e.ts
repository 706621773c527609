/** How long apt takes to install a package on a tree of debootstrap, beside the same in chroot: told, not judged, since the mirror and the machine have a part in it. */
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { HELLO, assertHello, debianTree, noDebian } from './debian.js';
import { type Result, carrick } from './harness.js';

const skip = noDebian !== false ? noDebian : process.geteuid?.() === 0 ? false : 'chroot is root\'s';

function seconds(run: () => Result): number {
  const begin = performance.now();
  assertHello(run());
  return (performance.now() - begin) / 1000;
}

test('apt-get install, against chroot', { skip }, (t) => {
  const [here, there] = [debianTree(), debianTree()];
  const carricks = seconds(() => carrick(['run', '--rm', `rootfs:${here}`, '--', 'sh', '-c', HELLO], { timeoutMs: 900_000 }));
  const chroots = seconds(() => {
    const r = spawnSync('chroot', [there, 'sh', '-c', HELLO], { encoding: 'utf8' });
    return { status: r.status, signal: r.signal, out: r.stdout, err: r.stderr };
  });
  t.diagnostic(`carrick ${carricks.toFixed(2)} s, chroot ${chroots.toFixed(2)} s, ratio ${(carricks / chroots).toFixed(2)}`);
});
