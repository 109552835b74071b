/** The mesh's records: how many there may be, whose come first, when they end, and what a flood does. */
import { describe, expect, it } from 'vitest';
import { createHealth, silentLogger } from '../../../src/core/index.ts';
import type { BucketSize, Clock, Did, Health } from '../../../src/core/index.ts';
import {
  createGrantBook,
  createSuccessions,
  issueGrant,
  issueSuccession,
} from '../../../src/grants/index.ts';
import type { Grant, GrantBook } from '../../../src/grants/index.ts';
import { issueRevocation } from '../../../src/grants/format/issue.ts';
import { peerIdFromDid, signerFromSeed } from '../../../src/identity/index.ts';
import type { Signer } from '../../../src/identity/index.ts';
import { meshResource } from '../../../src/mesh/records/member-list.ts';
import { createRecords } from '../../../src/mesh/records/records.ts';
import type { Records } from '../../../src/mesh/records/records.ts';
import type { RecordQuotasInit } from '../../../src/mesh/records/record-quotas.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { upTo } from '../../long/extent.ts';

const HOUR_MS = 3_600_000;
const START = Date.UTC(2026, 10, 21);
const [mesh, founder, self, guest, stranger] = [1, 2, 3, 4, 5].map((byte) =>
  signerFromSeed(new Uint8Array(32).fill(byte)),
) as [Signer, Signer, Signer, Signer, Signer];
const now = { ms: START };
const clock: Clock = { now: () => now.ms, schedule: () => () => undefined };
/** On which each rest is over at once; how long they were. */
const rests: number[] = [];
const restingClock: Clock = {
  now: () => now.ms,
  schedule(delayMs, task) {
    rests.push(delayMs);
    const timer = setImmediate(task);
    return () => clearImmediate(timer);
  },
};
const NEIGHBOUR = peerIdFromDid(founder.did);

function membership(of: Did, parent?: Grant, maxDepth = parent === undefined ? 4 : 0): Grant {
  const resource = meshResource(mesh.did);
  return issueGrant(
    parent === undefined ? mesh : founder,
    {
      aud: of,
      sub: mesh.did,
      cap: ['mesh/join', 'mesh/invite'].map((ability) => ({ resource, ability })),
      expiresAt: START / 1000 + 1_000_000,
      maxDepth,
      ...(parent === undefined ? {} : { parents: [parent] }),
    },
    START,
  );
}

const ROOT = membership(founder.did);
const OWN = membership(self.did, ROOT);
const MEMBERS = [ROOT, OWN, membership(guest.did, ROOT)];

/** A revocation by `signer` of a grant of its own that ends after `lifeMs`. */
function revoked(signer: Signer, lifeMs = HOUR_MS): { grant: Grant; jws: string } {
  const expiresAt = (START + lifeMs) / 1000;
  const cap = [{ resource: 'tool:files/*', ability: 'tool/call' }];
  // Records see the revocation only, so that nothing signs the grant.
  const unsigned = { did: signer.did, sign: () => new Uint8Array(64) };
  const grant = issueGrant(unsigned, { aud: guest.did, sub: signer.did, cap, expiresAt }, START);
  return { grant, jws: issueRevocation(signer, grant, START).jws };
}

interface World {
  readonly records: Records;
  readonly grants: GrantBook;
  readonly health: Health;
  readonly rows: Map<string, Uint8Array>;
  readonly again: () => Promise<Records>;
}

async function world(
  room?: RecordQuotasInit,
  members = MEMBERS,
  table = memoryTable(),
  pace?: BucketSize,
): Promise<World> {
  now.ms = START;
  rests.length = 0;
  const health = createHealth();
  const successions = createSuccessions({ table: memoryTable(), logger: silentLogger });
  const grants = createGrantBook({
    identity: self,
    successions,
    grants: memoryTable(),
    revocations: memoryTable(),
    clock,
    logger: silentLogger,
  });
  await grants.start();
  const again = async (): Promise<Records> => {
    const records = createRecords(
      { table, grants, successions, clock: restingClock, logger: silentLogger, health },
      {
        mesh: mesh.did,
        open: false,
        self: self.did,
        ...(room === undefined ? {} : { room }),
        ...(pace === undefined ? {} : { pace }),
      },
    );
    await records.load();
    return records;
  };
  const records = await again();
  expect(await records.addAll(members.map(({ jws }) => jws).toReversed())).toBe(members.length);
  return { records, grants, health, rows: table.rows, again };
}

it('a membership that two connections bring at once counts for both before either goes on', async () => {
  const table = memoryTable();
  const put = table.put.bind(table);
  // A disk answers later than whoever asks it goes on.
  table.put = async (...args) => {
    await new Promise((resolve) => setImmediate(resolve));
    return put(...args);
  };
  const { records } = await world(undefined, [], table);
  const first = records.add(ROOT.jws);
  await records.add(ROOT.jws);
  expect(await records.add(OWN.jws)).toBe(true);
  expect(records.isMember(self.did)).toBe(true);
  expect(await first).toBe(true);
});

describe('revocations of one member', () => {
  it('count and are passed on, thousands of them, and after a restart as well', async () => {
    const { records, grants, rows, again } = await world();
    const count = upTo(1000, 10_000);
    const all = Array.from({ length: count }, () => revoked(founder));
    expect(await records.addAll(all.map(({ jws }) => jws))).toBe(count);
    expect(records.all().size).toBe(count + 3);
    expect(all.every(({ grant }) => grants.isRevoked(grant, [founder.did]))).toBe(true);
    const restarted = await again();
    expect(restarted.digest()).toBe(records.digest());
    // They lie in the table of the grant book, once.
    expect(rows.size).toBe(3);
  });

  it('can not take the room of the founder, nor ours; a person hears of it', async () => {
    const { records, health } = await world({ perSignerMax: 3, perRankMax: 4 });
    const add = (signer: Signer): Promise<boolean> => records.add(revoked(signer).jws);
    expect([await add(guest), await add(guest), await add(guest)]).toEqual([true, true, true]);
    expect(health.warnings()).toEqual([]);
    expect(await add(guest)).toBe(false);
    expect(health.warnings()).toMatchObject([{ code: 'records-full' }]);
    expect([await add(founder), await add(self)]).toEqual([true, true]);
  });

  it('are refused by their signature after the look at the room, and by strangers always', async () => {
    const { records } = await world();
    const { jws } = revoked(guest);
    expect(await records.add(`${jws.slice(0, -6)}AAAAAA`)).toBe(false);
    expect(await records.add(revoked(stranger).jws)).toBe(false);
    expect(await records.add('x'.repeat(1_000_000))).toBe(false);
    expect(records.all().size).toBe(3);
  });

  it('are told once, though the grant book tells of them as well', async () => {
    const { records, grants } = await world();
    const told: string[] = [];
    records.onAdded((jws) => told.push(jws));
    grants.events.on('revocation', (jws) => void records.add(jws));
    const { jws } = revoked(guest);
    await Promise.all([records.add(jws), records.add(jws)]);
    expect(told).toEqual([jws]);
  });
});

describe('records of a member that signs without end', () => {
  const PACE = { burst: 3, everyMs: 1000 };

  it('are taken so fast, the others later, and those of others at once; the signer is told of', async () => {
    const { records, grants, again } = await world(undefined, MEMBERS, memoryTable(), PACE);
    const over: Did[] = [];
    records.onSignsTooMuch((signer) => over.push(signer));
    const flood = Array.from({ length: 6 }, () => revoked(guest));
    const texts = flood.map(({ jws }) => jws);
    expect(await records.addOfPeer([...texts, revoked(founder).jws], NEIGHBOUR)).toEqual({
      news: 4,
      known: 0,
      later: 3,
      ownLater: 0,
    });
    expect(over).toEqual([guest.did]);
    expect(await records.add(revoked(self).jws)).toBe(true);
    // Whoever has them offers them again, and then they count.
    const again1 = await records.addOfPeer(texts, NEIGHBOUR);
    expect(again1).toEqual({ news: 0, known: 3, later: 3, ownLater: 0 });
    now.ms += 1000;
    const again2 = await records.addOfPeer(texts, peerIdFromDid(guest.did));
    expect(again2).toEqual({ news: 1, known: 3, later: 2, ownLater: 2 });
    now.ms += 2000;
    for (const jws of texts) await records.add(jws);
    now.ms += 2000;
    for (const jws of texts) await records.add(jws);
    expect(flood.every(({ grant }) => grants.isRevoked(grant, [guest.did]))).toBe(true);
    // What is on disk is read at once.
    expect((await again()).digest()).toBe(records.digest());
  });

  it('cost no signature while the allowance is used up, and whoever passes them on is blamed for nothing', async () => {
    const { records } = await world(undefined, MEMBERS, memoryTable(), PACE);
    await records.addOfPeer(
      Array.from({ length: 3 }, () => revoked(guest).jws),
      NEIGHBOUR,
    );
    // Forged ones are not told from others, because nobody looks.
    const forged = Array.from({ length: 40 }, () => `${revoked(guest).jws.slice(0, -6)}AAAAAA`);
    expect(await records.addOfPeer(forged, NEIGHBOUR)).toMatchObject({ later: 40 });
    const { records: full } = await world({ perSignerMax: 2 });
    expect(
      await full.addOfPeer(
        Array.from({ length: 4 }, () => revoked(guest).jws),
        NEIGHBOUR,
      ),
    ).toMatchObject({ news: 2, later: 2 });
  });

  it('have the lane of who sends them rest long, however many streams bring them, and no other lane', async () => {
    const { records } = await world(undefined, MEMBERS, memoryTable(), PACE);
    const texts = Array.from({ length: 96 }, () => revoked(guest).jws);
    const order: string[] = [];
    const lanes = [texts.slice(0, 48), texts.slice(48)].map(async (half, index) => {
      await records.addOfPeer(half, NEIGHBOUR);
      order.push(`half ${index}`);
    });
    const other = records
      .addOfPeer([revoked(founder).jws], peerIdFromDid(self.did))
      .then(() => order.push('other'));
    await Promise.all([...lanes, other]);
    expect(order).toEqual(['other', 'half 0', 'half 1']);
    // Two parts of each half; work takes no time on this clock, so that each rest is the least.
    expect(rests).toEqual([5, 5, 5, 5]);
  });

  it('count twenty times when they were signed lately: 50 of them are told of, of a history of years 1,000', async () => {
    const { records } = await world(undefined, MEMBERS, memoryTable(), PACE);
    const counted: number[] = [];
    records.onSignsTooMuch((_, times) => counted.push(times));
    const texts = Array.from({ length: 6 }, () => revoked(guest).jws);
    for (const jws of texts.slice(0, 3)) await records.add(jws);
    now.ms += 11 * 60_000;
    for (const jws of texts.slice(3)) await records.add(jws);
    expect(counted).toEqual([20, 1]);
  });

  it('end a membership that is known here however many there were before', async () => {
    const host = membership(guest.did, ROOT, 1);
    const invited = issueGrant(
      guest,
      {
        aud: stranger.did,
        sub: mesh.did,
        cap: [{ resource: meshResource(mesh.did), ability: 'mesh/join' }],
        expiresAt: START / 1000 + 1_000_000,
        maxDepth: 0,
        parents: [host],
      },
      START,
    );
    const members = [ROOT, OWN, host, invited];
    const { records } = await world(undefined, members, memoryTable(), PACE);
    expect(records.isMember(stranger.did)).toBe(true);
    for (let count = 0; count < 5; count += 1) await records.add(revoked(guest).jws);
    expect(await records.add(issueRevocation(guest, invited, START).jws)).toBe(true);
    expect(records.isMember(stranger.did)).toBe(false);
    // A second one of the same is one of many.
    expect(await records.add(issueRevocation(guest, invited, START + 1000).jws)).toBe(false);
  });

  it('named by who forges their names use up nothing of theirs', async () => {
    const { records } = await world(undefined, MEMBERS, memoryTable(), PACE);
    for (let count = 0; count < 5; count += 1) {
      const { jws } = revoked(guest);
      expect(await records.add(`${jws.slice(0, -6)}AAAAAA`)).toBe(false);
    }
    expect(await records.add(revoked(guest).jws)).toBe(true);
  });
});

it('a node starts with more revocations of one member than there is room for', async () => {
  const { grants, again } = await world({ perSignerMax: 2 });
  for (let count = 0; count < 4; count += 1) await grants.addRevocation(revoked(guest).jws);
  expect((await again()).all().size).toBe(MEMBERS.length + 2);
});

describe('a revocation of our own', () => {
  it('that finds no room fails to be passed on, by name, and counts here', async () => {
    const { records, grants } = await world({ perSignerMax: 1 }, [ROOT, OWN]);
    grants.passOn((jws) => records.publish(jws));
    const issue = (): Promise<Grant> =>
      grants.issue({
        aud: guest.did,
        capabilities: [{ resource: 'tool:files/*', ability: 'tool/call' }],
        expiresAtMs: START + HOUR_MS,
      });
    const [first, second] = [await issue(), await issue()];
    await grants.revoke(first.claims.jti);
    const refused = {
      code: 'STARLING_LIMIT_EXCEEDED',
      message: expect.stringContaining('revoked here') as string,
    };
    await expect(grants.revoke(second.claims.jti)).rejects.toMatchObject(refused);
    expect(grants.state(second)).toBe('revoked');
    await expect(grants.revoke(second.claims.jti)).rejects.toMatchObject(refused);
    // There is room again once the first has ended, and is forgotten.
    now.ms = START + 4 * HOUR_MS;
    expect(records.all().size).toBe(2);
    const third = await grants.issue({
      aud: guest.did,
      capabilities: [{ resource: 'tool:files/*', ability: 'tool/call' }],
      expiresAtMs: now.ms + HOUR_MS,
    });
    await grants.revoke(third.claims.jti);
    expect(records.all().size).toBe(3);
  });
});

it('two that have taken the same records in whatever order say the same of them', async () => {
  const [one, other] = [await world(), await world()];
  const texts = Array.from({ length: 40 }, () => revoked(founder).jws);
  for (const jws of texts) {
    await one.records.add(jws);
    one.records.digest();
  }
  await other.records.addAll(texts.toReversed());
  expect(one.records.digest()).toBe(other.records.digest());
  expect(one.records.digest()).toBe((await one.again()).digest());
});

describe('records that are over', () => {
  it('are taken and told as long as their grant may count anywhere, and then no more', async () => {
    const { records } = await world();
    const before = records.digest();
    now.ms = START + HOUR_MS + 59_000;
    expect(await records.add(revoked(guest).jws)).toBe(true);
    now.ms = START + HOUR_MS + 60_000;
    expect(records.all().size).toBe(3);
    expect(records.digest()).toBe(before);
    expect(await records.add(revoked(guest).jws)).toBe(false);
  });

  it('count again when the clock goes back an hour', async () => {
    const { records, grants } = await world();
    const { grant, jws } = revoked(guest);
    await records.add(jws);
    const digest = records.digest();
    now.ms = START + 2 * HOUR_MS;
    expect(records.digest()).not.toBe(digest);
    now.ms = START;
    expect(records.digest()).toBe(digest);
    expect(grants.isRevoked(grant, [guest.did])).toBe(true);
  });

  it('leave the disk', async () => {
    const { records, rows, again } = await world();
    const invite = membership(stranger.did, ROOT);
    await records.spend(founder, invite, stranger.did);
    expect(rows.size).toBe(4);
    now.ms = START + 1_000_000_000 + 61_000 + 2 * HOUR_MS + 60_000;
    expect((await again()).all().size).toBe(0);
    expect(rows.size).toBe(0);
  });
});

describe('what a stranger shows who says that its key was changed', () => {
  const heir = signerFromSeed(new Uint8Array(32).fill(9));
  const followed = (old: Signer, next: Signer): string =>
    issueSuccession(old, next, { mesh: mesh.did }, START).jws;

  it('is looked at no further than the first forged text', async () => {
    const { records } = await world();
    const sound = followed(guest, heir);
    const forged = `${sound.slice(0, -8)}AAAAAAAA`;
    await records.introduce([], [forged, sound]);
    expect(records.isMember(heir.did)).toBe(false);
    await records.introduce([], [sound]);
    expect(records.isMember(heir.did)).toBe(true);
  });

  it('does not count where it is about no member', async () => {
    const { records } = await world();
    await records.introduce([], [followed(stranger, heir), followed(guest, heir)]);
    expect(records.isMember(heir.did)).toBe(true);
    expect(records.isMember(stranger.did)).toBe(false);
  });
});

it('verifies no signature again for each link: of a membership that is known its text is, and one byte more is another', async () => {
  const { records } = await world();
  const known = records.membershipOf(guest.did) ?? [];
  const shown = records.verifyMembership(
    known.map(({ jws }) => jws),
    guest.did,
  );
  expect(shown[0]).toBe(known[0]);
  const [leaf = ROOT] = known;
  const [header = '', payload = '', signature = ''] = leaf.jws.split('.');
  const other = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
  expect(() => records.verifyMembership([`${header}.${payload}.${other}`], guest.did)).toThrow(
    /signature|membership/,
  );
});
