/** Sixty containers that are killed at random moments leave nothing (chaos.ts); more: chaos.e2e.ts. */
import { test } from 'node:test';
import { chaos } from './chaos.js';

const people = process.getuid?.() === 0 ? [false, true] : [false];

for (const ordinary of people) test(`killed at random moments, ${ordinary ? 'as an ordinary user' : 'as the caller'}: nothing is left`, () => chaos(60 / people.length, ordinary));
