/** The documents name files, folders and npm scripts that exist. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';

const documents = ['README.md', ...['docs', 'docs/decisions', 'docs/workloads'].flatMap((dir) => readdirSync(resolve(dir)).filter((name) => name.endsWith('.md')).map((name) => `${dir}/${name}`))];
const scripts = new Set(Object.keys((JSON.parse(readFileSync(resolve('package.json'), 'utf8')) as { scripts: object }).scripts));

for (const document of documents) {
  test(`${document} names what exists`, () => {
    const text = readFileSync(resolve(document), 'utf8');
    const missing: string[] = [];
    for (const [, target = ''] of text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (!/^[a-z]+:/.test(target) && !existsSync(join(dirname(resolve(document)), target))) missing.push(`link ${target}`);
    }
    for (const [, path = ''] of text.matchAll(/`((?:bench|cli|docs|image|kernel|ltp|native|scripts|servers|shared|test)\/[\w./-]+)`/g)) {
      if (!/^native\/build\b/.test(path) && !existsSync(resolve(path))) missing.push(path);
    }
    for (const [, script = ''] of text.matchAll(/npm run ([\w:-]+)/g)) if (!scripts.has(script)) missing.push(`npm run ${script}`);
    assert.deepEqual(missing, []);
  });
}
