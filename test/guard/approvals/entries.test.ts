import { describe, expect, it } from 'vitest';
import { Entries } from '../../../src/guard/approvals/entries.ts';
import type { Approval } from '../../../src/guard/approvals/types.ts';

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
