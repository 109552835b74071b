/**
 * One case for each message that nodes exchange: what today's code writes, and what it reads from
 * the same bytes. All keys come from fixed seeds, and Ed25519 signs the same bytes the same way
 * (RFC 8032 §5.1.6), so that even signed texts can be compared.
 */
import { encode } from 'cborg';
import { inflateRawSync } from 'node:zlib';
import { base32 } from 'multiformats/bases/base32';
import { sealLine } from '../../src/audit/checkpoint.ts';
import type { Checkpoint } from '../../src/audit/index.ts';
import { Secret, silentLogger } from '../../src/core/index.ts';
import type { PeerId } from '../../src/core/index.ts';
import { createCertifier, readOnBehalfOf } from '../../src/gateway/clearance/on-behalf-of.ts';
import {
  decodeCheckpointMessage,
  encodeCheckpointMessage,
} from '../../src/membership/audit/checkpoint-messages.ts';
import { createIndirectProbe } from '../../src/membership/detection/indirect-probe.ts';
import { proofOf } from '../../src/mesh/tickets/ticket-check.ts';
import {
  decodeInviteAnswer,
  decodeInviteQuestion,
  encodeInviteAnswer,
  encodeInviteQuestion,
} from '../../src/mesh/tickets/invite-messages.ts';
import { encodeTicket, inviteSeed, parseTicket } from '../../src/mesh/tickets/ticket-short.ts';
import { createFrameDecoder, encodeLength } from '../../src/network/streams/framing.ts';
import {
  decodeHello,
  decodeHelloAnswer,
  encodeHello,
  encodeHelloAnswer,
} from '../../src/network/admission/hello-codec.ts';
import { OWN_VERSION, versionIn, versionRefusal } from '../../src/network/admission/versions.ts';
import type { Hello, HelloAnswer } from '../../src/network/index.ts';
import type { FrameListener } from '../../src/network/types.ts';
import { createTestClock } from '../core/test-clock.ts';
import { fakeNetwork } from './fake-stream.ts';
import type { Notes } from './fixture.ts';
import { DOCUMENT_CASES } from './document-cases.ts';
import { HEARTBEAT_CASES } from './heartbeat-cases.ts';
import { KNOCK_CASES } from './knock-cases.ts';
import { LINK_CASES, LINK_ONCE } from './link-cases.ts';
import { encodeLongTicket } from './long-ticket.ts';
import { MCP_CASES } from './mcp-cases.ts';
import { MODEL_CASES } from './model-cases.ts';
import { BOARD_CASES } from './board-cases.ts';
import { BUDGET_CASES } from './budget-cases.ts';
import { AGENT_PROOF_CASES } from './agent-proof-cases.ts';
import { BOARD_STREAM_CASES } from './board-stream-cases.ts';
import { EVENT_CASES } from './event-cases.ts';
import { KEY_NAME_CASES } from './key-name-cases.ts';
import { QUORUM_CASES } from './quorum-cases.ts';
import { RECORD_CASES } from './record-cases.ts';
import {
  mesh,
  founder,
  member,
  newcomer,
  invite,
  next,
  NOW_MS,
  clock,
  utf8,
  text,
  ROOT,
  INVITE,
} from './world.ts';
import type { WireCase } from './world.ts';

// ---------------------------------------------------------------- hello

const BARE: Hello = { version: 2, release: '0.2.0', name: 'laptop', time: NOW_MS, membership: [] };
const PROOF = proofOf(newcomer.peerId, founder.peerId, mesh.did, NOW_MS);
const WITH_INVITE: Hello = {
  ...BARE,
  mesh: mesh.did,
  invite: { grants: ['leaf.of.invite', 'parent.of.invite'], signature: invite.sign(PROOF) },
};
const WITH_SHORT_TICKET: Hello = {
  ...BARE,
  mesh: mesh.did,
  invite: { grants: [], signature: invite.sign(PROOF), key: invite.did, by: founder.peerId },
};
const OF_MEMBER: Hello = {
  version: 2,
  release: '0.2.0',
  mesh: mesh.did,
  name: 'workstation',
  time: NOW_MS,
  membership: ['leaf.of.member', 'root.of.mesh'],
  successions: ['old.to.new'],
};
const HELLO_NOTES: Notes = {
  version: 'version of the protocols; another one is refused by name',
  release: 'release of Starling, for people, at most 40 characters',
  speaks: 'the version that the refuser speaks, where that is the reason',
  mesh: 'did:key of the mesh; absent from whoever wants to be told',
  name: 'name that people see, at most 256 characters',
  time: "the sender's clock, ms since the epoch",
  membership: 'membership grants, leaf first, at most 32; empty for a newcomer',
  successions:
    'how the sender came to its key, oldest first, at most 64; absent when it never changed',
  invite: "a newcomer's proof that it holds an invite",
  grants: "the invite's grants, leaf first",
  key: "the invite's one-time key; its grants are none then, because members know the invite",
  by: 'PeerId of who made the ticket',
  signature: "by the invite's key over the proof below",
  ok: 'whether the other may stay',
  hello: 'the hello of whoever answers',
  issued: 'the membership that a newcomer was given, leaf first',
  code: 'a code of the error table',
  reason: 'for people',
  meshName: 'name of the mesh',
  open: 'whether the mesh does without tickets',
  succession: 'for a retired key: by what it was retired',
  ended: 'for who was put out: the revocation that ended its membership, or one above it',
};
const WELCOMES: readonly { readonly title: string; readonly welcome: HelloAnswer }[] = [
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
    title: 'a refusal of one that was put out',
    welcome: { ok: false, code: 'STARLING_JOIN_REFUSED', reason: 'it is revoked', ended: 'a.b.c' },
  },
  {
    title: 'a refusal that tells no more than why',
    welcome: { ok: false, code: 'STARLING_JOIN_REFUSED', reason: 'no ticket' },
  },
];

/** The version by which a message is refused. */
function refusedVersion(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    return versionIn(error);
  }
}

const hellos: readonly WireCase[] = [
  ...[
    { title: 'the hello of a node without a mesh', hello: BARE },
    { title: 'the hello of a newcomer with a ticket', hello: WITH_INVITE },
    { title: 'the hello of a newcomer with a short ticket', hello: WITH_SHORT_TICKET },
    { title: 'the hello of a member whose key was replaced', hello: OF_MEMBER },
  ].map(({ title, hello }): WireCase => ({
    file: 'hello',
    title,
    kind: 'cbor',
    notes: HELLO_NOTES,
    write: () => encodeHello(hello),
    read: (bytes) => decodeHello(bytes, founder.peerId),
    value: hello,
  })),
  ...WELCOMES.map(({ title, welcome }): WireCase => ({
    file: 'hello',
    title,
    kind: 'cbor',
    notes: HELLO_NOTES,
    write: () => encodeHelloAnswer(welcome),
    read: (bytes) => decodeHelloAnswer(bytes, founder.peerId),
    value: welcome,
  })),
  {
    file: 'hello',
    title: 'the hello of a node of version 1 (commit 6fb304d)',
    kind: 'cbor',
    notes: HELLO_NOTES,
    read: (bytes) => refusedVersion(() => decodeHello(bytes, newcomer.peerId)),
    value: { version: 1 },
  },
  {
    file: 'hello',
    title: 'a refusal by a node of version 1 (commit 6fb304d)',
    kind: 'cbor',
    notes: HELLO_NOTES,
    read: (bytes) => refusedVersion(() => decodeHelloAnswer(bytes, founder.peerId)),
    value: { version: 1 },
  },
  {
    file: 'hello',
    title: 'a refusal of a node of version 1',
    kind: 'cbor',
    notes: HELLO_NOTES,
    write: () =>
      encodeHelloAnswer({
        ok: false,
        code: 'STARLING_VERSION_UNSUPPORTED',
        reason: versionRefusal({ version: 1 }),
        speaks: OWN_VERSION,
      }),
    read: (bytes) => refusedVersion(() => decodeHelloAnswer(bytes, founder.peerId)),
    value: { version: 2, release: '0.2.0' },
  },
  {
    file: 'hello',
    title: 'the proof that the key of an invite signs',
    kind: 'text',
    write: () => PROOF,
    read: (bytes) => utf8(bytes).split('\n'),
    value: ['starling-hello-1', newcomer.peerId, founder.peerId, mesh.did, String(NOW_MS)],
  },
];

// ---------------------------------------------------------------- probe

const PROBE_NOTES: Notes = {
  id: 'number of the question, which its answer repeats',
  peer: 'PeerId of the peer that was lost',
  connected: 'whether that peer has answered a ping of the one who answers just now',
};

/** A node's witnesses, what they send as frames, and how they are sent frames. */
function witnessesOf(self: PeerId, peers: readonly PeerId[]) {
  const sent: Uint8Array[] = [];
  const listeners = new Map<string, FrameListener>();
  const network = Object.assign(fakeNetwork(self, peers), {
    ping: async () => 1,
    onFrame: (kind: string, listener: FrameListener) => {
      listeners.set(kind, listener);
      return () => undefined;
    },
    sendFrame: async (_: PeerId, __: string, payload: Uint8Array) => sent.push(payload) > 0,
  });
  const witnesses = createIndirectProbe({ network, clock, logger: silentLogger });
  witnesses.start();
  const hear = async (kind: string, bytes: Uint8Array, from: PeerId): Promise<void> => {
    listeners.get(kind)?.(bytes, from);
    for (let turn = 0; turn < 4; turn += 1) await new Promise((next) => setImmediate(next));
  };
  return { witnesses, sent, hear };
}

/** Asks, and gives the bytes of the question and what becomes of it once it is answered. */
function question() {
  const { hear, sent, witnesses } = witnessesOf(founder.peerId, []);
  const asked = witnesses.ask(newcomer.peerId, [member.peerId], 1000);
  const bytes = Buffer.from(sent[0] ?? []);
  const answered = async (answer: Uint8Array): Promise<boolean> => {
    await hear('probed', answer, member.peerId);
    return (await asked) === 1;
  };
  return { bytes, answered };
}

/** What a node that is connected to `peers` says to the question `bytes`. */
async function testify(bytes: Uint8Array, peers: readonly PeerId[]): Promise<Buffer> {
  const { hear, sent } = witnessesOf(member.peerId, peers);
  await hear('probe', bytes, founder.peerId);
  return Buffer.from(sent[0] ?? []);
}

const probes: readonly WireCase[] = [
  {
    file: 'probe',
    title: 'do you see this peer?',
    kind: 'cbor',
    notes: PROBE_NOTES,
    write: () => question().bytes,
    read: async (bytes) => ({
      seen: utf8(await testify(bytes, [newcomer.peerId])) === utf8(await answering(true)),
      unseen: utf8(await testify(bytes, [founder.peerId])) === utf8(await answering(false)),
    }),
    value: { seen: true, unseen: true },
  },
  ...[true, false].map((connected): WireCase => ({
    file: 'probe',
    title: connected ? 'yes, I do' : 'no, I do not',
    kind: 'cbor',
    notes: PROBE_NOTES,
    write: () => answering(connected),
    read: (bytes) => question().answered(bytes),
    value: connected,
  })),
];

function answering(connected: boolean): Promise<Buffer> {
  return testify(question().bytes, connected ? [newcomer.peerId] : []);
}

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
    write: () => inflateRawSync(base32.decode(`b${encodeLongTicket(TICKET).reveal().slice(9)}`)),
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
    value: { ...TICKET, expiresAt: INVITE.claims.exp },
  },
];

const SECRET = new Uint8Array(16).fill(7);
const SHORT_TICKET = {
  mesh: mesh.did,
  name: 'home',
  addresses: [
    `/ip4/192.0.2.7/tcp/4040/p2p/${founder.peerId}`,
    `/ip6/2001:db8::7/tcp/4040/p2p/${founder.peerId}`,
    `/ip4/192.0.2.7/tcp/4041/ws/p2p/${founder.peerId}`,
  ],
  expiresAt: 1_700_086_400,
  inviter: founder.peerId,
};
const shortTickets: readonly WireCase[] = [
  {
    file: 'short-ticket',
    title: 'what is inside, and its check',
    kind: 'hex',
    write: () =>
      base32.decode(
        `b${encodeTicket({ ...SHORT_TICKET, secret: SECRET })
          .reveal()
          .slice(9)}`,
      ),
    // The next case reads it: a ticket is never without its envelope.
    read: (bytes) => bytes.length > 0,
    value: true,
  },
  {
    file: 'short-ticket',
    title: 'the ticket',
    kind: 'text',
    write: () => text(encodeTicket({ ...SHORT_TICKET, secret: SECRET }).reveal()),
    read: (bytes) => parseTicket(new Secret(utf8(bytes))),
    value: { ...SHORT_TICKET, seed: inviteSeed(SECRET, mesh.did), grants: [] },
  },
];

const INVITE_NOTES: Notes = {
  key: "did:key of the invite's one-time key",
  newcomer: 'did:key of who has shown the ticket',
  ok: 'whether the newcomer may come in',
  invite: 'the invite, a record',
  spent: 'the record of its use by the newcomer',
  code: 'a code of the error table',
  reason: 'for people',
};
const QUESTION = { key: invite.did, newcomer: newcomer.did };
const inviteMessages: readonly WireCase[] = [
  {
    file: 'invite',
    title: 'may this newcomer come in?',
    kind: 'cbor',
    notes: INVITE_NOTES,
    write: () => encodeInviteQuestion(QUESTION),
    read: decodeInviteQuestion,
    value: QUESTION,
  },
  ...[
    { ok: true as const, invite: 'the.invite.sig', spent: 'its.use.sig' },
    { ok: false as const, code: 'STARLING_TICKET_SPENT', reason: 'this ticket was used before' },
  ].map((answer): WireCase => ({
    file: 'invite',
    title: answer.ok ? 'yes, and its use is counted' : 'no',
    kind: 'cbor',
    notes: INVITE_NOTES,
    write: () => encodeInviteAnswer(answer),
    read: decodeInviteAnswer,
    value: answer,
  })),
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
  read: (bytes) =>
    readOnBehalfOf(utf8(bytes), { issuer: member.did, self: member.did, nowMs: NOW_MS }),
  value: { onBehalfOf, endsAtMs: NOW_MS + (43_200 + 60) * 1000 },
});

const behalves: readonly WireCase[] = [
  behalf('for an agent that has proven its key', { kind: 'agent', did: next.did } as never, {
    did: next.did,
  }),
  behalf('for a client that is known by name', { kind: 'client', name: 'editor' } as never, {
    name: 'editor',
  }),
  behalf(
    'for an agent that the node runs, which works for a client of the node and for two others',
    {
      kind: 'client',
      name: 'agent:coder',
      worksFor: [
        { kind: 'client', name: 'ci' },
        { kind: 'peer', did: next.did },
        { kind: 'peer', did: next.did, onBehalfOf: { name: 'agent:b@se' } },
      ],
    } as never,
    {
      name: 'agent:coder',
      worksFor: [`client:ci@${member.did}`, next.did, `client:agent:b%40se@${next.did}`],
    },
  ),
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
  ...DOCUMENT_CASES,
  ...HEARTBEAT_CASES,
  ...RECORD_CASES,
  ...probes,
  ...BOARD_CASES,
  ...QUORUM_CASES,
  ...audits,
  ...tickets,
  ...shortTickets,
  ...inviteMessages,
  ...KNOCK_CASES,
  ...behalves,
  ...MCP_CASES,
  ...MODEL_CASES,
  ...LINK_CASES,
  ...BUDGET_CASES,
  ...BOARD_STREAM_CASES,
  ...EVENT_CASES,
  ...AGENT_PROOF_CASES,
  ...KEY_NAME_CASES,
];

/** Bytes for fixtures that no code writes twice the same; for `print.ts`. */
export const ONCE: ReadonlyMap<string, () => Uint8Array | Promise<Uint8Array>> = new Map<
  string,
  () => Uint8Array | Promise<Uint8Array>
>([
  [
    'hello: the hello of a node of version 1 (commit 6fb304d)',
    () => encode({ version: 1, name: 'laptop', time: NOW_MS, membership: [] }),
  ],
  [
    'hello: a refusal by a node of version 1 (commit 6fb304d)',
    () =>
      encode({
        ok: false,
        code: 'STARLING_VERSION_UNSUPPORTED',
        reason: 'This node speaks version 1 of the hello, the other one version 2',
      }),
  ],
  ...LINK_ONCE,
  ['ticket: the ticket', () => text(encodeLongTicket(TICKET).reveal())],
]);
