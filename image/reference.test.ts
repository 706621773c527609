/** Names of images. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ImageError } from './error.js';
import { canonical, familiar, parseReference } from './reference.js';

const D = `sha256:${'0123456789abcdef'.repeat(4)}`;

test('names mean what they mean to docker', () => {
  const cases: ReadonlyArray<readonly [string, string, string]> = [
    ['debian', 'docker.io/library/debian:latest', 'debian:latest'],
    ['debian:12', 'docker.io/library/debian:12', 'debian:12'],
    ['user/app', 'docker.io/user/app:latest', 'user/app:latest'],
    ['docker.io/debian', 'docker.io/library/debian:latest', 'debian:latest'],
    ['index.docker.io/user/app:1', 'docker.io/user/app:1', 'user/app:1'],
    ['localhost/a', 'localhost/a:latest', 'localhost/a:latest'],
    ['localhost:5000/a/b:c', 'localhost:5000/a/b:c', 'localhost:5000/a/b:c'],
    ['host.example/a', 'host.example/a:latest', 'host.example/a:latest'],
    ['[::1]:5000/a', '[::1]:5000/a:latest', '[::1]:5000/a:latest'],
    [`a@${D}`, `docker.io/library/a@${D}`, `a@${D}`],
    [`host.example:1/a/b:t@${D}`, `host.example:1/a/b:t@${D}`, `host.example:1/a/b:t@${D}`],
    ['a__b/c-d/e.f--g', 'docker.io/a__b/c-d/e.f--g:latest', 'a__b/c-d/e.f--g:latest'],
  ];
  for (const [text, long, short] of cases) {
    const ref = parseReference(text);
    assert.equal(canonical(ref), long, text);
    assert.equal(familiar(ref), short, text);
    // Every spelling leads back to the same image.
    assert.deepEqual(parseReference(long), ref);
    assert.deepEqual(parseReference(short), ref);
  }
});

test('bad names are refused', () => {
  const bad = ['', ':tag', 'a:', 'a:-x', `a:${'t'.repeat(129)}`, 'A', 'a/B', 'a//b', '/a', 'a/', '../a', 'a/../b', 'a b', 'a@sha256:12', `a@${D.toUpperCase()}`, 'a@md5:00', '.host/a', 'host.:5000/', `${'a'.repeat(256)}`,
    'host:123456/a', 'a?b', 'a%2fb', 'http://host/a', 'x.y/a\n'];
  for (const text of bad) assert.throws(() => parseReference(text), ImageError, JSON.stringify(text));
});
