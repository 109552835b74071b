/** The questions that every reader of foreign values asks. */
import { describe, expect, it } from 'vitest';
import { isCount, isNumber, isObject, isText } from '../../../src/core/index.ts';

describe('shapes of values from elsewhere', () => {
  it('an object has members by name: null and arrays are none', () => {
    expect([{}, { a: 1 }, Object.create(null)].every((value) => isObject(value))).toBe(true);
    expect([null, undefined, [], 'text', 1, true].some((value) => isObject(value))).toBe(false);
  });

  it('a count is a whole number from 0 that a double holds exactly', () => {
    expect([0, 1, 2 ** 53 - 1].every(isCount)).toBe(true);
    expect([-1, 0.5, 2 ** 53, Number.NaN, Infinity, '1', 1n, null].some(isCount)).toBe(false);
  });

  it('a number is finite', () => {
    expect([0, -1.5, Number.MAX_VALUE].every(isNumber)).toBe(true);
    expect([Number.NaN, Infinity, -Infinity, '1', 1n, null].some(isNumber)).toBe(false);
  });

  it('a text is bounded where a bound is given', () => {
    expect(isText('abc')).toBe(true);
    expect(isText('abc', 3)).toBe(true);
    expect(isText('abcd', 3)).toBe(false);
    expect(isText(['a'], 3)).toBe(false);
    expect(isText(undefined)).toBe(false);
  });
});
