/** A node that could not be made, started or stopped leaves nothing behind: no timer, no locked folder. */
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { nodesFolder, notedIn, readAbout } from '../../../src/config/index.ts';
import { Secret, systemClock } from '../../../src/core/index.ts';
import type { Clock } from '../../../src/core/index.ts';
import { createNode, loadConfig } from '../../../src/index.ts';
import type { Config } from '../../../src/index.ts';
import { attach } from '../../../src/cli/node/client.ts';
import { MemoryNetwork } from '../../../sim/memory-transport.ts';
import { createTestClock } from '../../core/test-clock.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function configOf(http: { enabled: boolean; port?: number }): Promise<Config> {
  const stateDir = await mkdtemp(join(tmpdir(), 'starling-failed-'));
  cleanups.push(() => rm(stateDir, { recursive: true, force: true, maxRetries: 5 }));
  return loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: { stateDir, name: 'alice', listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false, http },
  });
}

/** The wait for goodbyes, which membership alone schedules: with this clock it can't be stopped. */
const GOODBYE_MS = 900;
const brokenClock: Clock = {
  now: () => systemClock.now(),
  schedule(delayMs, task) {
    if (delayMs === GOODBYE_MS) throw new Error('membership does not stop');
    return systemClock.schedule(delayMs, task);
  },
};

it('leaves no timer when its ticket is no good, and can be made with the same folder', async () => {
  const stateDir = await mkdtemp(join(tmpdir(), 'starling-failed-'));
  cleanups.push(() => rm(stateDir, { recursive: true, force: true, maxRetries: 5 }));
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
  // The folder has a key by now, and other nodes know of the folder, so that they hide it.
  await access(join(stateDir, 'key'));
  expect(await notedIn(nodesFolder(process.env))).toContain(stateDir);
  const node = await createNode(config, { clock });
  await node.stop();
  expect(clock.waiting()).toBe(0);
});

it('stops all that runs when one part of it does not stop, and says which', async () => {
  const config = await configOf({ enabled: false });
  const node = await createNode(config, { clock: brokenClock });
  await node.start();
  await expect(node.stop()).rejects.toThrow('membership does not stop');
  // The folder is free: all that stands below membership has stopped as well.
  const again = await createNode(config);
  await again.start();
  await again.stop();
});

it('tells why it did not start, though a part of it does not stop either', async () => {
  const other = createServer();
  await new Promise<void>((listening) => {
    other.listen(0, '127.0.0.1', listening);
  });
  cleanups.push(() => other.close());
  const { port } = other.address() as AddressInfo;
  const config = await configOf({ enabled: true, port });
  const node = await createNode(config, { clock: brokenClock });
  await expect(node.start()).rejects.toThrow(String(port));
  // Nor does any list of nodes name it.
  expect(await readAbout(config.stateDir)).toBeUndefined();
  const again = await createNode({ ...config, http: { ...config.http, enabled: false } });
  // The start that failed has founded no mesh, which would keep this node from joining another.
  expect(again.hasFounded).toBe(true);
  await again.start();
  const { ticket } = await again.createTicket();
  await again.stop();
  // A member has no use for a ticket of its mesh, and says so.
  const kept = await createNode({
    ...config,
    http: { ...config.http, enabled: false },
    join: new Secret(ticket),
  });
  expect([again.hasIdleTicket, kept.hasIdleTicket]).toEqual([false, true]);
  await kept.stop();
});

it('founds nothing where its bootstrap address leads to another mesh, and may join that one afterwards', async () => {
  const other = await createNode(await configOf({ enabled: false }));
  cleanups.push(() => other.stop());
  await other.start();
  const config = await configOf({ enabled: false });
  // The look at the address ends after 5 s, which a busy machine may need for less than the answer.
  const patient: Clock = {
    ...systemClock,
    schedule: (ms, listener) => systemClock.schedule(ms * 12, listener),
  };
  const lost = await createNode(
    { ...config, open: 'lab', bootstrap: [...other.status().addresses] },
    { clock: patient },
  );
  expect(lost.hasFounded).toBe(true);
  await expect(lost.start()).rejects.toMatchObject({ code: 'STARLING_MESH_MISMATCH' });
  const again = await createNode(config);
  // What it would have entered is not on disk: it is as new as before.
  expect([again.hasFounded, again.status().mesh.open]).toEqual([true, false]);
  await again.stop();
});

it('founds nothing and leaves no note where it is stopped while it looks at its bootstrap address', async () => {
  // Whoever is there never answers.
  const silent = new MemoryNetwork({
    held: () => new Promise(() => undefined),
    delayMs: () => 0,
  });
  const config = {
    ...(await configOf({ enabled: false })),
    open: 'lab',
    listen: ['/ip4/10.80.0.1/tcp/4040'],
    bootstrap: ['/ip4/10.80.0.2/tcp/4040'],
  };
  const transports = [silent.host('10.80.0.1')];
  const node = await createNode(config, { transports });
  const start = node.start().then(
    () => 'started',
    (error: unknown) => error,
  );
  const opened = (): Promise<boolean> =>
    access(join(config.stateDir, 'node.sock')).then(
      () => true,
      () => false,
    );
  await expect.poll(opened, { timeout: 60_000 }).toBe(true);
  const operator = await attach(config.stateDir);
  await operator.builtin('agent_list');
  operator.close();
  await node.stop();
  expect(await readAbout(config.stateDir)).toBeUndefined();
  expect(await start).toMatchObject({ code: 'STARLING_STOPPED' });
  const again = await createNode(config, { transports });
  expect([node.hasFounded, again.hasFounded]).toEqual([true, true]);
  await again.stop();
});
