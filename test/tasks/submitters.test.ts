/** By whose rights a task goes to agents: whoever has submitted it, as that one is at this moment. */
import { expect, it } from 'vitest';
import type { Did } from '../../src/core/index.ts';
import type { Link } from '../../src/guard/index.ts';
import { principalOf } from '../../src/node-agent-parts.ts';

const SELF = 'did:key:self' as Did;
const NOW = 1_700_000_000_000;
const PEER = { peerId: 'peer-bob', did: 'did:key:bob', alias: 'bob' };

const who = (link: Link, now = NOW) =>
  principalOf(link, {
    self: SELF,
    now,
    keys: {
      list: () =>
        [
          { name: 'ci', scopes: ['agent:digger'], expiresAt: NOW + 1000 },
          { name: 'for-ever', scopes: ['agent:*'] },
        ] as never,
    },
    clients: {
      holderOf: (name) => (name === 'cursor' ? 'cursor' : undefined),
    },
    tokens: {
      scopesOf: (name, at) =>
        name === 'oauth:ann' && at < NOW + 1000 ? ['agent:digger'] : undefined,
    },
    membership: { find: (text) => (text === PEER.did ? PEER : undefined) as never },
  });

it('is the operator for the link of this node, and for no other', () => {
  expect(who({ did: SELF })).toBeUndefined();
  expect(who({ client: 'operator' })).toMatchObject({ scopes: [] });
});

it('has the scopes of a key while that is good, and none once it has expired', () => {
  expect(who({ client: 'ci' })).toMatchObject({ kind: 'client', scopes: ['agent:digger'] });
  expect(who({ client: 'ci' }, NOW + 1000)).toMatchObject({ kind: 'client', scopes: [] });
  expect(who({ client: 'for-ever' }, NOW * 2)).toMatchObject({ scopes: ['agent:*'] });
});

it('has no scope of a key that was revoked, though anybody may have its name', () => {
  expect(who({ client: 'revoked' })).toEqual({ kind: 'client', name: 'revoked', scopes: [] });
});

it('has the scopes of an access token while one is known to be good, and none after', () => {
  expect(who({ client: 'oauth:ann' })).toMatchObject({ scopes: ['agent:digger'] });
  expect(who({ client: 'oauth:ann' }, NOW + 1000)).toMatchObject({ scopes: [] });
  expect(who({ client: 'oauth:bob' })).toMatchObject({ scopes: [] });
});

it('is a client that a person has attached, with what those may', () => {
  expect(who({ client: 'cursor' })).toMatchObject({ kind: 'client', name: 'cursor' });
  expect(who({ client: 'cursor' })).not.toMatchObject({ scopes: [] });
});

it('is a peer that vouches for somebody, and never more than that peer', () => {
  const node = PEER.did as Did;
  expect(who({ client: 'ci', node })).toMatchObject({
    kind: 'peer',
    did: PEER.did,
    onBehalfOf: { name: 'ci' },
  });
  const gone = 'did:key:gone' as Did;
  expect(who({ client: 'ci', node: gone })).toEqual({ kind: 'agent', did: gone, name: 'an agent' });
});
