/**
 * The node's grants: what it issued, what it received, what callers presented, what is revoked.
 * Signatures are checked when a text first comes in; afterwards a decision is a look-up. Knows no
 * network: revocations and presented chains are handed in, and changes are told by events.
 */
import { EventEmitter } from 'node:events';
import { StarlingError, createScope, messageOf } from '../core/index.ts';
import type { Clock, Did, Logger, Scope } from '../core/index.ts';
import type { Signer } from '../identity/index.ts';
import type { Table } from '../store/types.ts';
import { createBatchReader } from './batch.ts';
import { parseGrant, parseRevocation } from './grant.ts';
import { createHolderIndex } from './holders.ts';
import type { HeldChain } from './holders.ts';
import { issueGrant, issueRevocation } from './issue.ts';
import { createRevocationSet } from './revocation.ts';
import type { RevocationSet } from './revocation.ts';
import { grantKey, readRows, revocationKey, rowOf } from './rows.ts';
import type {
  Grant,
  GrantBook,
  GrantBookEvents,
  GrantIssueInit,
  Refusal,
  Revocation,
} from './types.ts';
import { CLOCK_SKEW_MS, ruleOf, verifyChain } from './verify.ts';

/** What a grant book works with. */
export interface GrantBookComponents {
  readonly identity: Signer;
  readonly grants: Table;
  readonly revocations: Table;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Bounds of a grant book, and its source of randomness. */
export interface GrantBookInit {
  /** Presented chains kept per holder; default 256. */
  readonly presentedMax?: number;
  /** Holders whose presented chains are kept; default 1024. */
  readonly presentersMax?: number;
  /** Received grants kept per owner of the things they are on; default 256. */
  readonly receivedPerOwnerMax?: number;
  /** Received grants kept in all; default 4096. */
  readonly receivedMax?: number;
  /** For `jti`; default `node:crypto`. */
  readonly randomBytes?: (size: number) => Uint8Array;
}

/** How long an expired grant stays in the lists. */
const KEEP_EXPIRED_MS = 30 * 86_400_000;
const HOUR_MS = 3_600_000;
const ID_PREFIX_MIN = 4;

/** Makes the grant book of the node whose key is `identity`. */
export function createGrantBook(
  components: GrantBookComponents,
  init: GrantBookInit = {},
): GrantBook {
  return new Book(components, init);
}

class Book implements GrantBook {
  readonly events = new EventEmitter<GrantBookEvents>();
  readonly #self: Did;
  readonly #components: GrantBookComponents;
  readonly #bounds: Required<Omit<GrantBookInit, 'randomBytes'>>;
  readonly #randomBytes: GrantBookInit['randomBytes'];
  readonly #issued = new Map<string, Grant>();
  readonly #received = new Map<string, Grant>();
  readonly #parents = new Map<string, Grant>();
  readonly #readBatch = createBatchReader();
  readonly #holders = createHolderIndex();
  readonly #revoked: RevocationSet;
  #scope: Scope | undefined;
  #cancelTimer: (() => void) | undefined;
  /** Up to when changes by mere time have been told, ms since the epoch. */
  #toldMs = 0;

  constructor(components: GrantBookComponents, init: GrantBookInit) {
    this.#components = components;
    this.#bounds = {
      presentedMax: init.presentedMax ?? 256,
      presentersMax: init.presentersMax ?? 1024,
      receivedPerOwnerMax: init.receivedPerOwnerMax ?? 256,
      receivedMax: init.receivedMax ?? 4096,
    };
    this.#randomBytes = init.randomBytes;
    this.#self = components.identity.did;
    this.#revoked = createRevocationSet({ self: this.#self });
  }

  async start(): Promise<void> {
    if (this.#scope !== undefined) return;
    const { clock, logger } = this.#components;
    const scope = createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'housekeeping of grants failed'),
    );
    this.#scope = scope;
    try {
      await this.#load();
      await this.#prune();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#toldMs = clock.now();
    scope.every(HOUR_MS, () => this.#prune());
    this.#armTimer();
  }

  async stop(): Promise<void> {
    this.#scope?.close();
    this.#scope = undefined;
    this.#cancelTimer = undefined;
  }

  async issue(init: GrantIssueInit): Promise<Grant> {
    const { identity, clock, grants } = this.#components;
    const grant = issueGrant(
      identity,
      {
        aud: init.aud,
        sub: this.#self,
        cap: init.capabilities,
        expiresAt: Math.floor(init.expiresAtMs / 1000),
        ...(init.maxDepth === undefined ? {} : { maxDepth: init.maxDepth }),
      },
      clock.now(),
      this.#randomBytes,
    );
    await grants.batch([rowOf(grantKey('issued', grant), grant.jws)]);
    this.#addIssued(grant);
    this.#changed([init.aud]);
    return grant;
  }

  async keepIssued(grant: Grant): Promise<void> {
    if (grant.claims.iss !== this.#self) {
      throw new StarlingError(
        'STARLING_GRANT_INVALID',
        'only grants of our own are kept as issued',
      );
    }
    await this.#components.grants.batch([rowOf(grantKey('issued', grant), grant.jws)]);
    this.#addIssued(grant);
  }

  issued(): readonly Grant[] {
    return [...this.#issued.values()];
  }

  received(): readonly Grant[] {
    return [...this.#received.values()];
  }

  find(id: string): Grant {
    for (const grants of [this.issued(), this.received()]) {
      const exact = grants.find((grant) => grant.claims.jti === id);
      if (exact !== undefined) return exact;
      if (id.length < ID_PREFIX_MIN) continue;
      const [first, second] = grants.filter((grant) => grant.claims.jti.startsWith(id));
      if (first !== undefined && second === undefined) return first;
      if (first !== undefined) throw unknown(id, 'is the beginning of more than one grant');
    }
    throw unknown(id, 'is no grant of this node');
  }

  async revoke(id: string, reason?: string): Promise<Revocation> {
    const { identity, clock } = this.#components;
    const grant = this.find(id);
    if (grant.claims.iss !== this.#self) {
      throw new StarlingError(
        'STARLING_GRANT_INVALID',
        `grant ${grant.claims.jti} was issued by ${grant.claims.iss}, so it is not ours to revoke`,
        { hint: 'revoke it on the node that issued it', data: { id: grant.claims.jti } },
      );
    }
    const known = this.#revoked.find(grant.claims.jti, [this.#self]);
    if (known !== undefined) return known;
    const revocation = issueRevocation(identity, grant, clock.now(), reason);
    await this.#addRevocation(revocation);
    return revocation;
  }

  held(holder: Did): readonly Grant[] {
    return this.#holders.held(holder, this.#components.clock.now());
  }

  present(holder: Did, jws: readonly string[]): readonly Refusal[] {
    this.#holders.dropEnded(this.#components.clock.now());
    const batch = this.#readBatch(jws, holder);
    const refusals = [...batch.refusals];
    let added = 0;
    for (const leaf of batch.leaves) {
      const outcome = this.#presentOne(holder, leaf, batch.byHash);
      if (outcome === 'added') added += 1;
      else if (outcome !== 'known') refusals.push(outcome);
    }
    if (added > 0) this.#changed([holder]);
    return refusals;
  }

  forget(holder: Did): void {
    this.#holders.forget(holder);
  }

  async receive(jws: readonly string[]): Promise<readonly Refusal[]> {
    const batch = this.#readBatch(jws, this.#self);
    const refusals = [...batch.refusals];
    const { receivedPerOwnerMax } = this.#bounds;
    if (this.#received.size + batch.leaves.length > receivedPerOwnerMax) {
      await this.#pruneReceived(0);
    }
    const accepted: (readonly Grant[])[] = [];
    for (const leaf of batch.leaves) {
      if (this.#received.has(leaf.hash)) continue;
      const verdict = this.#receiveOne(leaf, batch.byHash);
      if ('rule' in verdict) refusals.push(verdict);
      else accepted.push(verdict);
    }
    if (accepted.length > 0) await this.#keepReceived(accepted);
    return refusals;
  }

  toPresent(owner: Did): readonly string[] {
    const texts = new Set<string>();
    for (const grant of this.#received.values()) {
      if (grant.claims.sub !== owner) continue;
      const verdict = this.#verify(grant, this.#parents);
      if (verdict.ok) for (const link of verdict.links) texts.add(link.jws);
    }
    return [...texts];
  }

  issuedTo(holder: Did): readonly string[] {
    const nowMs = this.#components.clock.now();
    return [...this.#holders.chains('issued', holder).values()]
      .filter(({ startsAtMs, endsAtMs }) => startsAtMs <= nowMs && nowMs < endsAtMs)
      .map(({ leaf }) => leaf.jws);
  }

  revocations(): readonly Revocation[] {
    return this.#revoked.all();
  }

  async addRevocation(jws: string): Promise<boolean> {
    return this.#addRevocation(parseRevocation(jws));
  }

  isRevoked(grant: Grant, mayRevoke: readonly Did[]): boolean {
    return this.#revoked.find(grant.claims.jti, mayRevoke) !== undefined;
  }

  state(grant: Grant): 'valid' | 'expired' | 'revoked' {
    if (this.isRevoked(grant, [grant.claims.iss])) return 'revoked';
    const { endsAtMs } = this.#windowOf([grant]);
    if (this.#components.clock.now() >= endsAtMs) return 'expired';
    // A delegation of ours: the holder has its parents, and the owner judges them.
    if (grant.claims.iss === this.#self && grant.claims.sub !== this.#self) return 'valid';
    const verdict = this.#verify(grant, this.#parents);
    if (verdict.ok) return 'valid';
    return ruleOf(verdict.refusal) === 'revoked' ? 'revoked' : 'expired';
  }

  async #load(): Promise<void> {
    const { grants, revocations, logger, clock } = this.#components;
    for (const revocation of await readRows(revocations, '', parseRevocation, logger)) {
      this.#revoked.add(revocation, clock.now());
    }
    const read = (kind: 'issued' | 'received' | 'parent'): Promise<readonly Grant[]> =>
      readRows(grants, `${kind}/`, parseGrant, logger);
    for (const grant of await read('parent')) this.#parents.set(grant.hash, grant);
    for (const grant of await read('issued')) {
      if (grant.claims.iss === this.#self) this.#addIssued(grant);
      else logger.warn({ id: grant.claims.jti }, 'skipped a grant that another key issued');
    }
    for (const grant of await read('received')) {
      if (grant.claims.aud === this.#self) this.#received.set(grant.hash, grant);
      else logger.warn({ id: grant.claims.jti }, 'skipped a grant that is for another key');
    }
  }

  /** Forgets what expired long ago, in memory and in the database. */
  async #prune(): Promise<void> {
    const { grants, revocations, clock } = this.#components;
    const nowMs = clock.now();
    const isOld = (grant: Grant): boolean => grant.claims.exp * 1000 + KEEP_EXPIRED_MS < nowMs;
    const issued = [...this.#issued.values()].filter(isOld);
    for (const { hash } of issued) this.#issued.delete(hash);
    this.#holders.dropWhere(({ endsAtMs }) => endsAtMs + KEEP_EXPIRED_MS < nowMs);
    if (issued.length > 0) {
      await grants.batch(issued.map((grant) => ({ key: grantKey('issued', grant) })));
    }
    await this.#pruneReceived(KEEP_EXPIRED_MS);
    const over = this.#revoked.prune(nowMs);
    if (over.length > 0) {
      await revocations.batch(over.map((revocation) => ({ key: revocationKey(revocation) })));
    }
  }

  /** Forgets received grants that expired more than `keepMs` ago, and parents nobody needs. */
  async #pruneReceived(keepMs: number): Promise<void> {
    const nowMs = this.#components.clock.now();
    const old = [...this.#received.values()].filter(
      ({ claims }) => claims.exp * 1000 + CLOCK_SKEW_MS + keepMs < nowMs,
    );
    for (const { hash } of old) this.#received.delete(hash);
    const needed = new Set<string>();
    const queue = [...this.#received.values()];
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
    if (keys.length > 0) await this.#components.grants.batch(keys.map((key) => ({ key })));
  }

  #addIssued(grant: Grant): void {
    this.#issued.set(grant.hash, grant);
    if (grant.claims.sub !== this.#self || this.isRevoked(grant, [this.#self])) return;
    this.#holders.add('issued', { leaf: grant, links: [grant], ...this.#windowOf([grant]) });
  }

  /** Counts at once; is durable, and passed on, when the promise resolves. */
  async #addRevocation(revocation: Revocation): Promise<boolean> {
    const { clock, revocations } = this.#components;
    if (!this.#revoked.add(revocation, clock.now())) return false;
    this.#changed(this.#holders.dropWhere((chain) => this.#isHit(chain, revocation)));
    await revocations.put(revocationKey(revocation), Buffer.from(revocation.jws, 'utf8'));
    this.events.emit('revocation', revocation.jws);
    return true;
  }

  /** True when `revocation` ends `chain`: judged again, since only the chain says who may revoke. */
  #isHit(chain: HeldChain, { claims }: Revocation): boolean {
    if (!chain.links.some((link) => link.claims.jti === claims.jti)) return false;
    const byHash = new Map(chain.links.map((link) => [link.hash, link]));
    const verdict = this.#verify(chain.leaf, byHash);
    return !verdict.ok && ruleOf(verdict.refusal) === 'revoked';
  }

  #presentOne(
    holder: Did,
    leaf: Grant,
    batch: ReadonlyMap<string, Grant>,
  ): 'added' | 'known' | Refusal {
    const { presentedMax, presentersMax } = this.#bounds;
    const presented = this.#holders.chains('presented', holder);
    if (presented.has(leaf.hash) || this.#issued.has(leaf.hash)) return 'known';
    const verdict = this.#verify(leaf, batch, this.#self);
    if (!verdict.ok) return verdict.refusal;
    const window = this.#windowOf(verdict.links);
    const nowMs = this.#components.clock.now();
    if (nowMs >= window.endsAtMs) return { rule: 'expired', text: 'a link of it has expired' };
    const isFull =
      presented.size >= presentedMax ||
      (presented.size === 0 && this.#holders.presenters() >= presentersMax);
    if (isFull) return { rule: 'limit', text: `no more than ${presentedMax} grants are kept` };
    this.#holders.add('presented', { leaf, links: verdict.links, ...window });
    return 'added';
  }

  #receiveOne(leaf: Grant, batch: ReadonlyMap<string, Grant>): readonly Grant[] | Refusal {
    const { receivedPerOwnerMax, receivedMax } = this.#bounds;
    const owner = leaf.claims.sub;
    if (owner === this.#self) return { rule: 'owner', text: 'it is on things of our own' };
    const fromOwner = [...this.#received.values()].filter((grant) => grant.claims.sub === owner);
    if (fromOwner.length >= receivedPerOwnerMax || this.#received.size >= receivedMax) {
      return {
        rule: 'limit',
        text: `no more than ${receivedPerOwnerMax} grants per owner are kept`,
      };
    }
    const verdict = this.#verify(leaf, new Map([...this.#parents, ...batch]));
    if (!verdict.ok) return verdict.refusal;
    this.#received.set(leaf.hash, leaf);
    return verdict.links;
  }

  async #keepReceived(chains: readonly (readonly Grant[])[]): Promise<void> {
    const rows = chains.flatMap(([leaf, ...parents]) => {
      for (const parent of parents) this.#parents.set(parent.hash, parent);
      return [
        ...(leaf === undefined ? [] : [rowOf(grantKey('received', leaf), leaf.jws)]),
        ...parents.map((parent) => rowOf(grantKey('parent', parent), parent.jws)),
      ];
    });
    await this.#components.grants.batch(rows);
    this.events.emit('change', this.#self);
  }

  #verify(
    leaf: Grant,
    known: ReadonlyMap<string, Grant>,
    owner?: Did,
  ): ReturnType<typeof verifyChain> {
    return verifyChain(leaf, {
      find: (hash) => known.get(hash) ?? this.#issued.get(hash),
      nowMs: this.#components.clock.now(),
      isRevoked: (grant, mayRevoke) => this.isRevoked(grant, mayRevoke),
      ...(owner === undefined ? {} : { owner }),
    });
  }

  /** When a chain counts: links of other clocks get the forgiven skew, our own do not need it. */
  #windowOf(links: readonly Grant[]): { readonly startsAtMs: number; readonly endsAtMs: number } {
    const skewOf = (grant: Grant): number => (grant.claims.iss === this.#self ? 0 : CLOCK_SKEW_MS);
    return {
      startsAtMs: Math.max(...links.map((it) => (it.claims.nbf ?? 0) * 1000 - skewOf(it))),
      endsAtMs: Math.min(...links.map((it) => it.claims.exp * 1000 + skewOf(it))),
    };
  }

  #changed(holders: readonly Did[]): void {
    this.#armTimer();
    for (const holder of holders) this.events.emit('change', holder);
  }

  /** Sets the timer to when next a grant starts or ends to count by mere time. */
  #armTimer(): void {
    this.#cancelTimer?.();
    if (this.#scope === undefined) return;
    const waitMs = this.#holders.nextChange(this.#toldMs) - this.#components.clock.now();
    if (waitMs === Infinity) return;
    this.#cancelTimer = this.#scope.after(Math.min(Math.max(waitMs, 0), HOUR_MS), () => {
      const fromMs = this.#toldMs;
      this.#toldMs = Math.max(fromMs, this.#components.clock.now());
      this.#changed(this.#holders.changedBetween(fromMs, this.#toldMs));
    });
  }
}

function unknown(id: string, why: string): StarlingError {
  return new StarlingError('STARLING_GRANT_UNKNOWN', `'${id.slice(0, 64)}' ${why}`, {
    hint: 'starling grant list',
  });
}
