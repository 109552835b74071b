/** Updates of boards on their stream, what agents tell all, what nodes sign for agents, and the names of a key. */
import { createMeshEvents } from '../../src/agents/events/events.ts';
import type { MeshEvents } from '../../src/agents/events/events.ts';
import {
  createSpreadProofs,
  digestOf,
  signSpread,
} from '../../src/agents/directory/spread-proof.ts';
import { encodeGossip } from '../../src/blackboard/sync/codec.ts';
import type { GossipUpdate } from '../../src/blackboard/sync/codec.ts';
import { ROAD_PROTOCOL, createUpdateRoad } from '../../src/blackboard/sync/update-road.ts';
import type { UpdateRoad } from '../../src/blackboard/sync/update-road.ts';
import { createScope, silentLogger } from '../../src/core/index.ts';
import { OPERATOR } from '../../src/guard/index.ts';
import {
  didFromPublicKey,
  peerIdFromPublicKey,
  publicKeyFromDid,
  publicKeyFromPeerId,
} from '../../src/identity/did.ts';
import { createFrameDecoder } from '../../src/network/streams/framing.ts';
import { isBallot, signBallot } from '../../src/tasks/worker/ballot.ts';
import { createTestClock } from '../core/test-clock.ts';
import { fakeNetwork, fakeStream } from './fake-stream.ts';
import type { FakeNetwork } from './fake-stream.ts';
import type { Notes } from './fixture.ts';
import { NOW_MS, clock, founder, member, newcomer, text, utf8, whole } from './world.ts';
import type { WireCase } from './world.ts';

// ---------------------------------------------------------------- updates of boards

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

const updates: readonly WireCase[] = [
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

// ---------------------------------------------------------------- events

/** A node that is called `laptop`, its events, and its network; it calls whoever tells something `box`. */
function teller(): { readonly events: MeshEvents; readonly network: FakeNetwork } {
  const network = fakeNetwork(founder.peerId);
  const events = createMeshEvents({
    topic: network.topic('events'),
    self: { name: 'laptop' },
    aliasOf: () => 'box',
    isElsewhere: () => false,
    log: { keep: async () => undefined, since: async () => [] },
    nameOf: () => undefined,
    clock: createTestClock(NOW_MS),
    random: () => 0.25,
    logger: silentLogger,
  });
  events.start();
  return { events, network };
}

const toldCase = (title: string, from: string | undefined, subject: string): WireCase => ({
  file: 'events',
  title,
  kind: 'text',
  async write() {
    const { events, network } = teller();
    await events.tell(OPERATOR, { subject, message: { done: 1 }, from });
    return network.topics.get('events')?.published[0] ?? new Uint8Array();
  },
  async read(bytes) {
    const { events, network } = teller();
    for (const hears of network.topics.get('events')?.listeners ?? []) hears(bytes, member.peerId);
    const read = await events.read({ limit: 10, waitMs: 0 }, new AbortController().signal);
    return read.events.map((one) => ({
      from: one.from,
      subject: one.subject,
      at: one.at,
      message: one.message,
    }));
  },
  value: [
    {
      from: from === undefined ? 'box' : `${from}@box`,
      subject,
      at: new Date(NOW_MS).toISOString(),
      message: { done: 1 },
    },
  ],
});

// ---------------------------------------------------------------- signed for agents

const BALLOT_OF = { taskId: 'task_1_a', token: 3, agent: 'critic' };
const RESULT = { verdict: { best: 'b', sure: true }, why: 'it is shorter' };
const SPREAD = {
  spread: 'AAAAAAAAAAAAAAAAAAAAAA',
  agent: 'critic',
  kind: 'reviewer',
  on: [founder.did, newcomer.did],
  terms: digestOf('{"kind":"reviewer"}'),
};

const signed: readonly WireCase[] = [
  {
    file: 'spread',
    title: 'these parts are one agent',
    kind: 'text',
    write: () => text(signSpread(founder, SPREAD)),
    read: (bytes) => createSpreadProofs().read(utf8(bytes)),
    value: { iss: founder.did, ...SPREAD },
  },
  {
    file: 'ballot',
    title: 'what an agent has chosen',
    kind: 'text',
    write: () => text(signBallot(member, BALLOT_OF, RESULT) ?? ''),
    read: (bytes) => [RESULT, 'b'].map((one) => isBallot(utf8(bytes), member.did, BALLOT_OF, one)),
    value: [true, false],
  },
];

// ---------------------------------------------------------------- names of one key

const names: readonly WireCase[] = [
  {
    file: 'key',
    title: 'the key: 32 bytes',
    kind: 'hex',
    write: () => founder.publicKey,
    read: (bytes) => [peerIdFromPublicKey(bytes), didFromPublicKey(bytes)],
    value: [founder.peerId, founder.did],
  },
  {
    file: 'key',
    title: 'as a PeerId',
    kind: 'text',
    write: () => text(founder.peerId),
    read: (bytes) => publicKeyFromPeerId(utf8(bytes)),
    value: founder.publicKey,
  },
  {
    file: 'key',
    title: 'as a DID',
    kind: 'text',
    write: () => text(founder.did),
    read: (bytes) => publicKeyFromDid(utf8(bytes)),
    value: founder.publicKey,
  },
];

/** The cases of these files, in their order. */
export const TOLD_CASES: readonly WireCase[] = [
  ...updates,
  toldCase('a node tells all', undefined, 'broadcast'),
  toldCase('an agent tells all', 'coder', 'agent.coder.events'),
  ...signed,
  ...names,
];
