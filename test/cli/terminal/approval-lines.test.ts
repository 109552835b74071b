/** What `starling up` says of approvals. */
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tellOfApprovals } from '../../../src/cli/terminal/lines/approval-lines.ts';
import type { Approval, ApprovalAccess, ApprovalEvents } from '../../../src/guard/index.ts';

const approval = (id: string, more: Partial<Approval> = {}): Approval => ({
  id,
  kind: 'call',
  principal: { kind: 'client', name: 'ci', scopes: [] },
  resource: 'tool:files/write_file',
  ability: 'tool/call',
  argsHash: '',
  rule: 'grant',
  state: 'pending',
  askedAt: 0,
  expiresAt: 1,
  ...more,
});

let said = { out: '', err: '' };

beforeEach(() => {
  said = { out: '', err: '' };
  vi.useFakeTimers();
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said.out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said.err += String(text);
    return true;
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function access(): ApprovalAccess & { pending: Approval[]; wait(one: Approval): void } {
  const events = new EventEmitter<ApprovalEvents>();
  const pending: Approval[] = [];
  const unused = (): never => {
    throw new Error('nobody answers here');
  };
  return {
    events,
    pending,
    wait(one) {
      pending.push(one);
      events.emit('pending', one);
    },
    list: () => pending,
    find: unused,
    approve: unused,
    deny: unused,
  };
}

describe('starling up', () => {
  it('says who waits for what, and the command that answers', () => {
    const approvals = access();
    tellOfApprovals(approvals, false);
    expect(said.err).toBe('');
    approvals.wait(approval('Ncz5ZfV4abcd', { resource: 'tool:files/w\u001b[2Jrite' }));
    expect(said.err).toContain('the client ci wants to call files/w');
    expect(said.err).toContain('starling approvals approve Ncz5ZfV4 (or deny)\n');
    expect(said.err).not.toContain('\u001b[2J');
  });

  it('says of a permission that a grant is asked for', () => {
    const approvals = access();
    tellOfApprovals(approvals, false);
    approvals.wait(approval('Ncz5ZfV4abcd', { kind: 'permission' }));
    expect(said.err).toContain('the client ci asks for a grant: files/write_file');
  });

  it('counts those beyond one a second', () => {
    const approvals = access();
    tellOfApprovals(approvals, false);
    for (let n = 0; n < 500; n += 1) approvals.wait(approval(`id-number-${n}`));
    vi.advanceTimersByTime(1000);
    expect(said.err.trim().split('\n')).toHaveLength(2);
    expect(said.err).toContain('500 wait for your answer: starling approvals');
    vi.advanceTimersByTime(10_000);
    expect(said.err.trim().split('\n')).toHaveLength(2);
  });

  it('says of what it told how it ended, and of nothing else', () => {
    const approvals = access();
    tellOfApprovals(approvals, false);
    approvals.wait(approval('Ncz5ZfV4abcd'));
    approvals.wait(approval('counted-only'));
    const end = { state: 'approved', answeredBy: 'the operator', reason: 'seen' } as const;
    for (const id of ['Ncz5ZfV4abcd', 'counted-only', 'Ncz5ZfV4abcd'])
      approvals.events.emit('closed', approval(id, end));
    expect(said.err.match(/ needs no answer .*/g)).toEqual([
      ' needs no answer any more: approved by the operator: seen',
    ]);
    expect(said.err).toContain('Ncz5ZfV4 needs no answer');
  });

  it('says at its start what still waits', () => {
    const approvals = access();
    approvals.pending.push(approval('Ncz5ZfV4abcd'));
    tellOfApprovals(approvals, false);
    expect(said.err).toContain('1 waits for your answer: starling approvals');
  });

  it('with --json prints an event for each, and for each end', () => {
    const approvals = access();
    tellOfApprovals(approvals, true);
    approvals.wait(approval('Ncz5ZfV4abcd'));
    approvals.events.emit('closed', approval('Ncz5ZfV4abcd', { state: 'denied' }));
    expect(
      said.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toMatchObject([
      { event: 'approval', id: 'Ncz5ZfV4abcd', state: 'pending', who: 'the client ci' },
      { event: 'approval', id: 'Ncz5ZfV4abcd', state: 'denied' },
    ]);
    expect(said.err).toBe('');
  });
});
