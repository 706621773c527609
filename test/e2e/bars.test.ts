/**
 * The bars of the project: what has to hold on every machine, again and again. Counts are small in `npm test` and full in `npm run bars`
 * (CARRICK_BARS=full), which takes some minutes.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { test } from 'node:test';
import { Footprint, bash, carrick, carrickCommand, eventually, guestsOf, native, runHost, scratchDir, testEnv } from './harness.js';

const full = process.env['CARRICK_BARS'] === 'full';
const root = process.getuid?.() === 0;
/** Who runs what everybody must be able to run, and whether it is another user than the caller. */
const people: readonly (readonly [string, boolean])[] = root ? [['root', false], ['an ordinary user', true]] : [['the caller', false]];

for (const [who, ordinary] of people) {
  const runs = !full ? (ordinary ? 10 : 30) : 300;
  test(`${runs} runs of true as ${who}: every one exits 0, nothing stays`, () => {
    const footprint = new Footprint(ordinary);
    for (let i = 0; i < runs; i++) {
      const r = carrick(['run', 'host', '--', 'true'], footprint.options);
      assert.deepEqual([r.status, r.out, r.err], [0, '', ''], `run ${i + 1} of ${runs}`);
    }
    assert.deepEqual(footprint.left(), []);
  });

  test(`exit status as ${who}: 137 for a killed shell, 127, 126`, () => {
    const o = new Footprint(ordinary).options;
    assert.equal(carrick(['run', '--rm', 'host', '--', 'sh', '-c', 'kill -9 $$'], o).status, 137);
    const missing = carrick(['run', '--rm', 'host', '--', 'nosuch'], o);
    assert.deepEqual([missing.status, missing.err.split('\n').length], [127, 2], missing.err);
    const refused = carrick(['run', '--rm', 'host', '--', '/etc/passwd'], o);
    assert.deepEqual([refused.status, refused.err.split('\n').length], [126, 2], refused.err);
  });

  test(`SIGTERM reaches the first program, as ${who}`, async () => {
    const footprint = new Footprint(ordinary);
    const { child, line } = start(['sh', '-c', 'trap "echo got it; exit 9" TERM; echo ready; while :; do sleep 0.1; done'], footprint);
    assert.equal(await line(), 'ready');
    const closed = new Promise<number | null>((done) => child.on('close', (code) => { done(code); }));
    child.kill('SIGTERM');
    assert.equal(await line(), 'got it');
    assert.equal(await closed, 9);
    assert.deepEqual(footprint.left(), []);
  });
}

/** A container that goes on while the test talks to it. */
function start(argv: readonly string[], footprint: Footprint, flags: readonly string[] = []): { child: ReturnType<typeof spawn>; line: () => Promise<string> } {
  const { home, env, ordinary } = footprint.options;
  const [command = '', ...words] = carrickCommand(ordinary === true);
  const child = spawn(command, [...words, 'run', '--rm', ...flags, 'host', '--', ...argv], { stdio: ['pipe', 'pipe', 'inherit'], env: testEnv(env, home) });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, line: async () => { const next = await lines.next(); return next.done === true ? '(end)' : next.value; } };
}

test('kill -9 of carrick leaves no guest, and the next start clears its directory away', async () => {
  const footprint = new Footprint();
  const { child, line } = start(['sh', '-c', 'sleep 1000 & (setsid sleep 1000 &); echo x > /etc/new; echo ready; sleep 1000'], footprint);
  assert.equal(await line(), 'ready');
  const guests = guestsOf([child.pid as number]);
  assert.ok(guests.length >= 3, `${guests.length} guests`);
  const closed = new Promise((done) => child.on('close', done));
  child.kill('SIGKILL');
  await closed;
  assert.ok(eventually(() => guestsOf(guests).length === 0), 'guests outlived carrick');
  assert.equal(readdirSync(join(footprint.home, 'containers')).length, 1);
  assert.equal(carrick(['run', '--rm', 'host', '--', 'true'], footprint.options).status, 0);
  assert.deepEqual(footprint.left(), []);
});

test('a container that goes on for long keeps no descriptor and no thread of what has ended', async (t) => {
  const footprint = new Footprint();
  const work = 'for i in $(seq 60); do /bin/true | cat; done; echo $( (echo a) 2>&1 ) > /tmp/f; rm /tmp/f';
  // It does a little now and then, as such a container does: what is told to servers that sleep is not looked at before.
  // Nothing is ever sent for it to read: bash throws away a line that comes when its time is up.
  const go = scratchDir('go'), until = (word: string): string => `until [ -e /go/${word} ]; do read -t 0.2 x; : > /tmp/idle; done`;
  const { child, line } = start(['bash', '-c', `${work}; echo one; ${until('on')}; ${work}; ${work}; echo two; ${until('over')}`], footprint, ['-v', `${go}:/go`]);
  t.after(() => { child.kill('SIGKILL'); });
  const counted = async (label: string): Promise<number[]> => {
    assert.equal(await line(), label);
    await new Promise((done) => { setTimeout(done, 1000); });
    return ['fd', 'task'].map((what) => readdirSync(`/proc/${child.pid}/${what}`).length);
  };
  const one = await counted('one');
  writeFileSync(join(go, 'on'), '');
  // What ended last may still be on its way out.
  await line().then((l) => { assert.equal(l, 'two'); });
  assert.ok(eventually(() => ['fd', 'task'].every((what, i) => readdirSync(`/proc/${child.pid}/${what}`).length <= (one[i] as number))),
    `descriptors and threads after 60 and 180 processes: ${one.join(', ')}; ${['fd', 'task'].map((what) => readdirSync(`/proc/${child.pid}/${what}`).length).join(', ')}`);
  const closed = new Promise((done) => child.on('close', done));
  writeFileSync(join(go, 'over'), '');
  await closed;
  assert.deepEqual(footprint.left(), []);
});

test('500 × /bin/true in a shell', () => {
  const footprint = new Footprint();
  const r = bash('for i in $(seq 500); do /bin/true || echo bad; done; echo done', footprint.options);
  assert.deepEqual([r.status, r.out, r.err], [0, 'done\n', '']);
  assert.deepEqual(footprint.left(), []);
});

/** The standard library of the Debian python, or of the whole of it in the full run. */
const LIBRARY = '/usr/lib/python3.11';

test('python3 -m compileall of a copy of the standard library', { skip: existsSync(LIBRARY) ? false : `no ${LIBRARY} here (Debian 12's package python3)` }, () => {
  const parts = full ? '.' : 'json asyncio email concurrent importlib unittest xml';
  const script = (dir: string): string => `mkdir ${dir}/lib && cd ${LIBRARY} && cp -r ${parts} ${dir}/lib && find ${dir}/lib -name __pycache__ -prune -exec rm -r {} + ;`
    + `/usr/bin/python3 -m compileall -q ${dir}/lib; echo $?; cd ${dir}/lib; find . -name '*.pyc' | sort | md5sum; find . -name '*.pyc' | wc -l`;
  const dir = scratchDir('lib');
  const want = native(['bash', '-c', script(dir)]);
  const got = bash(script('/tmp'), { timeoutMs: 600000 });
  // The library's tests hold code that the compiler warns of.
  assert.equal(got.err, want.err.replaceAll(dir, '/tmp'));
  assert.equal(got.out, want.out.replaceAll(dir, '/tmp'));
  assert.equal(/^\d+$/m.exec(got.out.trim().split('\n').pop() ?? '')?.[0] === '0', false, 'nothing was compiled');
});

test('tar c | tar t of /usr/share/doc: as many names as on the host', () => {
  const script = 'tar c /usr/share/doc 2>/dev/null | tar t | wc -l';
  const got = bash(script);
  assert.deepEqual([got.out, got.err], [native(['bash', '-c', script]).out, '']);
});

test('find / -xdev: as many names as on the host, but for what changes by itself', () => {
  // What others write to: the machine's own directories, homes, and the checkout in which something may be built meanwhile.
  const places = ['/proc', '/sys', '/dev', '/tmp', '/run', '/root', '/var', '/home', process.cwd()].map((path) => `-path '${path}'`).join(' -o ');
  const script = `find / -xdev \\( ${places} \\) -prune -o -print 2>/dev/null | wc -l`;
  assert.equal(bash(script).out, native(['bash', '-c', script]).out);
});

/**
 * Names, inodes, modes, sizes and times of change of the host's trees, and the content of a sample. /var by names and inodes only, without what
 * a machine in use writes there by itself.
 */
function hostPrint(): string {
  return native(['bash', '-c', `cd /
    find bin sbin lib lib64 etc usr -xdev -printf '%p %y %i %m %U %G %s %T@ %C@\\n' 2>/dev/null | sort
    find var -xdev \\( -path var/log -o -path var/cache -o -path var/tmp -o -path var/lib/apt -o -path var/lib/dpkg -o -path var/lib/systemd \\) -prune -o -printf '%p %y %i %m\\n' 2>/dev/null | sort
    { find etc -xdev -type f -readable; find usr/bin usr/sbin -xdev -type f -readable | awk 'NR % 7 == 0'; echo bin/sh; } 2>/dev/null | sort | xargs -d '\\n' md5sum 2>/dev/null`]).out;
}

/** Changes when dpkg does something, which changes the trees above. A guest that got through would have removed the file: that is no excuse. */
function packagesPrint(): number {
  const status = '/var/lib/dpkg/status';
  return existsSync(status) ? statSync(status).mtimeMs : 0;
}

for (const [who, ordinary] of people) {
  test(`the host is unchanged by a guest of ${who} that destroys everything`, (t) => {
    const footprint = new Footprint(ordinary);
    const packages = packagesPrint();
    const before = hostPrint();
    assert.ok(before.length > 10000);
    const r = carrick(['run', '--rm', 'host', '--', 'sh', '-c', 'echo x > /etc/passwd; rm -rf /etc /usr /var; echo x > /bin/sh; echo end $(cd /etc)'], { ...footprint.options, timeoutMs: 600000 });
    assert.match(r.out, /^end/);
    const after = hostPrint();
    if (packagesPrint() > packages) { t.skip('packages were installed on the host meanwhile: nothing can be said'); return; }
    if (after !== before) {
      const was = new Set(before.split('\n'));
      assert.fail(`changed on the host: ${after.split('\n').filter((l) => !was.has(l)).slice(0, 10).join('; ')}`);
    }
    assert.deepEqual(footprint.left(), []);
  });
}

test('gcc builds and runs a threaded program', () => {
  const r = runHost(['bash', '-c', `cd /tmp && cat > t.c <<'E'
#include <pthread.h>
#include <stdio.h>
static long n;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static void *run(void *a) { for (int i = 0; i < 100000; i++) { pthread_mutex_lock(&m); n++; pthread_mutex_unlock(&m); } return a; }
int main(void) { pthread_t t[16]; for (int i = 0; i < 16; i++) pthread_create(&t[i], 0, run, 0); for (int i = 0; i < 16; i++) pthread_join(t[i], 0); printf("%ld\\n", n); return 0; }
E
gcc -O2 -Wall -Werror -pthread -o t t.c && ./t`]);
  assert.deepEqual([r.status, r.out, r.err], [0, '1600000\n', '']);
});

/** Everything that a run could change in a tree. */
function treePrint(dir: string): string {
  return native(['bash', '-c', `cd ${dir} && find . -xdev -printf '%p %y %i %m %U %G %s %T@ %C@ %l\\n' | sort; find . -xdev -type f -readable | sort | xargs -d '\\n' md5sum`]).out;
}

/** A busybox that needs no libraries: what Debian's package busybox-static has, and busybox has not. */
const BUSYBOX = '/bin/busybox';
const noBusybox = !existsSync(BUSYBOX) || readFileSync(BUSYBOX, 'latin1').includes('/ld-linux');

test('rootfs:DIR of busybox: works, and the directory is untouched', { skip: noBusybox ? 'no static /bin/busybox here (Debian package busybox-static)' : false }, () => {
  const dir = scratchDir('busybox');
  chmodSync(dir, 0o755);
  for (const d of ['bin', 'etc', 'proc', 'dev', 'tmp']) mkdirSync(join(dir, d));
  copyFileSync(BUSYBOX, join(dir, 'bin/busybox'));
  for (const name of ['sh', 'ls', 'cat', 'echo', 'rm', 'mkdir', 'wc', 'id', 'true', 'find', 'mv', 'sed']) symlinkSync('busybox', join(dir, 'bin', name));
  writeFileSync(join(dir, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\nann:x:500:500:Ann:/:/bin/sh\n');
  writeFileSync(join(dir, 'etc/group'), 'root:x:0:\nann:x:500:\n');
  const before = treePrint(dir);
  for (const [, ordinary] of people) {
    const o = new Footprint(ordinary).options;
    const r = carrick(['run', '--rm', `rootfs:${dir}`, '--', '/bin/sh', '-c',
      'ls /; id -u; cat /proc/self/comm; echo new > /etc/passwd; mv /etc/group /etc/g; rm -r /bin/wc; mkdir -p /a/b; cat /etc/passwd; ls /etc /a'], o);
    assert.deepEqual([r.out, r.err, r.status], ['bin\ndev\netc\nproc\nrun\nsys\ntmp\n0\ncat\nnew\n/a:\nb\n\n/etc:\ng\nhostname\nhosts\npasswd\nresolv.conf\n', '', 0]);
    assert.equal(carrick(['run', '--rm', '-u', 'ann', `rootfs:${dir}`, '--', '/bin/id', '-u'], o).out, '500\n');
  }
  assert.equal(treePrint(dir), before);
});

test('rootfs:DIR made by debootstrap: works, and the directory is untouched', { skip: !full ? 'takes minutes: npm run bars' : !root ? 'debootstrap needs root' : existsSync('/usr/sbin/debootstrap') ? false : 'no debootstrap here (Debian package of that name)' }, () => {
  const dir = scratchDir('debian');
  chmodSync(dir, 0o755);
  const made = spawnSync('debootstrap', ['--variant=minbase', 'bookworm', dir], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  assert.equal(made.status, 0, made.stdout.slice(-500));
  const before = treePrint(dir);
  for (const [, ordinary] of people) {
    const o = { ...new Footprint(ordinary).options, timeoutMs: 600000 };
    const r = carrick(['run', '--rm', `rootfs:${dir}`, '--', 'bash', '-c', '. /etc/os-release; echo $ID $VERSION_ID; id -un; perl -e "print 6 * 7, qq(\\n)"; dpkg -l | grep -c ^ii; apt-get --version | head -1; echo x > /etc/hostname; rm -rf /usr/share; ls /usr | wc -l'], o);
    assert.equal(r.status, 0, r.err);
    assert.match(r.out, /^debian 12\nroot\n42\n\d+\napt /);
  }
  assert.equal(treePrint(dir), before);
});
