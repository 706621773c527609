/**
 * PostgreSQL in a container: a cluster of its own, clients, transactions by several at once, an orderly stop, an end by SIGKILL. It locks its directory with a
 * System V segment that its processes share, takes what it shares otherwise from anonymous memory and files of /dev/shm, and waits on futexes, epoll and signals.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Footprint, carrick } from './harness.js';
import { people, without } from './servers.js';

const BIN = '/usr/lib/postgresql/15/bin';
const MINUTES = 60000;

/** Every server that the script starts listens on a socket in its directory only. */
const PRELUDE = `set -e; export LC_ALL=C PATH=${BIN}:$PATH; cd /tmp; D=/tmp/db
  start() { pg_ctl -D $D -o "-k /tmp -c listen_addresses='' $*" -l /tmp/log -w -s start; }
  sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -h /tmp -d postgres -c "$1"; }
  segments() { ipcs -m | grep -c '^0x' || true; }
  initdb -D $D -A trust > /tmp/initdb.log 2>&1 || { cat /tmp/initdb.log; exit 1; }`;

for (const [who, ordinary] of people) {
  const run = (script: string): string => {
    const footprint = new Footprint(ordinary);
    const r = carrick(['run', '--rm', '-u', 'postgres', 'host', '--', 'bash', '-c', `${PRELUDE}\n${script}`], { ...footprint.options, timeoutMs: 5 * MINUTES });
    assert.deepEqual([r.status, r.err], [0, ''], r.out);
    assert.deepEqual(footprint.left(), []);
    return r.out;
  };
  const skip = without(`${BIN}/postgres`, 'ipcs');

  test(`PostgreSQL of ${who}: queries, pgbench with four clients, an orderly stop leaves no segment`, { skip }, () => {
    const out = run(`start; echo segments $(segments); sql 'select 6 * 7'
      sql 'create table t(a int primary key, b text); insert into t select i, repeat(chr(65 + i % 26), 100) from generate_series(1, 20000) i'
      sql 'select count(*), count(distinct b), max(length(b)) from t'; sql 'select b from t where a = 2' | cut -c1-3
      pgbench -q -h /tmp -i -s 1 postgres 2> /tmp/bench.log || cat /tmp/bench.log
      pgbench -h /tmp -c 4 -j 2 -T 5 postgres > /tmp/bench.log 2>&1 || cat /tmp/bench.log; grep 'failed transactions' /tmp/bench.log
      test $(sed -n 's/^number of transactions actually processed: //p' /tmp/bench.log) -gt 50 && echo many
      sql 'select (select sum(abalance) from pgbench_accounts) = (select sum(bbalance) from pgbench_branches), (select count(*) from pgbench_history) > 50'
      pg_ctl -D $D -s -m fast stop; echo segments $(segments); grep -cE 'FATAL|PANIC' /tmp/log || true`);
    assert.equal(out, 'segments 1\n42\n20000|26|100\nCCC\nnumber of failed transactions: 0 (0.000%)\nmany\nt|t\nsegments 0\n0\n');
  });

  test(`PostgreSQL of ${who}: after SIGKILL it recovers; a second server on its directory is refused while backends hold the segment`, { skip }, () => {
    const out = run(`start; sql 'create table t(a int); insert into t select generate_series(1, 5000)'
      { sql 'select pg_sleep(60)' > /dev/null 2>&1 || true; } & client=$!
      until [ "$(sql "select count(*) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active' and pid <> pg_backend_pid()")" = 1 ]; do sleep 0.05; done
      backend=$(sql "select pid from pg_stat_activity where query like 'select pg_sleep%' and pid <> pg_backend_pid()")
      kill -STOP $backend; kill -KILL $(head -1 $D/postmaster.pid); while [ -e /proc/$(head -1 $D/postmaster.pid) ]; do sleep 0.05; done
      start 2> /dev/null && echo started || grep -o 'pre-existing shared memory block' /tmp/log | tail -1
      kill -KILL $backend; wait $client; while [ -e /proc/$backend ]; do sleep 0.05; done
      start 2> /dev/null; sql 'select count(*) from t'; grep -c 'automatic recovery in progress' /tmp/log; pg_ctl -D $D -s -m immediate stop; echo segments $(segments)`);
    assert.equal(out, 'pre-existing shared memory block\n5000\n1\nsegments 0\n');
  });
}
