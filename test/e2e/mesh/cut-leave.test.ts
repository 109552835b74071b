/** A node that was killed while it left its mesh: after its members were told, before it had forgotten them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { MemoryNetwork } from '../../../sim/memory-transport.ts';
import { withOwnKeyAndStore } from '../../../src/cli/node/offline-state.ts';
import { createHealth, silentLogger, systemClock } from '../../../src/core/index.ts';
import { openIdentityState } from '../../../src/identity-state.ts';
import { createNode, loadConfig } from '../../../src/index.ts';

it('has left once it is started again, and says so', async () => {
  const stateDir = await mkdtemp(join(tmpdir(), 'starling-cut-leave-'));
  onTestFinished(() => rm(stateDir, { recursive: true, force: true, maxRetries: 5 }));
  const config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: {
      stateDir,
      name: 'alice',
      listen: ['/ip4/10.78.0.9/tcp/4040'],
      mdns: false,
      http: { enabled: false },
    },
  });
  const memory = new MemoryNetwork();
  /** Runs once; gives its mesh and what it said. */
  const runOnce = async (): Promise<{ readonly mesh: string; readonly said: string }> => {
    const said: string[] = [];
    const progress = (line: string): void => void said.push(line);
    const node = await createNode(config, { transports: [memory.host('10.78.0.9')], progress });
    try {
      await node.start();
      return { mesh: node.status().mesh.fingerprint, said: said.join() };
    } finally {
      await node.stop();
    }
  };
  const before = await runOnce();
  expect((await runOnce()).mesh).toBe(before.mesh);
  await withOwnKeyAndStore(
    stateDir,
    { given: async () => undefined, ask: async () => undefined },
    async ({ identity }, store) => {
      const state = await openIdentityState(
        { identity, store, clock: systemClock, logger: silentLogger, health: createHealth() },
        { name: 'alice' },
      );
      await state.members.sayGoodbye();
      await state.grants.stop();
    },
  );
  const after = await runOnce();
  expect(after.said).toContain("was cut off while it left 'alice-mesh'");
  expect(after.mesh).not.toBe(before.mesh);
  expect(await runOnce()).toMatchObject({ mesh: after.mesh, said: '' });
});
