/** Revoking across cut cables: the issuer of a link, the owner of the tool, or the holder is cut off while a grant is taken back. */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ALICE,
  BOB,
  CAROL,
  CUT_MS,
  HEALED_MS,
  TEST_MS,
  isRefusal,
  refusedAtLast,
  startChain,
} from './chain.ts';
import type { Chain } from './chain.ts';
import { namespacesMissing } from './namespaces.ts';
import { attempt, eventually, grantList, revoke, sees, useWorld } from '../support.ts';

/** One chain for all tests, in their order. */
const world = useWorld('file');
const missing = await namespacesMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

describe.skipIf(missing !== undefined)('a link of a chain', { timeout: TEST_MS }, () => {
  let chain: Chain;
  beforeAll(async () => {
    chain = await startChain(world);
  });

  it('that is revoked while only its issuer is cut off counts from when the owner meets anybody who knows', async () => {
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
      () => attempt(bob, 'call', 'alice__talks__note'),
      ({ code }) => code === 0,
      HEALED_MS,
    );
    expect(asked.stdout).toContain('noted');
    expect(await call('after she met him')).toMatch(/^STARLING_CALL_REFUSED/);
  });

  it('that is revoked finds its way around a cut between its issuer and the owner', async () => {
    const { network, alice, bob, handOnAgain, call } = chain;
    const link = await handOnAgain();
    await network.between(ALICE, BOB, 'shut');
    await sees(alice, [bob], 'alive', CUT_MS);
    await revoke(bob, link);
    await eventually('carol is refused', () => call('around the corner'), isRefusal);
    await network.between(ALICE, BOB, 'open');
  });

  it('that is revoked while the owner is cut off from all is applied before anybody is served again', async () => {
    const { network, alice, bob, carol, handOnAgain, call, seen } = chain;
    const link = await handOnAgain();
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
