/** A board with as many records of rights as there may be: whoever made it takes rights back all the same. */
import { expect, it, onTestFinished, vi } from 'vitest';
import {
  capabilitiesFor,
  signCreation,
  signCut,
} from '../../../src/blackboard/access/access-records.ts';
import { BoardAccess, RECORDS_MAX } from '../../../src/blackboard/access/board-access.ts';
import { boardIdOf } from '../../../src/blackboard/board-id.ts';
import { encodeMessage } from '../../../src/blackboard/sync/codec.ts';
import type { Did } from '../../../src/core/index.ts';
import { issueGrant } from '../../../src/grants/index.ts';
import type { Grant } from '../../../src/grants/index.ts';
import { calm } from '../hub.ts';
import { keyOf, keysOf } from '../keys.ts';
import { makeMesh } from '../support.ts';

const NOW = Date.UTC(2026, 0, 1);
const ANN = keyOf('ann');
const DAN = keyOf('dan');
const EVE = keyOf('eve');

/** A grant of ann's, or one of dan's that stands on `parent`. */
function grantTo(aud: Did, ability: 'admin' | 'read', parent?: Grant): Grant {
  const { cap, expiresAt, maxDepth } = capabilitiesFor('plan', ability, '');
  const parents = parent === undefined ? {} : { parents: [parent] };
  const init = { aud, sub: ANN.did, cap, expiresAt, maxDepth, ...parents };
  return issueGrant(parent === undefined ? ANN : DAN, init, NOW + 1000);
}

it('an administrator who signs as many records as there may be keeps nobody from taking that right back', () => {
  const admin = grantTo(DAN.did, 'admin');
  const access = new BoardAccess(boardIdOf('plan', ANN.did));
  const learn = (texts: readonly string[]): number => {
    const { records } = access.fit(texts);
    access.keep(records);
    return records.length;
  };
  expect(learn([signCreation(ANN, 'plan', NOW), admin.jws])).toBe(2);
  const flood = Array.from({ length: RECORDS_MAX + 50 }, () => grantTo(EVE.did, 'read', admin).jws);
  const kept = learn(flood) + learn(flood);
  // As many as honest boards have.
  expect(kept).toBeGreaterThan(300);
  expect(access.mayAdminister(DAN.did)).toBe(true);
  const cuts = new Map([[DAN.did, []]]);
  expect(learn([signCut(ANN, admin, { cuts }, NOW + 5000)])).toBe(1);
  expect([access.mayAdminister(DAN.did), access.mayRead(EVE.did)]).toEqual([false, false]);
  // And what is on the disk then counts after a start, in whichever order it is read.
  const again = new BoardAccess(access.id);
  again.keep(again.fit(access.records.toReversed()).records);
  expect([again.digest, again.mayAdminister(DAN.did)]).toEqual([access.digest, false]);
});

it('a peer that says records on and on which count for nothing has so many looked at, and is told of', async () => {
  const keys = keysOf('ann', 'dan');
  const mesh = await makeMesh(['ann', 'dan'], {}, keys);
  mesh.connectAll();
  await calm();
  const [ann, dan] = mesh.members;
  if (ann === undefined || dan === undefined) throw new Error('nobody');
  const plan = await ann.blackboard.board('plan');
  await plan.create();
  await calm();
  // Well signed, by somebody who has no right to give.
  const records = Array.from(
    { length: 200 },
    () => grantTo(DAN.did, 'read', grantTo(DAN.did, 'admin')).jws,
  );
  const looked = vi.spyOn(BoardAccess.prototype, 'fit');
  onTestFinished(() => looked.mockRestore());
  const frame = encodeMessage({ t: 'access', board: plan.id, records });
  for (let times = 0; times < 90; times += 1) {
    await dan.network.sendFrame(ann.id, 'own-boards', frame);
    await calm(4);
  }
  const counts = (): number => looked.mock.calls.reduce((sum, [texts]) => sum + texts.length, 0);
  expect(counts()).toBeGreaterThan(1000);
  expect(counts()).toBeLessThan(1024 + 2 * records.length);
  expect(mesh.hub.reported.filter(({ what }) => what !== 'records')).toEqual([]);
  expect(mesh.hub.reported.length).toBeGreaterThan(20);
  // Its rights are said and heard all the same, a while later.
  mesh.clock.advance(60_000);
  const before = counts();
  await dan.network.sendFrame(ann.id, 'own-boards', frame);
  await calm();
  expect(counts() - before).toBe(records.length);
  await mesh.stop();
});
