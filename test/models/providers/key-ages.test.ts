/** Keys of providers that are older than their operator wants them to be. */
import { expect, it } from 'vitest';
import { createHealth, silentLogger } from '../../../src/core/index.ts';
import { loadConfig } from '../../../src/index.ts';
import { createKeyAges } from '../../../src/models/key-ages.ts';
import { createTestClock } from '../../core/test-clock.ts';

const DAY = 86_400_000;

async function aged(written: Record<string, object>, setAt: Map<string, number>) {
  const clock = createTestClock();
  const { models } = await loadConfig({
    env: { STARLING_CONFIG: '', VENDOR: 'k' },
    flags: { models: { providers: written } },
  });
  const state = { providers: models.providers };
  const health = createHealth();
  const list = async () => [...setAt].map(([name, at]) => ({ name, setAt: at }));
  const ages = createKeyAges({
    config: () => state,
    secrets: { list },
    health,
    clock,
    logger: silentLogger,
  });
  await ages.start();
  const codes = (): string[] => health.warnings().map(({ code }) => code);
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await ages.look();
  };
  return { ages, clock, codes, health, pass, state };
}

const ROTATED = { keyFrom: 'secret:ANTHROPIC', rotateAfter: '90d' };

it('warns of a key that is older, until it is set anew', async () => {
  const setAt = new Map([['ANTHROPIC', createTestClock().now()]]);
  const { clock, codes, health, pass } = await aged({ anthropic: ROTATED }, setAt);
  await pass(90 * DAY);
  expect(codes()).toEqual([]);
  // By itself, a day later at the latest.
  clock.advance(DAY);
  await expect.poll(codes).toEqual(['model-key-old:anthropic']);
  const [warning] = health.warnings();
  expect(warning?.text).toMatch(/provider anthropic was set 91d ago/);
  expect(warning?.hint).toContain('starling secret set ANTHROPIC');
  setAt.set('ANTHROPIC', clock.now());
  await pass(0);
  expect(codes()).toEqual([]);
});

it('says nothing of a key that nobody bounds or whose age nobody knows, nor after a clock was set back', async () => {
  const setAt = new Map([
    ['OPEN', 0],
    ['ANTHROPIC', createTestClock().now() + 400 * DAY],
  ]);
  const { codes, pass } = await aged(
    {
      anthropic: ROTATED,
      openai: { keyFrom: 'env:VENDOR', rotateAfter: '1d' },
      free: { endpoint: 'http://127.0.0.1:9', keyFrom: 'secret:OPEN' },
      google: { keyFrom: 'secret:NEVER_SET', rotateAfter: '1d' },
    },
    setAt,
  );
  await pass(300 * DAY);
  expect(codes()).toEqual([]);
});

it('takes back what it said of a provider that is gone, and waits for nothing then', async () => {
  const setAt = new Map([['ANTHROPIC', 0]]);
  const { ages, clock, codes, state } = await aged({ anthropic: ROTATED }, setAt);
  expect(codes()).toEqual(['model-key-old:anthropic']);
  expect(clock.waiting()).toBe(1);
  Object.assign(state, { providers: {} });
  await ages.look();
  expect(codes()).toEqual([]);
  expect(clock.waiting()).toBe(0);
  await ages.stop();
});
