/** Messages about boards, as they are on the wire. */
import {
  decodeGossip,
  decodeMessage,
  encodeGossip,
  encodeMessage,
} from '../../src/blackboard/sync/codec.ts';
import { inspectUpdate } from '../../src/blackboard/lanes/inspect-update.ts';
import type { Head } from '../../src/blackboard/lanes/lane-format.ts';
import { fillLane, wholeOf } from '../../src/blackboard/lanes/lane.ts';
import { LIMITS } from '../../src/blackboard/limits.ts';
import { decodeUpdate, encodeUpdate, encodeVector } from '../../src/blackboard/lanes/update.ts';
import type { Update } from '../../src/blackboard/lanes/update.ts';
import type { Notes } from './fixture.ts';
import { NOW_MS, member, newcomer } from './world.ts';
import type { WireCase } from './world.ts';

const BOARD_NOTES: Notes = {
  t: 'kind of the message',
  digests: 'digest of each board that the sender holds, by name',
  board: 'name of the board',
  vector:
    "the sender's vector, CBOR: [[did, client, gen, clock], …], what it has seen of each lane",
  digest: "the sender's digest of the board; empty when it has none",
  update: 'what the receiver lacks, as below; no bytes: nothing',
  more: 'another piece follows',
  of: 'how many changes all pieces bring',
  records: 'signed texts, see above',
  holds: 'the sender holds the board, or wants to',
  isKept: 'the sender has all of that, and stays',
};
const BOARD_MESSAGES = [
  {
    title: 'which boards the sender holds',
    message: {
      t: 'digests',
      digests: new Map([
        ['plans', 'beef01'],
        ['team.notes', 'beef02'],
      ]),
    },
  },
  {
    title: 'what the sender has of a board',
    message: {
      t: 'state',
      board: 'plans',
      vector: Uint8Array.from(encodeVector([{ did: member.did, client: 7, gen: 1, clock: 3 }])),
      digest: 'beef01',
    },
  },
  {
    title: 'a piece of what is missing',
    message: { t: 'update', update: Uint8Array.of(4, 5), more: true },
  },
  {
    title: 'a piece of much that is missing',
    message: { t: 'update', update: Uint8Array.of(4, 5), more: true, of: 3000 },
  },
  { title: 'nothing is missing', message: { t: 'update', update: new Uint8Array(), more: false } },
  {
    title: 'by which records a board is judged',
    message: { t: 'access', board: `plans@${member.did.slice(8)}`, records: ['a.b.c'] },
  },
  { title: 'all is on disk', message: { t: 'done', digest: 'beef03' } },
  {
    title: 'what the sender has of a board that it holds on demand',
    message: {
      t: 'state',
      board: `archive@${member.did.slice(8)}`,
      vector: Uint8Array.from(encodeVector([])),
      digest: '.beef04',
      holds: true,
    },
  },
  {
    title: 'who lets go of a board asks whether the other keeps it',
    message: {
      t: 'leave',
      board: `archive@${member.did.slice(8)}`,
      vector: Uint8Array.from(encodeVector([{ did: member.did, client: 7, gen: 1, clock: 3 }])),
    },
  },
  { title: 'the board is kept', message: { t: 'kept', isKept: true } },
] as const;

const MESSAGES: readonly WireCase[] = [
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

const HEAD: Head = { base: 1, replaces: [], after: [], adopts: [] };

/** An update of a lane: one entry set, one that another had written first and that ends, one deleted. */
const LANE_UPDATE = Uint8Array.from(
  wholeOf(
    fillLane({ did: member.did, client: 7, gen: 1 }, HEAD, [
      { key: 'goal', raw: { v: { ship: true }, m: NOW_MS, i: 4, s: [123, 4] } },
      { key: 'old', raw: { v: 1, m: NOW_MS, n: 1, i: 5, u: NOW_MS + 5, b: newcomer.did } },
      { key: 'gone', raw: { m: NOW_MS + 1, i: 6 } },
    ]),
  ),
);

const UPDATE: Update = {
  isWhole: false,
  parts: [
    { did: member.did, client: 7, gen: 1, update: LANE_UPDATE },
    {
      did: member.did,
      client: 7,
      gen: 2,
      making: {
        head: {
          base: 3,
          replaces: [{ client: 7, gen: 1, clock: 4 }],
          after: [{ client: 9, gen: 1, clock: 2 }],
          adopts: [],
        },
        sources: [{ client: 7, gen: 1, clock: 4, leftOut: [3] }],
      },
    },
  ],
};

const UPDATES: readonly WireCase[] = [
  {
    file: 'board',
    title: 'an update: of a lane, and how another is made from it',
    kind: 'cbor',
    notes: {},
    write: () => encodeUpdate(UPDATE),
    read: (bytes) => decodeUpdate(bytes),
    value: UPDATE,
  },
  {
    file: 'board',
    title: 'an update of a lane, as Yjs writes it (V2)',
    kind: 'hex',
    write: () => LANE_UPDATE,
    read: (bytes) => inspectUpdate(bytes, LIMITS, 10)?.update,
    value: LANE_UPDATE,
  },
];

/** The cases of `board.hex`. */
export const BOARD_CASES: readonly WireCase[] = [...MESSAGES, ...UPDATES];
