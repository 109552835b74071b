/** Revoking across a cut cable: the holder of a grant is cut off while the owner takes it back. */
import { describe, expect, it } from 'vitest';
import { CAROL, CUT_MS, TEST_MS, refusedAtLast, startChain } from './chain.ts';
import { namespacesMissing } from './namespaces.ts';
import { grantList, ok, sees, useWorld } from './support.ts';

const world = useWorld();
const missing = await namespacesMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

describe.skipIf(missing !== undefined)(
  'a grant that its owner revokes',
  { timeout: TEST_MS },
  () => {
    it('while its holder is cut off is gone when the holder is back', async () => {
      const { network, alice, bob, carol, call, seen } = await startChain(world);
      const { grants } = await grantList(alice);
      await network.cable(CAROL, 'down');
      await sees(carol, [alice, bob], 'dead', CUT_MS);
      for (const { id, direction, capabilities } of grants) {
        const isOnTalks = JSON.stringify(capabilities).includes('talks');
        if (direction === 'issued' && isOnTalks) await ok(alice, 'grant', 'revoke', id);
      }
      await network.cable(CAROL, 'up');
      const answer = await refusedAtLast(call);
      expect(answer).toMatch(/^STARLING_CALL_REFUSED/);
      expect((await seen()).filter((label) => label.startsWith('try'))).toEqual([]);
    });
  },
);
