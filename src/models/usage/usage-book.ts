/**
 * What went through, by model, caller and task: calls, tokens, costs and times. Counts are kept in memory and written a
 * while after they have changed, all that changed in one batch, and once more when the node stops.
 */
import { messageOf, unawaited } from '../../core/index.ts';
import type { Clock, Logger } from '../../core/index.ts';
import { behalfOf, nameOf } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Table, Write } from '../../store/index.ts';
import type { Finding, ModelStats, Usage } from '../types.ts';
import { createLastHour } from './last-hour.ts';
import type { LastHour } from './last-hour.ts';
import { emptyRow, readRow, rowBytes, statsOf, withCounts } from './usage-row.ts';
import type { UsageRow } from './usage-row.ts';

/** Rows that are told apart; of the caller with the most of them the one goes that was idle longest. */
const ROWS_MAX = 2000;
/** For how long counts may be in memory alone. */
const WRITE_AFTER_MS = 2000;

/** One call under way. */
export interface Metered {
  /** The first byte of the answer is there. */
  begun(): void;
  used(usage: Usage): void;
  /** What was paid for it, micro-dollars; `isGuess`: nobody knows its price. */
  paid(microUsd: number, isGuess?: boolean): void;
  /** The answer was kept from an earlier call. */
  hit(): void;
  /** It was one of a batch, so that its time says nothing of the model. */
  batched(): void;
  /** The call is over; later calls of this are ignored. */
  over(hasFailed: boolean): void;
  /** What was found out about its answer. */
  found(finding: Finding): void;
}

/** Calls and tokens of all models, for whomever. */
export interface UsageTotals extends Pick<
  ModelStats,
  'calls' | 'costMicroUsd' | 'failed' | 'inputTokens' | 'outputTokens'
> {
  /** What was paid in the last 60 minutes, micro-dollars. */
  readonly lastHourMicroUsd: number;
  /** Answers that were checked, that stood in a vote, and that were graded; of the grades the sum. */
  readonly checked: number;
  readonly passed: number;
  readonly voted: number;
  readonly agreed: number;
  readonly graded: number;
  readonly gradeSum: number;
}

/** The counts of a node. */
export interface UsageBook {
  /** Reads what was written before. */
  load(): Promise<void>;
  start(model: string, principal: Principal, task: string | undefined): Metered;
  /** What was found out about an answer after its call. */
  found(model: string, principal: Principal, finding: Finding): void;
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
  /** How many rows each caller has. */
  readonly #perCaller = new Map<string, number>();
  readonly #changed = new Set<string>();
  #cancel: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isStopped = false;
  readonly #totals = {
    calls: 0,
    failed: 0,
    inputTokens: 0,
    outputTokens: 0,
    costMicroUsd: 0,
    checked: 0,
    passed: 0,
    voted: 0,
    agreed: 0,
    graded: 0,
    gradeSum: 0,
  };
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
      const own = row === undefined ? undefined : keyOfRow(row);
      if (row !== undefined) read.push(row);
      if (own === key) continue;
      this.#changed.add(key);
      if (own !== undefined) this.#changed.add(own);
    }
    const here = new Set(this.#rows.keys());
    for (const row of read.toSorted((one, other) => one.lastAt - other.lastAt)) {
      const key = keyOfRow(row);
      if (here.has(key)) continue;
      const known = this.#rows.get(key);
      if (known === undefined) this.#set(key, row);
      else this.#set(key, withCounts(known, row));
    }
    this.#bound();
  }

  start(model: string, principal: Principal, task: string | undefined): Metered {
    const { clock } = this.#components;
    const startedAt = clock.now();
    let firstAt: number | undefined;
    let isOver = false;
    const added = { input: 0, output: 0, cached: 0, micros: 0, hits: 0 };
    const guessed = { tokens: false, price: false };
    let isBatched = false;
    return {
      begun() {
        firstAt ??= clock.now();
      },
      used({ input, output, cachedInput = 0, isEstimated = false }) {
        added.input += input;
        added.output += output;
        added.cached += cachedInput;
        guessed.tokens ||= isEstimated;
      },
      paid(microUsd, isGuess = false) {
        added.micros += microUsd;
        guessed.price ||= isGuess;
      },
      found: (finding) => this.#found(this.#aboutOf(model, principal, task), finding),
      hit() {
        added.hits += 1;
      },
      batched() {
        isBatched = true;
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
        const row = this.#rowOf(this.#aboutOf(model, principal, task));
        row.calls += 1;
        if (hasFailed) row.failed += 1;
        row.cacheHits += added.hits;
        row.inputTokens += added.input;
        row.outputTokens += added.output;
        row.cachedInputTokens += added.cached;
        row.costMicroUsd += added.micros;
        row.hasEstimates ||= guessed.tokens;
        row.hasGuessedPrices ||= guessed.price;
        row.lastAt = clock.now();
        if (isBatched) row.batched += 1;
        else row.totalMs += Math.max(0, row.lastAt - startedAt);
        if (firstAt === undefined) return;
        row.begun += 1;
        row.firstByteMs += Math.max(0, firstAt - startedAt);
      },
    };
  }

  found(model: string, principal: Principal, finding: Finding): void {
    this.#found(this.#aboutOf(model, principal, undefined), finding);
  }

  rows(): readonly ModelStats[] {
    return [...this.#rows.values()].map(statsOf);
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

  #aboutOf(model: string, principal: Principal, task: string | undefined): About {
    const onBehalfOf = behalfOf(principal);
    const agent = agentOf(principal);
    return {
      model,
      caller: nameOf(principal),
      ...(agent === undefined ? {} : { agent }),
      ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
      ...(task === undefined ? {} : { task }),
    };
  }

  #rowOf(about: About): UsageRow {
    const key = keyOfRow(about);
    const row = this.#rows.get(key) ?? emptyRow(about, this.#components.clock.now());
    this.#drop(key);
    this.#set(key, row);
    this.#bound();
    this.#note(key);
    return row;
  }

  #found(about: About, finding: Finding): void {
    for (const counts of [this.#rowOf(about), this.#totals]) {
      if (finding.what === 'check') {
        counts.checked += 1;
        if (finding.isPassed) counts.passed += 1;
      } else if (finding.what === 'vote') {
        counts.voted += 1;
        if (finding.isAgreed) counts.agreed += 1;
      } else {
        counts.graded += 1;
        counts.gradeSum += finding.score;
      }
    }
  }

  /** Nobody's tasks push out what others have: one goes of the caller with the most rows, into that of no task. */
  #bound(): void {
    while (this.#rows.size > ROWS_MAX) {
      const [whose] = [...this.#perCaller].reduce((one, other) =>
        other[1] > one[1] ? other : one,
      );
      const found = this.#oldestOf(whose);
      if (found === undefined) return;
      const [key, row] = found;
      this.#drop(key);
      this.#note(key);
      const { task, ...others } = row;
      if (task === undefined) continue;
      const rest = keyOfRow(others);
      const known = this.#rows.get(rest);
      if (known === undefined) this.#set(rest, others);
      // Somebody may be about to count more in it.
      else Object.assign(known, withCounts(known, row));
      this.#note(rest);
    }
  }

  /** Of tasks first, whose counts live on in another row. */
  #oldestOf(whose: string): readonly [key: string, row: UsageRow] | undefined {
    let oldest: readonly [string, UsageRow] | undefined;
    for (const entry of this.#rows) {
      if (entry[1].caller !== whose) continue;
      if (entry[1].task !== undefined) return entry;
      oldest ??= entry;
    }
    return oldest;
  }

  #set(key: string, row: UsageRow): void {
    const { caller } = row;
    if (!this.#rows.has(key)) this.#perCaller.set(caller, (this.#perCaller.get(caller) ?? 0) + 1);
    this.#rows.set(key, row);
  }

  #drop(key: string): void {
    const caller = this.#rows.get(key)?.caller;
    if (caller === undefined) return;
    this.#rows.delete(key);
    const left = (this.#perCaller.get(caller) ?? 0) - 1;
    if (left > 0) this.#perCaller.set(caller, left);
    else this.#perCaller.delete(caller);
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
