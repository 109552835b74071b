/** A path that a sandbox covers may go away while its server starts, as the folder of another node. */
import { expect, it } from 'vitest';
import type { Instance } from '../../../../src/gateway/upstreams/instances/instance.ts';
import { bareLaunch } from '../../../../src/gateway/upstreams/sandbox/sandbox.ts';
import type { Launch } from '../../../../src/gateway/upstreams/sandbox/sandbox.ts';
import { useCleanup } from '../../support/gateways.ts';
import { startAlone } from '../../support/lone-instance.ts';
import { COMMON } from '../../support/url-server.ts';

useCleanup();

const SERVER = `process.stdin.once('data', () => console.log(JSON.stringify({ jsonrpc: '2.0', id: 1,
  result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} } })))`;
const server = {
  ...COMMON,
  type: 'stdio',
  command: process.execPath,
  args: ['-e', SERVER],
  env: {},
} as const;

/** What bwrap says before it ends, as the sandbox of a server. */
const failing = (words: string): Launch => ({
  command: '/bin/sh',
  args: ['-c', `echo "bwrap: ${words}" >&2; exit 1`],
  hidden: [],
  kind: 'bwrap',
});

/** Starts the server in these sandboxes, one after the other, and then without. */
async function start(launches: Launch[]): Promise<{ instance: Instance; left: number }> {
  const instance = await startAlone(
    { server, era: 'legacy' },
    {
      sandbox: {
        launch: async () => launches.shift() ?? bareLaunch(server),
        means: () => Promise.reject(new Error('not asked')),
        reachable: () => Promise.reject(new Error('not asked')),
        isExposed: () => false,
      },
    },
  );
  return { instance, left: launches.length };
}

const GONE = "Can't mkdir parents for /gone/state: No such file or directory";

it('has the sandbox planned anew, as often as that may be', async () => {
  const gone = (count: number): Launch[] => Array.from({ length: count }, () => failing(GONE));
  const { instance, left } = await start(gone(19));
  expect([instance.handshake.protocolVersion, left]).toEqual(['2025-11-25', 0]);
  await expect(start(gone(20))).rejects.toThrow(/No such file or directory/);
});

it('knows a folder that went away after bwrap had mounted something there', async () => {
  const launches = [
    failing(`Can't remount readonly on /gone: Unable to find \\"/gone\\" in mount table`),
    failing(
      `Can't bind mount /oldroot/ on /newroot/: Unable to apply mount flags: remount \\"/gone\\": Invalid argument`,
    ),
    failing(
      `Can't bind mount / on /gone: Unable to remount destination \\"/gone\\" with correct flags: Invalid argument`,
    ),
  ];
  const { left } = await start(launches);
  expect(left).toBe(0);
});

it('leaves it at what else bwrap says', async () => {
  const launches = [failing('No permissions to create new namespace')];
  await expect(start(launches)).rejects.toMatchObject({ data: { reason: 'sandbox' } });
});
