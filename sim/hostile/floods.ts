/** What members do. */
import { randomBytes } from 'node:crypto';
import { encode } from 'cborg';
import { Doc } from 'yjs';
import { pause, turn } from './attack.ts';
import { topicPrefix } from '../../src/testing.ts';
import type { PeerStream } from '../../src/testing.ts';
import type { Attack, AttackTools } from './attack.ts';
import type { Member } from './member.ts';
import { MESHSUB, controlRpc, message, rpc } from './pubsub.ts';

const RETRY_MS = 10;
/** Messages in one RPC. */
const BATCH = 16;
const FLOODS = 'floods gossip';

/** What `status` says of mallory: one or more of the deeds that are given, with `|` between. */
export function saidOf(deeds: string): RegExp {
  return new RegExp(`peer mallory .*(${deeds})`);
}

/** Writes gossip by hand: `data` gives each message's topic and bytes, and who is said to have written it. */
function gossip(
  name: string,
  title: string,
  deed: string,
  make: (member: Member, tools: AttackTools) => () => Gossiped,
): Attack {
  return {
    name,
    title: `member: ${title}`,
    said: saidOf(deed),
    async run(tools) {
      const { target, signal, act } = tools;
      const member = await tools.member();
      const next = make(member, tools);
      while (!signal.aborted) {
        const stream = await openTo(member, target, MESHSUB, signal);
        if (stream !== undefined) await pour(stream, () => batchOf(member, next, act), signal);
      }
    },
  };
}

function batchOf(member: Member, next: () => Gossiped, act: () => void): Uint8Array {
  const messages: Uint8Array[] = [];
  for (let count = 0; count < BATCH; count += 1) {
    messages.push(messageOf(member, next()));
    act();
  }
  return rpc(messages);
}

/** Writes as fast as the other end reads, until the stream ends. */
export async function pour(
  stream: PeerStream,
  next: () => Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  stream.onEnd(() => over.abort());
  while (!over.signal.aborted && !signal.aborted) {
    if (!stream.write(next())) {
      await Promise.race([stream.drained().catch(() => undefined), pause(1000, signal)]);
    }
    // Also then: a stream that is closing takes nothing, and has room all the same.
    await turn();
  }
  stream.abort(new Error('enough'));
}

interface Gossiped {
  readonly topic: string;
  readonly data: Uint8Array;
  /** Public key of a member whose name is forged. */
  readonly author?: Uint8Array;
  /** The bytes of a message that is sent once more. */
  readonly again?: Uint8Array;
}

let seqno = BigInt(Date.now()) << 20n;

function messageOf(member: Member, { topic, data, author, again }: Gossiped): Uint8Array {
  if (again !== undefined) return again;
  seqno += 1n;
  const common = { topic: topicPrefix(member.meshId) + topic, data, seqno };
  return author === undefined
    ? message({ ...common, author: member.publicKey, sign: (bytes) => member.sign(bytes) })
    : message({ ...common, author });
}

/** A stream to the target; connects anew when that is needed, and waits a moment when it is refused. */
export async function openTo(
  member: Member,
  target: AttackTools['target'],
  protocol: string,
  signal: AbortSignal,
): ReturnType<typeof tryOpen> {
  const stream = await tryOpen(member, target, protocol);
  if (stream === undefined) await pause(RETRY_MS, signal);
  return stream;
}

/** Connects again when the connection was closed; false where that failed, a while later. */
export async function isConnected(
  member: Member,
  target: AttackTools['target'],
  signal: AbortSignal,
): Promise<boolean> {
  try {
    if (!member.network.isConnected(target.peerId as never)) {
      await member.connect(target.addresses[0] ?? '');
    }
    return true;
  } catch {
    await pause(RETRY_MS, signal);
    return false;
  }
}

async function tryOpen(
  member: Member,
  target: AttackTools['target'],
  protocol: string,
): Promise<Awaited<ReturnType<Member['open']>> | undefined> {
  try {
    if (!member.network.isConnected(target.peerId as never)) {
      await member.connect(target.addresses[0] ?? '');
    }
    return await member.open(target.peerId, protocol);
  } catch {
    return undefined;
  }
}

let sequence = 0;

/** A heartbeat that is well formed, and in which everything changes that may. */
export function heartbeat(more: Readonly<Record<string, unknown>> = {}): Uint8Array {
  sequence += 1;
  return encode({
    v: 1,
    inc: STARTED,
    seq: sequence,
    status: 'up',
    records: String(sequence),
    name: 'mallory',
    version: '0.1.0',
    addrs: [`/ip4/127.0.0.1/tcp/${1 + (sequence % 65_000)}`],
    load: sequence % 100,
    catalog: String(sequence),
    boards: { notes: String(sequence) },
    ...more,
  });
}

const STARTED = Date.now();

const heartbeats = gossip('heartbeats', 'well-formed heartbeats', FLOODS, () => () => ({
  topic: 'heartbeat',
  data: heartbeat(),
}));

const forged = gossip(
  'forged-heartbeats',
  'heartbeats in the names of others',
  'forges gossip',
  (_, tools) => {
    const keys = tools.target.members.map(keyOf);
    let count = 0;
    return () => {
      count += 1;
      return {
        topic: 'heartbeat',
        data: heartbeat(),
        author: keys[count % keys.length] ?? keyOf(''),
      };
    };
  },
);

const boardUpdates = gossip('board-updates', 'updates of a board', FLOODS, () => {
  const doc = new Doc();
  let last: Uint8Array = new Uint8Array(0);
  doc.on('updateV2', (made: Uint8Array) => {
    last = made;
  });
  let count = 0;
  return () => {
    count += 1;
    doc.transact(() => {
      if (count === 1) doc.getMap('lane').set('head', { b: 1, r: [], a: [] });
      const entry = { v: `value ${count}`, m: Date.now(), i: count };
      doc.getMap('e').set(`key${count % 1000}`, entry);
    });
    const update = encode([2, [[null, doc.clientID, 1, last]]]);
    return { topic: 'board2', data: encode({ board: 'notes', update }) };
  };
});

const junk = gossip('junk-gossip', 'random gossip of 60 kB', 'breaks the protocols', () => {
  const bytes = randomBytes(64 * 1024);
  let count = 0;
  return () => {
    count += 1;
    bytes.writeUInt32BE(count, 0);
    return { topic: 'board2', data: bytes.subarray(0, 60_000) };
  };
});

const made = gossip('made-up-boards', 'boards and digests that do not exist', FLOODS, () => {
  let count = 0;
  return () => {
    const boards: Record<string, string> = {};
    for (let at = 0; at < 64; at += 1) boards[`board${count++}`] = randomBytes(8).toString('hex');
    return { topic: 'heartbeat', data: heartbeat({ boards }) };
  };
});

const replays = gossip('replays', 'the same hundred messages again and again', FLOODS, (member) => {
  const kept: Uint8Array[] = [];
  let count = 0;
  return () => {
    count += 1;
    const at = count % 100;
    kept[at] ??= messageOf(member, { topic: 'heartbeat', data: heartbeat() });
    return { topic: 'heartbeat', data: new Uint8Array(0), again: kept[at] };
  };
});

/** The public key in the text of a PeerId: base58btc of a prefix of six bytes and the key. */
function keyOf(peerId: string): Uint8Array {
  const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
  let value = 0n;
  for (const letter of peerId) value = value * 58n + BigInt(Math.max(0, ALPHABET.indexOf(letter)));
  return Buffer.from(value.toString(16).padStart(76, '0').slice(-64), 'hex');
}

const control: Attack = {
  name: 'gossip-control',
  title: 'member: offers, wants, grafts and prunes of gossip without end',
  said: saidOf(FLOODS),
  async run(tools) {
    const { target, signal, act } = tools;
    const member = await tools.member();
    let count = 0;
    const next = (): Uint8Array => {
      act();
      const topics = ['heartbeat', 'board2', 'event', `made${(count += 1)}`].map(
        (name) => topicPrefix(member.meshId) + name,
      );
      return controlRpc({ topics, ids: Array.from({ length: 200 }, () => randomBytes(40)) });
    };
    while (!signal.aborted) {
      const stream = await openTo(member, target, MESHSUB, signal);
      if (stream !== undefined) await pour(stream, next, signal);
    }
  },
};

/** What members do by gossip. */
export const floods: readonly Attack[] = [
  heartbeats,
  forged,
  boardUpdates,
  junk,
  made,
  replays,
  control,
];
