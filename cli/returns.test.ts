import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { returnsAreLost } from './returns.js';

test('what hosts say of return addresses after a system call', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'carrick-returns-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const state = join(dir, 'state');
  for (const [text, lost] of [['Mitigation: Safe RET', true], ['Vulnerable: Safe RET, no microcode', true], ['Not affected', false], ['Mitigation: IBPB', false], ['Mitigation: SMT disabled', false]] as const) {
    writeFileSync(state, `${text}\n`);
    assert.equal(returnsAreLost(state), lost, text);
  }
  assert.equal(returnsAreLost(join(dir, 'none')), false);
});
