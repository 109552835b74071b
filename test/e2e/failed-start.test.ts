/** A node that could not be made leaves nothing behind: no timer, and no lock on its folder. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { Secret } from '../../src/core/index.ts';
import { createNode, loadConfig } from '../../src/index.ts';
import { createTestClock } from '../core/test-clock.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

it('leaves no timer when its ticket is no good, and can be made with the same folder', async () => {
  const stateDir = await mkdtemp(join(tmpdir(), 'starling-failed-'));
  cleanups.push(() => rm(stateDir, { recursive: true, force: true }));
  const config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: { stateDir, name: 'alice', listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false },
  });
  const clock = createTestClock(Date.now());
  const broken = { ...config, join: new Secret('no ticket') };
  await expect(createNode(broken, { clock })).rejects.toMatchObject({
    code: 'STARLING_TICKET_INVALID',
  });
  expect(clock.waiting()).toBe(0);
  const node = await createNode(config, { clock });
  await node.stop();
  expect(clock.waiting()).toBe(0);
});
