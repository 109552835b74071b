/**
 * What went through, by model, caller and task: calls, tokens, costs and times. Counts are kept in memory and written a
 * while after they have changed, all that changed in one batch, and once more when the node stops.
 */
import { messageOf, unawaited } from '../../core/index.ts';
import type { Clock, Logger } from '../../core/index.ts';
import { behalfOf, nameOf } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Table, Write } from '../../store/index.ts';
import type { ModelStats, Usage } from '../types.ts';
import { createLastHour } from './last-hour.ts';
import type { LastHour } from './last-hour.ts';
import { readRow, rowBytes } from './usage-row.ts';
import type { UsageRow } from './usage-row.ts';

/** Rows that are told apart; the one that was idle longest is forgotten. */
const ROWS_MAX = 2000;
/** For how long counts may be in memory alone. */
const WRITE_AFTER_MS = 2000;

/** One call under way. */
export interface Metered {
  /** The first byte of the answer is there. */
  begun(): void;
  used(usage: Usage): void;
  /** What was paid for it, micro-dollars. */
  paid(microUsd: number): void;
  /** The answer was kept from an earlier call. */
  hit(): void;
  /** The call is over; later calls of this are ignored. */
  over(hasFailed: boolean): void;
}

/** Calls and tokens of all models, for whomever. */
export interface UsageTotals extends Pick<
  ModelStats,
  'calls' | 'costMicroUsd' | 'failed' | 'inputTokens' | 'outputTokens'
> {
  /** What was paid in the last 60 minutes, micro-dollars. */
  readonly lastHourMicroUsd: number;
}

/** The counts of a node. */
export interface UsageBook {
  /** Reads what was written before. */
  load(): Promise<void>;
  start(model: string, principal: Principal, task: string | undefined): Metered;
  rows(): readonly ModelStats[];
  /** All that was counted since the start of the node, also in rows that are forgotten: it only grows. */
  totals(): UsageTotals;
  /** Writes what has not been written; nothing is written after that by itself. */
  stop(): Promise<void>;
}

/** What the counts work with. */
export interface UsageBookComponents {
  readonly table: Table;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Makes the counts, all at 0 until they are loaded. */
export function createUsageBook(components: UsageBookComponents): UsageBook {
  return new NodeUsageBook(components);
}

class NodeUsageBook implements UsageBook {
  readonly #components: UsageBookComponents;
  readonly #rows = new Map<string, UsageRow>();
  readonly #changed = new Set<string>();
  #cancel: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isStopped = false;
  readonly #totals = { calls: 0, failed: 0, inputTokens: 0, outputTokens: 0, costMicroUsd: 0 };
  readonly #lastHour: LastHour;

  constructor(components: UsageBookComponents) {
    this.#components = components;
    this.#lastHour = createLastHour(components.clock);
  }

  async load(): Promise<void> {
    this.#isStopped = false;
    const read: UsageRow[] = [];
    for await (const [key, bytes] of this.#components.table.entries()) {
      const row = readRow(bytes);
      if (row === undefined) this.#changed.add(key);
      else read.push(row);
    }
    for (const row of read.toSorted((one, other) => one.lastAt - other.lastAt)) {
      const key = keyOfRow(row);
      if (!this.#rows.has(key)) this.#rows.set(key, row);
    }
    this.#bound();
  }

  start(model: string, principal: Principal, task: string | undefined): Metered {
    const { clock } = this.#components;
    const startedAt = clock.now();
    let firstAt: number | undefined;
    let isOver = false;
    const added = { input: 0, output: 0, cached: 0, micros: 0, hits: 0, isEstimated: false };
    return {
      begun() {
        firstAt ??= clock.now();
      },
      used({ input, output, cachedInput = 0, isEstimated = false }) {
        added.input += input;
        added.output += output;
        added.cached += cachedInput;
        added.isEstimated ||= isEstimated;
      },
      paid(microUsd) {
        added.micros += microUsd;
      },
      hit() {
        added.hits += 1;
      },
      over: (hasFailed) => {
        if (isOver) return;
        isOver = true;
        this.#totals.calls += 1;
        if (hasFailed) this.#totals.failed += 1;
        this.#totals.inputTokens += added.input;
        this.#totals.outputTokens += added.output;
        this.#totals.costMicroUsd += added.micros;
        this.#lastHour.add(added.micros);
        const row = this.#rowOf(model, principal, task);
        row.calls += 1;
        if (hasFailed) row.failed += 1;
        row.cacheHits += added.hits;
        row.inputTokens += added.input;
        row.outputTokens += added.output;
        row.cachedInputTokens += added.cached;
        row.costMicroUsd += added.micros;
        row.hasEstimates ||= added.isEstimated;
        row.lastAt = clock.now();
        row.totalMs += row.lastAt - startedAt;
        if (firstAt === undefined) return;
        row.begun += 1;
        row.firstByteMs += firstAt - startedAt;
      },
    };
  }

  rows(): readonly ModelStats[] {
    return [...this.#rows.values()].map(({ begun, firstByteMs, totalMs, ...row }) => ({
      ...row,
      firstByteMs: begun === 0 ? 0 : Math.round(firstByteMs / begun),
      totalMs: row.calls === 0 ? 0 : Math.round(totalMs / row.calls),
    }));
  }

  totals(): UsageTotals {
    return { ...this.#totals, lastHourMicroUsd: this.#lastHour.sum() };
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
    await this.#flush();
  }

  #rowOf(model: string, principal: Principal, task: string | undefined): UsageRow {
    const caller = nameOf(principal);
    const onBehalfOf = behalfOf(principal);
    const agent = agentOf(principal);
    const about = {
      model,
      caller,
      ...(agent === undefined ? {} : { agent }),
      ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
      ...(task === undefined ? {} : { task }),
    };
    const key = keyOfRow(about);
    const row = this.#rows.get(key) ?? empty(about, this.#components.clock.now());
    this.#rows.delete(key);
    this.#rows.set(key, row);
    this.#bound();
    this.#note(key);
    return row;
  }

  #bound(): void {
    while (this.#rows.size > ROWS_MAX) {
      const oldest = this.#rows.keys().next();
      if (oldest.done === true) return;
      this.#rows.delete(oldest.value);
      this.#note(oldest.value);
    }
  }

  #note(key: string): void {
    this.#changed.add(key);
    if (this.#isStopped) return;
    this.#cancel ??= this.#components.clock.schedule(WRITE_AFTER_MS, () => {
      this.#cancel = undefined;
      unawaited(this.#flush(), this.#components.logger, 'the counts of models were not written');
    });
  }

  /** One write after the other; never rejects. */
  #flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  /** Never rejects: counts that can't be written now are written with the next ones. */
  async #write(): Promise<void> {
    const keys = [...this.#changed];
    if (keys.length === 0) return;
    this.#changed.clear();
    const writes = keys.map((key): Write => {
      const row = this.#rows.get(key);
      return row === undefined ? { key } : { key, value: rowBytes(row) };
    });
    try {
      await this.#components.table.batch(writes);
    } catch (error) {
      for (const key of keys) this.#changed.add(key);
      this.#components.logger.warn(
        { error: messageOf(error) },
        'the counts of models could not be written; they are tried again with the next call',
      );
    }
  }
}

/** The agent that calls, where the caller is one. */
function agentOf(principal: Principal): string | undefined {
  if (principal.kind === 'agent') return principal.did;
  const { worksFor, name } = principal.kind === 'client' ? principal : { name: '' };
  return worksFor !== undefined || name.startsWith('agent:') ? name : undefined;
}

type About = Pick<UsageRow, 'model' | 'caller' | 'agent' | 'onBehalfOf' | 'task'>;

function keyOfRow({ model, caller, onBehalfOf = '', task = '' }: About): string {
  return JSON.stringify([model, caller, onBehalfOf, task]);
}

function empty(about: About, now: number): UsageRow {
  return {
    ...about,
    since: now,
    lastAt: now,
    calls: 0,
    failed: 0,
    cacheHits: 0,
    inputTokens: 0,
    outputTokens: 0,
    cachedInputTokens: 0,
    costMicroUsd: 0,
    hasEstimates: false,
    begun: 0,
    firstByteMs: 0,
    totalMs: 0,
  };
}
