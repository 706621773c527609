/**
 * `npm run demo`: a tour on the `host` rootfs. Every step shows the command, what it printed, and whether it ended as it should; the
 * demo fails when one does not.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const carrick = join(root, 'cli/bin/carrick.mjs');
const colour = process.stdout.isTTY ? (code, text) => `\x1b[${code}m${text}\x1b[0m` : (_code, text) => text;
let failed = 0;

function quote(arg) {
  return /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`;
}

/** Run `carrick ARGS`, show it, and check its status and (when given) its output. */
function show(title, args, { status = 0, output } = {}) {
  process.stdout.write(`\n${colour(1, `# ${title}`)}\n${colour(36, `$ carrick ${args.map(quote).join(' ')}`)}\n`);
  const run = spawnSync(process.execPath, [carrick, ...args], { encoding: 'utf8', timeout: 120_000, killSignal: 'SIGKILL', stdio: ['ignore', 'pipe', 'pipe'] });
  process.stdout.write(run.stdout + run.stderr);
  const problems = [];
  if (run.status !== status) problems.push(`exit status ${run.status ?? run.signal}, expected ${status}`);
  if (output !== undefined && !output.test(run.stdout)) problems.push(`output does not match ${output}`);
  if (problems.length > 0) failed++;
  process.stdout.write(problems.length > 0 ? colour(31, `✗ ${problems.join('; ')}\n`) : colour(32, `✓ exit status ${status}\n`));
}

const run = (...command) => ['run', '--rm', 'host', '--', ...command];
const THREADS = `
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long count;
static void *work(void *unused)
{
	(void)unused;
	for (int i = 0; i < 100000; i++) {
		pthread_mutex_lock(&lock);
		count++;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}
int main(void)
{
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("4 threads of process %d counted to %ld\\n", (int)getpid(), count);
	return 0;
}
`;

/** What the host looked like: the names in some directories and the content of some files. */
function hostPrint() {
  const hash = createHash('sha256');
  for (const dir of ['/', '/etc', '/usr/bin']) hash.update(readdirSync(dir).sort().join('\0'));
  for (const file of ['/bin/sh', '/etc/passwd']) hash.update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

const before = hostPrint();
show('A kernel of another kind', run('uname', '-a'));
show('The host\'s own programs', run('ls', '-l', '/'), { output: /\betc\b/ });
show('Pipes, processes, a shell', run('sh', '-c', 'seq 100 | grep 7 | sort -r | head -3; echo "I am process $$"; cat /etc/os-release | head -1'), { output: /^97\n87\n79\n/ });
show('Python', run('python3', '-c', 'import os, subprocess; print(sum(range(10)), os.uname().sysname, subprocess.check_output(["echo", "from a child"]).decode().strip())'), { output: /^45 Linux from a child$/m });
show('Compile a threaded program with gcc, and run it', ['run', '--rm', '-e', `SOURCE=${THREADS}`, 'host', '--', 'sh', '-ec', 'cd /tmp; printf %s "$SOURCE" > t.c; gcc -O2 -Wall -pthread t.c -o t; ./t'], { output: /counted to 400000/ });
show('A program that a signal kills: 128 + 9', run('sh', '-c', 'kill -9 $$'), { status: 137 });
show('A program that is not there: 127', run('nosuch'), { status: 127 });
show('The guest destroys its root ...', run('sh', '-c', 'echo gone > /etc/passwd; rm -rf /usr/bin /usr/share; read line < /etc/passwd; echo "$line"; ls; exit 3'), { status: 3, output: /^gone$/m });
const after = hostPrint();
if (before !== after) failed++;
process.stdout.write(`\n${colour(1, '# ... and the host is as it was')}\n`);
process.stdout.write(before === after ? colour(32, `✓ fingerprint of /, /etc, /usr/bin: ${after} before and after\n`) : colour(31, `✗ fingerprint was ${before}, is ${after}\n`));
show('What this machine offers', ['doctor']);

process.stdout.write(failed === 0 ? '\nEvery step ended as it should. Next: npx carrick run -it host -- bash\n' : `\n${failed} step(s) did not end as they should.\n`);
process.exitCode = failed === 0 ? 0 : 1;
