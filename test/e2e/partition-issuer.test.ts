/** Revoking across a cut cable: bob takes back what he handed on to carol while nobody, or not everybody, hears him. */
import { beforeAll, describe, expect, it } from 'vitest';
import { ALICE, BOB, CUT_MS, HEALED_MS, TEST_MS, isRefusal, startChain } from './chain.ts';
import type { Chain } from './chain.ts';
import { namespacesMissing } from './namespaces.ts';
import { eventually, revoke, sees, useWorld } from './support.ts';

/** One chain for both tests, in their order. */
const world = useWorld('file');
const missing = await namespacesMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

describe.skipIf(missing !== undefined)(
  'a link of a chain that is revoked',
  { timeout: TEST_MS },
  () => {
    let chain: Chain;
    beforeAll(async () => {
      chain = await startChain(world);
    });

    it('while only its issuer is cut off counts from when the owner meets anybody who knows', async () => {
      const { network, alice, bob, carol, link, call } = chain;
      await network.cable(BOB, 'down');
      await Promise.all([
        sees(alice, [bob], 'dead', CUT_MS),
        sees(carol, [bob], 'dead', CUT_MS),
        sees(bob, [alice, carol], 'dead', CUT_MS),
      ]);
      await revoke(bob, link, 'left the team');
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

    it('finds its way around a cut between its issuer and the owner', async () => {
      const { network, alice, bob, handOnAgain, call } = chain;
      const link = await handOnAgain();
      await network.between(ALICE, BOB, 'shut');
      await sees(alice, [bob], 'alive', CUT_MS);
      await revoke(bob, link);
      await eventually('carol is refused', () => call('around the corner'), isRefusal);
    });
  },
);
