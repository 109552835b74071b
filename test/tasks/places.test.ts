/** The places of tasks that wait: how many there are for all, and for one. */
import { expect, it } from 'vitest';
import { INPUTS_BYTES_MAX, SHARE_OF_ONE, TASKS_MAX } from '../../src/tasks/limits.ts';
import { createPlaces } from '../../src/tasks/life/places.ts';
import type { TaskOrder } from '../../src/tasks/types.ts';

const order = (submitter: string, inputBytes = 10): TaskOrder =>
  ({ submitter, from: submitter, inputBytes }) as TaskOrder;
const SHARE = TASKS_MAX * SHARE_OF_ONE;

it('gives one submitter a quarter of the places, whoever that one works for, and others theirs', () => {
  const places = createPlaces();
  for (let index = 0; index < SHARE; index += 1) {
    places.checkRoom(order(`client:greedy\nclient:other-${index}`));
    places.take(order(`client:greedy\nclient:other-${index}`));
  }
  expect(() => places.checkRoom(order('client:greedy'))).toThrowError(
    expect.objectContaining({
      code: 'STARLING_LIMIT_EXCEEDED',
      data: { reason: 'share', limit: SHARE },
      message: expect.stringContaining('client:greedy') as string,
    }),
  );
  places.checkRoom(order('client:modest'));
  places.give(order('client:greedy'));
  places.checkRoom(order('client:greedy'));
});

it('gives one submitter a quarter of the bytes', () => {
  const places = createPlaces();
  places.take(order('client:greedy', INPUTS_BYTES_MAX * SHARE_OF_ONE));
  expect(() => places.checkRoom(order('client:greedy'))).toThrow('of one submitter');
  places.checkRoom(order('client:modest', INPUTS_BYTES_MAX * SHARE_OF_ONE));
});

it('gives the operator all places that there are, and nobody more', () => {
  const places = createPlaces();
  for (let index = 0; index < TASKS_MAX; index += 1) {
    places.checkRoom(order('operator'));
    places.take(order('operator'));
  }
  expect(() => places.checkRoom(order('operator'))).toThrow('as this node keeps');
  expect(() => places.checkRoom(order('client:modest'))).toThrow('as this node keeps');
  places.clear();
  places.checkRoom(order('operator'));
});
