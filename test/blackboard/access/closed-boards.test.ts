/** Records of boards that are not open: what a peer may say, and what is on the disk of a board with no room for more. */
import { hash } from 'node:crypto';
import { expect, it } from 'vitest';
import { ClosedBoards } from '../../../src/blackboard/closed-boards.ts';
import {
  capabilitiesFor,
  signCreation,
  signCut,
} from '../../../src/blackboard/access/access-records.ts';
import { RECORDS_MAX } from '../../../src/blackboard/access/board-access.ts';
import { boardIdOf } from '../../../src/blackboard/board-id.ts';
import { silentLogger } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import { issueGrant, parseGrant } from '../../../src/grants/index.ts';
import type { Grant } from '../../../src/grants/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { journalTable } from '../journal-table.ts';
import type { JournalTable } from '../journal-table.ts';
import { keyOf } from '../keys.ts';

const NOW = Date.UTC(2026, 0, 1);
const [ANN, DAN, EVE] = [keyOf('ann'), keyOf('dan'), keyOf('eve')];
const PEER = 'B' as PeerId;
/** Of others than the creator there are so many at the most. */
const OF_OTHERS = RECORDS_MAX - 128;

function boardsOf(table: JournalTable, self = ANN) {
  const clock = createTestClock();
  const reported: string[] = [];
  const changed: (readonly string[])[] = [];
  const components = {
    table,
    self: self.did,
    signer: self,
    clock,
    random: () => 0.5,
    logger: silentLogger,
    network: { report: (_: PeerId, what: string) => void reported.push(what) },
    didOf: () => DAN.did,
    find: () => undefined,
    open: () => undefined,
    hasRoomFor: () => true,
    rightsChanged: (_: string, records: readonly string[]) => void changed.push(records),
  };
  const boards = new ClosedBoards(components);
  return { boards, changed, clock, reported };
}

/** Dan is an administrator of a board of ann's, and gives rights on and on. */
function planOf(name = 'plan') {
  const grant = (signer: typeof ANN, ability: 'admin' | 'read', parent?: Grant): Grant => {
    const { cap, expiresAt, maxDepth } = capabilitiesFor(name, ability, '');
    const parents = parent === undefined ? {} : { parents: [parent] };
    const aud = parent === undefined ? DAN.did : EVE.did;
    return issueGrant(signer, { aud, sub: ANN.did, cap, expiresAt, maxDepth, ...parents }, NOW);
  };
  const admin = grant(ANN, 'admin');
  const byDan = (count: number): string[] =>
    Array.from({ length: count }, () => grant(DAN, 'read', admin).jws);
  return { id: boardIdOf(name, ANN.did), first: [signCreation(ANN, name, NOW), admin.jws], byDan };
}

it('a peer that says more than there is room for on one board is heard on others, and what is known is heard on that one', async () => {
  const { boards, clock, reported } = boardsOf(journalTable());
  const [plan, other] = [planOf(), planOf('other')];
  await boards.learn(plan.id, [...plan.first, ...plan.byDan(OF_OTHERS)]);
  await boards.learn(other.id, other.first);
  const flood = plan.byDan(OF_OTHERS);
  const codeOf = (id: string, texts: readonly string[]): Promise<unknown> =>
    boards.learn(id, texts, PEER).then(
      () => 'heard',
      (error: unknown) => (error as { code: string }).code,
    );
  const codes: unknown[] = [];
  for (let times = 0; times < 60; times += 1) codes.push(await codeOf(plan.id, flood));
  expect([codes[0], codes.at(-1)]).toEqual(['heard', 'STARLING_LIMIT_EXCEEDED']);
  const told = reported.length;
  expect(await codeOf(plan.id, boards.accessOf(plan.id)?.records ?? [])).toBe('heard');
  expect(await codeOf(plan.id, [])).toBe('heard');
  expect(await codeOf(other.id, other.byDan(2))).toBe('heard');
  expect(reported.length).toBe(told);
  // A while later it is heard there, too.
  clock.advance(60_000);
  expect(await codeOf(plan.id, flood)).toBe('heard');
});

it('a peer that says too much on many boards is held up on all', async () => {
  const { boards, reported } = boardsOf(journalTable());
  const unfit = planOf().byDan(1000);
  const asked = Array.from({ length: 20 }, (_, at) =>
    boards.learn(planOf(`p${at}`).id, unfit, PEER).catch(() => 'refused'),
  );
  const refused = (await Promise.all(asked)).filter((one) => one === 'refused');
  expect(refused).toHaveLength(20 - 9);
  expect(reported).toHaveLength(20 - 9);
});

it('all that was kept of a board counts after a start, also where others signed more than they may by now', async () => {
  const table = journalTable();
  const { id, first, byDan } = planOf();
  // As an earlier version kept it: of the last one dan has taken the right back.
  const grants = byDan(OF_OTHERS + 40);
  const taken = parseGrant(grants.at(-1) ?? '');
  const cut = signCut(DAN, taken, { cuts: new Map([[EVE.did, []]]) }, NOW + 1);
  const records = [...first, ...grants, cut];
  for (const jws of records) {
    await table.put(`!access/${id}/${hash('sha256', jws)}`, Buffer.from(jws));
  }
  const { boards } = boardsOf(table);
  await boards.load();
  expect(boards.accessOf(id)?.records.toSorted()).toEqual(records.toSorted());
  // And no more of theirs from then on.
  await boards.learn(id, byDan(1));
  expect(boards.accessOf(id)?.records).toHaveLength(records.length);
});

it('what two say at once and of which there is room for one alone is not on the disk afterwards', async () => {
  const table = journalTable();
  const { boards, changed } = boardsOf(table);
  const { id, first, byDan } = planOf();
  await boards.learn(id, [...first, ...byDan(OF_OTHERS - 3)]);
  changed.length = 0;
  await Promise.all([boards.learn(id, byDan(3)), boards.learn(id, byDan(2))]);
  const kept = boards.accessOf(id)?.records ?? [];
  expect(kept).toHaveLength(first.length + OF_OTHERS);
  expect([...table.rows.values()].map((value) => Buffer.from(value).toString()).toSorted()).toEqual(
    kept.toSorted(),
  );
  expect(changed.map((records) => records.length)).toEqual([3]);
});

it('an administrator who gives a right on a full board hears that it is full', async () => {
  const { boards } = boardsOf(journalTable(), DAN);
  const { id, first, byDan } = planOf();
  await boards.learn(id, [...first, ...byDan(OF_OTHERS)]);
  const given = boards.grant(id, { to: EVE.did, ability: 'read' });
  await expect(given).rejects.toMatchObject({ code: 'STARLING_LIMIT_EXCEEDED' });
});
