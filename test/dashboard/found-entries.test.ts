/** What the page has found of the record: nothing twice, nothing left out in silence, whatever the node's answers reach. */
import { describe, expect, it } from 'vitest';
import type { AuditEntry } from '../../src/audit/types.ts';
import type { AuditQueryResult } from '../../src/builtin/results.ts';
import { lookAgain, lookFurther, nothingFound } from '../../src/dashboard/page/found-entries.ts';
import type { AskRecord, Found } from '../../src/dashboard/page/found-entries.ts';

/** Entries that the log here looks at in vain for one question. */
const IN_VAIN_MAX = 10;
const SHOWN = 3;

/** A log whose entries fit where `fits` says so, and how often and for what it was asked. */
function logOf(fits: (seq: number) => boolean) {
  const asked: Readonly<Record<string, unknown>>[] = [];
  let last = 0;
  const ask: AskRecord = (args) => {
    asked.push(args);
    const { limit, before = Infinity, after = 0 } = args as Readonly<Record<string, number>>;
    const entries: AuditEntry[] = [];
    let inVain = 0;
    for (let seq = Math.min(last, before - 1); seq > after; seq -= 1) {
      if (fits(seq)) entries.push({ seq, at: seq * 1000 } as AuditEntry);
      else inVain += 1;
      const isOver = entries.length === limit || inVain === IN_VAIN_MAX;
      const on: Partial<AuditQueryResult> =
        isOver && seq > after + 1 ? { next: seq, lookedBackTo: seq * 1000 } : {};
      if (isOver) return Promise.resolve({ entries, newest: last, ...on });
    }
    return Promise.resolve({ entries, newest: last });
  };
  let found = nothingFound(SHOWN);
  return {
    asked,
    write: (count: number) => void (last += count),
    again: async () => (found = await lookAgain(ask, () => found, SHOWN)),
    further: () =>
      lookFurther(
        ask,
        () => found,
        SHOWN,
        (next) => void (found = next),
      ),
    found: (): Found => found,
    seqs: () => found.entries.map(({ seq }) => seq),
  };
}

describe('what was found of the record', () => {
  it('is the newest that fit, and then what came since, of which nothing is looked at twice', async () => {
    const log = logOf((seq) => seq % 2 === 0);
    log.write(8);
    await log.again();
    expect(log.seqs()).toEqual([8, 6, 4]);
    expect(log.found()).toMatchObject({ next: 4, lookedBackTo: 4000, newest: 8 });
    log.write(2);
    await log.again();
    expect(log.seqs()).toEqual([10, 8, 6]);
    expect(log.found()).toMatchObject({ next: 6, newest: 10 });
    expect(log.asked.at(-1)).toEqual({ limit: SHOWN, after: 8 });
    await log.again();
    expect(log.seqs()).toEqual([10, 8, 6]);
  });

  it('says how far back it was looked where nothing fits, and looks further when it is asked to', async () => {
    const log = logOf((seq) => seq === 3);
    log.write(45);
    await log.again();
    expect(log.seqs()).toEqual([]);
    expect(log.found()).toMatchObject({ next: 36, lookedBackTo: 36_000 });
    await log.further();
    expect(log.seqs()).toEqual([3]);
    expect(log.found().next).toBeUndefined();
    expect(log.asked).toHaveLength(5);
    // What is far behind stays while more comes.
    log.write(9);
    await log.again();
    expect(log.seqs()).toEqual([3]);
    expect(log.asked).toHaveLength(6);
  });

  it('has more entries the further one looks back', async () => {
    const log = logOf(() => true);
    log.write(100);
    await log.again();
    await log.further();
    await log.further();
    expect(log.seqs()).toEqual([100, 99, 98, 97, 96, 95, 94, 93, 92]);
    expect(log.found()).toMatchObject({ next: 92 });
    log.write(1);
    await log.again();
    expect(log.seqs()).toEqual([101, 100, 99, 98, 97, 96, 95, 94, 93]);
    expect(log.found()).toMatchObject({ next: 93 });
  });

  it('asks on for what came since, and where that is too much shows no gap as if there were none', async () => {
    const log = logOf((seq) => seq === 1 || seq === 12);
    log.write(5);
    await log.again();
    expect(log.seqs()).toEqual([1]);
    log.write(30);
    await log.again();
    expect(log.seqs()).toEqual([12, 1]);
    expect(log.found().next).toBeUndefined();
    log.write(1000);
    await log.again();
    expect(log.seqs()).toEqual([]);
    expect(log.found()).toMatchObject({ next: 996, lookedBackTo: 996_000, newest: 1035 });
    await log.further();
    expect(log.found().next).toBe(796);
  });

  it('keeps what a look further back has found while it asked for what came since', async () => {
    const log = logOf(() => true);
    log.write(9);
    await log.again();
    log.write(1);
    await Promise.all([log.further(), log.again()]);
    expect(log.seqs()).toEqual([10, 9, 8, 7, 6, 5]);
  });
});
