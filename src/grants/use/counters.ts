/**
 * What the caveats `uses` and `rate` have used up, at the owner of the thing, for all sessions and
 * across restarts. A call takes one of each link of its chain that counts, all or none, at once and in
 * memory, so that calls at the same time can't both have the last one. The disk always knows at least
 * as many uses as were taken: they are written down ahead, in small blocks. A crash loses what was
 * written ahead (at most one use in twenty, and never more than 16), and a rate then starts from
 * nothing. So there are never more uses than granted, and after a crash perhaps a few less.
 */
import {
  StarlingError,
  createScope,
  fullBucket,
  isNumber,
  isObject,
  messageOf,
  refilled,
  waitMsOf,
} from '../../core/index.ts';
import type {
  BucketLevel,
  BucketSize,
  Clock,
  Did,
  Fields,
  Logger,
  Scope,
  Startable,
} from '../../core/index.ts';
import type { Table, Write } from '../../store/types.ts';
import { limitsOf } from '../chain/capability.ts';
import type { Needs } from '../chain/capability.ts';
import { counterOf, planOf } from './charge-plan.ts';
import type { PlanNode } from './charge-plan.ts';
import type { Grant, GrantBook, Refusal } from '../types.ts';
import { CLOCK_SKEW_MS } from '../chain/verify.ts';

const HOUR_MS = 3_600_000;
/** Uses that are written down ahead, at the most. */
const AHEAD_MAX = 16;
/** One in so many uses may be written down ahead. */
const AHEAD_SHARE = 20;
/** The last moment that a date can say. */
const FOREVER_MS = 8_640_000_000_000_000;

/** What the counters work with. */
export interface CounterComponents {
  readonly table: Table;
  readonly grants: Pick<GrantBook, 'chainOf' | 'issued' | 'successions'>;
  readonly self: Did;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Bounds of the counters. */
export interface CounterInit {
  /** Counters of one issuer other than ourselves; default 1024. */
  readonly perIssuerMax?: number;
  /** Counters of all others; default 65536. */
  readonly totalMax?: number;
}

/** The answer to {@link Counters.take}. */
export type Taken =
  | {
      readonly ok: true;
      /**
       * Where present, to be awaited before the call runs: the use is on the disk then. Rejects when the
       * disk fails; the call must not run in that case.
       */
      readonly settled?: Promise<void>;
    }
  | { readonly ok: false; readonly refusal: Refusal };

/** Counts calls. */
export interface Counters extends Startable {
  /** Takes one call of the capability `index` of `grant`, and of all that it stands on. */
  take(grant: Grant, index: number, nowMs: number): Taken;
  /** Why a call would not be given now, if so; takes nothing. */
  lacks(grant: Grant, index: number, nowMs: number): Refusal | undefined;
  /** Uses of the capability `index` of `grant` that were taken. */
  taken(grant: Grant, index: number): number;
}

/** One counter. `taken` is what counts; `written` is what the disk knows, which is never less. */
interface Counter {
  readonly issuer: Did;
  readonly jti: string;
  taken: number;
  written: number;
  /** Calls that may run at once; undefined: as many as the burst. */
  rate: BucketLevel | undefined;
  /** End of the grant that it belongs to, ms since the epoch. */
  endsAtMs: number;
  /** The disk has a row that says that the counter is in use. */
  open: boolean;
  writing: Promise<void> | undefined;
}

/** A search for links with room. */
interface Search {
  /** From the leaf on. */
  readonly path: PlanNode[];
  /** Those that lead nowhere. */
  readonly full: Set<PlanNode>;
  readonly refusals: Refusal[];
}

/** Makes the counters of a node. They count from `start` to `stop`. */
export function createCounters(components: CounterComponents, init: CounterInit = {}): Counters {
  return new CounterSet(components, init);
}

class CounterSet implements Counters {
  readonly #components: CounterComponents;
  readonly #bounds: Required<CounterInit>;
  readonly #counters = new Map<string, Counter>();
  readonly #perIssuer = new Map<Did, number>();
  #others = 0;
  #scope: Scope | undefined;

  constructor(components: CounterComponents, init: CounterInit) {
    this.#components = components;
    this.#bounds = { perIssuerMax: init.perIssuerMax ?? 1024, totalMax: init.totalMax ?? 65_536 };
  }

  async start(): Promise<void> {
    if (this.#scope !== undefined) return;
    const { clock, logger, table } = this.#components;
    const scope = createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'housekeeping of counters failed'),
    );
    try {
      for await (const [key, value] of table.entries()) this.#load(key, value);
    } catch (error) {
      scope.close();
      this.#forgetAll();
      throw error;
    }
    this.#scope = scope;
    // Those that are over stand in nobody's way: a disk that refuses must not keep the node from starting.
    await this.#prune().catch((error: unknown) =>
      logger.warn({ error: messageOf(error) }, 'old counters not forgotten'),
    );
    scope.every(HOUR_MS, () => this.#prune());
  }

  async stop(): Promise<void> {
    if (this.#scope === undefined) return;
    this.#scope.close();
    this.#scope = undefined;
    const used = [...this.#counters].filter(([, counter]) => counter.open);
    const rows = used.map(([key, counter]) => rowOf(key, counter, counter.taken, true));
    this.#forgetAll();
    await this.#components.table.batch(rows);
  }

  lacks(grant: Grant, index: number, nowMs: number): Refusal | undefined {
    const found = this.#pathOf(grant, index, nowMs);
    return 'ok' in found ? found.refusal : undefined;
  }

  take(grant: Grant, index: number, nowMs: number): Taken {
    const found = this.#pathOf(grant, index, nowMs);
    if ('ok' in found) return found;
    const { path } = found;
    const writes: Promise<void>[] = [];
    for (const node of path) {
      const writing = this.#takeOne(node, nowMs);
      if (writing !== undefined) writes.push(writing);
    }
    if (writes.length === 0) return { ok: true };
    const settled = Promise.all(writes).then(
      () => undefined,
      (error: unknown) => {
        // The call does not run, so that nothing is used up.
        for (const { counter: key } of path) this.#giveBack(key);
        throw error;
      },
    );
    // Whoever took waits for it and hears of a failure; this keeps it from counting as unheard.
    settled.catch((error: unknown) =>
      this.#components.logger.error({ error: messageOf(error) }, 'a counter was not written'),
    );
    return { ok: true, settled };
  }

  taken(grant: Grant, index: number): number {
    const { successions } = this.#components.grants;
    return this.#counters.get(counterOf(grant, index, successions))?.taken ?? 0;
  }

  /** The links that a call counts on, each with room. */
  #pathOf(
    grant: Grant,
    index: number,
    nowMs: number,
  ): Extract<Taken, { ok: false }> | { readonly path: readonly PlanNode[] } {
    if (this.#scope === undefined) return refuse('stopped', 'the node is stopping');
    const plan = planOf(grant, index, this.#components.grants);
    if (plan === undefined) return refuse('missing-parent', 'the chain of the grant is not known');
    const refusals: Refusal[] = [];
    const path: PlanNode[] = [];
    if (this.#findPath(plan, nowMs, { path, full: new Set(), refusals })) return { path };
    const [first = { rule: 'missing-parent', text: 'a parent of the grant is missing' }] = refusals;
    return { ok: false, refusal: first };
  }

  /** Adds the links from `node` to one that does not count, each with room; false when there are none. */
  #findPath(node: PlanNode, nowMs: number, search: Search): boolean {
    const { path, full, refusals } = search;
    if (full.has(node)) return false;
    const limits = limitsOf(node.capability);
    // Its parents don't count either: a child keeps every caveat.
    if (limits.uses === undefined && limits.rate === undefined) return true;
    const refusal = this.#refusalOf(node, limits, nowMs);
    if (refusal === undefined) {
      path.push(node);
      if (node.isRoot) return true;
      if (node.parents.some((parent) => this.#findPath(parent, nowMs, search))) return true;
      path.pop();
    } else refusals.push(refusal);
    full.add(node);
    return false;
  }

  #refusalOf(
    { grant, counter: key }: PlanNode,
    limits: Omit<Needs, 'approval'>,
    nowMs: number,
  ): Refusal | undefined {
    const { jti } = grant.claims;
    const counter = this.#counters.get(key);
    if (counter === undefined) {
      if (this.#hasRoom(this.#originOf(grant))) return undefined;
      const text = `${nameOf(jti)} can't be counted: too many are counted already`;
      return { rule: 'limit', text };
    }
    const { uses, rate } = limits;
    if (uses !== undefined && counter.taken >= uses) {
      return { rule: 'uses', text: `all ${uses} uses of ${nameOf(jti)} are used up` };
    }
    if (rate === undefined) return undefined;
    const size = sizeOf(rate);
    // A look notes the time too: else a clock that was set back would refuse all until it has caught up.
    const level = levelOf(counter, size, nowMs);
    if (counter.rate !== undefined) counter.rate = level;
    const waitMs = waitMsOf(level, size);
    if (waitMs === 0) return undefined;
    return {
      rule: 'rate',
      text: `${nameOf(jti)} allows ${rate.perSecond} a second: wait ${waitMs} ms`,
    };
  }

  /** Takes one, and gives what to wait for. */
  #takeOne(node: PlanNode, nowMs: number): Promise<void> | undefined {
    const { grant, counter: key } = node;
    const { uses, rate } = limitsOf(node.capability);
    const counter =
      this.#counters.get(key) ?? this.#add(key, newCounter(grant, this.#originOf(grant)));
    if (rate !== undefined) {
      const level = levelOf(counter, sizeOf(rate), nowMs);
      counter.rate = { ...level, tokens: Math.max(0, level.tokens - 1) };
    }
    const endsAtMs = endOf(grant);
    const isLonger = endsAtMs > counter.endsAtMs;
    counter.endsAtMs = Math.max(counter.endsAtMs, endsAtMs);
    if (uses !== undefined) counter.taken += 1;
    if (counter.open && !isLonger && counter.taken <= counter.written) return counter.writing;
    const ahead = Math.max(1, Math.min(AHEAD_MAX, Math.floor((uses ?? 0) / AHEAD_SHARE)));
    const written = uses === undefined ? 0 : Math.min(uses, counter.taken + ahead - 1);
    return this.#write(key, counter, Math.max(written, counter.written));
  }

  #giveBack(key: string): void {
    const counter = this.#counters.get(key);
    if (counter !== undefined && counter.taken > 0) counter.taken -= 1;
  }

  #write(key: string, counter: Counter, written: number): Promise<void> {
    const before = { written: counter.written, open: counter.open };
    counter.written = written;
    counter.open = true;
    const writing: Promise<void> = this.#components.table
      .batch([rowOf(key, counter, written, false)])
      .catch((error: unknown) => {
        // Nothing of it is on the disk: the next call has to try again.
        counter.written = Math.min(counter.written, before.written);
        counter.open = before.open;
        throw new StarlingError('STARLING_STATE_UNUSABLE', 'a use of a grant was not written', {
          hint: 'check the free space and the permissions of the state folder',
          cause: error,
        });
      })
      .finally(() => {
        if (counter.writing === writing) counter.writing = undefined;
      });
    counter.writing = writing;
    return writing;
  }

  #load(key: string, value: Uint8Array): void {
    const { clock, logger } = this.#components;
    const counter = readRow(key, value, clock.now());
    if (counter === undefined) logger.warn({ key }, 'skipped a damaged counter');
    else this.#add(key, counter);
  }

  /** Forgets counters of grants that are over. */
  async #prune(): Promise<void> {
    const nowMs = this.#components.clock.now();
    // An own grant that ended may be renewed while it is still listed.
    const own = new Set(this.#components.grants.issued().map(({ claims }) => claims.jti));
    const over = [...this.#counters].filter(
      ([, { issuer, jti, endsAtMs }]) =>
        endsAtMs <= nowMs && !(this.#isOwn(issuer) && own.has(jti)),
    );
    for (const [key, { issuer }] of over) {
      this.#counters.delete(key);
      if (this.#isOwn(issuer)) continue;
      this.#others -= 1;
      this.#perIssuer.set(issuer, (this.#perIssuer.get(issuer) ?? 1) - 1);
      if (this.#perIssuer.get(issuer) === 0) this.#perIssuer.delete(issuer);
    }
    if (over.length > 0) await this.#components.table.batch(over.map(([key]) => ({ key })));
  }

  /** The first key of who issued it: by that its counters are named. */
  #originOf({ claims }: Grant): Did {
    return this.#components.grants.successions.origin(claims.iss);
  }

  #isOwn(issuer: Did): boolean {
    return issuer === this.#components.grants.successions.origin(this.#components.self);
  }

  #hasRoom(issuer: Did): boolean {
    if (this.#isOwn(issuer)) return true;
    const { perIssuerMax, totalMax } = this.#bounds;
    return (this.#perIssuer.get(issuer) ?? 0) < perIssuerMax && this.#others < totalMax;
  }

  #add(key: string, counter: Counter): Counter {
    this.#counters.set(key, counter);
    if (!this.#isOwn(counter.issuer)) {
      this.#others += 1;
      this.#perIssuer.set(counter.issuer, (this.#perIssuer.get(counter.issuer) ?? 0) + 1);
    }
    return counter;
  }

  #forgetAll(): void {
    this.#counters.clear();
    this.#perIssuer.clear();
    this.#others = 0;
  }
}

function newCounter(grant: Grant, issuer: Did): Counter {
  return {
    issuer,
    jti: grant.claims.jti,
    taken: 0,
    written: 0,
    rate: undefined,
    endsAtMs: endOf(grant),
    open: false,
    writing: undefined,
  };
}

function nameOf(jti: string): string {
  return `grant ${jti.slice(0, 8)}`;
}

function endOf(grant: Grant): number {
  return grant.claims.exp * 1000 + CLOCK_SKEW_MS;
}

function sizeOf({
  perSecond,
  burst,
}: {
  readonly perSecond: number;
  readonly burst: number;
}): BucketSize {
  return { burst, everyMs: 1000 / perSecond };
}

function levelOf({ rate }: Counter, size: BucketSize, nowMs: number): BucketLevel {
  return rate === undefined ? fullBucket(size, nowMs) : refilled(rate, size, nowMs);
}

function rowOf(key: string, counter: Counter, taken: number, clean: boolean): Write {
  const { rate: level, endsAtMs } = counter;
  const rate =
    clean && level !== undefined ? { tokens: level.tokens, atMs: level.latestMs } : undefined;
  const row = {
    taken,
    endsAtMs,
    ...(clean ? { clean } : {}),
    ...(rate === undefined ? {} : { rate }),
  };
  return { key, value: Buffer.from(JSON.stringify(row), 'utf8') };
}

/**
 * A counter as it was when the node stopped; after a crash, a rate starts from nothing. A damaged row
 * counts as used up: forgetting it would give the uses a second time.
 */
function readRow(key: string, value: Uint8Array, nowMs: number): Counter | undefined {
  const [issuer = '', jti, index] = key.split('/');
  if (jti === undefined || index === undefined) return undefined;
  const row = parseRow(value);
  const { taken, endsAtMs, clean, rate } = row ?? {};
  const counter = { issuer: issuer as Did, jti, writing: undefined };
  if (!isNumber(taken) || !isNumber(endsAtMs)) {
    const used = { taken: Number.MAX_SAFE_INTEGER, written: Number.MAX_SAFE_INTEGER };
    return { ...counter, ...used, rate: levelFrom(0, nowMs), endsAtMs: FOREVER_MS, open: true };
  }
  const { tokens, atMs } = clean === true && isObject(rate) ? rate : {};
  const isFresh = clean === true && rate === undefined;
  return {
    ...counter,
    taken,
    written: taken,
    rate: isFresh
      ? undefined
      : levelFrom(isNumber(tokens) ? tokens : 0, isNumber(atMs) ? atMs : nowMs),
    endsAtMs,
    open: clean !== true,
  };
}

function levelFrom(tokens: number, atMs: number): BucketLevel {
  return { tokens, atMs, latestMs: atMs };
}

function parseRow(value: Uint8Array): Fields | undefined {
  try {
    const row: unknown = JSON.parse(Buffer.from(value).toString('utf8'));
    return isObject(row) ? row : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function refuse(rule: string, text: string): Extract<Taken, { ok: false }> {
  return { ok: false, refusal: { rule, text } };
}
