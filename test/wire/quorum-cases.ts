/** Questions to replicas of strong boards and their answers, as they are on the wire. */
import {
  decodeAsk,
  decodeReply,
  encodeAsk,
  encodeReply,
} from '../../src/blackboard/quorum/format.ts';
import type { Ask, Reply } from '../../src/blackboard/quorum/format.ts';
import type { Ballot, StrongState } from '../../src/blackboard/quorum/acceptor.ts';
import type { ReplicaSet } from '../../src/blackboard/quorum/replica-set.ts';
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
  from: 'under which the state before was accepted',
  step: 'JSON: the value after the change, and what is remembered of it',
  accepted: 'JSON: what was accepted under which ballot',
  higher: 'what is promised already',
  id: 'what the request is called',
  request: 'JSON, see above',
  since: 'how many changes there were when it was first tried, at the least',
  patienceMs: 'how long it may be tried',
  outcome: 'JSON, see above',
  set: 'number of the replicas by which is asked',
  disk: 'which disk of the node is meant; empty: whichever it has',
  below: 'no replica has promised more',
  count: 'no erased key had a higher number',
  promised: 'the highest ballot that was promised',
  known: 'what whoever asks has accepted itself',
  isSame: 'the accepted is what whoever asks has, too',
  after: 'keys that come later are wanted',
  of: 'JSON: keys, and under which ballot each was accepted',
  others: 'places of those of which something else was accepted',
  keys: 'keys that are kept',
  more: 'there are more',
  isErased: 'whether the row is gone',
  record: 'JWS: the change of the replicas',
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
const TO = { set: 2, disk: 'Zq3' };
const VOTER = { did: member.did, disk: 'Zq3', since: 0 };
const SET: ReplicaSet = {
  number: 3,
  voters: [VOTER],
  before: [VOTER],
  count: 0,
  record: 'eyJ0…',
};
const CELL = { board: `jobs@${member.did.slice('did:key:'.length)}`, key: 'leader' };

const ASKS: readonly (readonly [title: string, ask: Ask])[] = [
  ['who has a higher ballot?', { t: 'prepare', to: TO, ballot: BALLOT }],
  ['accept this', { t: 'accept', to: TO, ballot: BALLOT, next: NEXT, state: STATE }],
  [
    'accept what comes after this',
    {
      t: 'step',
      to: TO,
      ballot: BALLOT,
      next: NEXT,
      from: [2, 2, member.did],
      step: {
        value: { v: 'cyd', by: member.did, at: NOW_MS },
        op: { id: 'r2', result: { ok: true, version: 8, by: member.did, at: NOW_MS } },
      },
    },
  ],
  [
    'accept the same again',
    { t: 'step', to: TO, ballot: BALLOT, next: NEXT, from: [2, 2, member.did] },
  ],
  ['what have you accepted?', { t: 'look', to: TO }],
  ['what have you accepted, unless it is this?', { t: 'look', to: TO, known: BALLOT }],
  [
    'have you accepted just this of these keys?',
    {
      t: 'same',
      to: TO,
      of: [
        ['leader', BALLOT],
        ['printer', undefined],
      ],
    },
  ],
  ['erase this deletion', { t: 'erase', to: TO, ballot: BALLOT, below: NEXT, count: 7 }],
  ['which keys have you?', { t: 'keys', to: TO, after: 'k' }],
  ['go by these replicas', { t: 'adopt', state: SET }],
  ['what is your disk called?', { t: 'disk' }],
  ['have the replicas change', { t: 'change', record: 'eyJ0…' }],
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
  ['I have not accepted that: tell me the whole state', { t: 'whole', ballot: BALLOT }],
  ['refused', { t: 'refused', ballot: BALLOT, higher: NEXT }],
  ['nothing was accepted or erased', { t: 'promised', ballot: BALLOT, count: 0 }],
  ['nothing is kept', { t: 'shown' }],
  ['the same is kept', { t: 'shown', promised: NEXT, isSame: true }],
  ['this is kept', { t: 'shown', promised: NEXT, accepted: { ballot: BALLOT, state: STATE } }],
  ['the same, but for the second', { t: 'same', others: [1] }],
  ['erased', { t: 'erased', isErased: true }],
  ['my keys', { t: 'keys', keys: ['l'], count: 7, more: false }],
  ['I do', { t: 'adopted' }],
  ['the replicas have changed', { t: 'moved', state: SET }],
  ['I know no such replicas', { t: 'behind' }],
  ['my disk', { t: 'disk', disk: 'Zq3' }],
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
