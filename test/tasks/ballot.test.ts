/** Ballots: what its node signs of one attempt counts, and nothing that is made up, changed, or signed for another one. */
import { expect, it } from 'vitest';
import type { Json } from '../../src/core/index.ts';
import { encodeJws } from '../../src/identity/index.ts';
import { choiceIn, isBallot, signBallot } from '../../src/tasks/worker/ballot.ts';
import { alice, bob } from '../grants/arrange.ts';

const of = { taskId: 'task_1_a', token: 2, agent: 'sec' };
const result: Json = { verdict: 'safe', notes: 'all of it was read' };
const ballot = signBallot(alice, of, result) ?? '';
const TYPE = 'starling-ballot+jwt';
const claims = { iss: alice.did, task: of.taskId, token: of.token, agent: of.agent };
const choice = choiceIn(result) ?? '';
const signed = (type: string, more: Readonly<Record<string, Json>>): string =>
  encodeJws(bob, type, { ...claims, choice, ...more }, 'a ballot');

it('counts what the node of the agent has signed, whatever else is in the result', () => {
  expect(isBallot(ballot, alice.did, of, result)).toBe(true);
  expect(isBallot(ballot, alice.did, of, { notes: '', verdict: 'safe' })).toBe(true);
});

it.each<readonly [string, () => boolean]>([
  ['for another choice', () => isBallot(ballot, alice.did, of, { verdict: 'unsafe' })],
  ['for no choice', () => isBallot(ballot, alice.did, of, null)],
  [
    'copied to another task',
    () => isBallot(ballot, alice.did, { ...of, taskId: 'task_2_b' }, result),
  ],
  ['of an attempt before', () => isBallot(ballot, alice.did, { ...of, token: 3 }, result)],
  [
    'of another agent of its node',
    () => isBallot(ballot, alice.did, { ...of, agent: 'two' }, result),
  ],
  ['of another node', () => isBallot(ballot, bob.did, of, result)],
  [
    'by another key in the name of the node',
    () => isBallot(signed(TYPE, {}), alice.did, of, result),
  ],
  [
    'by another key under its own name',
    () => isBallot(signed(TYPE, { iss: bob.did }), alice.did, of, result),
  ],
  [
    'a token of another kind',
    () => isBallot(signed('starling-grant+jwt', { iss: bob.did }), bob.did, of, result),
  ],
  [
    'with more in it',
    () => isBallot(signed(TYPE, { iss: bob.did, weight: 9 }), bob.did, of, result),
  ],
  ['with a signature that is cut', () => isBallot(ballot.slice(0, -8), alice.did, of, result)],
  [
    'with another body',
    () => {
      const [head = '', , signature = ''] = ballot.split('.');
      const body = Buffer.from(JSON.stringify({ ...claims, choice: '"unsafe"' })).toString(
        'base64url',
      );
      return isBallot([head, body, signature].join('.'), alice.did, of, { verdict: 'unsafe' });
    },
  ],
  ['that is none', () => isBallot('safe', alice.did, of, result)],
  ['that is empty', () => isBallot('', alice.did, of, result)],
])('counts no ballot %s', (_, attack) => {
  expect(attack()).toBe(false);
});

it('has no choice in prose, and the same one however a value is written', () => {
  expect(choiceIn('x'.repeat(300))).toBeUndefined();
  expect(choiceIn(null)).toBeUndefined();
  expect(choiceIn({ verdict: { a: 1, b: [2] } })).toBe(choiceIn({ verdict: { b: [2], a: 1 } }));
  expect(choiceIn({ verdict: Array.from({ length: 300 }, () => 1) })).toHaveLength(64);
});
