/** What happened to the budgets of a node: what was decided, and what was spent by whom, hour by hour. */
import { messageOf } from '../core/index.ts';
import type { Clock, Logger } from '../core/index.ts';
import type { Table } from '../store/index.ts';
import type { HistoryEntry } from './types.ts';

const EVENT = 'event/';
const HOUR = 'hour/';
const HOUR_MS = 3_600_000;
/** Entries of one budget that are kept. */
const KEPT_MAX = 1000;
/** Sums go to the disk so often at the most. */
const WRITE_MS = 2000;
const DIGITS = 15;

/** Keeps what happened. */
export interface BudgetHistory {
  note(id: string, entry: Omit<HistoryEntry, 'at'>): void;
  /** Adds to the sum of this hour. */
  spent(id: string, who: string, amount: number, what?: 'spent' | 'refused'): void;
  /** The newest first. */
  list(id: string, limit: number): Promise<readonly HistoryEntry[]>;
  /** Forgets what happened to budgets. */
  forget(ids: readonly string[]): Promise<void>;
  /** Writes what is not written yet. */
  flush(): Promise<void>;
}

/** What one caller did in one hour, since the node was started or its clock set. */
interface Sum {
  readonly id: string;
  readonly key: string;
  readonly said: Said;
}

interface Said {
  readonly at: number;
  readonly what: 'spent' | 'refused';
  readonly who: string;
  amount: number;
  calls: number;
}

/** Makes the history over a table. */
export function createHistory(components: {
  readonly table: Table;
  readonly clock: Clock;
  readonly logger: Logger;
}): BudgetHistory {
  const { table, clock, logger } = components;
  const sums = new Map<string, Sum>();
  const dirty = new Set<Sum>();
  // Of one hour there may be several sums: none is written over that of an earlier run.
  const run = clock.now().toString(36);
  let number = 0;
  let cancel: (() => void) | undefined;
  const failed = (error: unknown): void =>
    logger.warn({ error: messageOf(error) }, 'the history of a budget was not written');
  const keyOf = (kind: string, id: string, at: number, rest: string): string =>
    `${kind}${id}/${String(at).padStart(DIGITS, '0')}/${rest}`;
  const flush = async (): Promise<void> => {
    cancel?.();
    cancel = undefined;
    const writes = [...dirty].map(({ key, said }) => ({ key, value: bytesOf(said) }));
    dirty.clear();
    const hour = clock.now() - HOUR_MS;
    for (const [name, { said }] of sums) if (said.at < hour) sums.delete(name);
    if (writes.length > 0) await table.batch(writes);
  };
  return {
    flush,
    note(id, entry) {
      number += 1;
      const at = clock.now();
      const key = keyOf(EVENT, id, at, `${number}-${run}`);
      table.put(key, bytesOf({ at, ...entry })).catch(failed);
    },
    spent(id, who, amount, what = 'spent') {
      const at = Math.floor(clock.now() / HOUR_MS) * HOUR_MS;
      const name = `${what} ${id} ${who}`;
      let sum = sums.get(name);
      if (sum?.said.at !== at) {
        number += 1;
        const rest = `${what}/${Buffer.from(who).toString('base64url').slice(0, 200)}`;
        const key = keyOf(HOUR, id, at, `${rest}/${run}-${number}`);
        sum = { id, key, said: { at, what, who, amount: 0, calls: 0 } };
        sums.set(name, sum);
      }
      sum.said.amount += amount;
      sum.said.calls += 1;
      dirty.add(sum);
      cancel ??= clock.schedule(WRITE_MS, () => {
        cancel = undefined;
        flush().catch(failed);
      });
    },
    async forget(ids) {
      const prefixes = ids.flatMap((id) => [`${EVENT}${id}/`, `${HOUR}${id}/`]);
      const keys = await keysUnder(table, prefixes);
      const all = new Set(ids);
      for (const [name, { id }] of sums) if (all.has(id)) sums.delete(name);
      for (const sum of dirty) if (all.has(sum.id)) dirty.delete(sum);
      if (keys.length > 0) await table.batch(keys.map((key) => ({ key })));
    },
    async list(id, limit) {
      await flush();
      const { found, over } = await entriesOf(table, id);
      if (over.length > 0) await table.batch(over.map((key) => ({ key })));
      return summed(found)
        .toSorted((a, b) => b.at - a.at)
        .slice(0, limit);
    },
  };
}

/** What is kept of a budget, and the keys of what is more than that. */
async function entriesOf(
  table: Table,
  id: string,
): Promise<{ readonly found: readonly HistoryEntry[]; readonly over: readonly string[] }> {
  const found: HistoryEntry[] = [];
  const over: string[] = [];
  for (const kind of [EVENT, HOUR]) {
    const keys: string[] = [];
    for await (const [key, bytes] of table.entries(`${kind}${id}/`)) {
      keys.push(key);
      found.push(JSON.parse(Buffer.from(bytes).toString('utf8')) as HistoryEntry);
    }
    over.push(...keys.slice(0, Math.max(0, keys.length - KEPT_MAX)));
  }
  return { found, over };
}

/** What one caller did in one hour as one entry, however many sums there are of it. */
function summed(found: readonly HistoryEntry[]): readonly HistoryEntry[] {
  const sums = new Map<string, HistoryEntry>();
  const all: HistoryEntry[] = [];
  for (const entry of found) {
    const { at, what, who, amount = 0, calls } = entry;
    const name = `${at} ${what} ${who}`;
    const known = calls === undefined ? undefined : sums.get(name);
    if (calls === undefined) all.push(entry);
    else if (known === undefined) sums.set(name, entry);
    else {
      const total = { amount: amount + (known.amount ?? 0), calls: calls + (known.calls ?? 0) };
      sums.set(name, { ...known, ...total });
    }
  }
  return [...all, ...sums.values()];
}

async function keysUnder(table: Table, prefixes: readonly string[]): Promise<readonly string[]> {
  const keys: string[] = [];
  for (const prefix of prefixes) {
    for await (const [key] of table.entries(prefix)) keys.push(key);
  }
  return keys;
}

function bytesOf(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value), 'utf8');
}
