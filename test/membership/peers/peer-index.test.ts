/** Peers are found by key and by alias, whatever happens to their aliases. */
import { describe, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import { createIdentity, didFromPeerId } from '../../../src/identity/index.ts';
import { createPeerIndex } from '../../../src/membership/peers/peer-index.ts';
import type { PeerView } from '../../../src/membership/index.ts';

const [alice, bob] = [1, 2].map((seed) => createIdentity(Buffer.alloc(32, seed)).peerId) as [
  PeerId,
  PeerId,
];

const known = (peerId: PeerId, alias: string): { readonly view: PeerView } => ({
  view: { peerId, did: didFromPeerId(peerId), alias, state: 'alive', lastHeartbeatAt: 0 },
});

describe('the index of peers', () => {
  it('finds a peer by its key and by its alias', () => {
    const table = createPeerIndex();
    const peer = known(alice, 'alice');
    table.set(alice, peer);
    expect(table.get(alice)).toBe(peer);
    expect(table.byAlias('alice')).toBe(peer);
    expect(table.byAlias('bob')).toBeUndefined();
    expect(table.size).toBe(1);
  });

  it('finds a renamed peer by its new alias only', () => {
    const table = createPeerIndex();
    table.set(alice, known(alice, 'alice'));
    table.set(alice, known(alice, 'laptop'));
    expect(table.byAlias('alice')).toBeUndefined();
    expect(table.byAlias('laptop')?.view.peerId).toBe(alice);
    expect([...table.values()]).toHaveLength(1);
  });

  it('leaves an alias with whoever took it over, when its first owner goes', () => {
    const table = createPeerIndex();
    table.set(alice, known(alice, 'alice'));
    table.set(bob, known(bob, 'alice'));
    table.delete(alice);
    expect(table.byAlias('alice')?.view.peerId).toBe(bob);
    table.delete(bob);
    expect(table.byAlias('alice')).toBeUndefined();
    expect(table.size).toBe(0);
  });
});
