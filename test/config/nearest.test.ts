import { describe, expect, it } from 'vitest';
import { nearest } from '../../src/config/index.ts';

describe('the nearest word', () => {
  it.each([
    ['mcpserver', ['mcpServers', 'name'], 'mcpServers'],
    ['prot', ['port', 'host'], 'port'],
    ['files__raed', ['files__read', 'files__write'], 'files__read'],
    ['zzzz', ['port', 'host'], undefined],
    ['x'.repeat(1000), ['port'], undefined],
    ['a', [], undefined],
  ])('to %s of %j is %s', (word, known, expected) => {
    expect(nearest(word, known)).toBe(expected);
  });
});
