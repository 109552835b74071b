/**
 * Grants that others gave us, with all that they stand on: kept on disk, bounded per owner and in all.
 * Whether a chain holds is for the caller to say.
 */
import type { Clock, Did, Logger } from '../../core/index.ts';
import type { Table } from '../../store/types.ts';
import { parseGrant } from '../format/grant.ts';
import { isNewer, isSameGrant } from './reissue.ts';
import { grantKey, readRows, rowOf } from './rows.ts';
import type { Grant, Refusal, SuccessionView } from '../types.ts';
import { CLOCK_SKEW_MS, ruleOf } from '../chain/verify.ts';
import type { ChainVerdict } from '../chain/verify.ts';

const NONE: ReadonlyMap<string, Grant> = new Map();

/** What the set works with. */
export interface ReceivedComponents {
  readonly self: Did;
  readonly table: Table;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Verifies a grant, with what came together with it. */
  verify(leaf: Grant, batch: ReadonlyMap<string, Grant>): ChainVerdict;
  readonly successions: SuccessionView;
  /** Grants of ours that may stand on received ones. */
  issued(): Iterable<Grant>;
}

/** Bounds of the set. */
export interface ReceivedInit {
  readonly perOwnerMax: number;
  readonly totalMax: number;
}

/** Received grants. */
export interface Received {
  /** Received grants that are for us; parents are left out. */
  all(): readonly Grant[];
  /** A grant by its hash, parents included. */
  get(hash: string): Grant | undefined;
  /** What `grant` was renewed to; undefined when nothing like it was received. */
  newest(grant: Grant): Grant | undefined;
  load(): Promise<void>;
  /** Keeps `leaves`; `batch` is all that came with them. `added` are those that are new. */
  add(
    leaves: readonly Grant[],
    batch: ReadonlyMap<string, Grant>,
  ): Promise<{ readonly added: readonly Grant[]; readonly refusals: readonly Refusal[] }>;
  /**
   * Forgets what ended more than `keepMs` ago, and parents that nothing stands on; with 0 what is
   * revoked, too.
   */
  prune(keepMs: number): Promise<void>;
}

/** A grant that is to be kept. */
interface Accepted {
  readonly leaf: Grant;
  readonly parents: readonly Grant[];
  /** What the leaf takes the place of. */
  readonly before: Grant | undefined;
}

/** Makes an empty set. */
export function createReceived(components: ReceivedComponents, init: ReceivedInit): Received {
  return new ReceivedSet(components, init);
}

class ReceivedSet implements Received {
  readonly #components: ReceivedComponents;
  readonly #init: ReceivedInit;
  readonly #leaves = new Map<string, Grant>();
  readonly #parents = new Map<string, Grant>();
  /** Ends when the last addition has; never rejects. */
  #adding: Promise<unknown> = Promise.resolve();

  constructor(components: ReceivedComponents, init: ReceivedInit) {
    this.#components = components;
    this.#init = init;
  }

  all(): readonly Grant[] {
    return [...this.#leaves.values()];
  }

  get(hash: string): Grant | undefined {
    return this.#leaves.get(hash) ?? this.#parents.get(hash);
  }

  newest(old: Grant): Grant | undefined {
    const { successions } = this.#components;
    for (const grant of this.#leaves.values()) {
      if (isSameGrant(grant, old, successions)) return grant;
    }
    return undefined;
  }

  async load(): Promise<void> {
    const { table, logger, self, successions } = this.#components;
    for (const grant of await readRows(table, 'parent/', parseGrant, logger)) {
      this.#parents.set(grant.hash, grant);
    }
    for (const grant of await readRows(table, 'received/', parseGrant, logger)) {
      if (successions.follows(self, grant.claims.aud)) this.#leaves.set(grant.hash, grant);
      else logger.warn({ id: grant.claims.jti }, 'skipped a grant that is for another key');
    }
  }

  add(leaves: readonly Grant[], batch: ReadonlyMap<string, Grant>): ReturnType<Received['add']> {
    // One after the other: each must see what the one before has added.
    const added = this.#adding.then(() => this.#add(leaves, batch));
    this.#adding = added.catch(() => undefined);
    return added;
  }

  async prune(keepMs: number): Promise<void> {
    const nowMs = this.#components.clock.now();
    const old = [...this.#leaves.values()].filter(
      (grant) =>
        grant.claims.exp * 1000 + CLOCK_SKEW_MS + keepMs < nowMs ||
        (keepMs === 0 && this.#isRevoked(grant)),
    );
    for (const { hash } of old) this.#leaves.delete(hash);
    const needed = new Set<string>();
    const queue = [...this.#leaves.values(), ...this.#components.issued()];
    for (let grant = queue.pop(); grant !== undefined; grant = queue.pop()) {
      for (const hash of grant.claims.prf ?? []) {
        const parent = this.#parents.get(hash);
        if (parent === undefined || needed.has(hash)) continue;
        needed.add(hash);
        queue.push(parent);
      }
    }
    const loose = [...this.#parents.values()].filter(({ hash }) => !needed.has(hash));
    for (const { hash } of loose) this.#parents.delete(hash);
    const keys = [
      ...old.map((grant) => grantKey('received', grant)),
      ...loose.map((grant) => grantKey('parent', grant)),
    ];
    if (keys.length > 0) await this.#components.table.batch(keys.map((key) => ({ key })));
  }

  async #add(
    leaves: readonly Grant[],
    batch: ReadonlyMap<string, Grant>,
  ): ReturnType<Received['add']> {
    if (this.#leaves.size + leaves.length > this.#init.perOwnerMax) await this.prune(0);
    const refusals: Refusal[] = [];
    const added: Grant[] = [];
    for (const leaf of leaves) {
      const verdict = this.#accepted(leaf, batch);
      if (verdict === undefined) continue;
      if ('rule' in verdict) refusals.push(verdict);
      else {
        await this.#keep(verdict);
        added.push(leaf);
      }
    }
    return { added, refusals };
  }

  /** What is to be kept, the leaf first; undefined when there is nothing new. */
  #accepted(leaf: Grant, batch: ReadonlyMap<string, Grant>): Accepted | Refusal | undefined {
    if (this.#leaves.has(leaf.hash)) return undefined;
    const before = this.newest(leaf);
    // The leaf came late: what we have is its renewal.
    if (before !== undefined && !isNewer(leaf, before, this.#components.successions)) {
      return undefined;
    }
    const verdict = this.#admit(leaf, batch, before !== undefined);
    if ('rule' in verdict) return verdict;
    // What we handed on still stands on the one that was renewed.
    const parents = verdict.slice(1);
    return { leaf, parents: before === undefined ? parents : [...parents, before], before };
  }

  #isRevoked(grant: Grant): boolean {
    const verdict = this.#components.verify(grant, NONE);
    return !verdict.ok && ruleOf(verdict.refusal) === 'revoked';
  }

  #admit(
    leaf: Grant,
    batch: ReadonlyMap<string, Grant>,
    isRenewal: boolean,
  ): readonly Grant[] | Refusal {
    const { perOwnerMax, totalMax } = this.#init;
    const owner = leaf.claims.sub;
    const { self, successions } = this.#components;
    if (successions.follows(self, owner)) {
      return { rule: 'owner', text: 'it is on things of our own' };
    }
    const count = this.all().filter(({ claims }) => claims.sub === owner).length;
    if (!isRenewal && (count >= perOwnerMax || this.#leaves.size >= totalMax)) {
      return { rule: 'limit', text: `no more than ${perOwnerMax} grants per owner are kept` };
    }
    const verdict = this.#components.verify(leaf, batch);
    return verdict.ok ? verdict.links : verdict.refusal;
  }

  async #keep({ leaf, parents, before }: Accepted): Promise<void> {
    await this.#components.table.batch([
      rowOf(grantKey('received', leaf), leaf.jws),
      ...parents.map((parent) => rowOf(grantKey('parent', parent), parent.jws)),
      // The row that it had as a grant for us, before the renewal took its place.
      ...(before === undefined ? [] : [{ key: grantKey('received', before) }]),
    ]);
    this.#leaves.set(leaf.hash, leaf);
    if (before !== undefined) this.#leaves.delete(before.hash);
    for (const parent of parents) this.#parents.set(parent.hash, parent);
  }
}
