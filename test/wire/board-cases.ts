/** Messages about boards, as they are on the wire. */
import {
  decodeGossip,
  decodeMessage,
  encodeGossip,
  encodeMessage,
} from '../../src/blackboard/codec.ts';
import { LIMITS } from '../../src/blackboard/limits.ts';
import { decodeUpdate, encodeUpdate, encodeVector } from '../../src/blackboard/update.ts';
import type { LaneEntry, Update } from '../../src/blackboard/update.ts';
import type { Notes } from './fixture.ts';
import { NOW_MS, member, newcomer } from './world.ts';
import type { WireCase } from './world.ts';

const BOARD_NOTES: Notes = {
  t: 'kind of the message',
  digests: 'digest of each board that the sender holds, by name',
  board: 'name of the board',
  vector: "the sender's vector, JSON: [[did, epoch, number], …], what it has seen of each lane",
  digest: "the sender's digest of the board; empty when it has none",
  update: 'what the receiver lacks, as below; no bytes: nothing',
  more: 'another piece follows',
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
      vector: Uint8Array.from(encodeVector([{ did: member.did, epoch: 7, to: 3 }])),
      digest: 'beef01',
    },
  },
  {
    title: 'a piece of what is missing',
    message: { t: 'update', update: Uint8Array.of(4, 5), more: true },
  },
  { title: 'nothing is missing', message: { t: 'update', update: new Uint8Array(), more: false } },
  { title: 'all is on disk', message: { t: 'done', digest: 'beef03' } },
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

/** An update as it is sent: one entry set, one that another had written first and that ends, one deleted. */
const UPDATE: Update = {
  isWhole: false,
  parts: [
    {
      did: member.did,
      epoch: 7,
      from: 3,
      to: 6,
      entries: [
        laneEntry({ number: 4, key: 'goal', value: { ship: true }, valueBytes: 13 }),
        laneEntry({
          number: 5,
          key: 'old',
          value: 1,
          valueBytes: 1,
          until: NOW_MS + 5,
          by: newcomer.did,
        }),
        laneEntry({ number: 6, key: 'gone', ms: NOW_MS + 1 }),
      ],
    },
  ],
};

function laneEntry(fields: Pick<LaneEntry, 'number' | 'key'> & Partial<LaneEntry>): LaneEntry {
  return { ms: NOW_MS, n: 0, until: 0, seen: [123, 4], valueBytes: 0, ...fields };
}

const UPDATES: readonly WireCase[] = [
  {
    file: 'board',
    title: 'an update',
    kind: 'hex',
    write: () => encodeUpdate(UPDATE),
    read: (bytes) => decodeUpdate(bytes, LIMITS),
    value: UPDATE,
  },
];

/** The cases of `board.hex`. */
export const BOARD_CASES: readonly WireCase[] = [...MESSAGES, ...UPDATES];
