/** What the audit log hears of grants, keys, pins and joins, which are no calls. */
import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { AuditInit } from '../../src/audit/index.ts';
import { createHealth, silentLogger } from '../../src/core/index.ts';
import type { MeshId, PeerId } from '../../src/core/index.ts';
import { auditKeys, auditPins, createApiKeys, createPins } from '../../src/gateway/index.ts';
import type { PinsEvents } from '../../src/gateway/pins/pins.ts';
import { createGrantBook, issueRevocation } from '../../src/grants/index.ts';
import type { GrantBook } from '../../src/grants/index.ts';
import { auditGrants } from '../../src/guard/index.ts';
import { peerIdFromDid } from '../../src/identity/index.ts';
import type { Signer } from '../../src/identity/index.ts';
import type { Admission, Hello, HelloAnswer } from '../../src/network/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { ALL_FILES, alice, bob, grantOf, manualClock, owner, stranger } from '../grants/arrange.ts';
import { memoryTable } from '../grants/memory-table.ts';
import { auditAdmission } from '../../src/mesh/index.ts';

const DAY_MS = 86_400_000;

interface Noted {
  readonly entries: AuditInit[];
  readonly audit: { note(entry: AuditInit): void };
  /** `ability resource`, in order. */
  readonly said: () => readonly string[];
}

function noted(): Noted {
  const entries: AuditInit[] = [];
  return {
    entries,
    audit: { note: (entry) => void entries.push(entry) },
    said: () => entries.map(({ what }) => what.ability),
  };
}

async function bookOf(
  signer: Signer,
): Promise<Noted & { book: GrantBook; clock: ReturnType<typeof manualClock> }> {
  const clock = manualClock();
  const book = createGrantBook({
    identity: signer,
    grants: memoryTable(),
    revocations: memoryTable(),
    clock,
    logger: silentLogger,
  });
  await book.start();
  const log = noted();
  auditGrants({ grants: book, self: signer.did }, log.audit);
  return { ...log, book, clock };
}

describe('a grant', () => {
  it('is recorded when it is issued, each time it is renewed, and when it is revoked', async () => {
    const { book, clock, entries, said } = await bookOf(owner);
    const grant = await book.issue({
      aud: alice.did,
      capabilities: [{ ...ALL_FILES, caveats: { uses: 5 } }],
      expiresAtMs: clock.now() + DAY_MS,
      renewForMs: DAY_MS,
    });
    await clock.advance(DAY_MS / 2);
    await book.renew(grant.claims.jti);
    await book.revoke(grant.claims.jti, 'no more');
    await book.revoke(grant.claims.jti);
    expect(said()).toEqual(['grant/issue', 'grant/renew', 'grant/revoke']);
    const { jti } = grant.claims;
    expect(entries.every((one) => one.who === owner.did && one.grant === jti)).toBe(true);
    expect(entries[0]?.reason).toMatch(
      new RegExp(`^for ${alice.did} until .*: tool/call tool:files/\\* {"uses":5}$`),
    );
    expect(entries[2]).toMatchObject({ kind: 'revocation', reason: 'no more' });
    await book.stop();
  });

  it('is recorded when it is received and handed on, and once however often it comes', async () => {
    const { book, entries, said } = await bookOf(alice);
    const grant = grantOf(owner, alice, { maxDepth: 1 });
    for (let n = 0; n < 3; n += 1) await book.receive([grant.jws]);
    await book.delegate({ parent: grant.claims.jti, aud: bob.did });
    expect(said()).toEqual(['grant/receive', 'grant/delegate']);
    expect(entries.map(({ who }) => who)).toEqual([owner.did, alice.did]);
    await book.stop();
  });

  it('of others, revoked by others, is none of our business', async () => {
    const { book, said } = await bookOf(alice);
    const ours = grantOf(owner, alice);
    await book.receive([ours.jws]);
    const theirs = grantOf(stranger, bob, { sub: stranger.did });
    await book.addRevocation(issueRevocation(stranger, theirs, Date.now()).jws);
    expect(said()).toEqual(['grant/receive']);
    await book.addRevocation(issueRevocation(owner, ours, Date.now()).jws);
    expect(said()).toEqual(['grant/receive', 'grant/revoke']);
    await book.stop();
  });
});

describe('the door', () => {
  it('has its keys and pins recorded, and never the key', async () => {
    const clock = createTestClock();
    const keys = createApiKeys({ table: memoryTable(), clock, logger: silentLogger });
    const pins = { events: new EventEmitter<PinsEvents>() };
    const { audit, entries, said } = noted();
    auditKeys(keys, audit);
    auditPins(pins, audit);
    const { key, info } = await keys.create({ name: 'ci', scopes: ['tool:files/*'] });
    await keys.revoke('ci');
    pins.events.emit('approved', '', 'files', ['read']);
    expect(said()).toEqual(['key/create', 'key/revoke', 'pin/approve']);
    expect(entries[0]).toMatchObject({ kind: 'key', reason: `${info.id}: tool:files/*` });
    expect(entries[2]).toMatchObject({ what: { resource: 'pin:files' }, reason: 'read' });
    expect(JSON.stringify(entries)).not.toContain(key.reveal().slice(-20));
  });

  it('hears of pins that the operator approves', async () => {
    const pins = createPins(
      {
        table: memoryTable(),
        clock: createTestClock(),
        logger: silentLogger,
        health: createHealth(),
      },
      { mode: 'strict', perServerMax: 10 },
    );
    await pins.start();
    const { audit, entries } = noted();
    auditPins(pins, audit);
    const tool = (description: string): never =>
      ({ name: 'read', description, inputSchema: { type: 'object' } }) as never;
    pins.review('', 'files', { tools: [tool('reads')], prompts: [] });
    pins.review('', 'files', { tools: [tool('reads, and sends it home')], prompts: [] });
    expect(entries).toEqual([]);
    await pins.approve('', 'files');
    expect(entries).toMatchObject([{ what: { ability: 'pin/approve' }, reason: 'read' }]);
    await pins.stop();
  });
});

describe('the gate of the mesh', () => {
  const mesh = 'did:key:zMesh' as MeshId;
  const hello: Hello = {
    version: 2,
    release: '0.2.0',
    mesh,
    name: 'laptop',
    time: 0,
    membership: [],
  };
  const gate = (
    welcome: HelloAnswer,
  ): Noted & { admission: Admission; clock: { advance: (ms: number) => void } } => {
    const clock = createTestClock();
    const log = noted();
    const inner: Admission = {
      hello: () => hello,
      inTurn: (greet) => greet(),
      admit: () => Promise.resolve(welcome),
      answered: () => Promise.resolve(),
      isMember: () => true,
    };
    return { ...log, clock, admission: auditAdmission(inner, log.audit, clock) };
  };
  const peer: PeerId = peerIdFromDid(bob.did);

  it('records who came in, but not members that come back', async () => {
    const newcomer = gate({ ok: true, hello, issued: ['a'] });
    await newcomer.admission.admit(hello, peer);
    expect(newcomer.entries).toMatchObject([
      { kind: 'mesh', who: bob.did, outcome: 'allowed', reason: 'as laptop' },
    ]);
    const member = gate({ ok: true, hello });
    await member.admission.admit(hello, peer);
    expect(member.entries).toEqual([]);
  });

  it('records who was refused and why; ten thousand who knock fill no disk', async () => {
    const { admission, clock, entries } = gate({
      ok: false,
      code: 'STARLING_TICKET_SPENT',
      reason: 'this ticket was used before',
    });
    for (let n = 0; n < 10_000; n += 1) await admission.admit(hello, peer);
    expect(entries).toHaveLength(30);
    expect(entries[0]).toMatchObject({
      outcome: 'denied',
      reason: 'STARLING_TICKET_SPENT: this ticket was used before',
    });
    clock.advance(60_000);
    await admission.admit(hello, peer);
    expect(entries.at(-1)?.reason).toContain('and 9970 others were refused before');
    const { mesh: _, ...asking } = hello;
    await admission.admit(asking, peer);
    expect(entries).toHaveLength(31);
  });
});
