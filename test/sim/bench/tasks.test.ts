/** The checker of the benchmark of tasks: what must not have happened is found, also by a fault that was planted. */
import { describe, expect, it } from 'vitest';
import { judgeHistory } from '../../../sim/task-history.ts';
import type { Seen } from '../../../sim/task-history.ts';
import { runCutOff } from '../../tasks/cut-off.ts';

const acked = (id: string): Seen => ({ t: 'acked', id });
const began = (id: string, token: number): Seen => ({ t: 'began', id, token });
const answered = (id: string, result: string): Seen => ({ t: 'answered', id, token: 1, result });
const done = (id: string, result: string): Seen => ({ t: 'ended', id, status: 'done', result });
const failed = (id: string): Seen => ({ t: 'ended', id, status: 'failed', result: null });

describe('the history of tasks', () => {
  it('is good where each has one end, however often it was begun and looked at', () => {
    const seen = [acked('a'), began('a', 1), began('a', 2), answered('a', 'x'), done('a', 'x')];
    expect(judgeHistory([...seen, done('a', 'x'), acked('b'), failed('b')])).toEqual({
      acked: 2,
      done: 1,
      failed: 1,
      again: 1,
      lost: [],
      twice: [],
      unearned: [],
    });
  });

  it('shows what is lost, what has ended twice, and what nobody has done', () => {
    const seen = [
      acked('lost'),
      began('lost', 1),
      acked('twice'),
      answered('twice', 'x'),
      answered('twice', 'y'),
      done('twice', 'x'),
      done('twice', 'y'),
      acked('turned'),
      answered('turned', 'x'),
      failed('turned'),
      done('turned', 'x'),
      acked('forged'),
      done('forged', 'z'),
    ];
    expect(judgeHistory(seen)).toMatchObject({
      lost: ['lost'],
      twice: ['twice', 'turned'],
      unearned: ['forged'],
    });
  });

  it('is good where an owner that was cut off comes back with a result, and bad without fencing', async () => {
    expect(judgeHistory(await runCutOff({ isFenced: true }))).toMatchObject({
      acked: 1,
      done: 1,
      twice: [],
      unearned: [],
    });
    // What was compared is not set: the planted fault.
    expect(judgeHistory(await runCutOff({ isFenced: false }))).toMatchObject({ twice: ['t1'] });
  });
});
