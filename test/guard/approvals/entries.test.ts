import { describe, expect, it } from 'vitest';
import { Entries } from '../../../src/guard/approvals/entries.ts';
import type { Approval } from '../../../src/guard/approvals/types.ts';
import type { ApprovalRequest, Principal } from '../../../src/guard/index.ts';

const INIT = { pendingMax: 4, perCallerMax: 4, keptMax: 1 };
const approval = (id: string, state: Approval['state']): Approval =>
  ({ id, state, kind: 'call' }) as Approval;

describe('an approval that the node knows', () => {
  it('is not open before its caller and the disk are ready', () => {
    expect(new Entries(INIT).add(approval('aaaa1', 'pending')).isOpen).toBe(false);
  });

  it('can be used once when it waits, and not again when it comes back from the disk decided', () => {
    const entries = new Entries(INIT);
    expect(entries.add(approval('aaaa1', 'pending')).used).toBe(false);
    expect(entries.add(approval('aaaa2', 'approved')).used).toBe(true);
    expect(entries.add(approval('aaaa3', 'denied')).used).toBe(true);
  });

  it('stops its timers when it is forgotten, and is found no more', () => {
    const entries = new Entries(INIT);
    const entry = entries.add(approval('aaaa1', 'pending'));
    let stopped = 0;
    entry.stop = () => {
      stopped += 1;
    };
    entries.forget(entry);
    expect(stopped).toBe(1);
    expect([...entries.all()]).toEqual([]);
    expect(() => entries.find('aaaa1')).toThrow('is no approval of this node');
  });
});

describe('an id', () => {
  const entries = new Entries(INIT);
  for (const id of ['abcd1', 'abcd2', 'abcd', 'wxyz9']) entries.add(approval(id, 'pending'));
  const idOf = (id: string): string => entries.find(id).approval.id;

  it('names its approval whole, also where another begins with it', () => {
    expect(['abcd', 'abcd2'].map(idOf)).toEqual(['abcd', 'abcd2']);
    expect(entries.get('abcd1')?.approval.id).toBe('abcd1');
    expect(entries.get('abc')).toBeUndefined();
  });

  it('names its approval by the first four characters and more, and not by the last', () => {
    expect(idOf('wxyz')).toBe('wxyz9');
    expect(() => idOf('wxy')).toThrow("'wxy' is too short for an approval: at least 4");
    expect(() => idOf('xyz9')).toThrow("'xyz9' is no approval of this node");
  });

  it('that is the beginning of two names neither', () => {
    const two = new Entries(INIT);
    for (const id of ['abcd1', 'abcd2']) two.add(approval(id, 'pending'));
    expect(() => two.find('abcd')).toThrow("'abcd' is the beginning of more than one approval");
    two.clear();
    expect(() => two.find('abcd1')).toThrow('is no approval');
  });
});

describe('room', () => {
  const client = (name: string): Principal => ({ kind: 'client', name, scopes: [] });
  /** Asks for as many as there is room for; gives how many that were, and why the next had none. */
  function fill(
    init: Partial<typeof INIT>,
    asks: (at: number) => { readonly by: string; readonly kind: Approval['kind'] },
  ): readonly [number, string] {
    const entries = new Entries({ ...INIT, ...init });
    // Those that are over take no room.
    entries.add({ ...approval('over', 'denied'), principal: client('a') });
    for (let at = 0; at < 20; at += 1) {
      const { by, kind } = asks(at);
      const request = { principal: client(by), kind } as ApprovalRequest;
      try {
        entries.checkRoom(request);
      } catch (error) {
        return [at, (error as Error).message];
      }
      entries.add({ ...approval(`id-${at}`, 'pending'), principal: client(by), kind });
    }
    return [20, ''];
  }

  it('is bounded for each caller', () => {
    expect(fill({ perCallerMax: 3, pendingMax: 20 }, () => ({ by: 'a', kind: 'call' }))).toEqual([
      3,
      'the client a must wait: 3 of its approvals are unanswered',
    ]);
    expect(
      fill({ perCallerMax: 3, pendingMax: 20 }, (at) => ({ by: `c${at % 4}`, kind: 'call' })),
    ).toEqual([12, 'the client c0 must wait: 3 of its approvals are unanswered']);
  });

  it('is bounded for all, and half of that for requests for a grant', () => {
    const each = { perCallerMax: 9, pendingMax: 5 };
    expect(fill(each, (at) => ({ by: `c${at}`, kind: 'call' }))).toEqual([
      5,
      'the client c5 must wait: 5 approvals are unanswered',
    ]);
    expect(fill(each, (at) => ({ by: `c${at}`, kind: 'permission' }))).toEqual([
      3,
      'the client c3 must wait: 3 requests for a grant are unanswered',
    ]);
    // Requests leave the other half to calls, and calls that wait are no requests.
    expect(fill(each, (at) => ({ by: `c${at}`, kind: at < 2 ? 'call' : 'permission' }))).toEqual([
      5,
      'the client c5 must wait: 3 requests for a grant are unanswered',
    ]);
  });
});

describe('an approval that outlives its caller', () => {
  const alice: Principal = { kind: 'client', name: 'alice', scopes: [] };
  const call = { principal: alice, resource: 'tool:files/write', ability: 'tool/call' };
  const HASH = 'a hash of the arguments';
  const SINCE = 1000;
  const lasting: Approval = {
    ...approval('aaaa1', 'approved'),
    ...call,
    argsHash: HASH,
    lasting: true,
    answeredAt: SINCE,
  };
  /** Whether it is found for the same call, of what is known of it. */
  function isFound(known: Partial<Approval>, asked: Partial<ApprovalRequest> = {}): boolean {
    const entries = new Entries(INIT);
    const entry = entries.add({ ...lasting, ...known });
    const request = { kind: 'call', ...call, ...asked } as ApprovalRequest;
    return entries.lastingFor(request, HASH, SINCE) === entry;
  }

  it('is found for the same call of the same caller alone', () => {
    expect(isFound({})).toBe(true);
    expect(isFound({ lasting: undefined } as never)).toBe(false);
    expect(isFound({ argsHash: 'another' })).toBe(false);
    expect(isFound({}, { resource: 'tool:files/read' })).toBe(false);
    expect(isFound({}, { ability: 'resource/read' })).toBe(false);
    expect(isFound({}, { principal: { ...alice, name: 'bob' } })).toBe(false);
    // Each part of what it is must fit, whatever its state.
    expect(isFound({ state: 'pending', argsHash: 'another' })).toBe(false);
  });

  it('is found while it waits, and once it is approved as long as that counts and nobody has used it', () => {
    expect(isFound({ state: 'pending', answeredAt: undefined } as never)).toBe(true);
    expect(isFound({ answeredAt: SINCE + 1 })).toBe(true);
    expect(isFound({ answeredAt: SINCE - 1 })).toBe(false);
    expect(isFound({ answeredAt: undefined } as never)).toBe(false);
    expect(isFound({ usedAt: SINCE })).toBe(false);
    for (const state of ['denied', 'expired'] as const) expect(isFound({ state })).toBe(false);
  });

  it('comes back from the disk used only where it was', () => {
    const entries = new Entries(INIT);
    expect(entries.add(lasting).used).toBe(false);
    expect(entries.add({ ...lasting, usedAt: SINCE }).used).toBe(true);
  });
});

describe('what is over', () => {
  it('is kept up to its bound, the newest of it, and what waits is kept', () => {
    const entries = new Entries({ ...INIT, keptMax: 2 });
    const ids = ['aaaa1', 'aaaa2', 'aaaa3', 'aaaa4', 'aaaa5'];
    for (const id of ids) entries.add(approval(id, id === 'aaaa2' ? 'pending' : 'denied'));
    expect(entries.dropOld()).toEqual(['aaaa1', 'aaaa3']);
    expect([...entries.all()].map(({ approval: { id } }) => id)).toEqual([
      'aaaa2',
      'aaaa4',
      'aaaa5',
    ]);
    expect(entries.dropOld()).toEqual([]);
  });
});
