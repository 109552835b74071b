import { describe, expect, it } from 'vitest';
import { withNumbersWritten } from '../../../src/core/index.ts';

describe('a number that a double can’t hold', () => {
  it.each([
    ['[12345678901234567890]', '[{"$number":"12345678901234567890"}]'],
    ['{"a":9007199254740993}', '{"a":{"$number":"9007199254740993"}}'],
    ['[1e400, -1e-400]', '[{"$number":"1e400"}, {"$number":"-1e-400"}]'],
    ['[0.1000000000000000055]', '[{"$number":"0.1000000000000000055"}]'],
  ])('keeps its text: %s', (text, expected) => {
    expect(withNumbersWritten(text)).toBe(expected);
  });

  it.each([
    '[9007199254740992,9007199254740994,-9007199254740991,1e3,1.0,0.30000000000000004,0e999]',
    '{"12345678901234567890":"12345678901234567890 \\" 1e999","x":1}',
    '{"a":"plain"}',
  ])('is none of these: %s', (text) => {
    expect(withNumbersWritten(text)).toBe(text);
  });
});
