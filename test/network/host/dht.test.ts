/** Whom the DHT has dialled. */
import type { Connection } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { describe, expect, it } from 'vitest';
import { createIdentity } from '../../../src/identity/index.ts';
import { createAdmissionStates } from '../../../src/network/admission/admission-states.ts';
import { createWalks, linkedConnections } from '../../../src/network/host/dht.ts';

const [LINKED, OTHER] = [2, 3].map((seed) =>
  peerIdFromString(createIdentity(Buffer.alloc(32, seed)).peerId),
) as [ReturnType<typeof peerIdFromString>, ReturnType<typeof peerIdFromString>];

function rig() {
  const gate = createAdmissionStates();
  const walks = createWalks();
  const dialled: string[] = [];
  const connection = (id: string): Connection => {
    const made = { status: 'open', newStream: async () => `stream to ${id}` };
    gate.admit(made as unknown as Connection);
    return made as unknown as Connection;
  };
  const link = connection('linked');
  const manager = {
    getConnections: (peer: unknown) => (String(peer) === String(LINKED) ? [link] : []),
    openConnection: async (peer: unknown) => {
      dialled.push(String(peer));
      return connection('dialled');
    },
  };
  const connections = linkedConnections(manager as never, gate, walks);
  return { walks, dialled, open: (peer: typeof LINKED) => connections.openStream(peer, '/kad') };
}

describe('the DHT', () => {
  it('asks those who are linked, and has nobody dialled while nobody is looked for', async () => {
    const { dialled, open } = rig();
    expect(await open(LINKED)).toBe('stream to linked');
    await expect(open(OTHER)).rejects.toThrow('no link');
    expect(dialled).toEqual([]);
  });

  it('has others dialled for as long as somebody is looked for', async () => {
    const { dialled, open, walks } = rig();
    expect(await walks.during(() => open(OTHER))).toBe('stream to dialled');
    expect(dialled).toEqual([String(OTHER)]);
    await expect(walks.during(() => Promise.reject(new Error('in vain')))).rejects.toThrow();
    await expect(open(OTHER)).rejects.toThrow('no link');
  });
});
