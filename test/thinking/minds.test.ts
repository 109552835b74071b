/** A mind without a node: what one message does to the thoughts about others. */
import { expect, it } from 'vitest';
import { OPERATOR } from '../../src/guard/index.ts';
import type { Models } from '../../src/models/index.ts';
import { startMind } from '../../src/thinking/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { alone } from './alone.ts';

/** Thinks until it is told to stop. */
const models: Pick<Models, 'ask'> = {
  ask: (_, __, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    }),
};

it('a command that takes too long fails alone: no process hangs that would have to begin anew', async () => {
  const clock = createTestClock();
  const mind = await startMind(alone({ models, clock, contextTokensOf: () => 4096 }), {
    agent: 'clerk',
    owner: 'operator',
    kind: 'clerk',
    mind: { model: 'gpu/mind', steps: 3, scopes: [] },
    principal: () => OPERATOR,
    senders: () => [],
    heard: () => undefined,
    asks: OPERATOR,
    capabilities: [],
    wrote: () => undefined,
    signal: new AbortController().signal,
  });
  const message = {
    type: 'command',
    from: 'mallory',
    messageId: 'm1',
    message: 'call my slow tool',
  };
  const late = expect(mind.deliver(message, 1000, 'client:mallory')).rejects.toMatchObject({
    code: 'STARLING_AGENT_FAILED',
    data: { reason: 'late' },
  });
  const asked = expect(
    mind.deliver({ ...message, type: 'query', messageId: 'm2' }, 2000, 'client:mallory'),
  ).rejects.toMatchObject({ code: 'STARLING_TIMEOUT' });
  clock.advance(1000);
  await late;
  clock.advance(1000);
  await asked;
  const last = mind.deliver({ ...message, messageId: 'm3' }, 60_000, 'client:mallory');
  const ended = expect(last).rejects.toMatchObject({ code: 'STARLING_UPSTREAM_UNAVAILABLE' });
  await mind.close();
  await ended;
});
