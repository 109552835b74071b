import { describe, expect, it } from 'vitest';
import { createExactNames, foldName } from '../../../src/core/index.ts';

describe('names as careless readers compare them', () => {
  it('are the same whatever their case, form, marks, blanks, and what separates their words', () => {
    for (const name of [
      'NAME',
      'n_a-me',
      '\uff4eame',
      'na\u200bme',
      'n\u00e1me',
      ' name',
      'na\0me',
    ]) {
      expect(foldName(name)).toBe('name');
    }
    expect(foldName('tas\u212a')).toBe('task');
    expect(foldName('arguments'.replace('s', '\u017f'))).toBe('arguments');
    expect(foldName('ur\u0131')).toBe('uri');
    expect(foldName('UR\u0130')).toBe('uri');
  });

  it('are told apart where they are other words', () => {
    for (const name of ['names', 'nam', 'nаme', 'n.ame', ''])
      expect(foldName(name)).not.toBe('name');
  });

  it('are looked up by what they could be taken for', () => {
    const names = createExactNames(['name', '_meta', 'progressToken']);
    expect(
      ['Name', 'meta', 'progress_token', 'name\0x'].map((one) => names.mistakenFor(one)),
    ).toEqual(['name', '_meta', 'progressToken', 'name']);
    expect(['name', '_meta', 'other'].map((one) => names.mistakenFor(one))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
