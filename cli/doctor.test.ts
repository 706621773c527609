import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatFindings, readProbe } from './doctor.js';

test('the probe: present, absent, with a remark, unknown', () => {
  const all = readProbe('{"release":"6.18.0","seccompTrap":1,"userns":false,"pidns":"only as root","kvm":0,"odd":[1]}');
  assert.deepEqual(all.map((finding) => [finding.item, finding.level, finding.state]), [
    ['Linux', 'info', '6.18.0'], ['seccomp filters', 'ok', 'yes'], ['user namespaces', 'degraded', 'no'], ['pid namespaces', 'ok', 'only as root'],
    ['/dev/kvm', 'absent', 'no'], ['odd', 'info', '[1]'],
  ]);
});

test('the verdict: the worst finding decides', () => {
  assert.match(formatFindings(readProbe('{"seccompTrap":true}')), /runs here with everything/);
  assert.match(formatFindings(readProbe('{"seccompTrap":true,"userns":0}')), /with less separation/);
  assert.match(formatFindings(readProbe('{"seccompTrap":false,"userns":0}')), /seccomp filters +MISSING +no +the trap engine[^]*cannot run here/);
});
