/** A log whose node has changed its key: the old key signs up to there, the new one from there on. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { KEY_CHANGE, createAudit, verifyLog } from '../../src/audit/index.ts';
import type { AuditVerdict } from '../../src/audit/index.ts';
import { createHealth, silentLogger, systemClock } from '../../src/core/index.ts';
import { createIdentity } from '../../src/identity/index.ts';
import type { Identity } from '../../src/identity/index.ts';
import { decision, linesOf, putLines, segmentsOf, temporaryFolder } from './arrange.ts';

const [OLD, NEW] = [1, 2].map((byte) => createIdentity(new Uint8Array(32).fill(byte))) as [
  Identity,
  Identity,
];
const DIDS = [NEW.did, OLD.did];

/** Goes on with the log, as `identity`. */
async function write(folder: string, identity: Identity, isChange = false): Promise<void> {
  const audit = createAudit(
    { identity, clock: systemClock, logger: silentLogger, health: createHealth() },
    { folder },
  );
  await audit.start();
  if (isChange) {
    await audit.append({
      kind: 'identity',
      who: OLD.did,
      what: { ability: KEY_CHANGE, resource: NEW.did },
      outcome: 'ok',
    });
  }
  for (let n = 1; n <= 5; n += 1) await audit.append(decision(n));
  await audit.stop();
}

async function changed(): Promise<string> {
  const folder = await temporaryFolder();
  await write(folder, OLD);
  await write(folder, NEW, true);
  return folder;
}

const found = ({ findings }: AuditVerdict): string[] => findings.map(({ rule }) => rule);

it('verifies across the change, and goes on to', async () => {
  const folder = await changed();
  await write(folder, NEW);
  expect(await verifyLog(folder, { did: DIDS })).toMatchObject({
    ok: true,
    findings: [],
    checkpoint: { did: NEW.did },
  });
});

it('is told by what it signed before, too: checkpoints of either key that others have seen', async () => {
  const folder = await changed();
  const { checkpoint } = await verifyLog(folder, { did: DIDS });
  if (checkpoint === undefined) throw new Error('it is signed');
  const seen = { did: DIDS, checkpointsSeen: [checkpoint] };
  expect((await verifyLog(folder, seen)).ok).toBe(true);
  const audit = createAudit(
    { identity: NEW, clock: systemClock, logger: silentLogger, health: createHealth() },
    { folder, formerly: [OLD.did] },
  );
  expect((await audit.verify([checkpoint])).ok).toBe(true);
  expect(await audit.compareWith([checkpoint])).toEqual([]);
});

it('is not gone on with by who has the old key', async () => {
  const folder = await changed();
  await write(folder, OLD);
  expect(found(await verifyLog(folder, { did: DIDS }))).toContain('signature');
});

it('is not cut off before the change by who has the old key, head and all', async () => {
  const folder = await changed();
  const [segment = ''] = await segmentsOf(folder);
  const lines = await linesOf(folder, segment);
  const change = lines.findIndex((line) => line.includes(KEY_CHANGE));
  await putLines(folder, segment, lines.slice(0, change));
  await rm(join(folder, 'head.json'));
  await write(folder, OLD);
  expect(found(await verifyLog(folder, { did: DIDS }))).toEqual(['missing']);
});

it('does not verify with the new key alone, nor with a stranger between', async () => {
  const folder = await changed();
  expect(found(await verifyLog(folder, { did: NEW.did }))).toEqual(['signature']);
  await write(folder, createIdentity(new Uint8Array(32).fill(3)));
  expect(found(await verifyLog(folder, { did: DIDS }))).toContain('signature');
});
