/** What is said on `/starling/knock/1`: a case for each message. */
import {
  decodeKnock,
  decodeKnockAnswer,
  encodeKnock,
  encodeKnockAnswer,
} from '../../src/mesh/knocks/knock-messages.ts';
import type { KnockAnswer, KnockQuestion } from '../../src/mesh/knocks/knock-messages.ts';
import type { Notes } from './fixture.ts';
import { mesh } from './world.ts';
import type { WireCase } from './world.ts';

const NOTES: Notes = {
  t: 'which message this is',
  name: 'what the sender calls itself; nobody has proven it',
  mesh: 'did:key of the mesh',
  meshName: 'name of the mesh',
  open: 'whether anybody may join it',
  every: 'when to ask again, ms',
  ticket: 'a ticket for one node, as people paste it',
  reason: 'for people',
};

const QUESTIONS: readonly (readonly [string, KnockQuestion])[] = [
  ['which mesh is this?', { t: 'who' }],
  ['may I join?', { t: 'knock', name: 'laptop' }],
];

const ANSWERS: readonly (readonly [string, KnockAnswer])[] = [
  ['this mesh', { t: 'here', name: 'workstation', mesh: mesh.did, meshName: 'lab', open: false }],
  ['the operator has not answered yet', { t: 'wait', everyMs: 5000 }],
  ['too many knock', { t: 'busy', everyMs: 60_000 }],
  ['yes', { t: 'admitted', ticket: 'starling2abc' }],
  ['no', { t: 'refused', reason: 'the operator said no' }],
];

/** The cases, in the order of the fixture. */
export const KNOCK_CASES: readonly WireCase[] = [
  ...QUESTIONS.map(([title, question]): WireCase => ({
    file: 'knock',
    title,
    kind: 'cbor',
    notes: NOTES,
    write: () => encodeKnock(question),
    read: decodeKnock,
    value: question,
  })),
  ...ANSWERS.map(([title, answer]): WireCase => ({
    file: 'knock',
    title,
    kind: 'cbor',
    notes: NOTES,
    write: () => encodeKnockAnswer(answer),
    read: decodeKnockAnswer,
    value: answer,
  })),
];
