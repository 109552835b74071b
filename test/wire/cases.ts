/**
 * One case for each message that nodes exchange: what today's code writes, and what it reads from
 * the same bytes. All keys come from fixed seeds, and Ed25519 signs the same bytes the same way
 * (RFC 8032 §5.1.6), so that even signed texts can be compared.
 */
import { inflateRawSync } from 'node:zlib';
import { base32 } from 'multiformats/bases/base32';
import { sealLine } from '../../src/audit/checkpoint.ts';
import type { Checkpoint } from '../../src/audit/index.ts';
import {
  decodeGossip,
  decodeMessage,
  encodeGossip,
  encodeMessage,
} from '../../src/blackboard/codec.ts';
import { Secret, silentLogger } from '../../src/core/index.ts';
import type { PeerId } from '../../src/core/index.ts';
import { createCertifier, readBehalf } from '../../src/gateway/clearance/on-behalf-of.ts';
import { parseGrant, parseRevocation } from '../../src/grants/format/grant.ts';
import { issueGrant, issueRevocation } from '../../src/grants/format/issue.ts';
import { issueSuccession, parseSuccession } from '../../src/grants/format/succession.ts';
import { createIdentity } from '../../src/identity/index.ts';
import { decodeJws, encodeJws } from '../../src/identity/jws.ts';
import {
  decodeCheckpointMessage,
  encodeCheckpointMessage,
} from '../../src/membership/audit/checkpoint-messages.ts';
import { decodeHeartbeat, encodeHeartbeat } from '../../src/membership/heartbeat.ts';
import type { Heartbeat } from '../../src/membership/heartbeat.ts';
import { createWitnesses } from '../../src/membership/witness.ts';
import { proofOf } from '../../src/mesh/hello-proofs.ts';
import { createRecordSync } from '../../src/mesh/record-sync.ts';
import { readSpent } from '../../src/mesh/record-texts.ts';
import type { Records } from '../../src/mesh/records.ts';
import { encodeTicket, parseTicket } from '../../src/mesh/ticket.ts';
import { createFrameDecoder, encodeLength } from '../../src/network/framing.ts';
import { decodeHello, decodeWelcome, encodeHello, encodeWelcome } from '../../src/network/hello.ts';
import type { Hello, Welcome } from '../../src/network/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { fakeNetwork, fakeStream } from './fake-stream.ts';
import type { Notes } from './fixture.ts';

/** A message of a fixture. */
export interface WireCase {
  /** File in `test/fixtures/wire`, without its ending. */
  readonly file: string;
  readonly title: string;
  readonly kind: 'cbor' | 'framed' | 'text' | 'hex';
  readonly notes?: Notes;
  /** What today's code writes; absent where the bytes are not one, as said in the fixture. */
  readonly write?: () => Uint8Array | Promise<Uint8Array>;
  /** What today's code reads from the fixture's bytes, to be compared with `value`. */
  readonly read: (bytes: Uint8Array) => unknown;
  readonly value: unknown;
}

const [mesh, founder, member, newcomer, invite, next] = [1, 2, 3, 4, 5, 6].map((byte) =>
  createIdentity(new Uint8Array(32).fill(byte)),
) as [Identity, Identity, Identity, Identity, Identity, Identity];
type Identity = ReturnType<typeof createIdentity>;

const NOW_MS = 1_700_000_000_000;
const EXPIRES_AT = 1_731_536_000;
const random = (size: number): Uint8Array => new Uint8Array(size).fill(0xa5);
const clock = createTestClock(NOW_MS);
const resource = `mesh:${mesh.did}`;
const utf8 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const text = (value: string): Uint8Array => Buffer.from(value, 'utf8');

const ROOT = issueGrant(
  mesh,
  {
    aud: founder.did,
    sub: mesh.did,
    cap: [
      { resource, ability: 'mesh/join' },
      { resource, ability: 'mesh/invite' },
    ],
    expiresAt: EXPIRES_AT,
    maxDepth: 8,
  },
  NOW_MS,
  random,
);
const INVITE = issueGrant(
  founder,
  {
    aud: invite.did,
    sub: mesh.did,
    cap: [{ resource, ability: 'mesh/join' }],
    expiresAt: 1_700_086_400,
    parents: [ROOT],
  },
  NOW_MS,
  random,
);
const TOOL = issueGrant(
  founder,
  {
    aud: member.did,
    sub: founder.did,
    cap: [
      {
        resource: 'tool:files/*',
        ability: 'tool/call',
        caveats: { rate: { per_s: 2, burst: 5 } },
      },
    ],
    expiresAt: EXPIRES_AT,
    notBefore: 1_700_000_000,
    maxDepth: 1,
  },
  NOW_MS,
  random,
);

/** The bytes after the length, checked against it. */
function unframe(bytes: Uint8Array): Uint8Array {
  const messages: Uint8Array[] = [];
  const decoder = createFrameDecoder(1024 * 1024, (message) => messages.push(message));
  decoder.push(bytes);
  if (!decoder.atBoundary || messages.length !== 1) throw new Error('not one whole message');
  return messages[0] ?? new Uint8Array();
}

const isFramed = (bytes: Buffer): boolean => {
  try {
    unframe(bytes);
    return true;
  } catch {
    // More bytes are to come.
    return false;
  }
};

// ---------------------------------------------------------------- heartbeat

const HEARTBEAT: Heartbeat = {
  incarnation: 1_699_999_000_000,
  sequence: 300,
  status: 'up',
  records: '0123456789abcdef',
  presence: {
    name: 'workstation',
    version: '0.1.0',
    addresses: [`/ip4/192.0.2.7/tcp/4001/p2p/${member.peerId}`],
    load: 3,
    catalog: 'c0ffee',
    boards: { plans: 'beef01', 'team/notes': 'beef02' },
    audit: { seq: 70_000, hash: 'ab'.repeat(32), at: NOW_MS, sig: 'A'.repeat(86) },
  },
};
const LEAVING: Heartbeat = {
  incarnation: 1,
  sequence: 0,
  status: 'leaving',
  records: '',
  presence: { name: '', version: '', addresses: [], load: 0, catalog: '', boards: {} },
};
const HEARTBEAT_NOTES: Notes = {
  v: 'version of the heartbeat; another one is no heartbeat',
  inc: 'incarnation: when the process started, ms since the epoch; a later one refutes all before',
  seq: 'counts up within an incarnation; in `audit`: number of the line',
  status: '"up" or "leaving"',
  records: 'digest of the records that the sender keeps; a different one begins a sync',
  name: 'name that people see',
  version: 'version of the program',
  addrs: 'dialable multiaddrs, at most 6',
  load: 'calls under way',
  catalog: 'digest of what the sender offers; a different one is fetched anew',
  boards: 'digest of each board, at most 64',
  audit: 'where the audit log stands, a checkpoint without its did; absent when it is off',
};

const heartbeats: readonly WireCase[] = [
  { title: 'a heartbeat with all its fields', beat: HEARTBEAT },
  { title: 'the last heartbeat of a node that leaves', beat: LEAVING },
].map(({ title, beat }) => ({
  file: 'heartbeat',
  title,
  kind: 'cbor',
  notes: HEARTBEAT_NOTES,
  write: () => encodeHeartbeat(beat),
  read: decodeHeartbeat,
  value: beat,
}));

// ---------------------------------------------------------------- hello

const BARE: Hello = { version: 1, name: 'laptop', time: NOW_MS, membership: [] };
const PROOF = proofOf(newcomer.peerId, founder.peerId, mesh.did, NOW_MS);
const WITH_INVITE: Hello = {
  ...BARE,
  mesh: mesh.did,
  invite: { grants: ['leaf.of.invite', 'parent.of.invite'], signature: invite.sign(PROOF) },
};
const OF_MEMBER: Hello = {
  version: 1,
  mesh: mesh.did,
  name: 'workstation',
  time: NOW_MS,
  membership: ['leaf.of.member', 'root.of.mesh'],
  successions: ['old.to.new'],
};
const HELLO_NOTES: Notes = {
  version: 'version of the hello; another one is refused by name',
  mesh: 'did:key of the mesh; absent from whoever wants to be told',
  name: 'name that people see, at most 256 characters',
  time: "the sender's clock, ms since the epoch",
  membership: 'membership grants, leaf first, at most 32; empty for a newcomer',
  successions:
    'how the sender came to its key, oldest first, at most 64; absent when it never changed',
  invite: "a newcomer's proof that it holds an invite",
  grants: "the invite's grants, leaf first",
  signature: "by the invite's key over the proof below",
  ok: 'whether the other may stay',
  hello: 'the hello of whoever answers',
  issued: 'the membership that a newcomer was given, leaf first',
  code: 'a code of the error table',
  reason: 'for people',
  meshName: 'name of the mesh',
  open: 'whether the mesh does without tickets',
  succession: 'for a retired key: by what it was retired',
};
const WELCOMES: readonly { readonly title: string; readonly welcome: Welcome }[] = [
  {
    title: 'a welcome for a newcomer',
    welcome: { ok: true, hello: OF_MEMBER, issued: ['leaf.of.newcomer', 'root.of.mesh'] },
  },
  { title: 'a welcome for a member', welcome: { ok: true, hello: OF_MEMBER } },
  {
    title: 'a refusal',
    welcome: {
      ok: false,
      code: 'STARLING_KEY_RETIRED',
      reason: 'this key was replaced',
      mesh: mesh.did,
      meshName: 'home',
      open: false,
      succession: 'old.to.new',
    },
  },
  {
    title: 'a refusal that tells no more than why',
    welcome: { ok: false, code: 'STARLING_JOIN_REFUSED', reason: 'no ticket' },
  },
];

const hellos: readonly WireCase[] = [
  ...[
    { title: 'the hello of a node without a mesh', hello: BARE },
    { title: 'the hello of a newcomer with a ticket', hello: WITH_INVITE },
    { title: 'the hello of a member whose key was replaced', hello: OF_MEMBER },
  ].map(({ title, hello }): WireCase => ({
    file: 'hello',
    title,
    kind: 'cbor',
    notes: HELLO_NOTES,
    write: () => encodeHello(hello),
    read: decodeHello,
    value: hello,
  })),
  ...WELCOMES.map(({ title, welcome }): WireCase => ({
    file: 'hello',
    title,
    kind: 'cbor',
    notes: HELLO_NOTES,
    write: () => encodeWelcome(welcome),
    read: decodeWelcome,
    value: welcome,
  })),
  {
    file: 'hello',
    title: 'the proof that the key of an invite signs',
    kind: 'text',
    write: () => PROOF,
    read: (bytes) => utf8(bytes).split('\n'),
    value: ['starling-hello-1', newcomer.peerId, founder.peerId, mesh.did, String(NOW_MS)],
  },
];

// ---------------------------------------------------------------- records

const REVOCATION = issueRevocation(founder, TOOL, NOW_MS, 'left the team');
const SUCCESSION = issueSuccession(member, next, { mesh: mesh.did, keep: [TOOL] }, NOW_MS, random);
const SPENT = {
  iss: founder.did,
  jti: INVITE.claims.jti,
  aud: newcomer.did,
  iat: 1_700_000_000,
  exp: INVITE.claims.exp,
};
const SPENT_TYPE = 'starling-spent+jwt';

const jws = (
  title: string,
  write: () => string,
  read: (jws: string) => unknown,
  value: unknown,
): WireCase => ({
  file: 'records',
  title,
  kind: 'text',
  write: () => text(write()),
  read: (bytes) => read(utf8(bytes)),
  value,
});

const recordTexts: readonly WireCase[] = [
  jws(
    'the membership of a founder',
    () => ROOT.jws,
    (t) => parseGrant(t).claims,
    ROOT.claims,
  ),
  jws(
    'an invite, delegated from it',
    () => INVITE.jws,
    (t) => parseGrant(t).claims,
    INVITE.claims,
  ),
  jws(
    'a grant of a tool, with a caveat',
    () => TOOL.jws,
    (t) => parseGrant(t).claims,
    TOOL.claims,
  ),
  jws(
    'a revocation',
    () => REVOCATION.jws,
    (t) => parseRevocation(t).claims,
    REVOCATION.claims,
  ),
  jws(
    'an invite that was used',
    () => encodeJws(founder, SPENT_TYPE, SPENT),
    (t) => {
      const decoded = decodeJws(t, SPENT_TYPE);
      decoded.verify(founder.did);
      return readSpent(decoded.payload);
    },
    SPENT,
  ),
  jws(
    'a succession',
    () => SUCCESSION.jws,
    (t) => parseSuccession(t).claims,
    SUCCESSION.claims,
  ),
];

const RECORDS_PROTOCOL = '/starling/records/1';
const FIRST = ['00112233445566778899aabbccddeeff', 'first.record.sig'] as const;
const SECOND = ['ffeeddccbbaa99887766554433221100', 'second.record.sig'] as const;
const RECORDS_NOTES: Notes = {
  t: 'kind of the message',
  hashes: 'names of all records that the sender keeps: 32 hex digits of sha-256 over the JWS',
  jws: 'records that the receiver lacks, at most 1,024',
};

/** A member that keeps `kept`, asked to sync by a peer that is the test. */
function syncing(kept: readonly (readonly [string, string])[]): {
  readonly stream: ReturnType<typeof fakeStream>;
  readonly network: ReturnType<typeof fakeNetwork>;
  readonly taken: string[];
  readonly tell: (jws: string) => void;
} {
  const network = fakeNetwork(founder.peerId);
  const taken: string[] = [];
  let tell: (jws: string) => void = () => undefined;
  const records = {
    all: () => new Map(kept),
    digest: () => '',
    addAll: async (texts: readonly string[]) => {
      taken.push(...texts);
      return texts.length;
    },
    onAdded(listener: (jws: string) => void) {
      tell = listener;
      return () => undefined;
    },
  } as unknown as Records;
  createRecordSync({ network, records, clock, logger: silentLogger }).start();
  const stream = fakeStream(member.peerId);
  network.handlers.get(RECORDS_PROTOCOL)?.(stream);
  return { stream, network, taken, tell: (each) => tell(each) };
}

const whole = (stream: ReturnType<typeof fakeStream>): Promise<Buffer> => stream.wrote(isFramed);

/** What a member that keeps both records sends to whoever says `have`. */
async function answerTo(have: Uint8Array): Promise<Buffer> {
  const { stream } = syncing([FIRST, SECOND]);
  const own = await whole(stream);
  const closed = new Promise<void>((resolve) => stream.onEnd(() => resolve()));
  stream.push(have);
  await closed;
  return stream.written().subarray(own.length);
}

const haveOf = (kept: readonly (readonly [string, string])[]): Promise<Buffer> =>
  whole(syncing(kept).stream);

const recordMessages: readonly WireCase[] = [
  {
    file: 'records',
    title: 'what a member has, on a stream',
    kind: 'framed',
    notes: RECORDS_NOTES,
    write: () => haveOf([FIRST, SECOND]),
    read: async (bytes) => (await answerTo(bytes)).length,
    value: 0,
  },
  {
    file: 'records',
    title: 'what a member has that lacks one, on a stream',
    kind: 'framed',
    notes: RECORDS_NOTES,
    write: () => haveOf([FIRST]),
    read: async (bytes) => utf8(await answerTo(bytes)).includes(SECOND[1]),
    value: true,
  },
  {
    file: 'records',
    title: 'the record that it lacks, on a stream',
    kind: 'framed',
    notes: RECORDS_NOTES,
    write: async () => answerTo(await haveOf([FIRST])),
    async read(bytes) {
      const { stream, taken } = syncing([FIRST]);
      stream.push(bytes);
      stream.end();
      await Promise.resolve();
      return taken;
    },
    value: [SECOND[1]],
  },
  {
    file: 'records',
    title: 'new records, by gossip',
    kind: 'cbor',
    notes: RECORDS_NOTES,
    async write() {
      const { network, tell } = syncing([]);
      tell(FIRST[1]);
      tell(SECOND[1]);
      clock.advance(1000);
      return network.topics.get('event')?.published[0] ?? new Uint8Array();
    },
    read(bytes) {
      const { network, taken } = syncing([]);
      for (const listener of network.topics.get('event')?.listeners ?? []) {
        listener(bytes, member.peerId);
      }
      return taken;
    },
    value: [FIRST[1], SECOND[1]],
  },
];

// ---------------------------------------------------------------- probe

const PROBE_PROTOCOL = '/starling/probe/1';
const PROBE_NOTES: Notes = {
  peer: 'PeerId of the peer that was lost',
  connected: 'whether the one who answers is connected to that peer',
};

async function question(): Promise<{
  readonly stream: ReturnType<typeof fakeStream>;
  readonly answer: Promise<boolean>;
}> {
  const network = fakeNetwork(founder.peerId);
  const witnesses = createWitnesses({ network, clock, logger: silentLogger });
  const answer = witnesses.ask(newcomer.peerId, [member.peerId], 1000);
  await Promise.resolve();
  const stream = network.opened.find(({ protocol }) => protocol === PROBE_PROTOCOL)?.stream;
  if (stream === undefined) throw new Error('no stream was opened');
  await whole(stream);
  return { stream, answer };
}

/** What a node that is connected to `peers` says to the question `bytes`. */
function testify(bytes: Uint8Array, peers: readonly PeerId[]): Promise<Buffer> {
  const network = fakeNetwork(member.peerId, peers);
  createWitnesses({ network, clock, logger: silentLogger }).start();
  const stream = fakeStream(founder.peerId);
  network.handlers.get(PROBE_PROTOCOL)?.(stream);
  stream.push(bytes);
  return whole(stream);
}

const probes: readonly WireCase[] = [
  {
    file: 'probe',
    title: 'do you see this peer?',
    kind: 'framed',
    notes: PROBE_NOTES,
    write: async () => (await question()).stream.written(),
    read: async (bytes) => ({
      seen: utf8(await testify(bytes, [newcomer.peerId])) === utf8(await answering(true)),
      unseen: utf8(await testify(bytes, [founder.peerId])) === utf8(await answering(false)),
    }),
    value: { seen: true, unseen: true },
  },
  ...[true, false].map((connected): WireCase => ({
    file: 'probe',
    title: connected ? 'yes, I do' : 'no, I do not',
    kind: 'framed',
    notes: PROBE_NOTES,
    write: () => answering(connected),
    async read(bytes) {
      const { stream, answer } = await question();
      stream.push(bytes);
      return answer;
    },
    value: connected,
  })),
];

async function answering(connected: boolean): Promise<Buffer> {
  const { stream } = await question();
  return testify(stream.written(), connected ? [newcomer.peerId] : []);
}

// ---------------------------------------------------------------- boards

const BOARD_NOTES: Notes = {
  t: 'kind of the message',
  digests: 'digest of each board that the sender holds, by name',
  board: 'name of the board',
  vector: "the sender's state vector (Yjs): what it has of each client",
  digest: "the sender's digest of the board; empty when it has none",
  bytes: 'a part of an update that is longer than 256 KiB; the last part is an `update`',
  update: 'what the receiver lacks (Yjs update, V2 encoding); no bytes: nothing',
};
const BOARD_MESSAGES = [
  {
    title: 'which boards the sender holds',
    message: {
      t: 'digests',
      digests: new Map([
        ['plans', 'beef01'],
        ['team/notes', 'beef02'],
      ]),
    },
  },
  {
    title: 'what the sender has of a board',
    message: {
      t: 'state',
      board: 'plans',
      vector: Uint8Array.of(1, 0x85, 0x1e, 3),
      digest: 'beef01',
    },
  },
  { title: 'a part of a long update', message: { t: 'part', bytes: Uint8Array.of(1, 2, 3) } },
  { title: 'the last part of an update', message: { t: 'update', update: Uint8Array.of(4, 5) } },
  { title: 'nothing is missing', message: { t: 'update', update: new Uint8Array() } },
  { title: 'all is on disk', message: { t: 'done', digest: 'beef03' } },
] as const;

const boards: readonly WireCase[] = [
  ...BOARD_MESSAGES.map(({ title, message }): WireCase => ({
    file: 'board',
    title,
    kind: 'cbor',
    notes: BOARD_NOTES,
    write: () => encodeMessage(message),
    read: decodeMessage,
    value: message,
  })),
  {
    file: 'board',
    title: 'an update, by gossip',
    kind: 'cbor',
    notes: BOARD_NOTES,
    write: () => encodeGossip({ board: 'plans', update: Uint8Array.of(6, 7) }),
    read: decodeGossip,
    value: { board: 'plans', update: Uint8Array.of(6, 7) },
  },
];

// ---------------------------------------------------------------- audit

const CHECKPOINT: Checkpoint = sealLine(member, 'checkpoint', {
  seq: 70_000,
  hash: 'ab'.repeat(32),
  at: NOW_MS,
});
const AUDIT_NOTES: Notes = {
  t: 'kind of the message',
  of: 'checkpoints of the receiver that the sender has seen, at most 32',
  book: 'in `seen`: true asks for the checkpoints of others; in `standing`: those checkpoints, at most 1,024',
  differ: "numbers of lines that are not in the sender's log as the receiver has seen them",
  seq: 'number of the line',
  hash: 'sha-256 of the line, hex',
  at: 'when it was signed, ms since the epoch',
  did: 'whose log',
  sig: 'signature over the lines below, base64url',
};
const AUDIT_MESSAGES = [
  {
    title: 'what the sender has seen of the receiver',
    message: { t: 'seen', of: [CHECKPOINT], book: true },
  },
  { title: 'the answer', message: { t: 'standing', differ: [69_999, 70_000], book: [CHECKPOINT] } },
  { title: 'the answer when all is well', message: { t: 'standing', differ: [], book: [] } },
] as const;

const audits: readonly WireCase[] = AUDIT_MESSAGES.map(({ title, message }) => ({
  file: 'audit',
  title,
  kind: 'cbor',
  notes: AUDIT_NOTES,
  write: () => encodeCheckpointMessage(message),
  read: decodeCheckpointMessage,
  value: message,
}));

// ---------------------------------------------------------------- ticket

const TICKET = {
  mesh: mesh.did,
  name: 'home',
  addresses: [`/ip4/192.0.2.7/tcp/4001/p2p/${founder.peerId}`],
  seed: new Uint8Array(32).fill(5),
  grants: [INVITE, ROOT],
};
const TICKET_NOTES: Notes = {
  mesh: 'did:key of the mesh',
  name: 'name of the mesh',
  addrs: 'multiaddrs of members, at most 6',
  invite: 'what makes it a secret',
  seed: "seed of the invite's one-time key",
  grants: 'leaf first; each is [payload, signature], because the header is always the same',
};

const tickets: readonly WireCase[] = [
  {
    file: 'ticket',
    title: 'what is inside',
    kind: 'cbor',
    notes: TICKET_NOTES,
    write: () => inflateRawSync(base32.decode(`b${encodeTicket(TICKET).reveal().slice(9)}`)),
    // The next case reads it: a ticket is never without its envelope.
    read: (bytes) => bytes.length > 0,
    value: true,
  },
  {
    // Another zlib may deflate to other bytes, so that only reading is compared.
    file: 'ticket',
    title: 'the ticket',
    kind: 'text',
    read: (bytes) => parseTicket(new Secret(utf8(bytes))),
    value: TICKET,
  },
];

// ---------------------------------------------------------------- on behalf of

const behalf = (title: string, principal: never, onBehalfOf: unknown): WireCase => ({
  file: 'on-behalf-of',
  title,
  kind: 'text',
  write: () =>
    text(
      createCertifier({ signer: member, clock: createTestClock(NOW_MS) }).certify(principal) ?? '',
    ),
  read: (bytes) => readBehalf(utf8(bytes), { issuer: member.did, nowMs: NOW_MS }),
  value: { onBehalfOf, endsAtMs: NOW_MS + (43_200 + 60) * 1000 },
});

const behalves: readonly WireCase[] = [
  behalf('for an agent that has proven its key', { kind: 'agent', did: next.did } as never, {
    did: next.did,
  }),
  behalf('for a client that is known by name', { kind: 'client', name: 'editor' } as never, {
    name: 'editor',
  }),
];

// ---------------------------------------------------------------- framing

const framing: readonly WireCase[] = [0, 1, 127, 128, 300, 16_384].map((length) => ({
  file: 'framing',
  title: `the length ${length}`,
  kind: 'hex',
  write: () => encodeLength(length),
  read(bytes) {
    const lengths: number[] = [];
    const decoder = createFrameDecoder(20_000, (message) => lengths.push(message.length));
    decoder.push(bytes);
    decoder.push(new Uint8Array(length));
    return lengths;
  },
  value: [length],
}));

/** Every case, in the order of its fixture. */
export const CASES: readonly WireCase[] = [
  ...framing,
  ...hellos,
  ...heartbeats,
  ...recordTexts,
  ...recordMessages,
  ...probes,
  ...boards,
  ...audits,
  ...tickets,
  ...behalves,
];

/** Bytes for fixtures that no code writes twice the same; for `print.ts`. */
export const ONCE: ReadonlyMap<string, () => Uint8Array> = new Map([
  ['ticket: the ticket', () => text(encodeTicket(TICKET).reveal())],
]);
