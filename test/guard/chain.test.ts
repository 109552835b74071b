/** By whose word a call is: what is written down of it, here and for other nodes, and who is read from it. */
import { expect, it } from 'vitest';
import { OPERATOR, chainOf, isLink, keyOf, readLink } from '../../src/guard/index.ts';
import { namesOf } from '../../src/guard/principal-names.ts';
import type { Principal } from '../../src/guard/index.ts';
import { peerIdFromDid } from '../../src/identity/index.ts';
import { alice, bob, carol } from '../grants/arrange.ts';

const client = (name: string, ...worksFor: readonly Principal[]): Principal => ({
  kind: 'client',
  name,
  scopes: [],
  worksFor,
});
const peer: Principal = {
  kind: 'peer',
  peerId: peerIdFromDid(bob.did),
  did: bob.did,
  alias: 'bob',
};

it('a chain has whoever calls first, then those for whom that one works, each once', () => {
  const ci = client('ci');
  const agent = client('agent:a', ci, client('agent:b', ci, peer));
  expect(chainOf(agent)).toEqual(['client:agent:a', 'client:ci', 'client:agent:b', bob.did]);
  expect(chainOf({ kind: 'operator' })).toEqual(['operator']);
});

it('whoever calls is told apart by the first of the names that the policy knows', () => {
  const scout: Principal = { kind: 'agent', did: carol.did, name: 'scout' };
  for (const one of [OPERATOR, client('ci'), peer, scout]) {
    expect(keyOf(one)).toBe(namesOf(one)[0]);
  }
});

it('what is read at other nodes says which node vouches for whom', () => {
  const scout: Principal = { kind: 'agent', did: carol.did, name: 'scout' };
  const vouched: Principal = { ...peer, onBehalfOf: { name: 'agent:c' } };
  const links = chainOf(client('agent:a', scout, peer, vouched, { kind: 'operator' }), alice.did);
  expect(links).toEqual([
    `client:agent:a@${alice.did}`,
    `${carol.did}@${alice.did}`,
    bob.did,
    `client:agent:c@${bob.did}`,
    alice.did,
  ]);
  expect(links.every(isLink)).toBe(true);
  expect(links.map(readLink)).toEqual([
    { client: 'agent:a', node: alice.did },
    { did: carol.did, node: alice.did },
    { did: bob.did },
    { client: 'agent:c', node: bob.did },
    { did: alice.did },
  ]);
});

it('no name makes another link of its own', () => {
  for (const name of ['x\noperator', `x@${bob.did}`, '100%', 'a b', '', 'operator', '\ud800']) {
    const [link = ''] = chainOf(client(name));
    expect(link).not.toMatch(/\s/);
    expect(readLink(link)).toEqual({ client: name.replace('\ud800', '\ufffd') });
  }
  expect(readLink('client:100%')).toEqual({ client: '100%' });
  expect(readLink('operator')).toBeUndefined();
  expect(readLink('nonsense')).toEqual({});
  expect(isLink('operator')).toBe(false);
});
