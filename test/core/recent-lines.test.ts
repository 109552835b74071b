/** The last lines of a log: kept by sentence, bounded, whatever the log itself leaves out. */
import { expect, it } from 'vitest';
import { createRecentLines, silentLogger } from '../../src/core/index.ts';
import type { Logger } from '../../src/core/index.ts';
import { createTestClock } from './test-clock.ts';

function recent(): { readonly logger: Logger; readonly messages: () => readonly string[] } {
  const lines = createRecentLines(createTestClock());
  return {
    logger: lines.around(silentLogger),
    messages: () => lines.lines().map(({ message }) => message),
  };
}

it('keeps what is of level info or louder, with its room and its fields as text', () => {
  const clock = createTestClock();
  const lines = createRecentLines(clock);
  const told: string[] = [];
  const below: Logger = {
    ...silentLogger,
    warn: (_, message) => void told.push(message),
    child: () => below,
  };
  const logger = lines.around(below);
  logger.debug({}, 'not kept');
  logger
    .child('gateway')
    .child('session')
    .warn({ calls: 3, error: new Error('gone') }, 'ended');
  expect(told).toEqual(['ended']);
  expect(lines.lines()).toEqual([
    {
      at: new Date(clock.now()).toISOString(),
      level: 'warn',
      ns: 'gateway:session',
      message: 'ended',
      fields: { calls: '3', error: 'gone' },
    },
  ]);
});

it('keeps the last 300 lines', () => {
  const { logger, messages } = recent();
  for (let at = 0; at < 1000; at += 1) logger.info({}, `line ${at}`);
  expect(messages()).toHaveLength(300);
  expect(messages().at(-1)).toBe('line 999');
  expect(messages()[0]).toBe('line 700');
});

it('keeps what was said once, however often something else is said', () => {
  const { logger, messages } = recent();
  logger.error({}, 'the fault');
  for (let at = 0; at < 1000; at += 1) logger.warn({ at }, 'the same again');
  expect(messages().filter((message) => message === 'the same again')).toHaveLength(20);
  expect(messages()[0]).toBe('the fault');
});

it('cuts long fields, and survives one that holds itself', () => {
  const lines = createRecentLines(createTestClock());
  const ring: Record<string, unknown> = {};
  ring['self'] = ring;
  lines.around(silentLogger).info({ long: 'x'.repeat(10_000), ring }, 'odd');
  const [line] = lines.lines();
  expect(line?.fields['long']).toHaveLength(300);
  expect(line?.fields['ring']).toBe('[object Object]');
});
