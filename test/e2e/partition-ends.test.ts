/** Revoking across a cut cable: the owner of the tool, or the holder of a grant, is cut off while the grant is taken back. */
import { beforeAll, describe, expect, it } from 'vitest';
import { ALICE, CAROL, CUT_MS, TEST_MS, refusedAtLast, startChain } from './chain.ts';
import type { Chain } from './chain.ts';
import { namespacesMissing } from './namespaces.ts';
import { eventually, grantList, revoke, sees, useWorld } from './support.ts';

/** One chain for both tests, in their order. */
const world = useWorld('file');
const missing = await namespacesMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

describe.skipIf(missing !== undefined)('a link of a chain', { timeout: TEST_MS }, () => {
  let chain: Chain;
  beforeAll(async () => {
    chain = await startChain(world);
  });

  it('that is revoked while the owner is cut off from all is applied before anybody is served again', async () => {
    const { network, alice, bob, carol, link, call, seen } = chain;
    await network.cable(ALICE, 'down');
    await Promise.all([
      sees(alice, [bob, carol], 'dead', CUT_MS),
      sees(bob, [alice], 'dead', CUT_MS),
      sees(carol, [alice], 'dead', CUT_MS),
    ]);
    await revoke(bob, link);
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

  it('whose root its owner revokes while the holder is cut off is gone when the holder is back', async () => {
    const { network, alice, bob, carol, handOnAgain, call, seen } = chain;
    await handOnAgain();
    const before = await seen();
    const { grants } = await grantList(alice);
    await network.cable(CAROL, 'down');
    await sees(carol, [alice, bob], 'dead', CUT_MS);
    for (const { id, direction, capabilities } of grants) {
      const isOnTalks = JSON.stringify(capabilities).includes('talks');
      if (direction === 'issued' && isOnTalks) await revoke(alice, id);
    }
    await network.cable(CAROL, 'up');
    const answer = await refusedAtLast(call);
    expect(answer).toMatch(/^STARLING_CALL_REFUSED/);
    expect(await seen()).toEqual(before);
  });
});
