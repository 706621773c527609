/** A thousand containers that are killed at random moments leave nothing (chaos.ts). */
import { test } from 'node:test';
import { chaos } from './chaos.js';

const people = process.getuid?.() === 0 ? [false, true] : [false];

for (const ordinary of people) test(`killed at random moments, ${ordinary ? 'as an ordinary user' : 'as the caller'}: nothing is left`, () => chaos(1000 / people.length, ordinary));
