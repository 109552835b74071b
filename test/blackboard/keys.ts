/** Real keys for tests of boards, which sign as fast as such tests need. */
import { createIdentity } from '../../src/identity/index.ts';
import type { FrequentSigner } from '../../src/identity/index.ts';

/** The key of a name: the same one each time. */
export function keyOf(name: string): FrequentSigner {
  const seed = new Uint8Array(32).fill(name.charCodeAt(0));
  seed[1] = name.length;
  const identity = createIdentity(seed);
  const signOften = (message: Uint8Array): Uint8Array => identity.signOften(message);
  return { did: identity.did, sign: signOften, signOften };
}

/** The keys of several names. */
export function keysOf(...names: readonly string[]): ReadonlyMap<string, FrequentSigner> {
  return new Map(names.map((name) => [name, keyOf(name)]));
}
