/** Who used an invite, where a use that the disk refused is taken away again. */
import { expect, it } from 'vitest';
import type { Did, MeshId } from '../../../src/core/index.ts';
import { createInvites } from '../../../src/mesh/records/invites.ts';

const MESH = 'mesh' as MeshId;
const use = (aud: string, iat: number) => {
  return { iss: 'did:key:alice' as Did, jti: 'one', aud: aud as Did, iat, exp: iat + 100 };
};

it('a use that is taken away leaves the later one of the same user as it was, and the order of all', () => {
  const invites = createInvites(MESH);
  invites.use(use('bob', 30));
  invites.use(use('cyd', 20));
  const takeAway = invites.use(use('bob', 10));
  expect(invites.users('one')).toEqual(['bob', 'cyd']);
  takeAway();
  expect(invites.users('one')).toEqual(['cyd', 'bob']);
  takeAway();
  expect(invites.users('one')).toEqual(['cyd', 'bob']);
});

it('a use that is taken away is gone, and one that came earlier meanwhile stays', () => {
  const invites = createInvites(MESH);
  invites.use(use('bob', 30))();
  expect(invites.users('one')).toEqual([]);
  const takeAway = invites.use(use('bob', 20));
  invites.use(use('bob', 10));
  takeAway();
  expect(invites.users('one')).toEqual(['bob']);
});
