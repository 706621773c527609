/**
 * busybox's applets beside coreutils and friends: each case runs with both, and three things are asserted: what busybox printed, what the others printed,
 * and that they agree. Cases in which busybox differs from coreutils by design have no oracle.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../failure.js';
import { fileDigest, firstLine, packageVersion, place, requirePackage, sha256 } from '../machine.js';
import { type Assertion, type Row, distinct, wholeRow } from '../result.js';
import { subsystemOf } from '../subsystem.js';
import type { Capture, Suite } from '../suite.js';
import { BUSYBOX_CASES } from './busybox-cases.js';

const BUSYBOX = '/bin/busybox';

const PRELUDE = `
# What every case starts from; copied for each, so that it need not be made again.
mkdir -p from/tree/sub && cd from || exit 9
i=0; while [ $i -lt 100 ]; do echo "alpha $i word"; echo "beta $((i * 37 % 101)) hello"; echo "gamma $i"; i=$((i + 1)); done > text
i=0; while [ $i -lt 200 ]; do echo $((i * 7919 % 97)); i=$((i + 1)); done > nums
: > empty
i=0; while [ $i -lt 16 ]; do head -c 4096 text; i=$((i + 1)); done > bin
echo one > tree/one; echo two > tree/two; echo three > tree/sub/three; ln -s one tree/link; ln tree/one tree/hard; mkfifo tree/fifo
cd ..
# one NAME TOOL COMMAND: its output's digest and its status.
one() {
	rm -rf w
	cp -a from w
	cd w || exit 9
	sh -c "$3" > ../out 2> /dev/null < /dev/null
	status=$?
	cd ..
	sum=$(sha256sum < out)
	echo "@@ $2 $status \${sum%% *} $1"
}
`;

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function script(): string {
  const lines = Object.entries(BUSYBOX_CASES).flatMap(([name, command]) => [
    `one ${quote(name)} coreutils ${quote(command.replaceAll('% ', ''))}`,
    `one ${quote(name)} busybox ${quote(command.replaceAll('% ', `${BUSYBOX} `))}`,
  ]);
  return `${PRELUDE}${lines.join('\n')}\nrm -rf w from out\n`;
}

/** Lines `@@ TOOL STATUS DIGEST CASE`. */
export function parseBusybox(capture: Capture): Row[] {
  const found = new Map<string, Map<string, string>>();
  for (const line of capture.out.split('\n')) {
    const mark = /^@@ (\w+) (\d+ \w+) (.*)$/.exec(line);
    if (mark === null) continue;
    const [, tool = '', value = '', name = ''] = mark;
    found.set(name, (found.get(name) ?? new Map<string, string>()).set(tool, value));
  }
  const rows = [...found].map(([name, tools]): Row => {
    const assertions = [...tools].map(([tool, value]): Assertion => ({ id: tool, verdict: 'pass', value }));
    const agree = tools.size === 2 && tools.get('busybox') === tools.get('coreutils');
    return { name, assertions: [...assertions, { id: 'agree', verdict: tools.size < 2 ? 'broken' : agree ? 'pass' : 'fail', value: '' }] };
  });
  return rows.length === 0 ? [] : [...distinct(rows), wholeRow(capture.end, false)];
}

export const BUSYBOX_SUITE: Suite = {
  name: 'busybox',
  source: 'Debian\'s busybox-static, against coreutils, findutils, grep, sed, tar and gzip',
  unit: 'case: what busybox prints, what the others print, and that they agree',
  versions: () => ({ busybox: firstLine(BUSYBOX).split(' ')[1] ?? '', coreutils: packageVersion('coreutils') }),
  programs: () => {
    const text = script();
    const path = join(place('busybox'), `${sha256(text).slice(0, 12)}.sh`);
    if (!existsSync(path)) writeFileSync(path, text, { mode: 0o755 });
    if (!existsSync(BUSYBOX)) throw new Failure(`${BUSYBOX} is not there; scripts/bootstrap.sh --conformance installs it`);
    const packages = ['coreutils', 'findutils', 'grep', 'sed', 'tar', 'gzip'].map((name) => `${name} ${requirePackage(name)}`);
    return [{
      name: 'applets', argv: ['/bin/sh', path], digest: sha256(text, fileDigest(BUSYBOX), ...packages), timeoutMs: 300_000, as: ['root', 'user'],
      subsystem: (row) => { const found = subsystemOf(row); return found === 'other' ? 'filesystem' : found; }, parse: parseBusybox,
    }];
  },
};
