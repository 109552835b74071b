/** The guardian: its formula as a table, and what it grants, refuses, or asks a person about. */
import { EventEmitter } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AuditInit } from '../../../src/audit/index.ts';
import { silentLogger } from '../../../src/core/index.ts';
import { auditGovernance, createGuardian, defaultPolicy } from '../../../src/guard/index.ts';
import type {
  PermissionAnswer,
  PermissionRequest,
  CurrentPolicy,
  Principal,
  Voter,
} from '../../../src/guard/index.ts';
import { scoreOf, verdictOf } from '../../../src/guard/guardian/score.ts';
import type { Weighed } from '../../../src/guard/guardian/score.ts';
import { alice, bob } from '../../grants/arrange.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { OPERATOR, governedNode, grant, peer } from '../governed-node.ts';
import type { GovernedNode } from '../governed-node.ts';

const { guardian } = defaultPolicy().file;
const BOSS: Voter = { principal: OPERATOR, via: 'library' };
const GOOD = 'I need files/read_file to finish the task of summing up exactly one report.';
/** Everything of the files is listed for EXTERNAL_SERVICE, without restrictions. */
const LISTED = `
resource_types:
  EXTERNAL_SERVICE: { resources: [files/*, 'resource:docs/**'], restrictions: {} }
`;

const weighed = (more: Partial<Weighed> = {}): Weighed => ({
  justification: GOOD,
  names: ['files'],
  trust: 0.7,
  risk: 0.5,
  isBroad: false,
  isWrite: false,
  ...more,
});

describe('the formula', () => {
  it.each([
    ['', 0],
    ['please', 0.2],
    ['please do give me access', 0.4],
    ['test', 0],
    ['I try to debug what I need for a test of this', 0.4],
    ['I need access to finish my work today', 0.6],
    ['I need access to exactly one thing today', 0.8],
    ['I need access to read_file today', 0.6],
    ['I need the files today because of a report', 0.8],
    [GOOD, 1],
  ])('scores the justification %j with %d', (justification, score) => {
    expect(scoreOf(weighed({ justification }), guardian).justification).toBe(score);
  });

  // justification 1 with GOOD; total = 0.4 j + 0.3 t + 0.3 (1 - r)
  it.each([
    [{}, 0.5, 0.76, 'grant'],
    [{ trust: 0.9, risk: 0.4 }, 0.4, 0.85, 'grant'],
    [{ isBroad: true }, 0.7, 0.7, 'grant'],
    [{ isBroad: true, isWrite: true }, 0.9, 0.64, 'refuse'],
    [{ risk: 0.7, isWrite: true }, 0.9, 0.64, 'refuse'],
    [{ risk: 0.6, isWrite: true }, 0.8, 0.67, 'grant'],
    [{ risk: 0.9, isWrite: true, isBroad: true }, 1, 0.61, 'refuse'],
    [{ trust: 0.39 }, 0.5, 0.667, 'ask'],
    [{ justification: 'please' }, 0.5, 0.44, 'refuse'],
    [{ justification: 'please do give me access', trust: 0.5 }, 0.5, 0.46, 'ask'],
    [{ justification: 'please do give me access', trust: 0.4, risk: 0.8 }, 0.8, 0.34, 'refuse'],
  ] as const)('of %j says risk %d, score %d: %s', (more, risk, total, outcome) => {
    const score = scoreOf(weighed(more), guardian);
    expect(score).toMatchObject({ risk, total });
    expect(verdictOf(score, guardian).outcome).toBe(outcome);
  });

  it('stays within 0 and 1, and never rises with risk or falls with trust', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.string(), share, share, share, fc.boolean(), fc.boolean(), (...all) => {
        const [justification, trust, more, risk, isBroad, isWrite] = all;
        const low = scoreOf(weighed({ justification, trust, risk, isBroad, isWrite }), guardian);
        const trusted = Math.min(1, trust + more);
        const high = scoreOf(
          weighed({ justification, trust: trusted, risk, isBroad: false, isWrite: false }),
          guardian,
        );
        expect(low.total).toBeGreaterThanOrEqual(0);
        expect(low.total).toBeLessThanOrEqual(1);
        expect(high.total).toBeGreaterThanOrEqual(low.total);
      }),
      { numRuns: 300, seed: 5 },
    );
  });

  it('takes its weights and thresholds from the policy', () => {
    const weights = { justification: 0, trust: 1, risk: 0 };
    const score = scoreOf(weighed({ trust: 0.55 }), { ...guardian, weights });
    expect(score.total).toBe(0.55);
    expect(verdictOf(score, { ...guardian, grant_at: 0.6 }).outcome).toBe('ask');
  });
});

const request = (more: Partial<PermissionRequest> = {}): PermissionRequest => ({
  agentId: 'laptop',
  resourceType: 'EXTERNAL_SERVICE',
  justification: GOOD,
  scope: 'files/read_*',
  ...more,
});
const ask = (
  node: GovernedNode,
  more: Partial<PermissionRequest> = {},
  who: Principal = peer(),
): Promise<PermissionAnswer> => node.guardian.request(who, request(more));

describe('the guardian', () => {
  it('grants what the policy lists, for minutes, and only the tools that read', async () => {
    const node = await governedNode(LISTED);
    const answer = await ask(node);
    expect(answer).toMatchObject({
      granted: true,
      expiresAt: node.clock.now() + 300_000,
      reason: 'the score is 0.79, at least 0.5',
      score: { justification: 1, trust: 0.7, risk: 0.4, total: 0.79 },
    });
    const [made] = node.book.held(alice.did);
    expect(made?.jws).toBe(answer.grantToken);
    expect(made?.claims.cap).toEqual([{ resource: 'tool:files/read_file', ability: 'tool/call' }]);
    const call = { resource: 'tool:files/read_file', ability: 'tool/call' };
    expect(node.guard.decide(peer(), call).allow).toBe(true);
    expect(node.guard.decide(peer(bob, 'phone'), call).allow).toBe(false);
    await node.clock.advance(300_000);
    expect(node.guard.decide(peer(), call).allow).toBe(false);
  });

  it('puts the restrictions of the type on the grant', async () => {
    const node = await governedNode(`
resource_types:
  DATA_EXPORT: { resources: [mail/send], lifetime: 1m }
  EXTERNAL_SERVICE: { resources: [files/*], restrictions: { uses: 3, rate: { per_s: 1, burst: 2 } } }
`);
    const answer = await ask(node);
    expect(answer.restrictions).toEqual(['uses: 3', 'rate: {"per_s":1,"burst":2}']);
    expect(node.book.held(alice.did)[0]?.claims.cap[0]?.caveats).toEqual({
      uses: 3,
      rate: { per_s: 1, burst: 2 },
    });
    const send = await ask(node, { resourceType: 'DATA_EXPORT', scope: 'mail/send' });
    expect(send).toMatchObject({
      granted: true,
      restrictions: ['approval: "required"'],
      expiresAt: node.clock.now() + 60_000,
    });
  });

  it('leaves out what is not read-only where the type or the zone only reads', async () => {
    const node = await governedNode(`
resource_types: { SAP_API: { resources: [files/*] }, EXTERNAL_SERVICE: { resources: [files/*] } }
callers: { peer:phone: { read_only: true } }
`);
    const read = ['tool:files/read_file', 'tool:files/list'];
    await ask(node, { resourceType: 'SAP_API', scope: 'files/*' });
    expect(node.book.held(alice.did)[0]?.claims.cap.map(({ resource }) => resource)).toEqual(read);
    await ask(node, { agentId: 'phone', scope: 'files/*' }, peer(bob, 'phone'));
    expect(node.book.held(bob.did)[0]?.claims.cap.map(({ resource }) => resource)).toEqual(read);
    const none = await ask(node, { resourceType: 'SAP_API', scope: 'files/write_file' });
    expect(none).toMatchObject({ granted: false, reason: expect.stringContaining('read-only') });
  });

  it('gives to those from outside only what reads, though nothing else says so', async () => {
    const node = await governedNode(LISTED);
    node.open = true;
    await ask(node, { scope: 'files/*' });
    expect(node.book.held(alice.did)[0]?.claims.cap.map(({ resource }) => resource)).toEqual([
      'tool:files/read_file',
      'tool:files/list',
    ]);
    expect((await ask(node, { scope: 'files/write_file' })).reason).toContain('read-only');
  });

  it('says that nothing here is called so, where a person is asked about that', async () => {
    const node = await governedNode();
    expect((await ask(node, { scope: 'nofiles/foo' })).reason).toContain(
      'nothing here is called nofiles/foo now, and the policy has no rule for it',
    );
  });

  it('asks a person about what the policy lists nowhere, and grants just what was shown', async () => {
    const node = await governedNode();
    const answer = await ask(node, { scope: 'mail/send' });
    expect(answer).toMatchObject({
      granted: false,
      reason: expect.stringContaining(
        'the policy has no rule for it (it lists no resources of EXTERNAL_SERVICE)',
      ),
    });
    const pending = node.approvals.find(answer.pending ?? '');
    expect(pending).toMatchObject({
      kind: 'permission',
      justification: GOOD,
      permission: {
        agentId: 'laptop',
        capabilities: [
          {
            resource: 'tool:mail/send',
            ability: 'tool/call',
            caveats: { rate: { per_s: 0.2, burst: 10 } },
          },
        ],
        lifetimeMs: 300_000,
      },
    });
    // The same words do not ask twice.
    expect(await ask(node, { scope: 'mail/send' })).toMatchObject({ pending: pending.id });
    expect(node.approvals.list()).toHaveLength(1);
    await node.clock.advance(3_600_000);
    const { made } = await node.approvals.approve(pending.id, BOSS);
    expect(node.book.held(alice.did).map(({ claims }) => claims.jti)).toEqual([made]);
    expect(await ask(node, { scope: 'mail/send' })).toMatchObject({
      granted: true,
      reason: 'it was granted already',
    });
  });

  it('keeps to a no of a person for an hour, and says since when', async () => {
    const node = await governedNode();
    const { pending = '' } = await ask(node);
    await node.approvals.deny(pending, BOSS, 'not on a Friday');
    const at = (ms: number): string =>
      new Date(node.clock.now() + ms).toISOString().replace('.000Z', 'Z');
    const [said, other, same] = [at(0), at(300_000), at(3_600_000)];
    expect(await ask(node)).toMatchObject({
      granted: false,
      reason: `the operator said no at ${said}: not on a Friday (the same is asked again from ${same} on, with another reason from ${other} on)`,
    });
    await node.clock.advance(3_600_001);
    expect((await ask(node)).pending).not.toBe(pending);
    expect(node.approvals.list('pending')).toHaveLength(1);
  });

  it('asks nobody for what the caller may do already', async () => {
    const node = await governedNode();
    const id = await grant(node, 'tool:mail/*');
    expect(await ask(node, { scope: 'mail/send' })).toMatchObject({
      granted: true,
      reason: 'it was granted already',
    });
    await node.book.revoke(id);
    expect((await ask(node, { scope: 'mail/send' })).pending).toBeDefined();
  });

  it('passes on another reason after five minutes, so that a no is no deafness and nobody is nagged', async () => {
    const node = await governedNode();
    const { pending = '' } = await ask(node);
    await node.approvals.deny(pending, BOSS);
    const justification = `${GOOD} The launch meeting needs the list.`;
    expect((await ask(node, { justification })).pending).toBeUndefined();
    await node.clock.advance(300_001);
    const { reason, pending: none } = await ask(node);
    expect(none).toBeUndefined();
    expect(reason).toMatch(/, with another reason at once\)$/);
    const anew = await ask(node, { justification });
    expect(anew.pending).toBeDefined();
    expect(node.approvals.list('pending')).toMatchObject([{ justification }]);
  });

  it('is told while it waits what a yes would give', async () => {
    const node = await governedNode();
    const first = await ask(node, { scope: 'mail/send' });
    expect(first).toMatchObject({ lifetimeMs: 300_000 });
    expect(first.restrictions).toEqual(['rate: {"per_s":0.2,"burst":10}']);
    expect(await ask(node, { scope: 'mail/send' })).toMatchObject({
      lifetimeMs: 300_000,
      restrictions: first.restrictions,
    });
  });

  it('is told that a yes was taken back, and does not ask again by asking on for the answer', async () => {
    const node = await governedNode();
    const { pending = '' } = await ask(node);
    const { made = '' } = await node.approvals.approve(pending, BOSS);
    await node.book.revoke(made);
    await node.clock.advance(10_000);
    expect(await ask(node)).toMatchObject({
      granted: false,
      reason: expect.stringMatching(/said yes, and it was taken back since/) as string,
    });
    expect(node.approvals.list()).toHaveLength(1);
    await node.clock.advance(60_000);
    expect((await ask(node)).pending).toEqual(expect.any(String));
  });

  it('still grants when the person answers after a restart', async () => {
    const table = memoryTable();
    const before = await governedNode('', table);
    const { pending = '' } = await ask(before);
    await before.approvals.stop();
    const after = await governedNode('', table);
    await after.approvals.approve(pending, BOSS);
    expect(after.book.held(alice.did)).toHaveLength(1);
  });

  it('hears of a yes after a restart, and is not asked about twice', async () => {
    const node = await governedNode();
    const { pending = '' } = await ask(node);
    await node.approvals.approve(pending, BOSS);
    const { clock, book, approvals, callerRules } = node;
    const again = createGuardian({
      policy: { current: defaultPolicy },
      callerRules,
      grants: book,
      approvals,
      tools: () => node.tools,
      clock,
      logger: silentLogger,
    });
    expect(await ask({ ...node, guardian: again })).toMatchObject({
      granted: true,
      reason: 'it was granted already',
    });
    expect(approvals.list()).toHaveLength(1);
  });

  it('is recorded with the justification, whatever comes of it', async () => {
    const node = await governedNode(LISTED);
    const entries: AuditInit[] = [];
    const policy = { events: new EventEmitter() } as Pick<CurrentPolicy, 'events'>;
    auditGovernance({ ...node, policy }, { note: (entry) => void entries.push(entry) });
    await ask(node);
    await ask(node);
    await ask(node, { justification: 'please', scope: 'files/list' });
    expect(entries).toMatchObject([
      {
        kind: 'decision',
        who: alice.did,
        what: { ability: 'permission/EXTERNAL_SERVICE', resource: 'tool:files/read_*' },
        outcome: 'allowed',
        grant: node.book.issued()[0]?.claims.jti,
        reasoning: GOOD,
      },
      { outcome: 'denied', reasoning: 'please' },
    ]);
  });

  it('does not give back by itself what was revoked, unless its holder gave it back', async () => {
    const node = await governedNode(LISTED);
    const first = await ask(node);
    const [made] = node.book.held(alice.did);
    await node.book.revoke(made?.claims.jti ?? '', 'given back by its holder: done');
    const second = await ask(node);
    expect(second.granted).toBe(true);
    expect(second.grantToken).not.toBe(first.grantToken);
    await node.book.revoke(node.book.held(alice.did)[0]?.claims.jti ?? '', 'that was too much');
    expect(await ask(node)).toMatchObject({
      granted: false,
      pending: expect.any(String),
      reason: expect.stringContaining('a grant of it was revoked within a day'),
    });
    expect((await ask(node, { agentId: 'phone' }, peer(bob, 'phone'))).granted).toBe(true);
  });

  it.each([
    [
      'please',
      'files/read_*',
      'not passed on: the reason is too short or says too little (0.2 of 1, needed: 0.3)',
    ],
    [GOOD, 'mail/send', 'tool:mail/send is not among the resources of EXTERNAL_SERVICE'],
    [GOOD, 'files/read_*, git/*', 'tool:git/* is not among the resources of EXTERNAL_SERVICE'],
  ])('refuses %j for %s: %s', async (justification, scope, reason) => {
    const node = await governedNode(LISTED);
    const answer = await ask(node, { justification, scope });
    expect(answer).toMatchObject({ granted: false, reason: expect.stringContaining(reason) });
    expect(answer.pending).toBeUndefined();
    expect(node.book.issued()).toEqual([]);
  });

  it.each([
    ['mesh:**', 'tools, resources and prompts only'],
    ['tool:starling/grant_create', 'for its operator to grant'],
    ['tool:%73tarling/grant_create', 'for its operator to grant'],
    ['files/../x', "write it like 'files/read_*'"],
    ['nonsense', "write it like 'files/read_*'"],
    [Array.from({ length: 17 }, (_, index) => `a/${index}`).join(' '), 'at most 16 patterns'],
  ])('can not be asked for %s', async (scope, why) => {
    const node = await governedNode(LISTED);
    await expect(ask(node, { scope })).rejects.toMatchObject({
      code: 'STARLING_USAGE',
      message: expect.stringContaining(why) as string,
    });
  });

  it('weighs the risk of what is touched, by whatever milder name it is asked for', async () => {
    const node = await governedNode(`
resource_types:
  FINANCIAL_API: { resources: [pay/transfer] }
  EXTERNAL_SERVICE: { resources: [pay/**], restrictions: {} }
`);
    expect((await ask(node, { scope: 'pay/status' })).score?.risk).toBe(0.6);
    for (const scope of ['pay/transfer', 'pay/*', 'all', '']) {
      const { score, granted } = await ask(node, { scope });
      expect(score?.risk).toBeGreaterThanOrEqual(0.9);
      expect(granted).toBe(false);
    }
  });

  it('asks for another name when the caller speaks as somebody else', async () => {
    const node = await governedNode(LISTED);
    await expect(ask(node, { agentId: bob.did })).rejects.toThrow(/can't ask for did:key/);
    expect((await ask(node, { agentId: alice.did })).granted).toBe(true);
    expect((await ask(node, { agentId: 'planner of laptop' })).granted).toBe(true);
  });

  it('knows the types of the policy, and says which there are', async () => {
    const node = await governedNode('resource_types: { PAYROLL: { risk: 0.9 } }');
    await expect(ask(node, { resourceType: 'constructor' })).rejects.toMatchObject({
      code: 'STARLING_USAGE',
      hint: 'known are SAP_API, FINANCIAL_API, EXTERNAL_SERVICE, DATA_EXPORT, PAYROLL',
    });
    expect((await ask(node, { resourceType: 'PAYROLL' })).reason).toContain('the risk is 0.9');
  });

  it('does not grant outside the namespaces of the caller', async () => {
    const node = await governedNode(`${LISTED}\nzones: { trusted: { allowed_namespaces: [git] } }`);
    expect((await ask(node)).reason).toContain('outside the namespaces');
  });

  it('tells the operator that it needs none, and a client that it has no key for one', async () => {
    const node = await governedNode(LISTED);
    expect(await ask(node, {}, OPERATOR)).toMatchObject({ granted: true });
    const ci: Principal = { kind: 'client', name: 'ci', scopes: ['*'] };
    expect(await ask(node, {}, ci)).toMatchObject({
      granted: false,
      reason: expect.stringContaining('a person changes that'),
    });
    expect(node.book.issued()).toEqual([]);
  });

  it('alerts when the risk reaches the threshold', async () => {
    const node = await governedNode(`${LISTED}\nzones: { trusted: { alert_threshold: 0.6 } }`);
    await ask(node);
    expect(node.alerts).toEqual([]);
    await ask(node, { scope: 'files/write_file' });
    expect(node.alerts).toMatchObject([{ resourceType: 'EXTERNAL_SERVICE', risk: 0.6 }]);
  });

  it('answers ten times a minute, and each caller has its own ten', async () => {
    const node = await governedNode(LISTED);
    for (let count = 0; count < 10; count += 1) await ask(node);
    await expect(ask(node)).rejects.toMatchObject({
      code: 'STARLING_RATE_LIMITED',
      hint: 'wait 6 s',
    });
    expect((await ask(node, { agentId: 'phone' }, peer(bob, 'phone'))).granted).toBe(true);
    await node.clock.advance(6000);
    expect((await ask(node)).granted).toBe(true);
  });

  it('never grants more than the policy lists, whatever is asked for', async () => {
    const pattern = fc.constantFrom('files/*', 'files/read_*', 'mail/*', 'git/x', '*', 'all', '**');
    await fc.assert(
      fc.asyncProperty(fc.array(pattern, { maxLength: 3 }), fc.string(), async (scope, more) => {
        const node = await governedNode(LISTED);
        const justification = `${GOOD} ${more}`;
        await ask(node, { scope: scope.join(' '), justification }).catch((error: unknown) =>
          expect(error).toMatchObject({ code: 'STARLING_USAGE' }),
        );
        for (const { claims } of node.book.issued()) {
          for (const { resource } of claims.cap) {
            expect(resource).toMatch(/^(tool:files\/|resource:docs\/\*\*)/);
          }
        }
      }),
      { numRuns: 60, seed: 6 },
    );
  });
});

it('a grant that was made by hand answers its holder, and nobody for whom it was not made', async () => {
  const node = await governedNode();
  await grant(node, 'tool:files/*', 'tool/call', bob);
  expect((await ask(node)).granted).toBe(false);
  expect((await ask(node, { agentId: 'phone' }, peer(bob, 'phone'))).reason).toBe(
    'it was granted already',
  );
});
