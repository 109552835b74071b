/** A server that never answers: the node says so once the server's time to start is over. */
import { expect, it } from 'vitest';
import { SERVERS, status, upstream, useWorld } from './support.ts';

const world = useWorld();

it('a node keeps running when an upstream never answers, and says so after the start timeout', async () => {
  const alice = await world.start('alice', {
    config: { mcpServers: { silent: SERVERS.fixture('silent.mjs'), good: SERVERS.toolbox() } },
  });
  expect(upstream(await status(alice), 'silent')).toMatchObject({ state: 'failed' });
  expect(upstream(await status(alice), 'silent').error).toMatch(/answer/);
  expect(upstream(await status(alice), 'good').state).toBe('ready');
});
