import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import { sum } from './sum.mjs';

test('adds numbers', () => equal(sum(1, 2, 3), 6));
test('of nothing it is 0', () => equal(sum(), 0));
