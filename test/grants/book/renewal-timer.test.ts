/** Renewal by the day, on a clock of the test's own: who is live, who was away, and who comes back. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import type { Did } from '../../../src/core/index.ts';
import {
  RENEWED_LIFETIME_MS,
  createGrantBook,
  createRenewalTimer,
} from '../../../src/grants/index.ts';
import type { Grant, GrantBook, RenewalTimer } from '../../../src/grants/index.ts';
import type { Signer } from '../../../src/identity/index.ts';
import { ALL_FILES, NOW_MS, alice, bob, carol, manualClock, owner } from '../arrange.ts';
import { memoryTable } from '../memory-table.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

interface Scene {
  readonly clock: ReturnType<typeof manualClock>;
  readonly owner: GrantBook;
  readonly renewalTimer: RenewalTimer;
  readonly live: Set<Did>;
  readonly looks: Did[];
  book(identity: Signer): Promise<GrantBook>;
  give(to: Did, maxDepth?: number): Promise<Grant>;
  endOf(grant: Grant): number;
}

async function sceneOf(): Promise<Scene> {
  const clock = manualClock();
  const book = async (identity: Signer): Promise<GrantBook> => {
    const created = createGrantBook({
      identity,
      grants: memoryTable(),
      revocations: memoryTable(),
      clock,
      logger: silentLogger,
    });
    await created.start();
    return created;
  };
  const ours = await book(owner);
  const live = new Set<Did>();
  const looks: Did[] = [];
  const renewalTimer = createRenewalTimer({
    grants: ours,
    self: owner.did,
    clock,
    logger: silentLogger,
    isLive(holder) {
      looks.push(holder);
      return live.has(holder);
    },
  });
  await renewalTimer.start();
  return {
    clock,
    owner: ours,
    renewalTimer,
    live,
    looks,
    book,
    give: (aud, maxDepth = 0) =>
      ours.issue({
        aud,
        capabilities: [ALL_FILES],
        expiresAtMs: clock.now() + RENEWED_LIFETIME_MS,
        renewForMs: RENEWED_LIFETIME_MS,
        maxDepth,
      }),
    endOf: (grant) => ours.find(grant.claims.jti).claims.exp * 1000,
  };
}

describe('a grant without an end', () => {
  it('lasts a day, and goes on for as long as its holder is live', async () => {
    const scene = await sceneOf();
    const grant = await scene.give(alice.did);
    expect(scene.endOf(grant)).toBe(NOW_MS + DAY_MS);
    scene.live.add(alice.did);
    await scene.clock.advance(30 * DAY_MS);
    expect(scene.owner.held(alice.did)).toHaveLength(1);
    scene.live.delete(alice.did);
    await scene.clock.advance(DAY_MS + HOUR_MS);
    expect(scene.owner.held(alice.did)).toEqual([]);
  });

  it('is renewed at once when its holder comes back after its end, and nobody else’s is', async () => {
    const scene = await sceneOf();
    const [mine, other] = [await scene.give(alice.did), await scene.give(bob.did)];
    await scene.clock.advance(2 * DAY_MS);
    expect(scene.owner.held(alice.did)).toEqual([]);
    scene.live.add(alice.did).add(bob.did);
    scene.looks.length = 0;
    scene.renewalTimer.returned(alice.did);
    await scene.renewalTimer.check();
    // The return looks at her alone, the check at whoever is due then.
    expect(scene.looks).toEqual([alice.did, bob.did]);
    expect(scene.owner.held(alice.did)).toHaveLength(1);
    expect(scene.endOf(mine)).toBe(scene.clock.now() + DAY_MS);
    expect(scene.endOf(other)).toBe(scene.clock.now() + DAY_MS);
  });

  it('is looked at once when its holder comes and goes a hundred times', async () => {
    const scene = await sceneOf();
    await scene.give(alice.did);
    await scene.clock.advance(13 * HOUR_MS);
    scene.looks.length = 0;
    for (let count = 0; count < 100; count += 1) scene.renewalTimer.returned(alice.did);
    await scene.renewalTimer.check();
    // Once for the return, once for the check.
    expect(scene.looks).toEqual([alice.did, alice.did]);
  });

  it('stays ended when it was revoked while its holder was away', async () => {
    const scene = await sceneOf();
    const grant = await scene.give(alice.did);
    await scene.clock.advance(2 * DAY_MS);
    await scene.owner.revoke(grant.claims.jti);
    scene.live.add(alice.did);
    scene.renewalTimer.returned(alice.did);
    await scene.renewalTimer.check();
    expect(scene.owner.held(alice.did)).toEqual([]);
  });

  it('is fresh at a holder that missed every renewal, and so is what it handed on', async () => {
    const scene = await sceneOf();
    const theirs = await scene.book(alice);
    const root = await scene.give(alice.did, 1);
    await theirs.receive(scene.owner.issuedTo(alice.did));
    const leaf = await theirs.delegate({
      parent: root.claims.jti,
      aud: carol.did,
      renewForMs: RENEWED_LIFETIME_MS,
    });
    const handing = createRenewalTimer({
      grants: theirs,
      self: alice.did,
      clock: scene.clock,
      logger: silentLogger,
      isLive: () => true,
    });
    await handing.start();
    // The owner takes alice for alive, and yet nothing of it reaches her for three days.
    scene.live.add(alice.did);
    await scene.clock.advance(3 * DAY_MS);
    expect(theirs.state(theirs.find(root.claims.jti))).toBe('expired');
    expect(theirs.toPresent(owner.did)).toEqual([]);

    await theirs.receive(scene.owner.issuedTo(alice.did));
    await handing.check();
    expect(theirs.received()).toEqual([scene.owner.find(root.claims.jti)]);
    expect(theirs.find(leaf.claims.jti).claims.exp * 1000).toBe(scene.endOf(root));
    expect(scene.owner.present(carol.did, theirs.issuedTo(carol.did))).toEqual([]);
    expect(scene.owner.held(carol.did)).toHaveLength(1);
    await handing.stop();
  });

  it('is not renewed after the stop, whoever comes back', async () => {
    const scene = await sceneOf();
    const grant = await scene.give(alice.did);
    await scene.clock.advance(20 * HOUR_MS);
    scene.live.add(alice.did);
    await scene.renewalTimer.stop();
    scene.renewalTimer.returned(alice.did);
    await scene.renewalTimer.check();
    expect(scene.owner.issued()).toEqual([grant]);
  });
});
