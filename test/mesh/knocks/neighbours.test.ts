/** Other meshes on the LAN: each is told once, and a LAN full of nodes costs little. */
import { EventEmitter } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import type { MeshId, PeerId } from '../../../src/core/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import { createNeighbours } from '../../../src/mesh/index.ts';
import type { NeighbourMesh, Neighbours } from '../../../src/mesh/index.ts';
import type { NetworkEvents } from '../../../src/network/index.ts';
import { createTestClock } from '../../core/test-clock.ts';

/** Of a node for each byte: keys cost, and a full LAN asks for thousands. */
const IDS = Array.from({ length: 256 }, (_, byte) => createIdentity(new Uint8Array(32).fill(byte)));
const idOf = (byte: number): ReturnType<typeof createIdentity> =>
  IDS[byte & 255] as ReturnType<typeof createIdentity>;
const OURS: MeshId = idOf(100).did;
const LAB: MeshId = idOf(101).did;

const running: Neighbours[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()));
});

interface Lan {
  readonly found: (byte: number, address?: string) => void;
  readonly pass: (ms: number) => Promise<void>;
  readonly asked: readonly string[];
  readonly told: readonly NeighbourMesh[];
  readonly watch: Neighbours;
}

/** A LAN on which each node is of the mesh that `meshOf` says; none means that it does not answer. */
async function lan(meshOf: (address: string) => MeshId | undefined, started = true): Promise<Lan> {
  const clock = createTestClock();
  const events = new EventEmitter<NetworkEvents>();
  const asked: string[] = [];
  const told: NeighbourMesh[] = [];
  const friends = new Set([idOf(1).peerId]);
  const watch = createNeighbours({
    network: { events, isConnected: (peer: PeerId) => friends.has(peer) },
    isMember: () => false,
    ownMesh: () => OURS,
    clock,
    logger: silentLogger,
    ask: async (address) => {
      asked.push(address);
      const mesh = meshOf(address);
      if (mesh === undefined) throw new Error('nobody is there');
      return { name: 'workstation', mesh, meshName: 'lab', open: false };
    },
  });
  running.push(watch);
  watch.events.on('mesh', (one) => told.push(one));
  if (started) await watch.start();
  return {
    found: (byte, address = `/ip4/192.168.77.${byte}/tcp/4040`) => {
      const { peerId: peer } = idOf(byte);
      events.emit('lan:node', { peer, addresses: [`${address}/p2p/${peer}`] });
    },
    async pass(ms) {
      for (let passed = 0; passed < ms; passed += 500) {
        clock.advance(500);
        // What was asked answers in the loop's next turns.
        for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
      }
    },
    asked,
    told,
    watch,
  };
}

describe('another mesh', () => {
  it('is told with its four words, a node and its address, once however many nodes it has', async () => {
    const { found, pass, told } = await lan(() => LAB);
    for (const byte of [10, 11, 12]) found(byte);
    await pass(20_000);
    for (const byte of [10, 11, 12]) found(byte);
    await pass(20_000);
    expect(told).toEqual([
      expect.objectContaining({
        meshName: 'lab',
        name: 'workstation',
        host: '192.168.77.10',
        open: false,
        fingerprint: expect.stringMatching(/^(\w{4} ){3}\w{4}$/) as string,
      }),
    ]);
  });

  it('is not one of ours: nodes of our own mesh are asked once and not told', async () => {
    const { found, pass, told, asked } = await lan(() => OURS);
    for (let count = 0; count < 10; count += 1) {
      found(10);
      await pass(5000);
    }
    expect(told).toEqual([]);
    expect(asked).toHaveLength(1);
  });

  it('is not looked for at peers that are connected', async () => {
    const { found, pass, asked } = await lan(() => LAB);
    found(1);
    await pass(10_000);
    expect(asked).toEqual([]);
  });
});

it('a LAN full of nodes is asked one after the other, each once in half an hour', async () => {
  const { found, pass, asked } = await lan(() => undefined);
  for (let second = 0; second < 600; second += 10) {
    for (let byte = 10; byte < 60; byte += 1) found(byte);
    await pass(10_000);
  }
  expect(new Set(asked).size).toBe(50);
  expect(asked).toHaveLength(50);
});

it('what is found while the node starts is asked once it has started', async () => {
  const { found, pass, asked, watch } = await lan(() => LAB, false);
  found(10);
  await pass(10_000);
  expect(asked).toEqual([]);
  await watch.start();
  await pass(10_000);
  expect(asked).toHaveLength(1);
});

it('nothing is asked once the node stops', async () => {
  const { found, pass, asked, watch } = await lan(() => LAB);
  found(10);
  await watch.stop();
  await pass(10_000);
  expect(asked).toEqual([]);
});
