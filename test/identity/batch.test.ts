/** Texts under one signature: each proves itself alone, and nothing else does. */
import { expect, it } from 'vitest';
import {
  BATCH_MAX,
  createIdentity,
  decodeBatched,
  encodeBatch,
  isBatched,
} from '../../src/identity/index.ts';

const TYPE = 'starling-budget-batch+jwt';
const seeded = (number: number) => createIdentity(new Uint8Array(32).fill(number));
const signer = seeded(1);
const other = seeded(2);
const claims = (count: number) => Array.from({ length: count }, (_, at) => ({ at, seq: at * 7 }));
const read = (text: string) => decodeBatched(text, TYPE, 'a row');

it.each([1, 2, 3, 5, 8, 31, BATCH_MAX])('each of %d texts is proven alone', (count) => {
  const texts = encodeBatch(signer, TYPE, claims(count));
  expect(new Set(texts.map((text) => text.split('.').slice(2).join('.'))).size).toBe(1);
  for (const [at, text] of texts.entries()) {
    expect(isBatched(text)).toBe(true);
    const decoded = read(text);
    expect(decoded.payload).toEqual({ at, seq: at * 7 });
    decoded.verify(signer.did);
    expect(() => decoded.verify(other.did)).toThrow();
  }
});

it('no text is proven by the way, the root or the signature of another', () => {
  const [first = '', second = ''] = encodeBatch(signer, TYPE, claims(4));
  const [foreign = ''] = encodeBatch(other, TYPE, claims(4));
  const parts = (text: string): string[] => text.split('.');
  const invented = Buffer.from(JSON.stringify({ at: 0, seq: 1 })).toString('base64url');
  const [, way = '', ...root] = parts(first);
  const swapped = [
    [parts(first)[0], parts(second)[1], ...root],
    [invented, way, ...root],
    [parts(first)[0], '', ...root],
    // A node of the tree in the place of a text, and a shorter way.
    [invented, way.slice(0, 43), ...root],
    [...parts(first).slice(0, 2), ...parts(foreign).slice(2)],
    [...parts(first).slice(0, 4), parts(foreign)[4]],
  ];
  for (const text of swapped) {
    expect(() => read(text.join('.')).verify(signer.did), text.join('.')).toThrow();
  }
});

it('refuses a way that is none, and a root of another kind', () => {
  const [text = ''] = encodeBatch(signer, TYPE, claims(2));
  const [payload, way, ...root] = text.split('.');
  for (const wrong of [`${way}AA`, 'A'.repeat(43 * 6), '!', 'AAA']) {
    expect(() => read([payload, wrong, ...root].join('.'))).toThrow(/not a row of ours/);
  }
  expect(() => read(`${'A'.repeat(9000)}.${way}.${root.join('.')}`)).toThrow(/longer than/);
  const [kind = ''] = encodeBatch(signer, 'starling-grant+jwt', claims(2));
  expect(() => read(kind).verify(signer.did)).toThrow(/its typ is/);
});
