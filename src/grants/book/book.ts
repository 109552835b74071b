/**
 * The node's grants: what it issued, what it received, what callers presented, what is revoked.
 * Signatures are checked when a text first comes in; afterwards a decision is a look-up. Knows no
 * network: revocations and presented chains are handed in, and changes are told by events.
 */
import { EventEmitter } from 'node:events';
import { StarlingError, createScope, createLoopTurns, messageOf } from '../../core/index.ts';
import type { Clock, Did, Logger, Scope } from '../../core/index.ts';
import type { Signer } from '../../identity/index.ts';
import type { Table } from '../../store/types.ts';
import { createBatchReader } from './read-grants.ts';
import { whyVoid } from '../chain/capability.ts';
import { delegationOf, renewalOf } from './delegate.ts';
import { parseGrant, parseRevocation } from '../format/grant.ts';
import { findGrant } from './find.ts';
import { createHolderIndex, windowOf } from './holders.ts';
import type { HeldChain } from './holders.ts';
import { issueGrant, issueRevocation } from '../format/issue.ts';
import type { GrantInit } from '../format/issue.ts';
import { createReceived } from './received.ts';
import type { Received } from './received.ts';
import { forgedIn, isOutdated, reissueOf, retiredBy } from './reissue.ts';
import { createRevocationSet, isRevokedIn } from './revocation-set.ts';
import type { RevocationSet } from './revocation-set.ts';
import { grantKey, readRenewals, readRows, renewalKey, revocationKey, rowOf } from './rows.ts';
import { NO_SUCCESSIONS } from '../format/succession.ts';
import type { Successions } from './successions.ts';
import type {
  Grant,
  GrantBook,
  GrantBookEvents,
  GrantDelegateInit,
  GrantIssueInit,
  Refusal,
  Renewable,
  Revocation,
  Succession,
  SuccessionView,
} from '../types.ts';
import { describeRefusal, ruleOf, verifyChain } from '../chain/verify.ts';

/** What a grant book works with. */
export interface GrantBookComponents {
  readonly identity: Signer;
  readonly grants: Table;
  readonly revocations: Table;
  /** Who took whose place, loaded; default: nobody. */
  readonly successions?: Successions;
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
  readonly successions: SuccessionView;
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
  /** Revocations that count and are not on the disk yet: whoever revokes again has them written. */
  readonly #unwritten = new WeakSet<Revocation>();
  readonly #revoked: RevocationSet;
  /** A signature holds the event loop for milliseconds. */
  readonly #signing = createLoopTurns();
  #scope: Scope | undefined;
  #cancelTimer: (() => void) | undefined;
  #carry: ((jws: string) => Promise<void>) | undefined;
  /** Ends when what a change of keys asks for is issued; never rejects. */
  #reissuing: Promise<void> = Promise.resolve();
  readonly #succeeded = (succession: Succession): void => this.#follow(succession);
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
    this.successions = components.successions ?? NO_SUCCESSIONS;
    this.#revoked = createRevocationSet({ self: this.#self });
    const { grants, clock, logger } = components;
    this.#received = createReceived(
      {
        self: this.#self,
        table: grants,
        clock,
        logger,
        successions: this.successions,
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
      await this.#reissue();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#components.successions?.events.on('added', this.#succeeded);
    this.#toldMs = clock.now();
    scope.every(HOUR_MS, () => this.#prune());
    this.#armTimer();
  }

  async stop(): Promise<void> {
    this.#components.successions?.events.off('added', this.#succeeded);
    this.#scope?.close();
    this.#scope = undefined;
    this.#cancelTimer = undefined;
    await this.#reissuing;
  }

  async issue(init: GrantIssueInit): Promise<Grant> {
    await this.#signing.next();
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
    await this.#signing.next();
    const parent = this.find(init.parent);
    const id = parent.claims.jti.slice(0, 8);
    if (!this.#isOwn(parent.claims.aud)) {
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
    const isLasting = lifetimeMs !== undefined && grant.claims.iss === this.#self;
    if (!isLasting || this.isRevoked(grant, [this.#self])) return undefined;
    const parents = (grant.claims.prf ?? []).flatMap((hash) => this.#newest(hash) ?? []);
    if (parents.length !== (grant.claims.prf ?? []).length) return undefined;
    const init = renewalOf(grant, parents, lifetimeMs, this.#components.clock.now());
    if (init === undefined) return undefined;
    const renewed = this.#sign(init);
    if (!this.#verify(renewed).ok) return undefined;
    await this.#replace(grant, renewed, 'renewed');
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

  async keepIssued(grant: Grant, instead?: Grant): Promise<void> {
    if (grant.claims.iss !== this.#self) {
      throw new StarlingError('STARLING_GRANT_INVALID', 'only our own grants are kept as issued');
    }
    if (instead !== undefined) return this.#replace(instead, grant);
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
    return findGrant(id, [this.issued(), this.received()]);
  }

  async revoke(id: string, reason?: string): Promise<Revocation> {
    const { identity, clock } = this.#components;
    await this.#signing.next();
    const grant = this.find(id);
    if (!this.#isOwn(grant.claims.iss)) {
      throw new StarlingError(
        'STARLING_GRANT_INVALID',
        `grant ${grant.claims.jti} was issued by ${grant.claims.iss}, so it is not ours to revoke`,
        { hint: 'revoke it on the node that issued it', data: { id: grant.claims.jti } },
      );
    }
    const known = this.#revoked.find(grant.claims.jti, [this.#self]);
    const revocation = known ?? issueRevocation(identity, grant, clock.now(), reason);
    this.#renewals.delete(grant.claims.jti);
    await this.#addRevocation(revocation);
    await this.#components.grants.delete(renewalKey(grant.claims.jti));
    await this.#carry?.(revocation.jws);
    return revocation;
  }

  passOn(carry: (jws: string) => Promise<void>): void {
    this.#carry = carry;
  }

  held(holder: Did): readonly Grant[] {
    const keys = this.successions.of(holder) === undefined ? this.successions.lineage(holder) : [];
    return this.#holders.held(keys, this.#components.clock.now());
  }

  present(holder: Did, jws: readonly string[]): readonly Refusal[] {
    this.#holders.dropEnded(this.#components.clock.now());
    const retired = retiredBy(holder, this.successions);
    if (retired !== undefined) return [retired];
    const batch = this.#readBatch(jws, this.successions.lineage(holder));
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
    for (const did of this.successions.lineage(holder)) this.#holders.forget(did);
  }

  async receive(jws: readonly string[]): Promise<readonly Refusal[]> {
    const batch = this.#readBatch(jws, this.successions.lineage(this.#self));
    const { added, refusals } = await this.#received.add(batch.leaves, batch.byHash);
    for (const grant of added) this.events.emit('kept', grant, 'received');
    if (added.length > 0) this.events.emit('change', this.#self);
    return [...batch.refusals, ...refusals];
  }

  toPresent(owner: Did): readonly string[] {
    const texts = new Set<string>();
    for (const grant of this.#received.all()) {
      if (!this.successions.follows(owner, grant.claims.sub)) continue;
      const verdict = this.#verify(grant);
      if (verdict.ok) for (const link of verdict.links) texts.add(link.jws);
    }
    return [...texts];
  }

  issuedTo(holder: Did, told = new WeakSet<Grant>()): readonly string[] {
    const nowMs = this.#components.clock.now();
    const texts = new Set<string>();
    for (const did of this.successions.lineage(holder)) {
      for (const { leaf, startsAtMs, endsAtMs } of this.#holders.chains('issued', did).values()) {
        if (told.has(leaf) || nowMs < startsAtMs || nowMs >= endsAtMs) continue;
        told.add(leaf);
        texts.add(leaf.jws);
      }
      for (const grant of this.#delegated.get(did)?.values() ?? []) {
        const verdict = told.has(grant) ? undefined : this.#verify(grant);
        if (verdict?.ok !== true) continue;
        told.add(grant);
        for (const link of verdict.links) texts.add(link.jws);
      }
    }
    return [...texts];
  }

  revocations(): readonly Revocation[] {
    return this.#revoked.all();
  }

  async addRevocation(jws: string): Promise<boolean> {
    return !this.#revoked.holds(jws) && this.#addRevocation(parseRevocation(jws));
  }

  isRevoked(grant: Grant, mayRevoke: readonly Did[]): boolean {
    return isRevokedIn(this.#revoked, grant, mayRevoke, this.successions);
  }

  state(grant: Grant): 'valid' | 'expired' | 'revoked' {
    if (this.isRevoked(grant, [grant.claims.iss])) return 'revoked';
    const { endsAtMs } = this.#windowOf([grant]);
    if (this.#components.clock.now() >= endsAtMs) return 'expired';
    // A membership: the members have its parents, and judge them.
    const { iss, sub } = grant.claims;
    if (this.#isOwn(iss) && !this.#isOwn(sub) && !this.#isDelegation(grant)) return 'valid';
    const verdict = this.#verify(grant);
    if (verdict.ok) return 'valid';
    return ruleOf(verdict.refusal) === 'revoked' ? 'revoked' : 'expired';
  }

  async #load(): Promise<void> {
    const { grants, revocations, logger, clock } = this.#components;
    for (const revocation of await readRows(revocations, '', parseRevocation, logger)) {
      // What is over goes with the next pruning, and its row with it.
      this.#revoked.add(revocation, Math.min(clock.now(), revocation.claims.exp * 1000));
    }
    this.#renewals = await readRenewals(grants, logger);
    await this.#received.load();
    for (const grant of await readRows(grants, 'issued/', parseGrant, logger)) {
      if (this.#isOwn(grant.claims.iss)) this.#addIssued(grant);
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
    if (over.length > 0) await revocations.batch(over.map((it) => ({ key: revocationKey(it) })));
  }

  #sign(init: GrantInit): Grant {
    const { identity, clock } = this.#components;
    const why = init.cap.map(whyVoid).find((one) => one !== undefined);
    if (why !== undefined) {
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
    if (this.#isOwn(sub)) {
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
    if (delegated?.delete(hash) === true && delegated.size === 0)
      this.#delegated.delete(claims.aud);
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
    if (this.#revoked.add(revocation, clock.now())) {
      this.#unwritten.add(revocation);
      this.#changed(this.#holders.dropWhere((chain) => this.#isHit(chain, revocation)));
    } else if (!this.#unwritten.has(revocation)) return false;
    await revocations.put(revocationKey(revocation), Buffer.from(revocation.jws));
    if (this.#unwritten.delete(revocation)) this.events.emit('revocation', revocation.jws);
    return true;
  }

  /** True when `revocation` ends `chain`: judged again, since only the chain says who may revoke. */
  #isHit(chain: HeldChain, { claims }: Revocation): boolean {
    if (!chain.links.some((link) => link.claims.jti === claims.jti)) return false;
    const verdict = this.#verify(chain.leaf, new Map(chain.links.map((it) => [it.hash, it])));
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
    const forged = forgedIn(verdict.links, this.#self, this.#issued.values(), this.successions);
    if (forged !== undefined) return forged;
    // What we gave with a key of before counts by what was issued in its place.
    if (leaf.claims.prf === undefined && leaf.claims.iss !== this.#self) return 'known';
    const window = this.#windowOf(verdict.links);
    if (this.#components.clock.now() >= window.endsAtMs)
      return { rule: 'expired', text: 'a link of it has expired' };
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
      successions: this.successions,
      ...(owner === undefined ? {} : { owner }),
    });
  }

  #windowOf(links: readonly Grant[]): ReturnType<typeof windowOf> {
    return windowOf(links, ({ claims }) => this.#isOwn(claims.iss));
  }

  #isOwn(did: Did): boolean {
    return this.successions.follows(this.#self, did);
  }

  async #replace(old: Grant, renewed: Grant, how?: 'renewed'): Promise<void> {
    // At once, so that whoever revokes it meanwhile revokes it up to its new end.
    this.#dropIssued(old);
    this.#addIssued(renewed);
    await this.#components.grants.batch([
      rowOf(grantKey('issued', renewed), renewed.jws),
      { key: grantKey('issued', old) },
    ]);
    if (how !== undefined) this.events.emit('kept', renewed, how);
    this.#changed([renewed.claims.aud]);
  }

  /** A key took another's place: judges anew what hangs on it, and issues what is due. */
  #follow({ claims }: Succession): void {
    const { iss, sub } = claims;
    const affected = this.#holders.dropWhere(
      ({ leaf, links }) =>
        links.some((link) => link.claims.iss === iss || link.claims.aud === iss) &&
        !this.#verify(leaf, new Map(links.map((link) => [link.hash, link]))).ok,
    );
    this.#changed([...new Set([...affected, iss, sub])]);
    const { logger } = this.#components;
    this.#reissuing = this.#reissuing
      .then(() => this.#reissue())
      .catch((error: unknown) =>
        logger.error({ error: messageOf(error) }, 'grants were not issued anew for a new key'),
      );
  }

  /** Issues anew what is by or for a key that was changed. Memberships are the mesh book's to issue. */
  async #reissue(): Promise<void> {
    for (const grant of this.#issued.values()) {
      if (this.#scope === undefined) return;
      const isOurs = grant.claims.prf === undefined || this.#isDelegation(grant);
      if (!isOurs || !isOutdated(grant, this.#self, this.successions)) continue;
      if (this.isRevoked(grant, [grant.claims.iss])) continue;
      const parents = (grant.claims.prf ?? []).flatMap((hash) => this.#newest(hash) ?? []);
      const init = reissueOf(grant, this.#self, parents, this.successions);
      if (init.expiresAt * 1000 <= this.#components.clock.now()) continue;
      const renewed = this.#sign(init);
      if (this.#verify(renewed).ok) await this.#replace(grant, renewed);
    }
  }

  #changed(holders: readonly Did[]): void {
    this.#armTimer();
    for (const holder of holders) this.events.emit('change', holder);
  }

  /** Sets the timer to when next a grant starts or ends to count by mere time. */
  #armTimer(): void {
    this.#cancelTimer?.();
    if (this.#scope === undefined) return;
    const nowMs = this.#components.clock.now();
    this.#toldMs = Math.min(this.#toldMs, nowMs);
    const waitMs = this.#holders.nextLook(this.#toldMs, nowMs);
    if (waitMs === undefined) return;
    this.#cancelTimer = this.#scope.after(waitMs, () => {
      const fromMs = this.#toldMs;
      this.#toldMs = Math.max(fromMs, this.#components.clock.now());
      this.#changed(this.#holders.changedBetween(fromMs, this.#toldMs));
    });
  }
}
