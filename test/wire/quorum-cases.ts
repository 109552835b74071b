/** Questions to replicas of strong boards and their answers, as they are on the wire. */
import {
  decodeAsk,
  decodeReply,
  encodeAsk,
  encodeReply,
} from '../../src/blackboard/quorum/format.ts';
import type { Ask, Reply } from '../../src/blackboard/quorum/format.ts';
import type { Ballot, StrongState } from '../../src/blackboard/quorum/acceptor.ts';
import type { Notes } from './fixture.ts';
import { NOW_MS, member } from './world.ts';
import type { WireCase } from './world.ts';

const NOTES: Notes = {
  i: 'number of the question',
  board: 'id of the board',
  key: 'the key',
  t: 'kind of the message',
  ballot: 'counter, boot and did: the turn',
  next: 'promised at once to the same proposer',
  state: 'JSON, see above',
  accepted: 'JSON: what was accepted under which ballot',
  higher: 'what is promised already',
  id: 'what the request is called',
  request: 'JSON, see above',
  since: 'how many changes there were when it was first tried, at the least',
  patienceMs: 'how long it may be tried',
  outcome: 'JSON, see above',
  code: 'a code of the error table',
  text: 'for people',
};

const BALLOT: Ballot = [3, 2, member.did];
const NEXT: Ballot = [4, 2, member.did];
const STATE: StrongState = {
  value: { v: 'bob', by: member.did, at: NOW_MS },
  count: 7,
  ops: [{ id: 'r1', result: { ok: true, version: 7, by: member.did, at: NOW_MS } }],
};
const CELL = { board: `jobs@${member.did.slice('did:key:'.length)}`, key: 'leader' };

const ASKS: readonly (readonly [title: string, ask: Ask])[] = [
  ['who has a higher ballot?', { t: 'prepare', ballot: BALLOT }],
  ['accept this', { t: 'accept', ballot: BALLOT, next: NEXT, state: STATE }],
  ['what have you accepted?', { t: 'look' }],
  [
    'do this for me',
    {
      t: 'do',
      id: 'r2',
      request: { t: 'cas', value: 'cyd', expect: 'bob' },
      patienceMs: 2000,
      since: 7,
    },
  ],
];
const REPLIES: readonly (readonly [title: string, reply: Reply])[] = [
  [
    'promised, and what was accepted',
    { t: 'promised', ballot: BALLOT, accepted: { ballot: [1, 1, member.did], state: STATE } },
  ],
  ['accepted', { t: 'accepted', ballot: BALLOT }],
  ['refused', { t: 'refused', ballot: BALLOT, higher: NEXT }],
  ['nothing was accepted', { t: 'shown' }],
  ['done', { t: 'done', outcome: { ok: true, version: 8, by: member.did, at: NOW_MS } }],
  ['not done', { t: 'failed', code: 'STARLING_NO_QUORUM', text: 'too few answer' }],
];

/** The cases of `quorum.hex`. */
export const QUORUM_CASES: readonly WireCase[] = [
  ...ASKS.map(([title, ask]): WireCase => ({
    file: 'quorum',
    title,
    kind: 'cbor',
    notes: NOTES,
    write: () => encodeAsk({ i: 5, ...CELL, ask }),
    read: decodeAsk,
    value: { i: 5, ...CELL, ask },
  })),
  ...REPLIES.map(([title, reply]): WireCase => ({
    file: 'quorum',
    title,
    kind: 'cbor',
    notes: NOTES,
    write: () => encodeReply({ i: 5, reply }),
    read: decodeReply,
    value: { i: 5, reply },
  })),
];
