/** A board whose creator has another key since: its identity is its name and the key that made it. */
import { expect, it } from 'vitest';
import {
  capabilitiesFor,
  signCreation,
  signCut,
} from '../../../src/blackboard/access/access-records.ts';
import { BoardAccess } from '../../../src/blackboard/access/board-access.ts';
import { boardIdOf } from '../../../src/blackboard/board-id.ts';
import { silentLogger } from '../../../src/core/index.ts';
import { createSuccessions, issueGrant, issueSuccession } from '../../../src/grants/index.ts';
import type { Grant } from '../../../src/grants/index.ts';
import type { Signer } from '../../../src/identity/index.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { keyOf } from '../keys.ts';
import { contentOf, makeDocument } from '../support.ts';

const NOW = 1_700_000_000_000;
const ANN: Signer = keyOf('ann');
const ANN_SINCE: Signer = keyOf('anew');
const BOB: Signer = keyOf('bob');
const CYD: Signer = keyOf('cyd');
const EVE: Signer = keyOf('eve');
const ID = boardIdOf('plan', ANN.did);

function rightFor(by: Signer, to: Signer, at = NOW): Grant {
  const { cap, expiresAt, maxDepth } = capabilitiesFor('plan', 'write', '');
  return issueGrant(by, { aud: to.did, sub: by.did, cap, expiresAt, maxDepth }, at);
}

it('a board stays its creator’s through a new key: rights, what was written, and what is taken back', async () => {
  const given = rightFor(ANN, BOB);
  const successions = createSuccessions({ table: memoryTable(), logger: silentLogger });
  await successions.add(
    issueSuccession(ANN, ANN_SINCE, { mesh: ANN.did, keep: [given] }, NOW + 1000),
  );
  const access = new BoardAccess(ID, successions);
  access.keep(access.fit([signCreation(ANN, 'plan', NOW), given.jws]).records);
  const later = rightFor(ANN_SINCE, CYD, NOW + 2000);
  access.keep(access.fit([later.jws, rightFor(EVE, EVE).jws]).records);

  expect([ANN_SINCE, EVE].map(({ did }) => access.mayAdminister(did))).toEqual([true, false]);
  expect([BOB, CYD, EVE].map(({ did }) => access.mayWrite(did, 'k'))).toEqual([true, true, false]);

  const document = makeDocument([], {}, { self: BOB.did, access, now: () => NOW });
  for (const [who, key] of [
    [ANN, 'before'],
    [ANN_SINCE, 'since'],
    [CYD, 'of cyd'],
  ] as const) {
    const theirs = makeDocument([], {}, { self: who.did, access, now: () => NOW });
    theirs.set({ key, value: 1 });
    expect(document.take(theirs.whole())).toEqual(['applied']);
  }
  expect(contentOf(document)).toEqual({ before: 1, since: 1, 'of cyd': 1 });

  // With the new key what the old one gave is taken back, as any right.
  const cuts = new Map([[BOB.did, document.seenOf(BOB.did)]]);
  access.keep(access.fit([signCut(ANN_SINCE, given, { cuts }, NOW + 3000)]).records);
  expect(access.revocable(ANN_SINCE.did).map(({ claims }) => claims.aud)).toEqual([CYD.did]);
});
