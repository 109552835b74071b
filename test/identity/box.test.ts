/** Boxes that one key alone opens. */
import { expect, it } from 'vitest';
import { boxOpenerOf, closeBox, createIdentity } from '../../src/identity/index.ts';

const bob = createIdentity(Buffer.alloc(32, 7));
const eve = createIdentity(Buffer.alloc(32, 8));
const said = Buffer.from('a secret');

it('the holder of the key opens it, and nobody else', () => {
  const box = closeBox(bob.did, said);
  expect(Buffer.from(boxOpenerOf(bob)(box)).toString()).toBe('a secret');
  expect(() => boxOpenerOf(eve)(box)).toThrowError(
    expect.objectContaining({ code: 'STARLING_USAGE' }),
  );
  expect(Buffer.from(box).includes(said)).toBe(false);
  expect(Buffer.from(closeBox(bob.did, said)).equals(Buffer.from(box))).toBe(false);
});

it('the public half of a key leads to the same Montgomery point as its secret half', () => {
  for (let seed = 0; seed < 16; seed += 1) {
    const identity = createIdentity(Buffer.alloc(32, seed));
    const box = closeBox(identity.did, said);
    expect(Buffer.from(boxOpenerOf(identity)(box)).equals(said), String(seed)).toBe(true);
  }
});

it('what is cut, changed or empty opens for nobody', () => {
  const box = closeBox(bob.did, said);
  const changed = Uint8Array.from(box);
  changed[box.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  for (const bad of [
    new Uint8Array(),
    box.subarray(0, 40),
    box.subarray(0, box.length - 1),
    changed,
  ]) {
    expect(() => boxOpenerOf(bob)(bad)).toThrowError(
      expect.objectContaining({ code: 'STARLING_USAGE' }),
    );
  }
});
