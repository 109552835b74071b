/** Counting calls: never more than granted, over sessions, delegations, restarts and crashes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import type { Signer } from '../../../src/identity/index.ts';
import type { Json } from '../../../src/core/index.ts';
import { CLOCK_SKEW_MS, createCounters, evaluateCall } from '../../../src/grants/index.ts';
import type {
  CounterInit,
  Counters,
  Grant,
  GrantBook,
  CallEvaluation,
} from '../../../src/grants/index.ts';
import type { Table } from '../../../src/store/types.ts';
import {
  NOW_MS,
  READ,
  alice,
  bob,
  carol,
  emptyBook,
  grantOf,
  manualClock,
  owner,
  signerOf,
} from '../arrange.ts';
import { memoryTable } from '../memory-table.ts';

const HOUR_MS = 3_600_000;
const wanted = { resource: 'tool:files/read_file', ability: 'tool/call' };
const limited = (caveats: Record<string, Json>): typeof READ => ({ ...READ, caveats });

interface Door {
  readonly book: GrantBook;
  readonly table: ReturnType<typeof memoryTable>;
  readonly clock: ReturnType<typeof manualClock>;
  counters: Counters;
  readonly issue: (caveats: Record<string, Json>, maxDepth?: number) => Promise<Grant>;
  /** One call by whoever holds `grant`. */
  readonly call: (grant: Grant) => CallEvaluation;
  /** `yes`, or the rule that refuses. */
  readonly answer: (grant: Grant) => string;
  /** Counts on from what is on the disk, as after a crash. */
  crash(): Promise<void>;
}

async function doorOf(
  init: CounterInit = {},
  wrap = (table: Table): Table => table,
): Promise<Door> {
  const clock = manualClock();
  const book = emptyBook(clock);
  await book.start();
  const table = memoryTable();
  const parts = { table: wrap(table), grants: book, self: owner.did, clock, logger: silentLogger };
  const open = async (): Promise<Counters> => {
    const counters = createCounters(parts, init);
    await counters.start();
    return counters;
  };
  const door: Door = {
    book,
    table,
    clock,
    counters: await open(),
    issue: (caveats, maxDepth = 0) =>
      book.issue({
        aud: alice.did,
        capabilities: [limited(caveats)],
        expiresAtMs: clock.now() + HOUR_MS,
        maxDepth,
      }),
    call: (grant) => evaluateCall([grant], wanted, door.counters, clock.now()),
    answer(grant) {
      const answer = door.call(grant);
      if ('ask' in answer) return 'ask';
      return answer.allow ? 'yes' : answer.refusal.rule;
    },
    async crash() {
      door.counters = await open();
    },
  };
  return door;
}

/** A door whose counters are on a disk that takes no writes while it is full. */
const doorOnDisk = (disk: { readonly isFull: boolean }): Promise<Door> =>
  doorOf({}, (table) => ({
    ...table,
    async batch(writes) {
      if (disk.isFull) throw new Error('disk full');
      await table.batch(writes);
    },
  }));

function times(count: number, call: () => string): string[] {
  return Array.from({ length: count }, call);
}

describe('uses', () => {
  it('are used up one by one', async () => {
    const { issue, answer, counters } = await doorOf();
    const grant = await issue({ uses: 3 });
    expect(times(5, () => answer(grant))).toEqual(['yes', 'yes', 'yes', 'uses', 'uses']);
    expect(counters.taken(grant, 0)).toBe(3);
  });

  it('are never more than granted when 100 calls race for 10 of them', async () => {
    const { issue, call } = await doorOf();
    const grant = await issue({ uses: 10 });
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        await new Promise((resolve) => setImmediate(resolve));
        const answer = call(grant);
        if (!('allow' in answer) || !answer.allow) return false;
        await answer.settled;
        return true;
      }),
    );
    expect(answers.filter(Boolean)).toHaveLength(10);
  });

  it('are shared by all to whom a grant was handed on', async () => {
    const { book, issue, answer } = await doorOf();
    const root = await issue({ uses: 5 }, 2);
    const leaves = [bob, carol].map((to) =>
      grantOf(alice, to, { parents: [root], cap: [limited({ uses: 4 })] }),
    );
    for (const leaf of leaves) expect(book.present(leaf.claims.aud, [leaf.jws])).toEqual([]);
    const [first, second] = leaves as [Grant, Grant];
    expect(times(5, () => answer(first))).toEqual(['yes', 'yes', 'yes', 'yes', 'uses']);
    expect(times(2, () => answer(second))).toEqual(['yes', 'uses']);
    expect(answer(root)).toBe('uses');
  });

  it('are taken from the parent that still has some', async () => {
    const { book, issue, answer } = await doorOf();
    const [one, two] = [await issue({ uses: 1 }, 1), await issue({ uses: 2 }, 1)];
    const cap = [limited({ uses: 1 }), limited({ uses: 1, rate: { per_s: 9, burst: 9 } })];
    const leaf = grantOf(alice, bob, { parents: [one, two], cap });
    expect(book.present(bob.did, [leaf.jws])).toEqual([]);
    // One of each capability of the leaf; the second falls back on the second parent.
    expect(times(3, () => answer(leaf))).toEqual(['yes', 'yes', 'uses']);
    expect(answer(two)).toBe('yes');
    expect(answer(one)).toBe('uses');
  });

  it('go on where they were after a restart, to the last one', async () => {
    const door = await doorOf();
    const grant = await door.issue({ uses: 100 });
    times(30, () => door.answer(grant));
    await door.counters.stop();
    await door.crash();
    expect(door.counters.taken(grant, 0)).toBe(30);
    expect(times(71, () => door.answer(grant)).filter((it) => it === 'yes')).toHaveLength(70);
  });

  it('are never more after a crash, and a few less at the most', async () => {
    const door = await doorOf();
    const grant = await door.issue({ uses: 100 });
    let used = 0;
    for (let round = 0; round < 30; round += 1) {
      for (let turn = 0; turn < 7; turn += 1) {
        const answer = door.call(grant);
        if (!('allow' in answer) || !answer.allow) break;
        await answer.settled;
        used += 1;
      }
      await door.crash();
    }
    expect(used).toBeLessThanOrEqual(100);
    expect(used).toBeGreaterThan(60);
  });

  it('go on when the grant is renewed', async () => {
    const { book, issue, answer, clock } = await doorOf();
    const grant = await book.issue({
      aud: alice.did,
      capabilities: [limited({ uses: 2 })],
      expiresAtMs: clock.now() + HOUR_MS,
      renewForMs: HOUR_MS,
    });
    expect(answer(grant)).toBe('yes');
    await clock.advance(HOUR_MS / 2);
    const renewed = await book.renew(grant.claims.jti);
    expect(times(2, () => answer(renewed as Grant))).toEqual(['yes', 'uses']);
    expect(answer(await issue({ uses: 1 }))).toBe('yes');
  });

  it('can be waited for: a call must not run before its use is on the disk', async () => {
    const disk = { isFull: true };
    const door = await doorOnDisk(disk);
    const grant = await door.issue({ uses: 40 });
    const settled = (): Promise<void> | undefined => {
      const answer = door.call(grant);
      return 'allow' in answer && answer.allow ? answer.settled : undefined;
    };
    await expect(settled()).rejects.toMatchObject({ code: 'STARLING_STATE_UNUSABLE' });
    // The call does not run, so that nothing is used up by it.
    expect(door.counters.taken(grant, 0)).toBe(0);
    disk.isFull = false;
    // Two at once are a block of two, and both wait for the disk.
    const both = [settled(), settled()];
    expect(both).not.toContain(undefined);
    for (const one of both) await one;
    disk.isFull = true;
    await expect(settled()).rejects.toMatchObject({ code: 'STARLING_STATE_UNUSABLE' });
    expect(door.counters.taken(grant, 0)).toBe(2);
    expect([...door.table.rows.values()].map((row) => String(Buffer.from(row)))).toEqual([
      expect.stringContaining('"taken":2') as string,
    ]);
  });

  it('count as used up when their row is damaged', async () => {
    const door = await doorOf();
    const grant = await door.issue({ uses: 5 });
    door.answer(grant);
    const [key = ''] = door.table.rows.keys();
    const rows = [
      '{"tak',
      '7',
      'null',
      '{}',
      '{"taken":1}',
      '{"endsAtMs":9e15}',
      '{"taken":"1","endsAtMs":1}',
    ];
    for (const row of rows) {
      door.table.rows.set(key, Buffer.from(row));
      await door.crash();
      expect([row, door.answer(grant)]).toEqual([row, 'uses']);
    }
  });

  it('wait for the disk again after it has failed, and no more once their block is there', async () => {
    const disk = { isFull: false };
    const door = await doorOnDisk(disk);
    const grant = await door.issue({ uses: 40 });
    const take = (): Promise<void> | undefined => {
      const taken = door.counters.take(grant, 0, door.clock.now());
      if (!taken.ok) throw new Error(taken.refusal.text);
      return taken.settled;
    };
    await take();
    expect(take()).toBeUndefined();
    disk.isFull = true;
    await expect(take()).rejects.toThrow('not written');
    disk.isFull = false;
    const third = take();
    expect(third).toBeDefined();
    await third;
    expect(take()).toBeUndefined();
    expect(door.counters.taken(grant, 0)).toBe(4);
  });

  it('are written ahead by one in twenty, and as many as there are', async () => {
    const written = async (uses: number): Promise<unknown> => {
      const { issue, call, table } = await doorOf();
      const answer = call(await issue({ uses }));
      if ('allow' in answer && answer.allow) await answer.settled;
      const [row = Buffer.of()] = table.rows.values();
      return (JSON.parse(String(Buffer.from(row))) as { taken: unknown }).taken;
    };
    expect(await Promise.all([1, 39, 40, 10_000].map(written))).toEqual([1, 1, 2, 16]);
  });

  it('are not taken from a link whose parents have none left', async () => {
    const { book, issue, answer, counters } = await doorOf();
    const [empty, full] = [await issue({ uses: 1 }, 2), await issue({ uses: 5 }, 2)];
    const [first, second] = [empty, full].map((root) =>
      grantOf(alice, bob, { parents: [root], cap: [limited({ uses: 1 })], maxDepth: 1 }),
    ) as [Grant, Grant];
    const leaf = grantOf(bob, carol, { parents: [first, second], cap: [limited({ uses: 1 })] });
    expect(book.present(carol.did, [first.jws, second.jws, leaf.jws])).toEqual([]);
    expect(answer(empty)).toBe('yes');
    expect(answer(leaf)).toBe('yes');
    expect([first, second, empty, full].map((grant) => counters.taken(grant, 0))).toEqual([
      0, 1, 1, 1,
    ]);
  });

  it('are told to be lacking without being taken', async () => {
    const { issue, answer, counters, clock } = await doorOf();
    const grant = await issue({ uses: 1 });
    expect(counters.lacks(grant, 0, clock.now())).toBeUndefined();
    expect(answer(grant)).toBe('yes');
    expect(counters.lacks(grant, 0, clock.now())).toEqual({
      rule: 'uses',
      text: `all 1 uses of grant ${grant.claims.jti.slice(0, 8)} are used up`,
    });
  });

  it('are refused where a link of the chain is not known', async () => {
    const { issue, counters, clock } = await doorOf();
    const stranger = grantOf(alice, bob, { parents: [grantOf(owner, alice, { maxDepth: 1 })] });
    await issue({ uses: 1 });
    expect(counters.take(stranger, 0, clock.now())).toMatchObject({
      refusal: { rule: 'missing-parent' },
    });
  });

  it('are taken by nobody once the node stops', async () => {
    const { issue, answer, counters } = await doorOf();
    const grant = await issue({ uses: 5 });
    await counters.stop();
    expect(answer(grant)).toBe('stopped');
  });
});

describe('a rate', () => {
  it('lets a burst through, then so many a second', async () => {
    const { issue, answer, clock } = await doorOf();
    const grant = await issue({ rate: { per_s: 2, burst: 3 } });
    expect(times(4, () => answer(grant))).toEqual(['yes', 'yes', 'yes', 'rate']);
    await clock.advance(500);
    expect(times(2, () => answer(grant))).toEqual(['yes', 'rate']);
    await clock.advance(60_000);
    expect(times(4, () => answer(grant))).toEqual(['yes', 'yes', 'yes', 'rate']);
  });

  it('is not refilled by a restart or a crash', async () => {
    const door = await doorOf();
    const grant = await door.issue({ rate: { per_s: 0.001, burst: 3 } });
    expect(times(2, () => door.answer(grant))).toEqual(['yes', 'yes']);
    await door.counters.stop();
    await door.crash();
    expect(times(2, () => door.answer(grant))).toEqual(['yes', 'rate']);
    await door.crash();
    expect(door.answer(grant)).toBe('rate');
    await door.clock.advance(1_000_000);
    expect(door.answer(grant)).toBe('yes');
  });

  it('is never exceeded, whatever the times of the calls', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 60 }),
        async (gaps) => {
          const { issue, answer, clock } = await doorOf();
          const grant = await issue({ rate: { per_s: 4, burst: 2 } });
          const allowed: number[] = [];
          for (const gap of gaps) {
            await clock.advance(gap);
            if (answer(grant) === 'yes') allowed.push(clock.now());
          }
          for (const [index, from] of allowed.entries()) {
            for (const [more, to] of allowed.slice(index).entries()) {
              expect(more + 1).toBeLessThanOrEqual(2 + ((to - from) / 1000) * 4 + 1e-6);
            }
          }
        },
      ),
      { numRuns: 50, seed: 10 },
    );
  });

  it('takes a clock that goes back for one that stands', async () => {
    const { issue, counters, clock } = await doorOf();
    const grant = await issue({ rate: { per_s: 1, burst: 1 } });
    expect(counters.take(grant, 0, clock.now()).ok).toBe(true);
    expect(counters.take(grant, 0, clock.now() - HOUR_MS).ok).toBe(false);
    expect(counters.take(grant, 0, clock.now() + 999).ok).toBe(false);
    expect(counters.take(grant, 0, clock.now() + 1000).ok).toBe(true);
  });

  it('gives no second burst when a clock that was set back is set right again', async () => {
    const { issue, counters, clock } = await doorOf();
    const grant = await issue({ rate: { per_s: 1, burst: 3 } });
    const at = (ms: number): boolean => counters.take(grant, 0, clock.now() + ms).ok;
    // The last of the burst is taken under the wrong time.
    expect([at(0), at(0), at(-HOUR_MS), at(-HOUR_MS)]).toEqual([true, true, true, false]);
    expect(at(0)).toBe(false);
    expect(at(999)).toBe(false);
    expect([at(1000), at(1000)]).toEqual([true, false]);
  });

  it('gives its calls at their pace while the clock stands back, and does not wait for the old time', async () => {
    const { issue, counters, clock } = await doorOf();
    const grant = await issue({ rate: { per_s: 1, burst: 1 } });
    const at = (ms: number): boolean => counters.take(grant, 0, clock.now() + ms).ok;
    expect([at(0), at(-HOUR_MS)]).toEqual([true, false]);
    expect([at(1000 - HOUR_MS), at(1999 - HOUR_MS), at(2000 - HOUR_MS)]).toEqual([
      true,
      false,
      true,
    ]);
  });

  it('is the same after a restart under a clock that was set back', async () => {
    const door = await doorOf();
    const grant = await door.issue({ rate: { per_s: 1, burst: 3 } });
    const at = (ms: number): boolean => door.counters.take(grant, 0, door.clock.now() + ms).ok;
    expect([at(0), at(0), at(0), at(0)]).toEqual([true, true, true, false]);
    await door.counters.stop();
    await door.counters.start();
    expect([at(-HOUR_MS), at(0)]).toEqual([false, false]);
    expect([at(1000), at(1000)]).toEqual([true, false]);
  });
});

describe('counters', () => {
  it('are bounded for issuers other than ourselves', async () => {
    const { book, issue, answer } = await doorOf({ perIssuerMax: 2 });
    const root = await issue({ uses: 100 }, 1);
    const leaves = [11, 12, 13].map((number) =>
      grantOf(alice, signerOf(number), { parents: [root], cap: [limited({ uses: 9 })] }),
    );
    for (const leaf of leaves) book.present(leaf.claims.aud, [leaf.jws]);
    expect(leaves.map(answer)).toEqual(['yes', 'yes', 'limit']);
    expect(answer(root)).toBe('yes');
  });

  it('are bounded for all others together, also after a restart, until their grants are over', async () => {
    const { book, counters, clock } = await doorOf({ perIssuerMax: 2, totalMax: 3 });
    const rootFor = (holder: Signer): Promise<Grant> =>
      book.issue({
        aud: holder.did,
        capabilities: [limited({ uses: 100 })],
        expiresAtMs: clock.now() + 24 * HOUR_MS,
        maxDepth: 1,
      });
    const [ofAlice, ofBob] = [await rootFor(alice), await rootFor(bob)];
    const lastMs = { now: NOW_MS + 60_000 };
    /** Uses a grant that `from` hands on to somebody new. */
    const use = (from: Signer, number: number): string => {
      const leaf = grantOf(from, signerOf(number), {
        parents: [from === alice ? ofAlice : ofBob],
        cap: [limited({ uses: 9 })],
        expiresAt: lastMs.now / 1000,
      });
      expect(book.present(leaf.claims.aud, [leaf.jws])).toEqual([]);
      const taken = counters.take(leaf, 0, clock.now());
      return taken.ok ? 'yes' : `${taken.refusal.rule}: ${taken.refusal.text}`;
    };
    const full = expect.stringMatching(/^limit: grant .{8} can't be counted: too many/) as string;
    expect(use(alice, 11)).toBe('yes');
    await counters.start();
    await counters.stop();
    await counters.start();
    expect([12, 13].map((number) => use(alice, number))).toEqual(['yes', full]);
    // There is room for one more of all others together.
    expect([14, 15].map((number) => use(bob, number))).toEqual(['yes', full]);
    await clock.advance(2 * HOUR_MS);
    lastMs.now = NOW_MS + 20 * HOUR_MS;
    expect([21, 22, 23].map((number) => use(alice, number))).toEqual(['yes', 'yes', full]);
    expect([24, 25].map((number) => use(bob, number))).toEqual(['yes', full]);
  });

  it('of our own grants need no room that is for others', async () => {
    const { issue, answer } = await doorOf({ perIssuerMax: 0, totalMax: 0 });
    expect(answer(await issue({ uses: 1 }))).toBe('yes');
  });

  it('are kept as long as clocks may differ, and not longer', async () => {
    const { issue, answer, clock, table, book } = await doorOf();
    const root = await issue({ uses: 9 }, 1);
    const leaf = (seconds: number, number: number): Grant => {
      const made = grantOf(alice, signerOf(number), {
        parents: [root],
        cap: [limited({ uses: 9 })],
        expiresAt: NOW_MS / 1000 + seconds,
      });
      book.present(made.claims.aud, [made.jws]);
      return made;
    };
    // At the first look after an hour, the one is over for just the difference of clocks; the other is not.
    answer(leaf((HOUR_MS - CLOCK_SKEW_MS) / 1000, 11));
    answer(leaf((HOUR_MS - CLOCK_SKEW_MS) / 1000 + 1, 12));
    expect(table.rows.size).toBe(3);
    await clock.advance(HOUR_MS);
    expect(table.rows.size).toBe(2);
  });

  it('are forgotten with their grants', async () => {
    const { issue, answer, clock, table, book } = await doorOf();
    const root = await issue({ uses: 9 }, 1);
    const leaf = grantOf(alice, bob, {
      parents: [root],
      cap: [limited({ uses: 9 })],
      expiresAt: NOW_MS / 1000 + 60,
    });
    book.present(bob.did, [leaf.jws]);
    answer(leaf);
    expect(table.rows.size).toBe(2);
    await clock.advance(2 * HOUR_MS);
    // An own grant may still be renewed while it is listed.
    expect(table.rows.size).toBe(1);
    await clock.advance(31 * 24 * HOUR_MS);
    expect(table.rows.size).toBe(0);
  });

  it('of a rate alone are on the disk, and count no uses', async () => {
    const { issue, call, counters, table } = await doorOf();
    const grant = await issue({ rate: { per_s: 1, burst: 2 } });
    const answer = call(grant);
    if ('allow' in answer && answer.allow) await answer.settled;
    expect(counters.taken(grant, 0)).toBe(0);
    expect([...table.rows.values()].map((row) => String(Buffer.from(row)))).toEqual([
      expect.stringContaining('"taken":0') as string,
    ]);
  });

  it('do not start over rows that can not be read, and start when they can', async () => {
    let fails = false;
    const { issue, answer, counters } = await doorOf({}, (table) => ({
      ...table,
      async *entries(prefix) {
        yield* table.entries(prefix);
        if (fails) throw new Error('EIO: i/o error');
      },
    }));
    const grant = await issue({ uses: 2 });
    expect(answer(grant)).toBe('yes');
    await counters.stop();
    fails = true;
    await expect(counters.start()).rejects.toThrow('i/o error');
    expect(answer(grant)).toBe('stopped');
    fails = false;
    await counters.start();
    expect(times(2, () => answer(grant))).toEqual(['yes', 'uses']);
  });

  it('leave out a row that is none of theirs', async () => {
    const door = await doorOf();
    const grant = await door.issue({ uses: 1 });
    expect(door.answer(grant)).toBe('yes');
    for (const key of ['nothing', `${owner.did}/x`]) door.table.rows.set(key, Buffer.from('{}'));
    await door.crash();
    expect(door.answer(grant)).toBe('uses');
  });

  it('of grants that are over are gone after a start, which comes also where the disk refuses that', async () => {
    const disk = { isFull: false };
    const door = await doorOnDisk(disk);
    const root = await door.issue({ uses: 9 }, 1);
    const leaf = grantOf(alice, bob, {
      parents: [root],
      cap: [limited({ uses: 9 })],
      expiresAt: NOW_MS / 1000 + 60,
    });
    door.book.present(bob.did, [leaf.jws]);
    expect(door.answer(leaf)).toBe('yes');
    await door.counters.stop();
    expect(door.table.rows.size).toBe(2);
    await door.clock.advance(2 * HOUR_MS);
    disk.isFull = true;
    await door.crash();
    expect(door.table.rows.size).toBe(2);
    disk.isFull = false;
    await door.crash();
    // The grant of this node may still be renewed while it is listed.
    expect(door.table.rows.size).toBe(1);
  });

  it('know of no use once they have stopped, and of each again once they have started', async () => {
    const { issue, answer, counters } = await doorOf();
    const grant = await issue({ uses: 9 });
    answer(grant);
    expect(counters.taken(grant, 0)).toBe(1);
    await counters.stop();
    expect(counters.taken(grant, 0)).toBe(0);
    await counters.start();
    expect(counters.taken(grant, 0)).toBe(1);
  });

  it('may be started twice and stopped before starting', async () => {
    const { counters } = await doorOf();
    await counters.start();
    await counters.stop();
    await counters.stop();
  });
});
