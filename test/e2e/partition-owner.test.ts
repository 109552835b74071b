/** Revoking across a cut cable: the owner of the tool is cut off while a grant of it is taken back. */
import { describe, expect, it } from 'vitest';
import { ALICE, CUT_MS, TEST_MS, refusedAtLast, startChain } from './chain.ts';
import { namespacesMissing } from './namespaces.ts';
import { eventually, grantList, ok, sees, useWorld } from './support.ts';

const world = useWorld();
const missing = await namespacesMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

describe.skipIf(missing !== undefined)(
  'a link of a chain that is revoked',
  { timeout: TEST_MS },
  () => {
    it('while the owner is cut off from all is applied before anybody is served again', async () => {
      const { network, alice, bob, carol, link, call, seen } = await startChain(world);
      await network.cable(ALICE, 'down');
      await Promise.all([
        sees(alice, [bob, carol], 'dead', CUT_MS),
        sees(bob, [alice], 'dead', CUT_MS),
        sees(carol, [alice], 'dead', CUT_MS),
      ]);
      await ok(bob, 'grant', 'revoke', link);
      await eventually(
        'carol hears that it is revoked',
        () => grantList(carol),
        ({ grants }) => grants.some((grant) => grant.id === link && grant.state === 'revoked'),
      );
      await network.cable(ALICE, 'up');
      // From before the two meet until the first answer of alice: not one call gets through.
      const answer = await refusedAtLast(call);
      expect(answer).toMatch(/^STARLING_CALL_REFUSED/);
      expect((await seen()).filter((label) => label.startsWith('try'))).toEqual([]);
    });
  },
);
