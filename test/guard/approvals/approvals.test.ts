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
import { OPERATOR, deskOf, peer, settle } from '../governed-node.ts';
import type { Desk } from '../governed-node.ts';

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

async function ask(desk: Desk, more: Partial<ApprovalRequest> = {}): Promise<Waiting> {
  const known = new Set(desk.approvals.list().map(({ id }) => id));
  const outcome = desk.approvals.ask(wish(more));
  await settle();
  const fresh = desk.approvals.list().find(({ id }) => !known.has(id));
  return { id: fresh?.id ?? '', outcome };
}

describe('an approval', () => {
  it('waits, shows what is asked for and why, and resolves with the answer', async () => {
    const desk = await deskOf();
    const { id, outcome } = await ask(desk);
    expect(desk.approvals.list('pending')).toMatchObject([
      { id, state: 'pending', resource: 'tool:files/write', args: '{"path":"/a"}' },
    ]);
    await desk.approvals.approve(id.slice(0, 6), BOSS, 'just once');
    expect(await outcome).toMatchObject({
      state: 'approved',
      approval: { answeredBy: 'the operator', reason: 'just once' },
    });
    expect(desk.approvals.list('pending')).toEqual([]);
  });

  it('of a secret that is set keeps and shows its name, and not the secret', async () => {
    const desk = await deskOf();
    const args = { name: 'TOKEN', value: 'hunter2secret', blind: 'sixteen random bytes' };
    const resource = 'tool:starling/secret_set';
    const { id } = await ask(desk, { principal: OPERATOR, resource, args });
    expect(desk.approvals.find(id).args).toBe('{"name":"TOKEN","value":"***","blind":"***"}');
    const rows = [...desk.table.rows.values()].map((row) => Buffer.from(row).toString('utf8'));
    expect(rows.join()).toContain('TOKEN');
    expect(rows.join()).not.toMatch(/hunter2|sixteen/);
    await desk.approvals.approve(id, BOSS);
    const wanted = { ability: 'tool/call', resource, look: true } as const;
    const approved = (value: string): unknown =>
      desk.approvals.approvedFor(id, OPERATOR, { ...wanted, args: { ...args, value } });
    expect([approved('hunter2secret') !== undefined, approved('another')]).toEqual([
      true,
      undefined,
    ]);
  });

  it('times out to no', async () => {
    const desk = await deskOf();
    const { id, outcome } = await ask(desk);
    await desk.clock.advance(10 * MINUTE_MS - 1);
    expect(desk.approvals.find(id).state).toBe('pending');
    await desk.clock.advance(1);
    expect((await outcome).state).toBe('expired');
    await expect(desk.approvals.approve(id, BOSS)).rejects.toMatchObject({
      code: 'STARLING_APPROVAL_CLOSED',
      message: expect.stringMatching(/has expired at .* \(nobody answered in time\)/) as string,
    });
  });

  it('is escalated once when nobody has answered for the escalation_delay', async () => {
    const desk = await deskOf();
    const escalated: Approval[] = [];
    desk.approvals.events.on('escalated', (one) => void escalated.push(one));
    const { id } = await ask(desk, { escalationDelayMs: MINUTE_MS });
    await desk.clock.advance(MINUTE_MS);
    await desk.clock.advance(MINUTE_MS);
    expect(escalated.map((one) => one.id)).toEqual([id]);
    expect(desk.approvals.find(id).state).toBe('pending');
    const answered = await ask(desk, { escalationDelayMs: MINUTE_MS });
    await desk.approvals.deny(answered.id, BOSS);
    await desk.clock.advance(2 * MINUTE_MS);
    expect(escalated).toHaveLength(1);
  });

  it('is answered once: the second is told who was first', async () => {
    const desk = await deskOf();
    const { id, outcome } = await ask(desk);
    await desk.approvals.deny(id, BOSS, 'not today');
    await expect(desk.approvals.approve(id, BOSS)).rejects.toMatchObject({
      code: 'STARLING_APPROVAL_CLOSED',
      message: expect.stringContaining('was denied by the operator at') as string,
    });
    expect((await outcome).state).toBe('denied');
  });

  it('raced by a hundred answers has one winner, and all others are told', async () => {
    const desk = await deskOf();
    const { id, outcome } = await ask(desk);
    const answers = await Promise.allSettled(
      Array.from({ length: 100 }, (_, index) =>
        index % 2 === 0 ? desk.approvals.approve(id, BOSS) : desk.approvals.deny(id, BOSS),
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
    const desk = await deskOf('', table);
    const { id, outcome } = await ask(desk);
    let openGate: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      openGate = resolve;
    });
    const put = table.put.bind(table);
    table.put = async (key, value) => {
      await gate;
      await put(key, value);
    };
    const answer = desk.approvals.approve(id, BOSS);
    await desk.clock.advance(11 * MINUTE_MS);
    openGate();
    expect((await answer).state).toBe('approved');
    expect((await outcome).state).toBe('approved');
  });

  it('does not count when the disk fails, and can be answered again', async () => {
    const table = memoryTable();
    const desk = await deskOf('', table);
    const { id } = await ask(desk);
    const put = table.put.bind(table);
    table.put = () => Promise.reject(new Error('disk full'));
    await expect(desk.approvals.approve(id, BOSS)).rejects.toThrow('disk full');
    expect(desk.approvals.find(id).state).toBe('pending');
    table.put = put;
    expect((await desk.approvals.deny(id, BOSS)).state).toBe('denied');
  });

  it('is withdrawn when the caller goes away', async () => {
    const desk = await deskOf();
    const gone = new AbortController();
    const outcome = desk.approvals.ask(wish(), gone.signal);
    await settle();
    gone.abort();
    expect((await outcome).state).toBe('withdrawn');
    expect((await desk.approvals.ask(wish(), AbortSignal.abort())).state).toBe('withdrawn');
  });

  it('of nobody is known by no id', async () => {
    const desk = await deskOf();
    await ask(desk);
    for (const id of ['nope-nope', '', 'abc']) {
      await expect(desk.approvals.approve(id, BOSS)).rejects.toMatchObject({
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
    const desk = await deskOf('callers: { peer:phone: { may_approve: true } }');
    const { id } = await ask(desk);
    const stranger = by(peer(carol, 'tablet'));
    for (const answer of ['approve', 'deny'] as const) {
      await expect(desk.approvals[answer](id, stranger)).rejects.toMatchObject({
        code: 'STARLING_CALL_REFUSED',
        message: expect.stringMatching(/^tablet .* may not answer approvals$/) as string,
      });
    }
    const phone = peer(bob, 'phone');
    desk.swap('');
    await expect(desk.approvals.approve(id, by(phone))).rejects.toThrow('may not answer');
    desk.swap('callers: { peer:phone: { may_approve: true } }');
    expect((await desk.approvals.approve(id, by(phone))).answeredBy).toMatch(/^phone \(/);
  });

  it('is never who asked, but it may take its wish back', async () => {
    const desk = await deskOf('callers: { peer:laptop: { may_approve: true } }');
    const { id } = await ask(desk);
    for (const via of ['tool', 'elicitation', 'library'] as const) {
      await expect(desk.approvals.approve(id, by(peer(), { via }))).rejects.toThrow(
        'nobody approves what it asks for itself',
      );
    }
    expect((await desk.approvals.deny(id, by(peer()))).state).toBe('denied');
  });

  it('is never the agent for whom a node asks, whichever way it comes', async () => {
    const desk = await deskOf(`callers: {'${carol.did}': {may_approve: true}}`);
    const agent: Principal = { kind: 'agent', did: carol.did, name: 'scout' };
    const principal = { ...peer(), onBehalfOf: { did: carol.did } } as Principal;
    const { id } = await ask(desk, { principal });
    await expect(desk.approvals.approve(id, by(agent))).rejects.toThrow(
      'nobody approves what it asks for itself',
    );
    expect((await desk.approvals.approve(id, by(OPERATOR))).state).toBe('approved');
  });

  it('is never the model in the session that waits, but the person before it may be', async () => {
    const desk = await deskOf();
    const { id } = await ask(desk, { principal: OPERATOR, session: 's1' });
    const same = by(OPERATOR, { session: 's1' });
    await expect(desk.approvals.approve(id, same)).rejects.toThrow(
      'a session does not approve what it asks for itself',
    );
    expect((await desk.approvals.approve(id, { ...same, via: 'elicitation' })).state).toBe(
      'approved',
    );
  });
});

describe('answerers', () => {
  it('are asked about each, the first answer counts, and the others are called off', async () => {
    const desk = await deskOf();
    const calledOff: boolean[] = [];
    desk.approvals.attach(
      (_, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            calledOff.push(true);
            resolve(undefined);
          });
        }),
    );
    desk.approvals.attach(() => Promise.resolve(undefined));
    desk.approvals.attach(() => Promise.reject(new Error('no answer to be had')));
    desk.approvals.attach(async () => ({
      approve: true,
      by: { principal: OPERATOR, via: 'elicitation' },
      reason: 'seen',
    }));
    const outcome = await desk.approvals.ask(wish());
    expect(outcome).toMatchObject({ state: 'approved', approval: { reason: 'seen' } });
    expect(calledOff).toEqual([true]);
  });

  it('who may not answer change nothing', async () => {
    const desk = await deskOf();
    desk.approvals.attach(async () => ({
      approve: true,
      by: { principal: peer(bob, 'phone'), via: 'elicitation' },
    }));
    const { id } = await ask(desk);
    await settle();
    expect(desk.approvals.find(id).state).toBe('pending');
  });
});

describe('many approvals', () => {
  it('of one asker have a bound, so that nobody drowns the others', async () => {
    const desk = await deskOf();
    for (let count = 0; count < 32; count += 1) await ask(desk);
    await expect(desk.approvals.ask(wish())).rejects.toMatchObject({
      code: 'STARLING_LIMIT_EXCEEDED',
      message: expect.stringContaining('32 of its approvals') as string,
    });
    const other = await ask(desk, { principal: peer(bob, 'phone') });
    expect(desk.approvals.find(other.id).state).toBe('pending');
  });

  it('for grants leave half of the room to calls, whoever asks with however many keys', async () => {
    const { table, clock, callerRules } = await deskOf();
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
    const desk = await deskOf();
    const off = new AbortController();
    const outcome = desk.approvals.ask(wish(), off.signal);
    await settle();
    off.abort('it is not allowed any more');
    expect((await outcome).approval.reason).toBe('it is not allowed any more');
  });

  it('that are over are forgotten in the end, on the disk too', async () => {
    const desk = await deskOf();
    for (let count = 0; count < 1030; count += 1) {
      const { id } = await desk.approvals.open(wish());
      await desk.approvals.deny(id, BOSS);
    }
    expect(desk.approvals.list().length).toBeLessThanOrEqual(1025);
    expect(desk.table.rows.size).toBe(desk.approvals.list().length);
  });
});

describe('after a restart', () => {
  it('calls are withdrawn, since nobody waits; requests for a grant wait on', async () => {
    const table = memoryTable();
    const before = await deskOf('', table);
    const call = await ask(before);
    const wanted = await before.approvals.open(wish({ kind: 'permission' }));
    const done = await ask(before);
    await before.approvals.deny(done.id, BOSS, 'no');
    const stopped = before.approvals.stop();
    await stopped;
    expect((await call.outcome).state).toBe('withdrawn');

    const after = await deskOf('', table);
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
    const desk = await deskOf('', table);
    expect(desk.approvals.list()).toEqual([]);
  });

  it('nothing is taken before the start and after the stop', async () => {
    const desk = await deskOf();
    await desk.approvals.stop();
    await desk.approvals.stop();
    await expect(desk.approvals.ask(wish())).rejects.toMatchObject({ code: 'STARLING_STOPPED' });
  });
});
