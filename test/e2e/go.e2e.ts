/** Go: the page's commands. The runtime's own tests, which fill the machine, are in go-load.e2e.ts. */
import { test } from 'node:test';
import { runPage } from './doc-commands.js';

test('docs/workloads/go.md', () => { runPage('docs/workloads/go.md'); });
test('docs/workloads/go.md, as an ordinary user', { skip: process.getuid?.() !== 0 && 'runs as one already' }, () => { runPage('docs/workloads/go.md', { ordinary: true }); });
