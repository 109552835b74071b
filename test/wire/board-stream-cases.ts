/** Updates of boards on the stream that two nodes have for all their boards. */
import { encodeGossip } from '../../src/blackboard/sync/codec.ts';
import type { GossipUpdate } from '../../src/blackboard/sync/codec.ts';
import { ROAD_PROTOCOL, createUpdateRoad } from '../../src/blackboard/sync/update-road.ts';
import type { UpdateRoad } from '../../src/blackboard/sync/update-road.ts';
import { createScope, silentLogger } from '../../src/core/index.ts';
import { createFrameDecoder } from '../../src/network/streams/framing.ts';
import { fakeNetwork, fakeStream } from './fake-stream.ts';
import type { FakeNetwork } from './fake-stream.ts';
import type { Notes } from './fixture.ts';
import { clock, founder, member, whole } from './world.ts';
import type { WireCase } from './world.ts';

const UPDATE_NOTES: Notes = {
  board: 'name of the board',
  update: 'parts of lanes, as in board.hex; null: of the sender',
  access: 'of a board that is not open: the digest of the records by which the sender judges',
};
const PART = { did: member.did, client: 7, gen: 1, update: Uint8Array.of(6, 7) };
const UPDATE = Uint8Array.of(0x82, 2, 0x81, 0x84, 0xf6, 7, 1, 0x42, 6, 7);
const CLOSED = `plans@${member.did.slice(8)}`;

/** A node's road of updates, its network, and what it heard. */
function road(access?: string): {
  readonly road: UpdateRoad;
  readonly network: FakeNetwork;
  readonly heard: GossipUpdate[];
} {
  const network = Object.assign(fakeNetwork(member.peerId, [founder.peerId]), {
    isConnected: () => true,
    report: () => undefined,
  });
  const heard: GossipUpdate[] = [];
  const made = createUpdateRoad({
    network,
    clock,
    logger: silentLogger,
    scope: createScope(clock),
    self: member.did,
    encode: (board, update) =>
      encodeGossip({ board, update, ...(access === undefined ? {} : { access }) }),
    heard: (_, sent) => heard.push(sent),
    mayLack: () => undefined,
  });
  return { road: made, network, heard };
}

async function sent(board: string, access?: string): Promise<Buffer> {
  const { network, road: way } = road(access);
  way.send([founder.peerId], board, PART);
  // The stream is open at the end of this turn.
  await new Promise((resolve) => setImmediate(resolve));
  const [opened] = network.opened;
  if (opened?.protocol !== ROAD_PROTOCOL) throw new Error('no stream of updates was opened');
  return whole(opened.stream);
}

/** What is heard of so many messages, and what is said to that. */
function hear(
  bytes: Uint8Array,
  count: number,
): { readonly heard: readonly GossipUpdate[]; readonly said: Buffer } {
  const { heard, network } = road();
  const stream = fakeStream(founder.peerId);
  network.handlers.get(ROAD_PROTOCOL)?.(stream);
  for (let at = 0; at < count; at += 1) stream.push(bytes);
  return { heard, said: stream.written() };
}

/** How many updates go out with the credit that a stream begins with, and how many once the peer says `credit`. */
async function sentWith(credit: Uint8Array): Promise<readonly number[]> {
  const { network, road: way } = road();
  for (let at = 0; at < 100; at += 1) way.send([founder.peerId], `plans${at}`, PART);
  await new Promise((resolve) => setImmediate(resolve));
  const stream = network.opened[0]?.stream ?? fakeStream(founder.peerId);
  const count = async (): Promise<number> => {
    await new Promise((resolve) => setImmediate(resolve));
    let messages = 0;
    createFrameDecoder(64 * 1024, () => (messages += 1)).push(stream.written());
    return messages;
  };
  const before = await count();
  stream.push(credit);
  return [before, await count()];
}

/** The cases of these updates, in their order. */
export const BOARD_STREAM_CASES: readonly WireCase[] = [
  {
    file: 'board-updates',
    title: 'an update of an open board',
    kind: 'framed',
    notes: UPDATE_NOTES,
    write: () => sent('plans'),
    read: (bytes) => hear(bytes, 1).heard,
    value: [{ board: 'plans', update: UPDATE }],
  },
  {
    file: 'board-updates',
    title: 'an update of a board that is not open',
    kind: 'framed',
    notes: UPDATE_NOTES,
    write: () => sent(CLOSED, 'beef01'),
    read: (bytes) => hear(bytes, 1).heard,
    value: [{ board: CLOSED, update: UPDATE, access: 'beef01' }],
  },
  {
    file: 'board-updates',
    title: 'sixteen messages were read',
    kind: 'hex',
    write: async () => hear(await sent('plans'), 16).said,
    read: sentWith,
    value: [64, 80],
  },
];
