/** A person reads the name of a peer, and the key after it. */
import { expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import { namePeer } from '../../../src/membership/index.ts';
import { unreachable } from '../../../src/network/dialing/dial-failure.ts';

const { peerId } = createIdentity(new Uint8Array(32).fill(7));
const bob = { alias: 'bob', peerId };

it('a failed dial names the peer as people know it, once, and keeps its code and hint', () => {
  const failed = unreachable(peerId, [new Error('connect ECONNREFUSED 192.0.2.7:4040')]);
  const named = namePeer(failed, bob);
  expect(named.message).toBe(`can't reach bob (${peerId}): nothing listens at 192.0.2.7:4040`);
  expect(named).toMatchObject({ code: failed.code, hint: failed.hint });
  expect(namePeer(named, bob)).toBe(named);
});

it('what is not about that peer stays as it is', () => {
  const other = new StarlingError('STARLING_TIMEOUT', 'no answer within 5 s');
  expect(namePeer(other, bob)).toBe(other);
  expect(namePeer('text', bob)).toBe('text');
});
