/** Which changes of the replicas of a strong board count for those who read and write it. */
import { describe, expect, it } from 'vitest';
import {
  capabilitiesFor,
  signCreation,
  signCut,
  signReplicas,
} from '../../../src/blackboard/access/access-records.ts';
import { BoardAccess } from '../../../src/blackboard/access/board-access.ts';
import { boardIdOf } from '../../../src/blackboard/board-id.ts';
import { firstVoters } from '../../../src/blackboard/lanes/voters.ts';
import type { Voter } from '../../../src/blackboard/lanes/voters.ts';
import type { Did } from '../../../src/core/index.ts';
import { issueGrant } from '../../../src/grants/index.ts';
import type { Grant } from '../../../src/grants/index.ts';
import { keysOf } from '../keys.ts';

const KEYS = keysOf('ann', 'bob', 'cyd', 'dan');
const NOW = Date.UTC(2026, 0, 1);

const key = (name: string) => {
  const found = KEYS.get(name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
};
const did = (name: string): Did => key(name).did;
const ID = boardIdOf('jobs', did('ann'));
const FIRST = firstVoters([did('ann'), did('bob')], ['a', 'b']);

const creation = signCreation(key('ann'), 'jobs', NOW, {
  strong: [did('ann'), did('bob')],
  disks: ['a', 'b'],
});
const admin = (at = NOW + 1000): Grant => {
  const { cap, expiresAt, maxDepth } = capabilitiesFor('jobs', 'admin', '');
  const init = { aud: did('dan'), sub: did('ann'), cap, expiresAt, maxDepth };
  return issueGrant(key('ann'), init, at);
};
const change = (by: string, number: number, before: readonly Voter[], voters: readonly Voter[]) =>
  signReplicas(key(by), { board: ID, number, before, voters, at: NOW });
const withCyd: readonly Voter[] = [...FIRST, { did: did('cyd'), disk: 'c', since: 1 }];
const danAlone: readonly Voter[] = [{ did: did('dan'), disk: 'd', since: 3 }];
const revoke = (grant: Grant, changes: readonly string[] = []): string =>
  signCut(key('ann'), grant, { cuts: new Map([[did('dan'), []]]), changes }, NOW + 5000);

/** What all say who have these records, in whichever order they came. */
function judged(records: readonly string[]): BoardAccess {
  const all = [records, records.toReversed()].map((order) => {
    const access = new BoardAccess(ID);
    // What stands on a record that has not come waits for that at whoever sent it, and comes with it again.
    for (const _ of order) for (const one of order) access.keep(access.fit([one]).records);
    return access;
  });
  const [one, other] = all;
  if (one === undefined || other === undefined) throw new Error('no access');
  expect(one.replicas).toEqual(other.replicas);
  return one;
}

describe('a change of the replicas', () => {
  it('that a revoked administrator signed gives nobody a right, unless the revocation names it', () => {
    const grant = admin();
    const good = change('dan', 1, FIRST, withCyd);
    const bad = change('dan', 3, withCyd, danAlone);
    const before = judged([creation, grant.jws, good]);
    expect(before.mayRead(did('cyd'))).toBe(true);
    const after = judged([
      creation,
      grant.jws,
      good,
      revoke(grant, before.changesBy([did('dan')])),
      bad,
    ]);
    expect(after.replicas).toEqual(withCyd.map((voter) => voter.did));
    expect([after.mayRead(did('cyd')), after.mayWriteIn(lane('cyd'), 'k')]).toEqual([true, true]);
    expect([after.mayRead(did('dan')), after.mayWriteIn(lane('dan'), 'k')]).toEqual([false, false]);
    expect(after.limitOf(lane('dan'))).not.toBe(0);
    // The revocation of somebody who has not seen the change takes it along.
    expect(judged([creation, grant.jws, good, revoke(grant)]).mayRead(did('cyd'))).toBe(false);
  });

  it('counts where it follows on those who were the replicas, and on nothing else', () => {
    const grant = admin();
    const jump = change('dan', 41, danAlone, danAlone);
    expect(judged([creation, grant.jws, jump]).replicas).toEqual(FIRST.map((one) => one.did));
    const good = change('ann', 1, FIRST, withCyd);
    const next = change('dan', 3, withCyd, FIRST);
    const access = judged([creation, grant.jws, good, next]);
    expect(access.replicas).toEqual(FIRST.map((one) => one.did));
    // Its lane stays what it was, and it reads no more.
    expect([access.mayRead(did('cyd')), access.mayWriteIn(lane('cyd'), 'k')]).toEqual([
      false,
      true,
    ]);
    expect([access.isCounted(next), access.isCounted(jump)]).toEqual([true, false]);
  });
});

function lane(name: string) {
  return { did: did(name), client: 7, gen: 0 };
}

describe('lanes of a strong board', () => {
  it('count where a replica wrote them, and of nobody else who may write or made the board', () => {
    const { cap, expiresAt, maxDepth } = capabilitiesFor('jobs', 'write', '');
    const init = { aud: did('dan'), sub: did('ann'), cap, expiresAt, maxDepth };
    const access = judged([creation, issueGrant(key('ann'), init, NOW).jws]);
    const mayIn = (name: string): boolean =>
      access.mayWriteIn({ did: did(name), client: 1, gen: 0 }, 'leader');
    expect(access.mayWrite(did('dan'), 'leader')).toBe(true);
    expect(['ann', 'bob', 'cyd', 'dan'].map(mayIn)).toEqual([true, true, false, false]);
  });
});
