/** Programs that watch files: tail -f, inotifywait. What they watch is changed by processes that have it open for long, whose writes are granted until somebody watches. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Footprint, carrick } from './harness.js';
import { people, without } from './servers.js';

for (const [who, ordinary] of people) {
  const run = (script: string): string => {
    const footprint = new Footprint(ordinary);
    const r = carrick(['run', '--rm', 'host', '--', 'bash', '-c', `set -e; cd /tmp; mkdir d
      watching() { until grep -qs '^inotify wd' /proc/$1/fdinfo/*; do sleep 0.02; done; }
      ${script}`], { ...footprint.options, timeoutMs: 60000 });
    assert.deepEqual([r.status, r.err], [0, ''], r.out);
    assert.deepEqual(footprint.left(), []);
    return r.out;
  };

  test(`tail -f of ${who} follows a log that another process has had open for long, and one that is replaced (-F)`, () => {
    const out = run(`
      mkfifo go; (i=0; while read -r n; do for ((k = 0; k < n; k++)); do i=$((i + 1)); echo line $i; done; done < go >> d/log) & writer=$!
      exec 7> go; echo 50 >&7; until [ "$(wc -l 2> /dev/null < d/log)" = 50 ]; do sleep 0.02; done
      tail -n 0 -f d/log > f.out 7>&- & f=$!; tail -n 0 -F d/log > F.out 2> said 7>&- & F=$!; watching $f; watching $F
      echo 30 >&7; until [ "$(wc -l < f.out) $(wc -l < F.out)" = '30 30' ]; do sleep 0.02; done
      mv d/log d/log.1; echo new > d/log; until grep -q new F.out 2> /dev/null; do sleep 0.02; done
      exec 7>&-; wait $writer; kill $f $F; head -1 f.out; tail -1 f.out; tail -1 F.out`);
    assert.equal(out, 'line 51\nline 80\nnew\n');
  });

  test(`inotifywait -m of ${who} sees a directory's changes in order`, { skip: without('inotifywait') }, () => {
    const out = run(`
      inotifywait -q -m -e create,delete,modify,close_write,moved_from,moved_to,attrib --format '%e %f' d > events & w=$!; watching $w
      echo a > d/a; mv d/a d/b; chmod 600 d/b; echo more >> d/b; ln d/b d/c; mkdir d/sub; rmdir d/sub; rm d/b; cp d/c d/copy; : > d/end; rm d/end
      until grep -q 'DELETE end' events; do sleep 0.02; done; kill $w; cat events`);
    assert.equal(out, ['CREATE a', 'MODIFY a', 'CLOSE_WRITE,CLOSE a', 'MOVED_FROM a', 'MOVED_TO b', 'ATTRIB b', 'MODIFY b', 'CLOSE_WRITE,CLOSE b', 'CREATE c', 'CREATE,ISDIR sub', 'DELETE,ISDIR sub', 'DELETE b',
      'CREATE copy', 'MODIFY copy', 'CLOSE_WRITE,CLOSE copy', 'CREATE end', 'CLOSE_WRITE,CLOSE end', 'DELETE end', ''].join('\n'));
  });
}
