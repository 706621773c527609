/** Credentials: the rules of set*id, what happens to capabilities, and exec's part. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cap, capable } from '../../shared/creds.js';
import { E } from '../../shared/errno.js';
import * as L from '../../shared/gen/layout.js';
import { AMB, EFF, INH, PERM, hasCap, setCap } from '../cred-rows.js';
import { execCreds } from '../exec/exec-creds.js';
import { addProc, makeWorld, taskOf } from '../testing.js';
import { GID, UID, setFsId, setId, setReId, setResId } from './ids.js';

const NONE = 0xffffffff;
const uids = (task: number): number[] => { const c = L.taskCred(task); return [L.credUid(c), L.credEuid(c), L.credSuid(c), L.credFsuid(c)]; };

test('setuid by root sets all and drops every capability', () => {
  const w = makeWorld();
  const p = addProc(w, { pid: 1 });
  const t = taskOf(p);
  L.setTgDumpable(p.tg, 1);
  assert.equal(setId(w.k, t, UID, NONE), -E.EINVAL);
  assert.equal(setId(w.k, t, UID, 1000), 0);
  assert.deepEqual(uids(t), [1000, 1000, 1000, 1000]);
  assert.equal(capable(t, Cap.SETUID), false);
  assert.equal(hasCap(PERM, L.taskCred(t), Cap.SETUID), false);
  assert.equal(L.tgDumpable(p.tg), 0);
  assert.deepEqual([w.k.nprocOf(0), w.k.nprocOf(1000)], [0, 1]);
  assert.equal(setId(w.k, t, UID, 0), -E.EPERM);
  assert.deepEqual(uids(t), [1000, 1000, 1000, 1000]);
});

test('an ordinary user moves between real, effective and saved ids', () => {
  const w = makeWorld();
  const t = taskOf(addProc(w, { pid: 1 }));
  assert.equal(setResId(w.k, t, UID, 1000, 1001, 1002), 0);
  assert.equal(setResId(w.k, t, UID, NONE, 1003, NONE), -E.EPERM);
  assert.equal(setId(w.k, t, UID, 1001), -E.EPERM, 'setuid: real or saved only');
  assert.equal(setId(w.k, t, UID, 1002), 0);
  assert.deepEqual(uids(t), [1000, 1002, 1002, 1002]);
  assert.equal(setReId(w.k, t, UID, 1001, NONE), -E.EPERM);
  assert.equal(setReId(w.k, t, UID, NONE, 1000), 0);
  assert.deepEqual(uids(t), [1000, 1000, 1002, 1000], 'the saved id stays when the effective one becomes the real one');
  assert.equal(setReId(w.k, t, UID, 1000, 1000), 0);
  assert.deepEqual(uids(t), [1000, 1000, 1000, 1000], 'and follows when the real one is set');
});

test('seteuid away from root and back: effective capabilities go and return', () => {
  const w = makeWorld();
  const t = taskOf(addProc(w, { pid: 1 }));
  assert.equal(setResId(w.k, t, UID, NONE, 1000, NONE), 0);
  assert.deepEqual([capable(t, Cap.CHOWN), hasCap(PERM, L.taskCred(t), Cap.CHOWN)], [false, true]);
  assert.equal(setResId(w.k, t, UID, NONE, 0, NONE), 0);
  assert.equal(capable(t, Cap.CHOWN), true);
});

test('SECBIT_KEEP_CAPS keeps the permitted set over setuid', () => {
  const w = makeWorld();
  const t = taskOf(addProc(w, { pid: 1 }));
  L.setCredSecurebits(L.taskCred(t), 16);
  assert.equal(setId(w.k, t, UID, 1000), 0);
  assert.deepEqual([capable(t, Cap.CHOWN), hasCap(PERM, L.taskCred(t), Cap.CHOWN)], [false, true]);
});

test('setfsuid returns the old id either way, and moves the file capabilities', () => {
  const w = makeWorld();
  const t = taskOf(addProc(w, { pid: 1 }));
  assert.equal(setFsId(w.k, t, UID, 1000), 0);
  assert.deepEqual([uids(t)[3], capable(t, Cap.DAC_OVERRIDE), capable(t, Cap.SETUID)], [1000, false, true]);
  assert.equal(setFsId(w.k, t, UID, NONE), 1000);
  assert.equal(setFsId(w.k, t, UID, 0), 1000);
  assert.equal(capable(t, Cap.DAC_OVERRIDE), true);
  const u = taskOf(addProc(w, { pid: 2, uid: 1000 }));
  assert.equal(setFsId(w.k, u, UID, 0), 1000);
  assert.equal(uids(u)[3], 1000, 'refused');
});

test('gids do not touch capabilities', () => {
  const w = makeWorld();
  const t = taskOf(addProc(w, { pid: 1 }));
  assert.equal(setId(w.k, t, GID, 1000), 0);
  assert.equal(L.credEgid(L.taskCred(t)), 1000);
  assert.equal(capable(t, Cap.SETGID), true);
});

test('a row that others use does not change', () => {
  const w = makeWorld();
  const p = addProc(w, { pid: 1 });
  const t = taskOf(p);
  const shared = L.taskCred(t);
  w.k.creds.ref(shared);
  setId(w.k, t, UID, 1000);
  assert.equal(L.credUid(shared), 0);
  assert.equal(L.credRef(shared), 1);
});

test('exec of a set-user-ID root program by a user: full capabilities, AT_SECURE', () => {
  const w = makeWorld();
  const p = addProc(w, { pid: 1, uid: 1000 });
  const c = execCreds(w.k, taskOf(p), 0o104755, 0, 0);
  assert.deepEqual([L.credUid(c.row), L.credEuid(c.row), L.credSuid(c.row), L.credFsuid(c.row)], [1000, 0, 0, 0]);
  assert.equal(hasCap(EFF, c.row, Cap.SYS_ADMIN), true);
  assert.deepEqual([c.secure, c.setid], [true, true]);
});

test('no_new_privs switches set-id bits off', () => {
  const w = makeWorld();
  const p = addProc(w, { pid: 1, uid: 1000 });
  L.setTgNoNewPrivs(p.tg, 1);
  const c = execCreds(w.k, taskOf(p), 0o106755, 0, 0);
  assert.deepEqual([L.credEuid(c.row), L.credEgid(c.row), c.secure], [1000, 1000, false]);
  assert.equal(c.row, L.taskCred(taskOf(p)), 'nothing changed: the row is shared');
});

test('set-group-ID needs the group execute bit', () => {
  const w = makeWorld();
  const p = addProc(w, { pid: 1, uid: 1000 });
  assert.equal(L.credEgid(execCreds(w.k, taskOf(p), 0o102745, 0, 50).row), 1000);
  assert.equal(L.credEgid(execCreds(w.k, taskOf(p), 0o102755, 0, 50).row), 50);
});

test('root stays root over exec; a user without ambient capabilities has none', () => {
  const w = makeWorld();
  const root = addProc(w, { pid: 1 });
  const c = execCreds(w.k, taskOf(root), 0o755, 0, 0);
  assert.deepEqual([hasCap(EFF, c.row, Cap.SETUID), c.secure], [true, false]);
  const user = addProc(w, { pid: 2, uid: 1000 });
  const cred = L.taskCred(taskOf(user));
  setCap(PERM, cred, Cap.NET_RAW, true);
  setCap(INH, cred, Cap.NET_RAW, true);
  assert.equal(hasCap(EFF, execCreds(w.k, taskOf(user), 0o755, 0, 0).row, Cap.NET_RAW), false);
  setCap(AMB, cred, Cap.NET_RAW, true);
  assert.equal(hasCap(EFF, execCreds(w.k, taskOf(user), 0o755, 0, 0).row, Cap.NET_RAW), true);
});
