/**
 * The node's grants: what it issued, what it received, what callers presented, what is revoked.
 * Signatures are checked when a text first comes in; afterwards a decision is a look-up. Knows no
 * network: revocations and presented chains are handed in, and changes are told by events. This file
 * only joins the parts: `issued`, `received`, `presented`, `derive`, `revoking`, `handing-out`.
 */
import { EventEmitter } from 'node:events';
import { StarlingError, createScope, messageOf } from '../../core/index.ts';
import type { Clock, Did, Logger, Scope } from '../../core/index.ts';
import type { Signer } from '../../identity/index.ts';
import type { Table } from '../../store/types.ts';
import { ruleOf } from '../chain/verify.ts';
import { parseRevocation } from '../format/grant.ts';
import { NO_SUCCESSIONS } from '../format/succession.ts';
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
import { createChainChecks } from './chain-checks.ts';
import type { ChainChecks } from './chain-checks.ts';
import { findGrant } from './find.ts';
import { textsIssuedTo, textsToPresent } from './handing-out.ts';
import type { HandingOutComponents } from './handing-out.ts';
import { createHolderIndex } from './holders.ts';
import { createIssued } from './issued.ts';
import type { Issued } from './issued.ts';
import { createPresented } from './presented.ts';
import type { Presented } from './presented.ts';
import { createBatchReader } from './read-grants.ts';
import { createReceived } from './received.ts';
import type { Received } from './received.ts';
import { createDerivation } from './derive.ts';
import type { Derivation } from './derive.ts';
import { createRevocationSet } from './revocation-set.ts';
import type { RevocationSet } from './revocation-set.ts';
import { createRevoking } from './revoking.ts';
import type { Revoking } from './revoking.ts';
import { createSigning } from './signing.ts';
import type { Signing } from './signing.ts';
import type { Successions } from './successions.ts';
import { createTimeChanges } from './time-changes.ts';
import type { TimeChanges } from './time-changes.ts';

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
  readonly #reader = createBatchReader();
  readonly #holders = createHolderIndex();
  readonly #revoked: RevocationSet;
  readonly #checks: ChainChecks;
  readonly #received: Received;
  readonly #issued: Issued;
  readonly #presented: Presented;
  readonly #signing: Signing;
  readonly #derivation: Derivation;
  readonly #revoking: Revoking;
  readonly #handingOut: HandingOutComponents;
  readonly #timeChanges: TimeChanges;
  #scope: Scope | undefined;
  #carry: ((jws: string) => Promise<void>) | undefined;
  /** Revocations of ours that are on their way to the disk, by the id of the grant. */
  readonly #revokingNow = new Map<string, Promise<Revocation>>();
  /** Ends when what a change of keys asks for is issued; never rejects. */
  #reissuing: Promise<void> = Promise.resolve();
  readonly #succeeded = (succession: Succession): void => this.#follow(succession);

  constructor(components: GrantBookComponents, init: GrantBookInit) {
    const { identity, clock, logger, grants } = components;
    const self = identity.did;
    const successions = components.successions ?? NO_SUCCESSIONS;
    const holders = this.#holders;
    this.#components = components;
    this.#self = self;
    this.successions = successions;
    this.#revoked = createRevocationSet({ self });
    const checks = createChainChecks({
      self,
      clock,
      successions,
      revoked: this.#revoked,
      find: (hash) => this.#own(hash),
    });
    this.#checks = checks;
    this.#received = createReceived(
      {
        self,
        table: grants,
        clock,
        logger,
        successions,
        verify: (leaf, batch) => checks.verify(leaf, batch),
        issued: () => this.#issued.all(),
      },
      { perOwnerMax: init.receivedPerOwnerMax ?? 256, totalMax: init.receivedMax ?? 4096 },
    );
    const received = this.#received;
    this.#issued = createIssued({ self, table: grants, logger, checks, holders, received });
    const issued = this.#issued;
    this.#presented = createPresented(
      { self, clock, successions, checks, holders, issued, reader: this.#reader },
      { perHolderMax: init.presentedMax ?? 256, holdersMax: init.presentersMax ?? 1024 },
    );
    const signing = createSigning({ identity, clock }, init.randomBytes);
    this.#signing = signing;
    this.#derivation = createDerivation({
      self,
      clock,
      successions,
      checks,
      issued,
      received,
      signing,
    });
    this.#handingOut = { clock, successions, checks, holders, issued, received };
    this.#revoking = this.#makeRevoking();
    this.#timeChanges = createTimeChanges(clock, holders, (whom) => this.#changed(whom));
  }

  async start(): Promise<void> {
    if (this.#scope !== undefined) return;
    const { clock, logger } = this.#components;
    const scope = createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'housekeeping of grants failed'),
    );
    this.#scope = scope;
    try {
      await this.#revoking.load();
      await this.#received.load();
      await this.#issued.load();
    } catch (error) {
      // What else fails must not hide why the book could not be opened.
      await this.stop().catch((other: unknown) =>
        logger.error({ error: messageOf(other) }, 'grants not closed'),
      );
      throw error;
    }
    // What counts is read. A disk that refuses writes must not keep the node from starting.
    await this.#keepHouse().catch((error: unknown) =>
      logger.warn({ error: messageOf(error) }, 'grants not tidied up; tried again within the hour'),
    );
    this.#components.successions?.events.on('added', this.#succeeded);
    scope.every(HOUR_MS, () => this.#keepHouse());
    this.#timeChanges.start(scope);
  }

  async stop(): Promise<void> {
    this.#components.successions?.events.off('added', this.#succeeded);
    this.#timeChanges.stop();
    this.#scope?.close();
    this.#scope = undefined;
    await this.#reissuing;
  }

  async issue(init: GrantIssueInit): Promise<Grant> {
    await this.#signing.turn();
    const grant = this.#signing.sign({
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
    await this.#signing.turn();
    const grant = this.#derivation.delegate(this.find(init.parent), init);
    await this.#keep(grant, 'delegated', init.renewForMs);
    return grant;
  }

  renewable(): readonly Renewable[] {
    return this.#issued.renewable();
  }

  async renew(id: string): Promise<Grant | undefined> {
    const grant = this.find(id);
    const renewed = this.#derivation.renewed(grant);
    if (renewed === undefined) return undefined;
    await this.#issued.replace(grant, renewed);
    this.events.emit('kept', renewed, 'renewed');
    this.#changed([renewed.claims.aud]);
    return renewed;
  }

  chainOf(grant: Grant): readonly Grant[] {
    const { aud } = grant.claims;
    const chain =
      this.#holders.chains('issued', aud).get(grant.hash) ??
      this.#holders.chains('presented', aud).get(grant.hash);
    if (chain !== undefined) return chain.links;
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
    if (instead === undefined) return this.#issued.keep(grant);
    await this.#issued.replace(instead, grant);
    this.#changed([grant.claims.aud]);
  }

  forgetIssued(grants: readonly Grant[]): Promise<void> {
    return this.#issued.forget(grants);
  }

  issued(): readonly Grant[] {
    return [...this.#issued.all()];
  }

  received(): readonly Grant[] {
    return this.#received.all();
  }

  find(id: string): Grant {
    return findGrant(id, [this.issued(), this.received()]);
  }

  async revoke(id: string, reason?: string): Promise<Revocation> {
    await this.#signing.turn();
    const grant = this.find(id);
    const { jti } = grant.claims;
    const running = this.#revokingNow.get(jti) ?? this.#revoke(grant, reason);
    this.#revokingNow.set(jti, running);
    const revocation = await running.finally(() => this.#revokingNow.delete(jti));
    await this.#carry?.(revocation.jws);
    return revocation;
  }

  passOn(carry: (jws: string) => Promise<void>): void {
    this.#carry = carry;
  }

  held(holder: Did): readonly Grant[] {
    return this.#presented.held(holder);
  }

  present(holder: Did, jws: readonly string[]): readonly Refusal[] {
    const { added, refusals } = this.#presented.present(holder, jws);
    if (added) this.#changed([holder]);
    return refusals;
  }

  get verified(): number {
    return this.#reader.verified;
  }

  forget(holder: Did): void {
    this.#presented.forget(holder);
  }

  async receive(jws: readonly string[]): Promise<readonly Refusal[]> {
    const batch = this.#reader.read(jws, this.successions.lineage(this.#self));
    const { added, refusals } = await this.#received.add(batch.leaves, batch.byHash);
    for (const grant of added) this.events.emit('kept', grant, 'received');
    if (added.length > 0) this.events.emit('change', this.#self);
    return [...batch.refusals, ...refusals];
  }

  toPresent(owner: Did): readonly string[] {
    return textsToPresent(this.#handingOut, owner);
  }

  issuedTo(holder: Did, told = new WeakSet<Grant>()): readonly string[] {
    return textsIssuedTo(this.#handingOut, holder, told);
  }

  revocations(): readonly Revocation[] {
    return this.#revoked.all();
  }

  findRevocation(jti: string, issuers: readonly Did[]): Revocation | undefined {
    return this.#revoked.find(jti, issuers);
  }

  async addRevocation(revocation: string | Revocation): Promise<boolean> {
    const jws = typeof revocation === 'string' ? revocation : revocation.jws;
    if (this.#revoking.isKept(jws)) return false;
    return this.#revoking.add(typeof revocation === 'string' ? parseRevocation(jws) : revocation);
  }

  isRevoked(grant: Grant, mayRevoke: readonly Did[]): boolean {
    return this.#checks.isRevoked(grant, mayRevoke);
  }

  state(grant: Grant): 'valid' | 'expired' | 'revoked' {
    const { iss, sub } = grant.claims;
    if (this.isRevoked(grant, [iss])) return 'revoked';
    const { endsAtMs } = this.#checks.windowOf([grant]);
    if (this.#components.clock.now() >= endsAtMs) return 'expired';
    const isForeign = this.#checks.isOwn(iss) && !this.#checks.isOwn(sub);
    // A membership: the members have its parents, and verify them.
    if (isForeign && !this.#issued.isDelegation(grant)) return 'valid';
    const verdict = this.#checks.verify(grant);
    if (verdict.ok) return 'valid';
    return ruleOf(verdict.refusal) === 'revoked' ? 'revoked' : 'expired';
  }

  async #revoke(grant: Grant, reason?: string): Promise<Revocation> {
    const { jti } = grant.claims;
    const revocation = this.#revoking.revocationOf(this.#issued.latest(grant), reason);
    const renewAgain = this.#issued.pauseRenewal(jti);
    try {
      await this.#revoking.add(revocation);
    } catch (error) {
      renewAgain();
      throw error;
    }
    // What is revoked is not renewed, whatever is written of its renewal.
    await this.#issued
      .endRenewal(jti)
      .catch((error: unknown) =>
        this.#components.logger.warn({ id: jti, error: messageOf(error) }, 'renewal not ended'),
      );
    return revocation;
  }

  #makeRevoking(): Revoking {
    const { identity, clock, logger, revocations } = this.#components;
    return createRevoking({
      identity,
      clock,
      logger,
      table: revocations,
      revoked: this.#revoked,
      checks: this.#checks,
      holders: this.#holders,
      changed: (holders) => this.#changed(holders),
      written: ({ jws }) => this.events.emit('revocation', jws),
    });
  }

  /** Issues what a change of keys asks for, and forgets what expired long ago. @throws what the table throws */
  async #keepHouse(): Promise<void> {
    this.#reissuing = this.#reissuing.then(() => this.#reissue());
    const reissued = this.#reissuing;
    this.#reissuing = reissued.catch(() => undefined);
    await this.#prune();
    await reissued;
  }

  /** Forgets what expired long ago, in memory and in the database. */
  async #prune(): Promise<void> {
    const nowMs = this.#components.clock.now();
    const issued = this.#issued.prune(nowMs, KEEP_EXPIRED_MS);
    this.#holders.dropWhere(({ endsAtMs }) => endsAtMs + KEEP_EXPIRED_MS < nowMs);
    await issued;
    await this.#received.prune(KEEP_EXPIRED_MS);
    await this.#revoking.prune(nowMs);
  }

  /** Keeps a new grant of ours, and tells of it. */
  async #keep(grant: Grant, how: 'issued' | 'delegated', renewForMs?: number): Promise<void> {
    await this.#issued.keep(grant, renewForMs);
    this.events.emit('kept', grant, how);
    this.#changed([grant.claims.aud]);
  }

  /** A grant that we have, by its hash. */
  #own(hash: string): Grant | undefined {
    return this.#issued.get(hash) ?? this.#received.get(hash);
  }

  /** A key took another's place: verifies anew what hangs on that key, and issues what is due. */
  #follow({ claims }: Succession): void {
    const { iss, sub } = claims;
    const affected = this.#holders.dropWhere(
      ({ leaf, links }) =>
        links.some((link) => link.claims.iss === iss || link.claims.aud === iss) &&
        !this.#checks.verify(leaf, new Map(links.map((link) => [link.hash, link]))).ok,
    );
    this.#changed([...new Set([...affected, iss, sub])]);
    const { logger } = this.#components;
    this.#reissuing = this.#reissuing
      .then(() => this.#reissue())
      .catch((error: unknown) =>
        logger.error({ error: messageOf(error) }, 'grants were not issued anew for a new key'),
      );
  }

  /** Issues anew what is by or for a key that was changed. Memberships are the mesh's to issue. */
  async #reissue(): Promise<void> {
    for (const grant of this.#issued.all()) {
      if (this.#scope === undefined) return;
      const reissued = this.#derivation.reissued(grant);
      if (reissued === undefined) continue;
      await this.#issued.replace(grant, reissued);
      this.#changed([reissued.claims.aud]);
    }
  }

  #changed(holders: readonly Did[]): void {
    this.#timeChanges.look();
    for (const holder of holders) this.events.emit('change', holder);
  }
}
