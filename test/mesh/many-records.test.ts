/** A good member whose operator revokes thousands: the others take that at a pace, and keep it in. */
import { createPrivateKey, sign } from 'node:crypto';
import { expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import type { Clock, PeerId } from '../../src/core/index.ts';
import { createGrantBook, createSuccessions, issueGrant } from '../../src/grants/index.ts';
import type { Grant } from '../../src/grants/index.ts';
import { issueRevocation } from '../../src/grants/format/issue.ts';
import { createIdentity } from '../../src/identity/index.ts';
import type { Identity, Signer } from '../../src/identity/index.ts';
import { createRecordSync } from '../../src/mesh/index.ts';
import type { RecordSync } from '../../src/mesh/index.ts';
import { meshResource } from '../../src/mesh/records/member-list.ts';
import { createRecords } from '../../src/mesh/records/records.ts';
import type { Records } from '../../src/mesh/records/records.ts';
import { CONDUCT } from '../../src/network/constants.ts';
import { createConduct } from '../../src/network/limits/conduct.ts';
import type { Misconduct, Network } from '../../src/network/index.ts';
import { calm, createHub } from '../blackboard/hub.ts';
import { createTestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';

const START = Date.UTC(2026, 10, 28);
/** As many as would have kept it out by their weight alone. */
const REVOKED = 1300;
const [mesh, founder, owner, good] = [1, 2, 3, 4].map((byte) =>
  createIdentity(new Uint8Array(32).fill(byte)),
) as [Identity, Identity, Identity, Identity];

/** The same key by node:crypto, which signs the same in a fortieth of the time. */
function quickly({ did, seed }: Identity): Signer {
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
  const key = createPrivateKey({
    key: Buffer.concat([prefix, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  return { did, sign: (message) => sign(null, message, key) };
}

function membership(aud: Identity, parent?: Grant): Grant {
  const resource = meshResource(mesh.did);
  const init = {
    aud: aud.did,
    sub: mesh.did,
    cap: ['mesh/join', 'mesh/invite'].map((ability) => ({ resource, ability })),
    expiresAt: START / 1000 + 1_000_000,
    maxDepth: parent === undefined ? 4 : 0,
    ...(parent === undefined ? {} : { parents: [parent] }),
  };
  return issueGrant(parent === undefined ? mesh : founder, init, START);
}

const ROOT = membership(founder);
const MEMBERS = [ROOT, membership(owner, ROOT), membership(good, ROOT)].map(({ jws }) => jws);

/** Rests are over at once, and nothing else is ever due. */
const clock: Clock = {
  now: () => START,
  schedule(delayMs, task) {
    if (delayMs > 500) return () => undefined;
    const timer = setImmediate(task);
    return () => clearImmediate(timer);
  },
};

async function member(
  self: Identity,
  network: Network,
): Promise<{ readonly records: Records; readonly sync: RecordSync }> {
  const successions = createSuccessions({ table: memoryTable(), logger: silentLogger });
  const logger = silentLogger;
  const tables = { grants: memoryTable(), revocations: memoryTable() };
  const grants = createGrantBook({ identity: self, successions, ...tables, clock, logger });
  await grants.start();
  const records = createRecords(
    { table: memoryTable(), grants, successions, clock, logger },
    { mesh: mesh.did, open: false, self: self.did },
  );
  await records.addAll(MEMBERS);
  return { records, sync: createRecordSync({ network, records, clock, logger }) };
}

it('are told of, all taken, and cost their signer nothing but time', async () => {
  const hub = createHub();
  const conduct = createConduct(createTestClock(START), CONDUCT);
  const reported = new Set<Misconduct>();
  const report = (peer: PeerId, what: Misconduct, times?: number): void => {
    reported.add(what);
    conduct.report(peer, what, times);
  };
  const theirs = await member(owner, { ...hub.network(owner.peerId), report });
  const own = await member(good, hub.network(good.peerId));
  const signer = quickly(good);
  const cap = [{ resource: 'tool:files/*', ability: 'tool/call' }];
  const init = { aud: owner.did, sub: good.did, cap, expiresAt: START / 1000 + 3600 };
  const texts = Array.from(
    { length: REVOKED },
    () => issueRevocation(signer, issueGrant(signer, init, START), START).jws,
  );
  expect(await own.records.addAll(texts)).toBe(REVOKED);
  for (const { sync } of [theirs, own]) sync.start();
  hub.connect(owner.peerId, good.peerId);
  const steps = [theirs.sync.inStep(good.peerId), own.sync.inStep(owner.peerId)];
  for (const inStep of steps) await inStep;
  await calm();
  expect(theirs.records.digest()).toBe(own.records.digest());
  expect([...reported]).toEqual(['signs']);
  expect(conduct.of(good.peerId)).toMatchObject({ state: 'watched' });
  for (const { sync } of [theirs, own]) sync.stop();
});
