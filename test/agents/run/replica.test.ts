/** The states of a process while it takes in what came of its work. */
import { expect, it } from 'vitest';
import { createReplica } from '../../../src/agents/run/replica.ts';
import { silentLogger } from '../../../src/core/index.ts';
import type { AgentProcess } from '../../../src/gateway/index.ts';
import { createTestClock } from '../../core/test-clock.ts';

const turn = (): Promise<void> => new Promise((wake) => setImmediate(wake));

it('is learning after the answer went, then ready; for so long it is not free', async () => {
  const clock = createTestClock();
  const states: string[] = [];
  let learned: Promise<void> | undefined;
  let taken: () => void = () => undefined;
  const started: AgentProcess = {
    pid: undefined,
    ended: new Promise(() => undefined),
    deliver: async () => 'done',
    learned: () => learned,
    close: async () => undefined,
  };
  const replica = createReplica(
    {
      clock,
      random: () => 0.5,
      logger: silentLogger,
      launch: async () => started,
      changed: () => void states.push(replica.state),
      failed: () => undefined,
      fell: () => undefined,
    },
    { title: 'agent clerk', restarts: 1 },
  );
  replica.start();
  await turn();
  expect(replica.state).toBe('ready');
  // Nothing is learned: as it was without learning.
  await replica.deliver({}, 1000, 'operator');
  expect(replica).toMatchObject({ state: 'ready', busy: 0 });
  learned = new Promise((resolve) => (taken = resolve));
  expect(await replica.deliver({}, 1000, 'operator')).toBe('done');
  expect(replica).toMatchObject({ state: 'learning', busy: 1, isReady: true });
  taken();
  await turn();
  expect(replica).toMatchObject({ state: 'ready', busy: 0 });
  // What is never over is not waited for without end.
  learned = new Promise(() => undefined);
  await replica.deliver({}, 1000, 'operator');
  expect(replica.state).toBe('learning');
  clock.advance(5000);
  await turn();
  expect(replica).toMatchObject({ state: 'ready', busy: 0 });
  expect(clock.waiting()).toBe(0);
  expect(states).toEqual([
    'init',
    'ready',
    'running',
    'ready',
    'running',
    'learning',
    'ready',
    'running',
    'learning',
    'ready',
  ]);
});
