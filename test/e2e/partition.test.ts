/**
 * Revoking across a cut cable: alice owns the tool, bob handed his grant on to carol, and takes it back
 * while somebody can't hear him.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NodeProcess } from '../../sim/process.ts';
import type { GrantCreateResult, GrantListResult } from '../../src/index.ts';
import { attach } from './callers.ts';
import type { Caller } from './callers.ts';
import { createTestNetwork, namespacesMissing } from './namespaces.ts';
import type { TestNetwork } from './namespaces.ts';
import { SERVERS, eventually, json, ok, sees, useWorld } from './support.ts';

const world = useWorld();
const missing = await namespacesMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

const [ALICE, BOB, CAROL] = [1, 2, 3];
/** A cut is noticed by then, and after it everybody has met again by then. */
const CUT_MS = 40_000;
const HEALED_MS = 90_000;
const TEST_MS = 240_000;
const PAUSE_MS = 20;

interface Chain {
  readonly network: TestNetwork;
  readonly alice: NodeProcess;
  readonly bob: NodeProcess;
  readonly carol: NodeProcess;
  /** Id of what bob handed on to carol. */
  readonly link: string;
  /** A client that is attached to carol's node, and makes one call of alice's tool. */
  readonly call: (label: string) => Promise<string>;
  /** Labels of the calls that alice's server saw. */
  readonly seen: () => Promise<readonly string[]>;
}

async function chainOf(): Promise<Chain> {
  const network = await createTestNetwork(3);
  world.defer(() => network.remove());
  const log = join(await world.root(), 'talks.log');
  const start = (name: string, host: number, ticket?: string): Promise<NodeProcess> =>
    world.start(name, {
      prefix: network.prefix(host),
      config: {
        listen: ['/ip4/0.0.0.0/tcp/4040'],
        ...(host === ALICE
          ? { mcpServers: { talks: SERVERS.fixture('talks.mjs', '--log', log) } }
          : {}),
      },
      ...(ticket === undefined ? {} : { env: { STARLING_JOIN: ticket } }),
    });
  const alice = await start('alice', ALICE);
  const bob = await start('bob', BOB, alice.up.ticket);
  const { ticket } = await json<{ ticket: string }>(bob, 'invite');
  const carol = await start('carol', CAROL, ticket);
  await Promise.all([
    sees(alice, [bob, carol]),
    sees(bob, [alice, carol]),
    sees(carol, [alice, bob]),
  ]);
  const what = ['--tool', 'talks/*', '--max-depth', '1'];
  const root = await json<GrantCreateResult>(alice, 'grant', 'create', 'bob', ...what);
  await eventually(
    'bob has it',
    () => json<GrantListResult>(bob, 'grant', 'list'),
    ({ grants }) => grants.some(({ id }) => id === root.grant.id),
  );
  const link = await json<GrantCreateResult>(bob, 'grant', 'delegate', root.grant.id, 'carol');
  const caller = await attach(carol, { era: 'legacy', way: 'stdio' });
  world.defer(() => caller.close());
  const call = (label: string): Promise<string> => callOf(caller, label);
  await eventually(
    'carol may call',
    () => call('first'),
    (answer) => answer === 'noted',
  );
  return {
    network,
    alice,
    bob,
    carol,
    link: link.grant.id,
    call,
    seen: async () =>
      (await readFile(log, 'utf8'))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as [string, { label?: string }])[1].label ?? ''),
  };
}

/** `noted`, or the code of the refusal and why. */
async function callOf(caller: Caller, label: string): Promise<string> {
  try {
    const params = { name: 'alice__talks__note', arguments: { label } };
    const { content } = await caller.ask('tools/call', params);
    return (content as readonly { text: string }[])[0]?.text ?? '';
  } catch (error) {
    const { data, message } = error as { data?: { code?: string }; message: string };
    return `${data?.code ?? 'unknown'}: ${message}`;
  }
}

const isRefusal = (answer: string): boolean => answer.startsWith('STARLING_CALL_REFUSED');

describe.skipIf(missing !== undefined)(
  'a link of a chain that is revoked',
  { timeout: TEST_MS },
  () => {
    it('while only its issuer is cut off counts from when the owner meets anybody who knows', async () => {
      const { network, alice, bob, carol, link, call } = await chainOf();
      await network.cable(BOB, 'down');
      await Promise.all([
        sees(alice, [bob], 'dead', CUT_MS),
        sees(carol, [bob], 'dead', CUT_MS),
        sees(bob, [alice, carol], 'dead', CUT_MS),
      ]);
      await ok(bob, 'grant', 'revoke', link, '--reason', 'left the team');
      // What a partition can hide: bob's word has reached nobody.
      expect(await call('while he is cut off')).toBe('noted');

      await network.cable(BOB, 'up');
      // Bob is served by alice only once she has what he knows: after his first answer it counts.
      const asked = await eventually(
        'bob is served again',
        () => bob.run(['call', 'alice__talks__note']),
        ({ code }) => code === 0,
        HEALED_MS,
      );
      expect(asked.stdout).toContain('noted');
      expect(await call('after she met him')).toMatch(/^STARLING_CALL_REFUSED/);
    });

    it('while the owner is cut off from all is applied before anybody is served again', async () => {
      const { network, alice, bob, carol, link, call, seen } = await chainOf();
      await network.cable(ALICE, 'down');
      await Promise.all([
        sees(alice, [bob, carol], 'dead', CUT_MS),
        sees(bob, [alice], 'dead', CUT_MS),
        sees(carol, [alice], 'dead', CUT_MS),
      ]);
      await ok(bob, 'grant', 'revoke', link);
      await eventually(
        'carol hears that it is revoked',
        () => json<GrantListResult>(carol, 'grant', 'list'),
        ({ grants }) => grants.some((grant) => grant.id === link && grant.state === 'revoked'),
      );
      await network.cable(ALICE, 'up');
      // From before the two meet until the first answer of alice: not one call gets through.
      const deadline = performance.now() + HEALED_MS;
      let answer = '';
      for (let count = 1; !isRefusal(answer) && performance.now() < deadline; count += 1) {
        answer = await call(`try ${count}`);
        expect(answer).not.toBe('noted');
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
      expect(answer).toMatch(/^STARLING_CALL_REFUSED/);
      expect((await seen()).filter((label) => label.startsWith('try'))).toEqual([]);
    });

    it('finds its way around a cut between its issuer and the owner', async () => {
      const { network, alice, bob, link, call } = await chainOf();
      await network.between(ALICE, BOB, 'shut');
      await sees(alice, [bob], 'alive', CUT_MS);
      await ok(bob, 'grant', 'revoke', link);
      const revokedAt = performance.now();
      await eventually('carol is refused', () => call('around the corner'), isRefusal, 5000);
      expect(performance.now() - revokedAt).toBeLessThan(5000);
    });
  },
);

describe.skipIf(missing !== undefined)(
  'a grant that its owner revokes',
  { timeout: TEST_MS },
  () => {
    it('while its holder is cut off is gone when the holder is back', async () => {
      const { network, alice, bob, carol, call, seen } = await chainOf();
      const { grants } = await json<GrantListResult>(alice, 'grant', 'list');
      await network.cable(CAROL, 'down');
      await sees(carol, [alice, bob], 'dead', CUT_MS);
      for (const { id, direction, capabilities } of grants) {
        const isOnTalks = JSON.stringify(capabilities).includes('talks');
        if (direction === 'issued' && isOnTalks) await ok(alice, 'grant', 'revoke', id);
      }
      await network.cable(CAROL, 'up');
      const deadline = performance.now() + HEALED_MS;
      let answer = '';
      for (let count = 1; !isRefusal(answer) && performance.now() < deadline; count += 1) {
        answer = await call(`try ${count}`);
        expect(answer).not.toBe('noted');
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
      expect(answer).toMatch(/^STARLING_CALL_REFUSED/);
      expect((await seen()).filter((label) => label.startsWith('try'))).toEqual([]);
    });
  },
);
