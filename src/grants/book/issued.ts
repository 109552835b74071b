/**
 * Grants that this node issued: on its own things, delegations of what it received, and memberships.
 * Kept on disk, listed for 30 days after their end.
 */
import type { Did, Logger } from '../../core/index.ts';
import type { Table } from '../../store/types.ts';
import { parseGrant } from '../format/grant.ts';
import type { Grant, Renewable } from '../types.ts';
import type { ChainChecks } from './chain-checks.ts';
import type { HolderIndex } from './holders.ts';
import type { Received } from './received.ts';
import { grantKey, readRenewals, readRows, renewalKey, rowOf } from './rows.ts';

/** What the set works with. */
export interface IssuedComponents {
  readonly self: Did;
  readonly table: Table;
  readonly logger: Logger;
  readonly checks: ChainChecks;
  /** Gets a chain for each grant on our own things. */
  readonly holders: Pick<HolderIndex, 'add' | 'dropWhere'>;
  /** What delegations stand on. */
  readonly received: Pick<Received, 'get'>;
}

/** What is kept of a delegation by whom it is for. */
const NO_GRANTS: ReadonlyMap<string, Grant> = new Map();

/** Grants of ours. What is changed counts once it is on disk: when the promise resolves. */
export interface Issued {
  all(): IterableIterator<Grant>;
  get(hash: string): Grant | undefined;
  /** Delegations of what we received, for `holder`, by hash. */
  delegatedTo(holder: Did): ReadonlyMap<string, Grant>;
  /** True when `grant` hands on what we received. Memberships stand on what the mesh's members know. */
  isDelegation(grant: Grant): boolean;
  /** For how long, in ms, each renewal of the grant `jti` lasts; undefined when it is not renewed. */
  lifetimeOf(jti: string): number | undefined;
  renewable(): readonly Renewable[];
  load(): Promise<void>;
  /** Writes a new grant and adds it; with `renewForMs` it is renewed. */
  keep(grant: Grant, renewForMs?: number): Promise<void>;
  /** Puts `renewed` in the place of `old`, once that is on disk. */
  replace(old: Grant, renewed: Grant): Promise<void>;
  /** What is to come in the place of `grant` and is on its way to the disk; else the grant itself. */
  latest(grant: Grant): Grant;
  /** Renews the grant `jti` no more; gives how to go on, as long as {@link endRenewal} was not called. */
  pauseRenewal(jti: string): () => void;
  /** From now on, and after the next start, the grant `jti` is renewed no more. */
  endRenewal(jti: string): Promise<void>;
  /** Forgets `grants`, whatever they are worth: who holds one of our own things and was not revoked keeps it. */
  forget(grants: readonly Grant[]): Promise<void>;
  /** Forgets what ended more than `keepMs` before `nowMs`. */
  prune(nowMs: number, keepMs: number): Promise<void>;
}

/** Makes an empty set. */
export function createIssued(components: IssuedComponents): Issued {
  return new IssuedSet(components);
}

class IssuedSet implements Issued {
  readonly #components: IssuedComponents;
  readonly #grants = new Map<string, Grant>();
  /** By whom they are for and by hash. */
  readonly #delegated = new Map<Did, Map<string, Grant>>();
  /** What is being written in the place of others, by the hash of those. */
  readonly #coming = new Map<string, Grant>();
  /** Lifetimes in ms of what is renewed, by `jti`. */
  #lifetimes = new Map<string, number>();

  constructor(components: IssuedComponents) {
    this.#components = components;
  }

  all(): IterableIterator<Grant> {
    return this.#grants.values();
  }

  get(hash: string): Grant | undefined {
    return this.#grants.get(hash);
  }

  delegatedTo(holder: Did): ReadonlyMap<string, Grant> {
    return this.#delegated.get(holder) ?? NO_GRANTS;
  }

  isDelegation({ claims }: Grant): boolean {
    return (claims.prf ?? []).every((hash) => this.#components.received.get(hash) !== undefined);
  }

  lifetimeOf(jti: string): number | undefined {
    return this.#lifetimes.get(jti);
  }

  renewable(): readonly Renewable[] {
    return [...this.#grants.values()].flatMap((grant) => {
      const lifetimeMs = this.#lifetimes.get(grant.claims.jti);
      return lifetimeMs === undefined ? [] : [{ grant, lifetimeMs }];
    });
  }

  async load(): Promise<void> {
    const { table, logger, checks } = this.#components;
    this.#lifetimes = await readRenewals(table, logger);
    for (const grant of await readRows(table, 'issued/', parseGrant, logger)) {
      if (checks.isOwn(grant.claims.iss)) this.#add(grant);
      else logger.warn({ id: grant.claims.jti }, 'skipped a grant that another key issued');
    }
  }

  async keep(grant: Grant, renewForMs?: number): Promise<void> {
    const { jti } = grant.claims;
    await this.#components.table.batch([
      rowOf(grantKey('issued', grant), grant.jws),
      ...(renewForMs === undefined ? [] : [rowOf(renewalKey(jti), String(renewForMs))]),
    ]);
    if (renewForMs !== undefined) this.#lifetimes.set(jti, renewForMs);
    this.#add(grant);
  }

  async replace(old: Grant, renewed: Grant): Promise<void> {
    // Whoever revokes the grant meanwhile must revoke it up to its new end.
    this.#coming.set(old.hash, renewed);
    try {
      await this.#components.table.batch([
        rowOf(grantKey('issued', renewed), renewed.jws),
        { key: grantKey('issued', old) },
      ]);
      this.#drop(old);
      this.#add(renewed);
    } finally {
      this.#coming.delete(old.hash);
    }
  }

  latest(grant: Grant): Grant {
    return this.#coming.get(grant.hash) ?? grant;
  }

  pauseRenewal(jti: string): () => void {
    const lifetimeMs = this.#lifetimes.get(jti);
    this.#lifetimes.delete(jti);
    return () => {
      if (lifetimeMs !== undefined) this.#lifetimes.set(jti, lifetimeMs);
    };
  }

  async endRenewal(jti: string): Promise<void> {
    this.#lifetimes.delete(jti);
    await this.#components.table.delete(renewalKey(jti));
  }

  prune(nowMs: number, keepMs: number): Promise<void> {
    return this.forget(
      [...this.#grants.values()].filter(({ claims }) => claims.exp * 1000 + keepMs < nowMs),
    );
  }

  async forget(old: readonly Grant[]): Promise<void> {
    for (const grant of old) {
      this.#drop(grant);
      this.#lifetimes.delete(grant.claims.jti);
    }
    if (old.length === 0) return;
    await this.#components.table.batch(
      old.flatMap((grant) => [
        { key: grantKey('issued', grant) },
        { key: renewalKey(grant.claims.jti) },
      ]),
    );
  }

  #add(grant: Grant): void {
    const { checks, holders, self } = this.#components;
    const { aud, sub } = grant.claims;
    this.#grants.set(grant.hash, grant);
    if (checks.isRevoked(grant, [self])) return;
    if (checks.isOwn(sub)) {
      holders.add('issued', { leaf: grant, links: [grant], ...checks.windowOf([grant]) });
    } else if (this.isDelegation(grant)) {
      const delegated = this.#delegated.get(aud) ?? new Map<string, Grant>();
      this.#delegated.set(aud, delegated.set(grant.hash, grant));
    }
  }

  #drop({ hash, claims }: Grant): void {
    this.#grants.delete(hash);
    this.#components.holders.dropWhere(({ leaf }) => leaf.hash === hash);
    const delegated = this.#delegated.get(claims.aud);
    if (delegated?.delete(hash) === true && delegated.size === 0)
      this.#delegated.delete(claims.aud);
  }
}
