/** Approvals: who may answer, how often, how late, and what is left after a restart. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { createApprovals } from '../../../src/guard/index.ts';
import type {
  Approval,
  ApprovalOutcome,
  ApprovalRequest,
  Principal,
  Voter,
} from '../../../src/guard/index.ts';
import { bob, carol, signerOf } from '../../grants/arrange.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { OPERATOR, governedNode, peer, settle } from '../governed-node.ts';
import type { GovernedNode } from '../governed-node.ts';

const BOSS: Voter = { principal: OPERATOR, via: 'library' };
const MINUTE_MS = 60_000;

const wish = (more: Partial<ApprovalRequest> = {}): ApprovalRequest => ({
  kind: 'call',
  principal: peer(),
  resource: 'tool:files/write',
  ability: 'tool/call',
  args: { path: '/a' },
  rule: 'zones.trusted.approval_required',
  timeoutMs: 10 * MINUTE_MS,
  ...more,
});

interface Waiting {
  readonly id: string;
  readonly outcome: Promise<ApprovalOutcome>;
}

async function ask(node: GovernedNode, more: Partial<ApprovalRequest> = {}): Promise<Waiting> {
  const known = new Set(node.approvals.list().map(({ id }) => id));
  const outcome = node.approvals.ask(wish(more));
  await settle();
  const fresh = node.approvals.list().find(({ id }) => !known.has(id));
  return { id: fresh?.id ?? '', outcome };
}

describe('an approval', () => {
  it('waits, shows what is asked for and why, and resolves with the answer', async () => {
    const node = await governedNode();
    const { id, outcome } = await ask(node);
    expect(node.approvals.list('pending')).toMatchObject([
      { id, state: 'pending', resource: 'tool:files/write', args: '{"path":"/a"}' },
    ]);
    await node.approvals.approve(id.slice(0, 6), BOSS, 'just once');
    expect(await outcome).toMatchObject({
      state: 'approved',
      approval: { answeredBy: 'the operator', reason: 'just once' },
    });
    expect(node.approvals.list('pending')).toEqual([]);
  });

  it('of a secret that is set keeps and shows its name, and not the secret', async () => {
    const node = await governedNode();
    const args = { name: 'TOKEN', value: 'hunter2secret', blind: 'sixteen random bytes' };
    const resource = 'tool:starling/secret_set';
    const { id } = await ask(node, { principal: OPERATOR, resource, args });
    expect(node.approvals.find(id).args).toBe('{"name":"TOKEN","value":"***","blind":"***"}');
    const rows = [...node.table.rows.values()].map((row) => Buffer.from(row).toString('utf8'));
    expect(rows.join()).toContain('TOKEN');
    expect(rows.join()).not.toMatch(/hunter2|sixteen/);
    await node.approvals.approve(id, BOSS);
    const wanted = { ability: 'tool/call', resource, look: true } as const;
    const approved = (value: string): unknown =>
      node.approvals.approvedFor(id, OPERATOR, { ...wanted, args: { ...args, value } });
    expect([approved('hunter2secret') !== undefined, approved('another')]).toEqual([
      true,
      undefined,
    ]);
  });

  it('times out to no', async () => {
    const node = await governedNode();
    const { id, outcome } = await ask(node);
    await node.clock.advance(10 * MINUTE_MS - 1);
    expect(node.approvals.find(id).state).toBe('pending');
    await node.clock.advance(1);
    expect((await outcome).state).toBe('expired');
    await expect(node.approvals.approve(id, BOSS)).rejects.toMatchObject({
      code: 'STARLING_APPROVAL_CLOSED',
      message: expect.stringMatching(/has expired at .* \(nobody answered in time\)/) as string,
    });
  });

  it('is escalated once when nobody has answered for the escalation_delay', async () => {
    const node = await governedNode();
    const escalated: Approval[] = [];
    node.approvals.events.on('escalated', (one) => void escalated.push(one));
    const { id } = await ask(node, { escalationDelayMs: MINUTE_MS });
    await node.clock.advance(MINUTE_MS);
    await node.clock.advance(MINUTE_MS);
    expect(escalated.map((one) => one.id)).toEqual([id]);
    expect(node.approvals.find(id).state).toBe('pending');
    const answered = await ask(node, { escalationDelayMs: MINUTE_MS });
    await node.approvals.deny(answered.id, BOSS);
    await node.clock.advance(2 * MINUTE_MS);
    expect(escalated).toHaveLength(1);
  });

  it('is answered once: the second is told who was first', async () => {
    const node = await governedNode();
    const { id, outcome } = await ask(node);
    await node.approvals.deny(id, BOSS, 'not today');
    await expect(node.approvals.approve(id, BOSS)).rejects.toMatchObject({
      code: 'STARLING_APPROVAL_CLOSED',
      message: expect.stringContaining('was denied by the operator at') as string,
    });
    expect((await outcome).state).toBe('denied');
  });

  it('raced by a hundred answers has one winner, and all others are told', async () => {
    const node = await governedNode();
    const { id, outcome } = await ask(node);
    const answers = await Promise.allSettled(
      Array.from({ length: 100 }, (_, index) =>
        index % 2 === 0 ? node.approvals.approve(id, BOSS) : node.approvals.deny(id, BOSS),
      ),
    );
    const won = answers.flatMap((one) => (one.status === 'fulfilled' ? [one.value.state] : []));
    expect(won).toEqual([(await outcome).state]);
    for (const one of answers) {
      if (one.status === 'fulfilled') continue;
      expect(one.reason).toMatchObject({ code: 'STARLING_APPROVAL_CLOSED' });
    }
  });

  it('answered at the last moment counts, though the disk is slow', async () => {
    const table = memoryTable();
    const node = await governedNode('', table);
    const { id, outcome } = await ask(node);
    let openGate: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      openGate = resolve;
    });
    const put = table.put.bind(table);
    table.put = async (key, value) => {
      await gate;
      await put(key, value);
    };
    const answer = node.approvals.approve(id, BOSS);
    await node.clock.advance(11 * MINUTE_MS);
    openGate();
    expect((await answer).state).toBe('approved');
    expect((await outcome).state).toBe('approved');
  });

  it('does not count when the disk fails, and can be answered again', async () => {
    const table = memoryTable();
    const node = await governedNode('', table);
    const { id } = await ask(node);
    const put = table.put.bind(table);
    table.put = () => Promise.reject(new Error('disk full'));
    await expect(node.approvals.approve(id, BOSS)).rejects.toThrow('disk full');
    expect(node.approvals.find(id).state).toBe('pending');
    table.put = put;
    expect((await node.approvals.deny(id, BOSS)).state).toBe('denied');
  });

  it('is withdrawn when the caller goes away', async () => {
    const node = await governedNode();
    const gone = new AbortController();
    const outcome = node.approvals.ask(wish(), gone.signal);
    await settle();
    gone.abort();
    expect((await outcome).state).toBe('withdrawn');
    expect((await node.approvals.ask(wish(), AbortSignal.abort())).state).toBe('withdrawn');
  });

  it('of nobody is known by no id', async () => {
    const node = await governedNode();
    await ask(node);
    for (const id of ['nope-nope', '', 'abc']) {
      await expect(node.approvals.approve(id, BOSS)).rejects.toMatchObject({
        code: 'STARLING_APPROVAL_UNKNOWN',
      });
    }
  });
});

describe('who may answer', () => {
  const by = (principal: Principal, more: Partial<Voter> = {}): Voter => ({
    principal,
    via: 'tool',
    ...more,
  });

  it('is the operator, and whoever the policy names; nobody else', async () => {
    const node = await governedNode('callers: { peer:phone: { may_approve: true } }');
    const { id } = await ask(node);
    const stranger = by(peer(carol, 'tablet'));
    for (const answer of ['approve', 'deny'] as const) {
      await expect(node.approvals[answer](id, stranger)).rejects.toMatchObject({
        code: 'STARLING_CALL_REFUSED',
        message: expect.stringMatching(/^tablet .* may not answer approvals$/) as string,
      });
    }
    const phone = peer(bob, 'phone');
    node.swap('');
    await expect(node.approvals.approve(id, by(phone))).rejects.toThrow('may not answer');
    node.swap('callers: { peer:phone: { may_approve: true } }');
    expect((await node.approvals.approve(id, by(phone))).answeredBy).toMatch(/^phone \(/);
  });

  it('is never who asked, but it may take its wish back', async () => {
    const node = await governedNode('callers: { peer:laptop: { may_approve: true } }');
    const { id } = await ask(node);
    for (const via of ['tool', 'elicitation', 'library'] as const) {
      await expect(node.approvals.approve(id, by(peer(), { via }))).rejects.toThrow(
        'nobody approves what it asks for itself',
      );
    }
    expect((await node.approvals.deny(id, by(peer()))).state).toBe('denied');
  });

  it('is never the agent for whom a node asks, whichever way it comes', async () => {
    const node = await governedNode(`callers: {'${carol.did}': {may_approve: true}}`);
    const agent: Principal = { kind: 'agent', did: carol.did, name: 'scout' };
    const principal = { ...peer(), onBehalfOf: { did: carol.did } } as Principal;
    const { id } = await ask(node, { principal });
    await expect(node.approvals.approve(id, by(agent))).rejects.toThrow(
      'nobody approves what it asks for itself',
    );
    expect((await node.approvals.approve(id, by(OPERATOR))).state).toBe('approved');
  });

  it('is never the model in the session that waits, but the person before it may be', async () => {
    const node = await governedNode();
    const { id } = await ask(node, { principal: OPERATOR, session: 's1' });
    const same = by(OPERATOR, { session: 's1' });
    await expect(node.approvals.approve(id, same)).rejects.toThrow(
      'a session does not approve what it asks for itself',
    );
    expect((await node.approvals.approve(id, { ...same, via: 'elicitation' })).state).toBe(
      'approved',
    );
  });
});

describe('answerers', () => {
  it('are asked about each, the first answer counts, and the others are called off', async () => {
    const node = await governedNode();
    const calledOff: boolean[] = [];
    node.approvals.attach(
      (_, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            calledOff.push(true);
            resolve(undefined);
          });
        }),
    );
    node.approvals.attach(() => Promise.resolve(undefined));
    node.approvals.attach(() => Promise.reject(new Error('no answer to be had')));
    node.approvals.attach(async () => ({
      approve: true,
      by: { principal: OPERATOR, via: 'elicitation' },
      reason: 'seen',
    }));
    const outcome = await node.approvals.ask(wish());
    expect(outcome).toMatchObject({ state: 'approved', approval: { reason: 'seen' } });
    expect(calledOff).toEqual([true]);
  });

  it('who may not answer change nothing', async () => {
    const node = await governedNode();
    node.approvals.attach(async () => ({
      approve: true,
      by: { principal: peer(bob, 'phone'), via: 'elicitation' },
    }));
    const { id } = await ask(node);
    await settle();
    expect(node.approvals.find(id).state).toBe('pending');
  });
});

describe('many approvals', () => {
  it('of one asker have a bound, so that nobody drowns the others', async () => {
    const node = await governedNode();
    for (let count = 0; count < 32; count += 1) await ask(node);
    await expect(node.approvals.ask(wish())).rejects.toMatchObject({
      code: 'STARLING_LIMIT_EXCEEDED',
      message: expect.stringContaining('32 of its approvals') as string,
    });
    const other = await ask(node, { principal: peer(bob, 'phone') });
    expect(node.approvals.find(other.id).state).toBe('pending');
  });

  it('for grants leave half of the room to calls, whoever asks with however many keys', async () => {
    const { table, clock, callerRules } = await governedNode();
    const approvals = createApprovals(
      { table, clock, logger: silentLogger, callerRules },
      { pendingMax: 8 },
    );
    await approvals.start();
    const open = (seed: number, kind: ApprovalRequest['kind']): Promise<Approval> =>
      approvals.open(wish({ kind, principal: peer(signerOf(seed)) }));
    for (let seed = 100; seed < 104; seed += 1) await open(seed, 'permission');
    await expect(open(104, 'permission')).rejects.toMatchObject({
      code: 'STARLING_LIMIT_EXCEEDED',
      message: expect.stringContaining('4 requests for a grant are unanswered') as string,
    });
    for (let seed = 104; seed < 108; seed += 1) await open(seed, 'call');
    await expect(open(108, 'call')).rejects.toThrow('8 approvals are unanswered');
    await approvals.stop();
  });

  it('are withdrawn with the reason that whoever calls them off gives', async () => {
    const node = await governedNode();
    const off = new AbortController();
    const outcome = node.approvals.ask(wish(), off.signal);
    await settle();
    off.abort('it is not allowed any more');
    expect((await outcome).approval.reason).toBe('it is not allowed any more');
  });

  it('that are over are forgotten in the end, on the disk too', async () => {
    const node = await governedNode();
    for (let count = 0; count < 1030; count += 1) {
      const { id } = await node.approvals.open(wish());
      await node.approvals.deny(id, BOSS);
    }
    expect(node.approvals.list().length).toBeLessThanOrEqual(1025);
    expect(node.table.rows.size).toBe(node.approvals.list().length);
  });
});

describe('after a restart', () => {
  it('calls are withdrawn, since nobody waits; requests for a grant wait on', async () => {
    const table = memoryTable();
    const before = await governedNode('', table);
    const call = await ask(before);
    const wanted = await before.approvals.open(wish({ kind: 'permission' }));
    const done = await ask(before);
    await before.approvals.deny(done.id, BOSS, 'no');
    const stopped = before.approvals.stop();
    await stopped;
    expect((await call.outcome).state).toBe('withdrawn');

    const after = await governedNode('', table);
    expect(after.approvals.find(call.id)).toMatchObject({
      state: 'withdrawn',
      reason: 'the node was restarted',
    });
    expect(after.approvals.find(done.id)).toMatchObject({ state: 'denied', reason: 'no' });
    expect(after.approvals.find(wanted.id).state).toBe('pending');
    await after.clock.advance(11 * MINUTE_MS);
    expect(after.approvals.find(wanted.id).state).toBe('expired');
  });

  it('a damaged row is skipped', async () => {
    const table = memoryTable();
    await table.put('broken', Buffer.from('{'));
    await table.put('other', Buffer.from('{"id":"x","askedAt":1}'));
    const node = await governedNode('', table);
    expect(node.approvals.list()).toEqual([]);
  });

  it('nothing is taken before the start and after the stop', async () => {
    const node = await governedNode();
    await node.approvals.stop();
    await node.approvals.stop();
    await expect(node.approvals.ask(wish())).rejects.toMatchObject({ code: 'STARLING_STOPPED' });
  });
});
