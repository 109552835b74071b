/** The tools over the audit log, as somebody calls them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createAudit } from '../../src/audit/index.ts';
import type { Audit, AuditInit, Checkpoint } from '../../src/audit/index.ts';
import { sealLine } from '../../src/audit/checkpoint.ts';
import { auditResource, auditTools } from '../../src/builtin/index.ts';
import { createHealth, silentLogger, systemClock } from '../../src/core/index.ts';
import type { JsonObject, PeerId } from '../../src/core/index.ts';
import { createIdentity } from '../../src/identity/index.ts';

const SELF = createIdentity(Buffer.alloc(32, 7));
const LAPTOP = createIdentity(Buffer.alloc(32, 8)).did;
const BOB = { peerId: 'b' as PeerId, alias: 'bob' };

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function bench(seen?: (told: Checkpoint[]) => readonly Checkpoint[]): Promise<{
  audit: Audit;
  call: (name: string, args?: JsonObject) => Promise<JsonObject>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-audit-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const audit = createAudit(
    {
      identity: SELF,
      clock: systemClock,
      logger: silentLogger,
      health: createHealth(),
    },
    { folder: join(folder, 'audit'), checkpointEntries: 3 },
  );
  const told: Checkpoint[] = [];
  audit.events.on('checkpoint', (checkpoint) => told.push(checkpoint));
  await audit.start();
  cleanups.push(() => audit.stop());
  const tools = auditTools({
    audit,
    checkpoints: {
      ask: () =>
        Promise.resolve([
          ...(seen === undefined ? [] : [{ ...BOB, seen: seen(told) }]),
          { peerId: 'p' as PeerId, alias: 'carol' },
        ]),
      seenOf: () => told.toReversed(),
    },
    peers: () => [{ alias: 'laptop', did: LAPTOP, formerly: [] }],
    self: SELF.did,
  });
  return {
    audit,
    async call(name, args = {}) {
      const tool = tools.find(({ definition }) => definition.name === name);
      if (tool === undefined) throw new Error(`no ${name}`);
      const principal = { kind: 'operator' } as const;
      return tool.call(args, { principal, signal: new AbortController().signal });
    },
  };
}

const entry = (who: string, more: Partial<AuditInit> = {}): AuditInit => ({
  kind: 'decision',
  who,
  what: { ability: 'tool/call', resource: 'tool:files/read' },
  outcome: 'allowed',
  ...more,
});

const whoIn = (result: JsonObject): unknown =>
  (result['entries'] as JsonObject[]).map(({ who }) => who);

describe('the audit tools', () => {
  it('are for the operator', () => {
    const audit = undefined as unknown as Audit;
    const checkpoints = { ask: () => Promise.resolve([]), seenOf: () => [] };
    const tools = auditTools({ audit, checkpoints, peers: () => [], self: SELF.did });
    expect(tools.map(({ definition }) => definition.name)).toEqual([
      'audit_query',
      'audit_tail',
      'audit_verify',
      'audit_seen',
    ]);
    expect(tools.every(({ clients, peers }) => clients === 'no' && peers === 'no')).toBe(true);
  });

  it('take the name of a peer for its did, and say what we call who is in the entries', async () => {
    const { audit, call } = await bench();
    for (const who of ['alice', LAPTOP]) await audit.append(entry(who));
    const found = await call('audit_query', { who: 'laptop' });
    expect(whoIn(found)).toEqual([LAPTOP]);
    expect(found['names']).toEqual({ [LAPTOP]: 'laptop' });
    expect((await call('audit_query', { who: 'alice' }))['names']).toEqual({});
  });

  it('find entries, newest first, and say where to go on', async () => {
    const { audit, call } = await bench();
    for (const who of ['alice', 'bob', 'alice-2']) await audit.append(entry(who));
    expect(whoIn(await call('audit_query', { who: 'alice' }))).toEqual(['alice-2', 'alice']);
    const page = await call('audit_query', { limit: 1, kind: 'decision' });
    expect(page).toMatchObject({ next: 3 });
    expect(whoIn(await call('audit_query', { before: 3 }))).toEqual(['bob', 'alice']);
  });

  it.each([
    ['audit_query', { limit: 0 }],
    ['audit_query', { outcome: 'perhaps' }],
    ['audit_tail', { timeout_s: 1e6 }],
    ['audit_verify', { folder: '/etc' }],
    ['audit_seen', {}],
  ])('%s refuses %j', async (name, args) => {
    const { call } = await bench();
    await expect(call(name, args)).rejects.toMatchObject({ code: 'STARLING_USAGE' });
  });

  it('follow the log, but not the questions about it', async () => {
    const { audit, call } = await bench();
    const { cursor } = await call('audit_tail');
    const itself = { ability: 'tool/call', resource: 'tool:starling/audit_tail' };
    await audit.append(entry('operator', { what: itself }));
    await audit.append(entry('bob'));
    expect(whoIn(await call('audit_tail', { cursor: cursor as number }))).toEqual(['bob']);
  });

  it('verify, also against what peers have seen', async () => {
    const honest = await bench((told) => told);
    for (const who of ['a', 'b', 'c', 'd']) await honest.audit.append(entry(who));
    await honest.audit.flush();
    expect(await honest.call('audit_verify')).toMatchObject({
      ok: true,
      entries: 5,
      unsigned: 1,
      witnesses: [
        { peer: 'bob', answered: true, seen: 1, upTo: 3, differs: [] },
        { peer: 'carol', answered: false, seen: 0 },
      ],
    });
    const { checkpoints } = await honest.call('audit_seen', { did: SELF.did });
    expect(checkpoints).toMatchObject([{ seq: 3, did: SELF.did }]);
  });

  it('say which peer has seen another entry', async () => {
    const other = sealLine(SELF, 'checkpoint', { seq: 2, hash: 'a'.repeat(64), at: 1 });
    const stranger = sealLine(createIdentity(), 'checkpoint', { ...other, seq: 1 });
    const { audit, call } = await bench((told) => [...told, other, stranger]);
    for (const who of ['a', 'b', 'c', 'd']) await audit.append(entry(who));
    expect(await call('audit_verify')).toMatchObject({
      ok: false,
      findings: [{ rule: 'rewritten', line: 2 }],
      witnesses: [{ peer: 'bob', differs: [{ seq: 2 }] }, { peer: 'carol' }],
    });
  });
});

describe('grants://audit', () => {
  it('has the last entries; for others than the operator, their own', async () => {
    const { audit } = await bench();
    await audit.append(entry('did:key:a'));
    await audit.append(entry('did:key:ab'));
    await audit.append(entry('did:key:x', { onBehalfOf: 'did:key:a' }));
    const whoOf = async (by?: string): Promise<unknown> =>
      whoIn(JSON.parse(await auditResource(audit, by === undefined ? {} : { by })) as JsonObject);
    expect(await whoOf()).toContain('did:key:ab');
    expect(await whoOf('did:key:a')).toEqual(['did:key:x', 'did:key:a']);
  });
});
