/** Whole rooms of budgets of several nodes, over networks without sockets; owners ask each other for rights by calls. */
import { createHealth, silentLogger } from '../../src/core/index.ts';
import type { Did, Health, JsonObject, PeerId } from '../../src/core/index.ts';
import { createBudgets } from '../../src/budget/index.ts';
import { splitRowId } from '../../src/budget/rows/row-format.ts';
import type { Budgets } from '../../src/budget/index.ts';
import { createIdentity } from '../../src/identity/index.ts';
import type { Identity } from '../../src/identity/index.ts';
import type { PeerView } from '../../src/membership/index.ts';
import type { Network } from '../../src/network/index.ts';
import type { Table } from '../../src/store/index.ts';
import { calm, createHub } from '../blackboard/hub.ts';
import type { Hub } from '../blackboard/hub.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { TestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';

/** One node. */
export interface Room {
  readonly budgets: Budgets;
  readonly name: string;
  readonly did: Did;
  readonly peerId: PeerId;
  readonly identity: Identity;
  readonly network: Network;
  readonly health: Health;
  /** Texts that were signed. */
  signed: number;
  /** Questions for rights that it was asked. */
  asked: number;
  /** Writes of its books, each of which would be synced. */
  writes: number;
  isDiskFull: boolean;
  /** Members of which it has not heard yet. */
  readonly unheard: Set<Did>;
}

/** The nodes of one mesh. */
export interface Rooms {
  readonly all: readonly Room[];
  readonly clock: TestClock;
  readonly hub: Hub;
  /** Members that the mesh has recorded as put out. */
  readonly putOut: Set<Did>;
  /** Lets pass what waits a moment, and arrive what is under way. */
  settle(ms?: number): Promise<void>;
  stop(): Promise<void>;
}

/** Makes started rooms, called `n1`, `n2`, …, all of which are connected. */
export async function makeRooms(count: number): Promise<Rooms> {
  const clock = createTestClock(1_790_000_000_000);
  const hub = createHub();
  const all: Room[] = [];
  const putOut = new Set<Did>();
  const identities = Array.from({ length: count }, (_, at) =>
    createIdentity(new Uint8Array(32).map((__, place) => (place === 0 ? at + 1 : place))),
  );
  const peers = identities.map(
    ({ did, peerId }, at) =>
      ({ alias: `n${at + 1}`, did, peerId, lastHeartbeatAt: 0 }) as unknown as PeerView,
  );
  for (const [at, identity] of identities.entries()) {
    const { did, peerId } = identity;
    const room = { name: `n${at + 1}`, did, peerId, identity, network: hub.network(peerId) };
    const unheard = new Set<Did>();
    const counted = { signed: 0, asked: 0, writes: 0, isDiskFull: false, unheard };
    const made = Object.assign(room, counted, { health: createHealth() }) as Omit<
      Room,
      'budgets'
    > & { budgets: Budgets };
    made.budgets = createBudgets({
      table: tableOf(made),
      history: memoryTable(),
      signer: {
        did,
        sign: (message: Uint8Array) => identity.sign(message),
        signOften(message: Uint8Array) {
          made.signed += 1;
          return identity.signOften(message);
        },
      },
      successions: { origin: (one: Did) => one, current: (one: Did) => one },
      network: room.network,
      selfName: room.name,
      peers: () => peers.filter((peer) => peer.did !== did && !unheard.has(peer.did)),
      nameOf: (one) => peers.find((peer) => peer.did === one)?.alias,
      isPutOut: (one) => putOut.has(one),
      async callPeer(peer, _tool, args: JsonObject) {
        const donor = all.find(({ name }) => name === peer.alias);
        if (donor === undefined || !room.network.isConnected(donor.peerId)) {
          throw new Error('not there');
        }
        donor.asked += 1;
        // What the guard of a node lets peers ask for.
        if (!donor.budgets.mayHold(splitRowId(String(args['row']))?.id ?? '', did)) {
          throw new Error('no grant');
        }
        return donor.budgets.transfer(String(args['row']), did, Number(args['amount']));
      },
      clock,
      logger: silentLogger,
      health: made.health,
    });
    all.push(made);
    await made.budgets.start();
  }
  for (const [at, one] of all.entries()) {
    for (const other of all.slice(at + 1)) hub.connect(one.peerId, other.peerId);
  }
  const settle = async (ms = 100): Promise<void> => {
    await calm();
    clock.advance(ms);
    await calm();
  };
  await settle(3000);
  return {
    all,
    clock,
    hub,
    putOut,
    settle,
    async stop() {
      for (const { budgets } of all) await budgets.stop();
    },
  };
}

function tableOf(room: { writes: number; isDiskFull: boolean }): Table {
  const table = memoryTable();
  return {
    ...table,
    async batch(writes) {
      await new Promise((resolve) => setImmediate(resolve));
      if (room.isDiskFull) throw new Error('no space left on device');
      room.writes += 1;
      await table.batch(writes);
    },
  };
}
