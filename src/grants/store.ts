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
import { whyVoid } from './capability.ts';
import { delegationOf, renewalOf } from './delegate.ts';
import { parseGrant, parseRevocation } from './grant.ts';
import { createHolderIndex } from './holders.ts';
import type { HeldChain } from './holders.ts';
import { issueGrant, issueRevocation } from './issue.ts';
import type { GrantInit } from './issue.ts';
import { createReceived } from './received.ts';
import type { Received } from './received.ts';
import { createRevocationSet } from './revocation.ts';
import type { RevocationSet } from './revocation.ts';
import { grantKey, readRenewals, readRows, renewalKey, revocationKey, rowOf } from './rows.ts';
import type {
  Grant,
  GrantBook,
  GrantBookEvents,
  GrantDelegateInit,
  GrantIssueInit,
  Refusal,
  Renewable,
  Revocation,
} from './types.ts';
import { CLOCK_SKEW_MS, describeRefusal, ruleOf, verifyChain } from './verify.ts';

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
const NONE: ReadonlyMap<string, Grant> = new Map();

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
  readonly #bounds: Required<Pick<GrantBookInit, 'presentedMax' | 'presentersMax'>>;
  readonly #randomBytes: GrantBookInit['randomBytes'];
  readonly #issued = new Map<string, Grant>();
  readonly #received: Received;
  /** Lifetimes in ms of what is renewed, by `jti`. */
  #renewals = new Map<string, number>();
  /** Received grants that we handed on, by whom to and by hash. */
  readonly #delegated = new Map<Did, Map<string, Grant>>();
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
    };
    this.#randomBytes = init.randomBytes;
    this.#self = components.identity.did;
    this.#revoked = createRevocationSet({ self: this.#self });
    const { grants, clock, logger } = components;
    this.#received = createReceived(
      {
        self: this.#self,
        table: grants,
        clock,
        logger,
        verify: (leaf, batch) => this.#verify(leaf, batch),
        issued: () => this.#issued.values(),
      },
      { perOwnerMax: init.receivedPerOwnerMax ?? 256, totalMax: init.receivedMax ?? 4096 },
    );
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
    const grant = this.#sign({
      aud: init.aud,
      sub: this.#self,
      cap: init.capabilities,
      expiresAt: Math.floor(init.expiresAtMs / 1000),
      ...(init.maxDepth === undefined ? {} : { maxDepth: init.maxDepth }),
    });
    await this.#keep(grant, 'issued', init.renewForMs);
    return grant;
  }

  async delegate(init: GrantDelegateInit): Promise<Grant> {
    const parent = this.find(init.parent);
    const id = parent.claims.jti.slice(0, 8);
    if (parent.claims.aud !== this.#self) {
      throw new StarlingError('STARLING_GRANT_INVALID', `grant ${id} is not for this node`, {
        hint: 'grant what is our own with: starling grant create',
        data: { rule: 'issuer' },
      });
    }
    const grant = this.#sign(delegationOf(parent, init));
    const verdict = this.#verify(grant);
    if (!verdict.ok) {
      throw new StarlingError(
        'STARLING_GRANT_INVALID',
        `grant ${id} can't be handed on like this: ${describeRefusal(verdict.refusal)}`,
        { hint: `starling grant show ${id}`, data: { rule: ruleOf(verdict.refusal) } },
      );
    }
    await this.#keep(grant, 'delegated', init.renewForMs);
    return grant;
  }

  renewable(): readonly Renewable[] {
    return [...this.#issued.values()].flatMap((grant) => {
      const lifetimeMs = this.#renewals.get(grant.claims.jti);
      return lifetimeMs === undefined ? [] : [{ grant, lifetimeMs }];
    });
  }

  async renew(id: string): Promise<Grant | undefined> {
    const grant = this.find(id);
    const lifetimeMs = this.#renewals.get(grant.claims.jti);
    if (lifetimeMs === undefined || this.isRevoked(grant, [this.#self])) return undefined;
    const parents = (grant.claims.prf ?? []).flatMap((hash) => this.#newest(hash) ?? []);
    if (parents.length !== (grant.claims.prf ?? []).length) return undefined;
    const nowMs = this.#components.clock.now();
    const init = renewalOf(grant, parents, lifetimeMs, nowMs);
    if (init === undefined) return undefined;
    const renewed = this.#sign(init);
    if (!this.#verify(renewed).ok) return undefined;
    // At once, so that whoever revokes it meanwhile revokes it up to its new end.
    this.#dropIssued(grant);
    this.#addIssued(renewed);
    await this.#components.grants.batch([
      rowOf(grantKey('issued', renewed), renewed.jws),
      { key: grantKey('issued', grant) },
    ]);
    this.events.emit('kept', renewed, 'renewed');
    this.#changed([renewed.claims.aud]);
    return renewed;
  }

  chainOf(grant: Grant): readonly Grant[] {
    const { aud } = grant.claims;
    const held =
      this.#holders.chains('issued', aud).get(grant.hash) ??
      this.#holders.chains('presented', aud).get(grant.hash);
    if (held !== undefined) return held.links;
    const links = new Map([[grant.hash, grant]]);
    for (const link of links.values()) {
      for (const hash of link.claims.prf ?? []) {
        const parent = this.#own(hash);
        if (parent !== undefined) links.set(hash, parent);
      }
    }
    return [...links.values()];
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
    return this.#received.all();
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
    this.#renewals.delete(grant.claims.jti);
    await this.#addRevocation(revocation);
    await this.#components.grants.delete(renewalKey(grant.claims.jti));
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
    const { added, refusals } = await this.#received.add(batch.leaves, batch.byHash);
    for (const grant of added) this.events.emit('kept', grant, 'received');
    if (added.length > 0) this.events.emit('change', this.#self);
    return [...batch.refusals, ...refusals];
  }

  toPresent(owner: Did): readonly string[] {
    const texts = new Set<string>();
    for (const grant of this.#received.all()) {
      if (grant.claims.sub !== owner) continue;
      const verdict = this.#verify(grant);
      if (verdict.ok) for (const link of verdict.links) texts.add(link.jws);
    }
    return [...texts];
  }

  issuedTo(holder: Did): readonly string[] {
    const nowMs = this.#components.clock.now();
    const texts = new Set(
      [...this.#holders.chains('issued', holder).values()]
        .filter(({ startsAtMs, endsAtMs }) => startsAtMs <= nowMs && nowMs < endsAtMs)
        .map(({ leaf }) => leaf.jws),
    );
    for (const grant of this.#delegated.get(holder)?.values() ?? []) {
      const verdict = this.#verify(grant);
      if (verdict.ok) for (const link of verdict.links) texts.add(link.jws);
    }
    return [...texts];
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
    // A membership: the members have its parents, and judge them.
    const { iss, sub } = grant.claims;
    if (iss === this.#self && sub !== this.#self && !this.#isDelegation(grant)) return 'valid';
    const verdict = this.#verify(grant);
    if (verdict.ok) return 'valid';
    return ruleOf(verdict.refusal) === 'revoked' ? 'revoked' : 'expired';
  }

  async #load(): Promise<void> {
    const { grants, revocations, logger, clock } = this.#components;
    for (const revocation of await readRows(revocations, '', parseRevocation, logger)) {
      this.#revoked.add(revocation, clock.now());
    }
    this.#renewals = await readRenewals(grants, logger);
    await this.#received.load();
    for (const grant of await readRows(grants, 'issued/', parseGrant, logger)) {
      if (grant.claims.iss === this.#self) this.#addIssued(grant);
      else logger.warn({ id: grant.claims.jti }, 'skipped a grant that another key issued');
    }
  }

  /** Forgets what expired long ago, in memory and in the database. */
  async #prune(): Promise<void> {
    const { grants, revocations, clock } = this.#components;
    const nowMs = clock.now();
    const isOld = (grant: Grant): boolean => grant.claims.exp * 1000 + KEEP_EXPIRED_MS < nowMs;
    const issued = [...this.#issued.values()].filter(isOld);
    for (const grant of issued) {
      this.#dropIssued(grant);
      this.#renewals.delete(grant.claims.jti);
    }
    this.#holders.dropWhere(({ endsAtMs }) => endsAtMs + KEEP_EXPIRED_MS < nowMs);
    if (issued.length > 0) {
      await grants.batch(
        issued.flatMap((grant) => [
          { key: grantKey('issued', grant) },
          { key: renewalKey(grant.claims.jti) },
        ]),
      );
    }
    await this.#received.prune(KEEP_EXPIRED_MS);
    const over = this.#revoked.prune(nowMs);
    if (over.length > 0) {
      await revocations.batch(over.map((revocation) => ({ key: revocationKey(revocation) })));
    }
  }

  #sign(init: GrantInit): Grant {
    const { identity, clock } = this.#components;
    for (const capability of init.cap) {
      const why = whyVoid(capability);
      if (why === undefined) continue;
      throw new StarlingError('STARLING_GRANT_MALFORMED', `a grant would allow nothing: ${why}`, {
        data: { rule: 'caveat' },
      });
    }
    return issueGrant(identity, init, clock.now(), this.#randomBytes);
  }

  /** Keeps a new grant of ours, and tells of it. */
  async #keep(
    grant: Grant,
    how: 'issued' | 'delegated',
    renewForMs: number | undefined,
  ): Promise<void> {
    const { aud, jti } = grant.claims;
    await this.#components.grants.batch([
      rowOf(grantKey('issued', grant), grant.jws),
      ...(renewForMs === undefined ? [] : [rowOf(renewalKey(jti), String(renewForMs))]),
    ]);
    if (renewForMs !== undefined) this.#renewals.set(jti, renewForMs);
    this.#addIssued(grant);
    this.events.emit('kept', grant, how);
    this.#changed([aud]);
  }

  #addIssued(grant: Grant): void {
    const { aud, sub } = grant.claims;
    this.#issued.set(grant.hash, grant);
    if (this.isRevoked(grant, [this.#self])) return;
    if (sub === this.#self) {
      this.#holders.add('issued', { leaf: grant, links: [grant], ...this.#windowOf([grant]) });
    } else if (this.#isDelegation(grant)) {
      const delegated = this.#delegated.get(aud) ?? new Map<string, Grant>();
      this.#delegated.set(aud, delegated.set(grant.hash, grant));
    }
  }

  #dropIssued({ hash, claims }: Grant): void {
    this.#issued.delete(hash);
    this.#holders.dropWhere(({ leaf }) => leaf.hash === hash);
    const delegated = this.#delegated.get(claims.aud);
    if (delegated?.delete(hash) === true && delegated.size === 0) {
      this.#delegated.delete(claims.aud);
    }
  }

  /** True when it hands on what we received. Memberships stand on what the mesh's members know. */
  #isDelegation({ claims }: Grant): boolean {
    return (claims.prf ?? []).every((hash) => this.#received.get(hash) !== undefined);
  }

  /** A grant that we have, by its hash. */
  #own(hash: string): Grant | undefined {
    return this.#issued.get(hash) ?? this.#received.get(hash);
  }

  /** The received grant with this hash, or what it was renewed to. */
  #newest(hash: string): Grant | undefined {
    const old = this.#own(hash);
    return old === undefined ? undefined : (this.#received.newest(old) ?? old);
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

  #verify(
    leaf: Grant,
    known: ReadonlyMap<string, Grant> = NONE,
    owner?: Did,
  ): ReturnType<typeof verifyChain> {
    return verifyChain(leaf, {
      find: (hash) => known.get(hash) ?? this.#own(hash),
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
