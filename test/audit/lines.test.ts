/** A line of the log is the JSON of its entry to the letter, and the hash of arguments that of their canonical JSON. */
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hashArguments, lineOf, placed } from '../../src/audit/format.ts';
import type { Content } from '../../src/audit/format.ts';
import { AUDIT_KINDS, AUDIT_OUTCOMES } from '../../src/core/index.ts';
import type { Json } from '../../src/core/index.ts';
import { LineMemory, makeBatch } from '../../src/audit/segments/entry-batch.ts';
import { anyText } from '../fixtures/any-text.ts';
import { NODE } from './arrange.ts';
import { decision } from './arrange-entries.ts';

const text = fc.oneof(
  anyText(),
  fc.constantFrom('', '"', '\\', '\n', '\u2028', '\uD800', '\u0000', 'ü', '😀', '</script>'),
);
const number = fc.oneof(fc.nat(), fc.double(), fc.constantFrom(-0, 1e21, 0.1, NaN, Infinity));

const content: fc.Arbitrary<Content> = fc.record(
  {
    kind: fc.constantFrom(...AUDIT_KINDS),
    who: text,
    onBehalfOf: text,
    what: fc.record({ ability: text, resource: text }),
    args: text,
    grant: text,
    outcome: fc.constantFrom(...AUDIT_OUTCOMES),
    reason: text,
    reasoning: text,
    durationMs: number,
    spent: fc.dictionary(text, text),
    of: fc.nat(),
  },
  { requiredKeys: ['kind', 'who', 'what', 'outcome'] },
);

it('is what JSON.stringify makes of the entry', () => {
  fc.assert(
    fc.property(content, fc.nat(), number, (said, seq, at) => {
      const place = { seq, at, prev: 'f'.repeat(64) };
      expect(lineOf(said, place)).toBe(JSON.stringify(placed(said, place)));
    }),
  );
});

it('is the same after more resources than are remembered', () => {
  const place = { seq: 1, at: 1, prev: '0'.repeat(64) };
  for (let n = 0; n < 2000; n += 1) lineOf(decision(n), place);
  for (const n of [0, 1999]) {
    expect(lineOf(decision(n), place)).toBe(JSON.stringify(placed(decision(n), place)));
  }
});

it('has the hash of the canonical JSON, whatever order the arguments are in', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const args = value as Json;
      const expected = createHash('sha256')
        .update(canonicalize(args) ?? '')
        .digest('hex');
      expect(hashArguments(args)).toBe(expected);
    }),
  );
  for (const none of ['\uD800', { '\uDFFF': 1 }, [{ a: 'x\uD83D' }], { n: Infinity }]) {
    expect(() => hashArguments(none)).toThrow(/no canonical JSON/);
  }
  // Text that only looks like an escape has canonical JSON.
  expect(hashArguments({ a: '\\ud800' })).toBe(
    createHash('sha256').update('{"a":"\\\\ud800"}').digest('hex'),
  );
});

it('is laid in memory that grows with it, behind the lines before it, and hashed as it lies there', () => {
  const memory = new LineMemory(8);
  const said = ['x', 'ü'.repeat(700), '😀'.repeat(1000), '\u0000'.repeat(900), 'y'];
  const items = said.map((reason, n) => ({ content: { ...decision(n), reason }, at: n }));
  const init = {
    signer: NODE,
    now: () => 0,
    checkpointEntries: 1000,
    batchBytes: 1e6,
    segmentBytes: 1e9,
    isFollowed: () => true,
  };
  const chain = { seq: 6, hash: 'f'.repeat(64), unsigned: 0 };
  for (const count of [5, 2]) {
    const place = { chain, sizeBytes: 0, memory };
    const made = makeBatch(items.slice(0, count), place, init);
    const text = made.bytes.toString('utf8');
    expect(text).toBe(made.entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    const lines = text.split('\n').slice(0, -1);
    expect(lines).toHaveLength(count);
    const hashes = lines.map((line) => createHash('sha256').update(line).digest('hex'));
    expect(made.entries.map(({ prev }) => prev)).toEqual([chain.hash, ...hashes.slice(0, -1)]);
    expect(made.chain).toEqual({ seq: 6 + count, hash: hashes.at(-1), unsigned: count });
  }
});
