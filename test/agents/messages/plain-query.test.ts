/** Queries that are read without the schema of their tool are what the schema takes, and nothing else. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readPlainQuery } from '../../../src/agents/messages/plain-query.ts';
import { MESSAGE } from '../../../src/agents/tools/message-tools.ts';
import type { Json } from '../../../src/core/index.ts';

const QUERY = { agentId: 'coder@bob', type: 'query', message: 'hello' };

it('whatever is read so the schema takes as it is', () => {
  const name = fc.oneof(fc.string({ maxLength: 130 }), fc.constant('coder'));
  const time = fc.oneof(fc.double({ min: -1, max: 400_000 }), fc.constant(300_000));
  const args = fc.record(
    {
      agentId: name,
      to: name,
      from: name,
      type: fc.constantFrom('query', 'query', 'command', null),
      message: fc.oneof(fc.jsonValue(), fc.anything()),
      priority: fc.constantFrom('normal', 'high', 'highest'),
      timeout: fc.oneof(time, fc.constant('5s')),
      timeoutMs: time,
    },
    { requiredKeys: ['type'] },
  );
  let read = 0;
  fc.assert(
    fc.property(args, (given) => {
      const plain = readPlainQuery(given as Json);
      if (plain === undefined) return;
      read += 1;
      expect(MESSAGE.strict().parse(given)).toEqual(plain);
    }),
    { numRuns: 2000, seed: 14 },
  );
  expect(read).toBeGreaterThan(50);
});

it('a query is read so with all that most have', () => {
  const more = { from: 'me', priority: 'low', timeoutMs: 5000, timeout: 1 };
  for (const args of [QUERY, { ...QUERY, ...more }]) expect(readPlainQuery(args)).toBe(args);
});

it.each<Json | undefined>([
  undefined,
  null,
  [],
  { ...QUERY, type: 'command' },
  { agentId: 'coder', type: 'query' },
  { ...QUERY, data: 1 },
  { ...QUERY, agentId: '' },
  { ...QUERY, timeoutMs: 300_001 },
  JSON.parse('{"type":"query","message":1,"__proto__":{}}') as Json,
])('%j is left to the schema', (args) => {
  expect(readPlainQuery(args)).toBeUndefined();
});
