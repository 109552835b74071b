/** What a person is asked about as "did you mean": slips of the fingers, and never another word. */
import { describe, expect, it } from 'vitest';
import { nearest, slipsOf } from '../../../src/core/index.ts';

describe('the nearest word', () => {
  it.each([
    ['mcpserver', ['mcpServers', 'name'], 'mcpServers'],
    ['prot', ['port', 'host'], 'port'],
    ['FS', ['fs'], 'fs'],
    ['fss', ['fs'], 'fs'],
    ['ad', ['add'], 'add'],
    ['zzzz', ['port', 'host'], undefined],
    ['x'.repeat(1000), ['port'], undefined],
    ['port', ['p'.repeat(1000)], undefined],
    ['a', [], undefined],
    // Two words of two letters are never farther apart, whatever they mean.
    ['gh', ['fs'], undefined],
    ['gs', ['fs'], undefined],
    ['db', ['fs'], undefined],
    ['nope', ['more'], undefined],
    // The nearer one, though it stands later.
    ['reader', ['leaders', 'readers'], 'readers'],
  ])('to %s of %j is %s', (word, known, expected) => {
    expect(nearest(word, known)).toBe(expected);
  });
});

describe('the nearest name of parts', () => {
  it.each([
    ['files__raed', ['files__read', 'files__write'], 'files__read'],
    ['flies__raed', ['files__read'], 'files__read'],
    ['alice__files__ab', ['alice__files__fs'], undefined],
    ['files__read', ['alice__files__read'], undefined],
  ])('to %s of %j is %s', (name, known, expected) => {
    expect(nearest(name, known, '__')).toBe(expected);
  });
});

it('the dashes of an option make no word longer', () => {
  const known = ['--node', '--state', '--json'];
  expect(['--wide', '--name', '--role', '--date'].flatMap((one) => slipsOf(one, known))).toEqual(
    [],
  );
  expect(slipsOf('--jsno', known)).toEqual(['--json']);
});
