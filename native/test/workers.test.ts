import assert from 'node:assert/strict';
import { join } from 'node:path';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import * as EL from '../../shared/endpoint-layout.js';
import * as L from '../../shared/gen/layout.js';
import { native } from '../../shared/native.js';
import { setUp } from './rig.js';

setUp();

/** A worker that is server `srv`: counts its rings in words[0], says in words[1] that it is about to sleep, ends at DB_CONTROL. */
const SERVER = `
  const { workerData, parentPort } = require('node:worker_threads');
  const { path, srv, words, recordBytes, listWords, control, area } = workerData;
  const n = require(path);
  n.setScratch(new Uint8Array(64));
  const lists = new Int32Array(new SharedArrayBuffer(listWords * 4));
  if (n.endpointInit(srv, new Uint8Array(new SharedArrayBuffer(recordBytes)), lists) !== 0) throw new Error('endpointInit');
  const seen = n.areaFd(area);
  Atomics.store(words, 1, 1);
  Atomics.notify(words, 1);
  do { n.replyAndWait(-1); if (lists[0] & 1) { Atomics.add(words, 0, 1); Atomics.notify(words, 0); } } while ((lists[0] & control) === 0);
  parentPort.postMessage(seen);
`;

function startServer(srv: number, words: Int32Array, area: number): Worker {
  return new Worker(SERVER, {
    eval: true,
    workerData: {
      path: join(process.cwd(), 'native/build/Release/carrick.node'), srv, words, area, control: EL.WAKE_CONTROL,
      recordBytes: EL.INBOX_RECORDS * L.SLOT_STRIDE, listWords: EL.LIST_WORDS,
    },
  });
}

test('workers share areas and doorbells, and a server can start again after its worker has ended', async () => {
  const area = native.areaAlloc();
  for (let life = 0; life < 2; life++) {
    const pair = [L.SRV_VFS, L.SRV_NET].map((srv) => {
      const words = new Int32Array(new SharedArrayBuffer(8));
      return { srv, words, worker: startServer(srv, words, area) };
    });
    for (const { srv, words, worker } of pair) {
      const said = once(worker, 'message') as Promise<number[]>;
      const exit = once(worker, 'exit') as Promise<number[]>;
      assert.notEqual(Atomics.wait(words, 1, 0, 10_000), 'timed-out');
      for (let i = 0; i < 50; i++) {
        native.ringDoorbell(srv, L.DB_RINGS);
        // The next ring only after this one was seen, so that each of them counts.
        assert.notEqual(Atomics.wait(words, 0, i, 10_000), 'timed-out', `ring ${i}`);
      }
      assert.equal(Atomics.load(words, 0), 50);
      native.ringDoorbell(srv, L.DB_CONTROL);
      assert.deepEqual(await said, [native.areaFd(area)]);
      assert.deepEqual(await exit, [0]);
    }
  }
  native.areaFree(area);
});
