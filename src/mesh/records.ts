/**
 * What every member must know for good: who is a member, what is revoked, which invites are spent.
 * A set of signed texts, each verified before it is kept or passed on, so that it does not matter from
 * whom one has it. Each stays until what it is about is over. Pure of network; `record-sync.ts` carries
 * it.
 */
import { createHash } from 'node:crypto';
import { StarlingError, messageOf } from '../core/index.ts';
import type { Clock, Did, Health, Logger, MeshId } from '../core/index.ts';
import {
  CLOCK_SKEW_MS,
  GRANT_TYPE,
  KEEP_OVER_MS,
  MEMBERSHIP_LINKS_MAX,
  REVOCATION_TYPE,
  SUCCESSION_TYPE,
  allowsAlways,
  isOverAt,
  parseGrant,
  parseRevocation,
  parseSuccession,
  parseTarget,
  retiredBy,
  ruleOf,
  verifyChain,
} from '../grants/index.ts';
import type { Grant, GrantBook, Revocation, SuccessionView, Successions } from '../grants/index.ts';
import type { Signer } from '../identity/index.ts';
import type { Table, Write } from '../store/index.ts';
import { createRecordQuotas } from './record-quotas.ts';
import type { Rank, RecordKind, RecordQuotas, RecordQuotasInit } from './record-quotas.ts';
import {
  SPENT_TYPE,
  hashOf,
  isEarlier,
  isFinal,
  isForgotten,
  issuerOf,
  readSpent,
  typeOf,
} from './record-texts.ts';
import type { Spent } from './record-texts.ts';
import { decodeJws, encodeJws } from '../identity/index.ts';

/** Health warning while records find no room. */
const FULL = 'records-full';
/** Records are passed on up to a whole minute, so that the sets of two change at the same time. */
const MINUTE_MS = 60_000;
/** Texts that are taken before others have a turn. */
const AT_ONCE = 128;
/** Successions of one key: one counts, the others are kept so that all see the conflict. */
const SUCCESSIONS_PER_KEY_MAX = 4;

/** What the records work with. */
export interface RecordComponents {
  readonly table: Table;
  readonly grants: Pick<GrantBook, 'addRevocation' | 'isRevoked' | 'revocations'>;
  readonly successions: Successions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health?: Pick<Health, 'raise' | 'clear'>;
}

/** Which mesh it is, who we are, and bounds for tests. */
export interface RecordsInit {
  readonly mesh: MeshId;
  /** In an open mesh nobody can be put out. */
  readonly open: boolean;
  readonly self: Did;
  readonly room?: RecordQuotasInit;
}

type Outcome = 'new' | 'known' | 'refused' | 'waits';

/** A record that is kept. */
interface Entry {
  readonly jws: string;
  readonly kind: RecordKind;
  readonly signer: Did;
  readonly rank: Rank;
  readonly sizeBytes: number;
  /** From then on it is not passed on any more, ms since the epoch. */
  readonly overAtMs: number;
  /** Undoes what it did here. */
  readonly undo?: () => void;
}

/** The set of records of one mesh. */
export interface Records {
  load(): Promise<void>;
  /** Takes one text; true when it is new and sound. Never throws for bad input. */
  add(jws: string): Promise<boolean>;
  /** Takes texts in whatever order; gives how many were new and sound. */
  addAll(texts: readonly string[]): Promise<number>;
  /** Like `add` for a text of our own. @throws why it can't be passed on; STARLING_LIMIT_EXCEEDED */
  publish(jws: string): Promise<void>;
  /** Every text that is not over, by its hash (hex). */
  all(): ReadonlyMap<string, string>;
  /** Hash over the sorted hashes: equal digests mean equal sets. */
  digest(): string;
  /** True when `did` holds a membership whose chain holds now. */
  isMember(did: Did): boolean;
  /** A verified membership chain of `did`, leaf first. */
  membershipOf(did: Did): readonly Grant[] | undefined;
  /**
   * Takes what somebody shows who may have changed its key since we met: the membership of a key
   * that it had, and the successions since. What does not hold changes nothing.
   */
  introduce(chain: readonly string[], successions: readonly string[]): Promise<void>;
  /** That the key `did` was not replaced. @throws STARLING_KEY_RETIRED */
  requireInUse(did: Did): void;
  /** Verifies a membership chain that `did` shows. @throws STARLING_KEY_RETIRED, STARLING_JOIN_REFUSED */
  verifyMembership(chain: readonly string[], did: Did): readonly Grant[];
  /** True when this very grant is among the records: a membership, and no invite. */
  holds(grant: Grant): boolean;
  /** All memberships that were ever issued, whether they count or not. */
  memberships(): readonly Grant[];
  /** Who used the invite, if anybody did. */
  spentBy(jti: string): Did | undefined;
  /** Signs and keeps that `aud` used `invite`. Counts at once. */
  spend(signer: Signer, invite: Grant, aud: Did): Promise<void>;
  /** Hears each new record. */
  onAdded(listener: (jws: string) => void): () => void;
}

/** Makes the records of a mesh, empty: `load` reads them. */
export function createRecords(components: RecordComponents, init: RecordsInit): Records {
  return new RecordSet(components, init);
}

/** `mesh:<did>` as grants name it. */
export function meshResource(mesh: MeshId): string {
  return `mesh:${mesh}`;
}

/** True when one of the grant's capabilities allows `ability` on the mesh. */
export function allowsOnMesh(grant: Grant, mesh: MeshId, ability: string): boolean {
  const target = parseTarget(meshResource(mesh));
  return grant.claims.cap.some((capability) => allowsAlways(capability, ability, target));
}

class RecordSet implements Records {
  readonly #components: RecordComponents;
  readonly #mesh: MeshId;
  readonly #open: boolean;
  readonly #self: Did;
  readonly #room: RecordQuotas;
  /** All that is kept, by hash. */
  readonly #entries = new Map<string, Entry>();
  /** Being taken: a revocation is told of before it is among the entries. */
  readonly #taking = new Set<string>();
  /** Ids of memberships: only their revocation changes who is a member. */
  readonly #membershipIds = new Set<string>();
  /** What is not over. */
  readonly #texts = new Map<string, string>();
  readonly #grants = new Map<string, Grant>();
  readonly #byHolder = new Map<Did, Grant[]>();
  readonly #spent = new Map<string, Spent>();
  readonly #successionsOf = new Map<Did, number>();
  readonly #members = new Map<Did, readonly Grant[] | undefined>();
  readonly #listeners = new Set<(jws: string) => void>();
  /** For what is taken in: whoever has the same texts must have the same set, whatever counts. */
  readonly #lenient: SuccessionView;
  #digest: string | undefined;
  /** Between these two moments nothing becomes over, ms since the epoch. */
  #calm = { fromMs: Infinity, toMs: -Infinity };

  constructor(components: RecordComponents, init: RecordsInit) {
    this.#components = components;
    this.#mesh = init.mesh;
    this.#open = init.open;
    this.#self = init.self;
    this.#room = createRecordQuotas(init.room);
    const { successions } = components;
    this.#lenient = {
      of: () => undefined,
      current: (did) => successions.current(did),
      origin: (did) => successions.origin(did),
      lineage: (did) => successions.lineage(did),
      heirs: (did) => successions.heirs(did),
      follows: (did, before) => successions.follows(did, before),
    };
  }

  async load(): Promise<void> {
    const { grants, successions, table } = this.#components;
    // The one of each key that counts comes first, so that no other takes its place.
    for (const succession of successions.all()) this.#keepSuccession(succession.jws);
    const texts: string[] = [];
    const over: Write[] = [];
    for await (const [key, value] of table.entries()) {
      const jws = Buffer.from(value).toString('utf8');
      if (isForgotten(jws, this.#components.clock.now())) over.push({ key });
      else texts.push(jws);
    }
    if (over.length > 0) await table.batch(over);
    await this.addAll(texts);
    for (const revocation of grants.revocations()) await this.#take(revocation.jws, revocation);
  }

  async add(jws: string): Promise<boolean> {
    return (await this.#tryAdd(jws)) === 'new';
  }

  async addAll(texts: readonly string[]): Promise<number> {
    const isBase = (jws: string): boolean => [GRANT_TYPE, SUCCESSION_TYPE].includes(typeOf(jws));
    let count = 0;
    // Parents may come after children, and heirs before whom they follow; what members sign is last.
    let waiting: readonly string[] = texts.filter(isBase);
    for (let pass = 0; pass < MEMBERSHIP_LINKS_MAX && waiting.length > 0; pass += 1) {
      const outcomes = await this.#addMany(waiting);
      const news = outcomes.filter((one) => one === 'new').length;
      count += news;
      waiting = news === 0 ? [] : waiting.filter((_, index) => outcomes[index] === 'waits');
    }
    const outcomes = await this.#addMany(texts.filter((jws) => !isBase(jws)));
    return count + outcomes.filter((one) => one === 'new').length;
  }

  async publish(jws: string): Promise<void> {
    const hash = hashOf(jws);
    if (this.#entries.has(hash) || this.#taking.has(hash)) return;
    try {
      await this.#take(jws);
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      throw new StarlingError(
        error.code,
        `it is revoked here, but the other members can't be told: ${error.message}`,
        { hint: 'try again once older revocations have ended: starling doctor', cause: error },
      );
    }
    this.#tell(jws);
  }

  all(): ReadonlyMap<string, string> {
    this.#sweep();
    return this.#texts;
  }

  digest(): string {
    this.#sweep();
    this.#digest ??= createHash('sha256')
      .update([...this.#texts.keys()].toSorted().join())
      .digest('hex')
      .slice(0, 32);
    return this.#digest;
  }

  isMember(did: Did): boolean {
    return this.membershipOf(did) !== undefined;
  }

  membershipOf(did: Did): readonly Grant[] | undefined {
    const { successions } = this.#components;
    if (successions.of(did) !== undefined) return undefined;
    const known = this.#members.get(did);
    const nowS = this.#components.clock.now() / 1000;
    if (known?.every((grant) => grant.claims.exp > nowS) === true) return known;
    const chain = successions
      .lineage(did)
      .flatMap((one) => this.#byHolder.get(one) ?? [])
      .map((grant) => this.#verify(grant, this.#grants, did))
      .find((verdict) => verdict.ok);
    const links = chain?.ok === true ? chain.links : undefined;
    if (links !== undefined) this.#members.set(did, links);
    return links;
  }

  async introduce(chain: readonly string[], successions: readonly string[]): Promise<void> {
    if (successions.length === 0) return;
    for (const jws of chain.toReversed()) await this.add(jws);
    // A stranger may show anything, and signatures cost: none is looked at after a forged one.
    for (const jws of successions) if ((await this.#tryAdd(jws)) === 'refused') return;
  }

  verifyMembership(chain: readonly string[], did: Did): readonly Grant[] {
    this.requireInUse(did);
    const parsed = chain.slice(0, MEMBERSHIP_LINKS_MAX + 1).map((jws) => parseGrant(jws));
    const [leaf] = parsed;
    if (leaf === undefined) {
      throw new StarlingError('STARLING_JOIN_REFUSED', 'it shows no membership');
    }
    const byHash = new Map(parsed.map((grant) => [grant.hash, grant]));
    const verdict = this.#verify(leaf, byHash, did);
    if (verdict.ok) return verdict.links;
    throw new StarlingError(
      'STARLING_JOIN_REFUSED',
      `its membership does not hold: ${verdict.refusal.text}`,
      {
        data: { rule: verdict.refusal.rule },
      },
    );
  }

  holds(grant: Grant): boolean {
    return this.#grants.has(grant.hash);
  }

  memberships(): readonly Grant[] {
    return [...this.#grants.values()];
  }

  spentBy(jti: string): Did | undefined {
    return this.#spent.get(jti)?.aud;
  }

  async spend(signer: Signer, invite: Grant, aud: Did): Promise<void> {
    const spent: Spent = {
      iss: signer.did,
      jti: invite.claims.jti,
      aud,
      iat: Math.floor(this.#components.clock.now() / 1000),
      exp: invite.claims.exp,
    };
    // Known at once, so that of two uses at the same time one finds it spent.
    this.#spent.set(spent.jti, spent);
    await this.add(encodeJws(signer, SPENT_TYPE, spent));
  }

  onAdded(listener: (jws: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** In parts, so that others have a turn, and with one wait for the disk for each part. */
  async #addMany(texts: readonly string[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    for (let at = 0; at < texts.length; at += AT_ONCE) {
      const part = texts.slice(at, at + AT_ONCE);
      outcomes.push(...(await Promise.all(part.map((jws) => this.#tryAdd(jws)))));
      await new Promise((resolve) => setImmediate(resolve));
    }
    return outcomes;
  }

  async #tryAdd(jws: string): Promise<Outcome> {
    const hash = hashOf(jws);
    this.#sweep();
    if (this.#entries.has(hash) || this.#taking.has(hash)) return 'known';
    try {
      await this.#take(jws);
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      this.#components.logger.debug({ error: messageOf(error) }, 'record not taken');
      return isFinal(error) ? 'refused' : 'waits';
    }
    // Revocations have a table of their own.
    if (typeOf(jws) !== REVOCATION_TYPE)
      await this.#components.table.put(hash, Buffer.from(jws, 'utf8'));
    this.#tell(jws);
    return 'new';
  }

  #tell(jws: string): void {
    for (const listener of this.#listeners) listener(jws);
  }

  async #take(jws: string, verified?: Revocation): Promise<void> {
    const hash = hashOf(jws);
    this.#taking.add(hash);
    try {
      const typ = typeOf(jws);
      if (typ === GRANT_TYPE) this.#takeGrant(jws);
      else if (typ === SUCCESSION_TYPE) await this.#takeSuccession(jws);
      else if (typ === REVOCATION_TYPE) await this.#takeRevocation(jws, verified);
      else this.#takeSpent(jws);
    } finally {
      this.#taking.delete(hash);
    }
  }

  #takeGrant(jws: string): void {
    const grant = parseGrant(jws);
    const { aud, iss, jti, exp } = grant.claims;
    const verdict = this.#verify(grant, this.#grants, aud, true);
    if (!verdict.ok) {
      throw new StarlingError('STARLING_GRANT_INVALID', `no membership: ${verdict.refusal.text}`, {
        data: { rule: ruleOf(verdict.refusal) },
      });
    }
    const undo = (): void => {
      this.#grants.delete(grant.hash);
      const left = (this.#byHolder.get(aud) ?? []).filter((one) => one !== grant);
      if (left.length === 0) this.#byHolder.delete(aud);
      else this.#byHolder.set(aud, left);
      this.#members.delete(aud);
    };
    this.#keep(jws, { kind: 'membership', signer: iss, exp, undo });
    this.#grants.set(grant.hash, grant);
    this.#membershipIds.add(jti);
    const held = this.#byHolder.get(aud) ?? [];
    this.#byHolder.set(aud, [...held, grant]);
    this.#members.delete(aud);
  }

  async #takeRevocation(jws: string, verified?: Revocation): Promise<void> {
    // Before its signature is looked at, which costs more: most of a flood ends here.
    const signer = issuerOf(jws);
    this.#requireMember(signer);
    this.#requireRoom('revocation', signer, jws.length);
    const { claims } = verified ?? parseRevocation(jws);
    if (isOverAt(claims.exp, this.#components.clock.now()) && verified === undefined) {
      throw new StarlingError('STARLING_GRANT_INVALID', 'the revoked grant has expired');
    }
    this.#keep(jws, { kind: 'revocation', signer, exp: claims.exp });
    if (verified === undefined) await this.#components.grants.addRevocation(jws);
    if (this.#membershipIds.has(claims.jti)) this.#members.clear();
  }

  async #takeSuccession(jws: string): Promise<void> {
    // Before its signatures are looked at: most of a flood ends here.
    this.#requireMember(issuerOf(jws));
    const succession = parseSuccession(jws);
    const { iss, mesh } = succession.claims;
    if (mesh !== this.#mesh || iss === this.#mesh) {
      const what = iss === this.#mesh ? "a mesh's own key has no heir" : 'it is for another mesh';
      throw new StarlingError('STARLING_GRANT_INVALID', what, { data: { rule: 'mesh' } });
    }
    if ((this.#successionsOf.get(iss) ?? 0) >= SUCCESSIONS_PER_KEY_MAX) {
      throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many successions of one key');
    }
    this.#requireRoom('succession', iss, jws.length);
    await this.#components.successions.add(succession);
    this.#keepSuccession(jws);
    this.#members.clear();
  }

  requireInUse(did: Did): void {
    const retired = retiredBy(did, this.#components.successions);
    if (retired === undefined) return;
    throw new StarlingError('STARLING_KEY_RETIRED', retired.text, {
      hint: 'use the state folder that has the new key: this one is older',
      data: { did },
    });
  }

  #takeSpent(jws: string): void {
    const decoded = decodeJws(jws, SPENT_TYPE, 'a record of a used invite');
    const spent = readSpent(decoded.payload);
    this.#requireMember(spent.iss);
    this.#requireRoom('invite', spent.iss, jws.length);
    decoded.verify(spent.iss);
    const { iss: signer, jti, exp } = spent;
    if (isOverAt(exp, this.#components.clock.now() - KEEP_OVER_MS)) {
      throw new StarlingError('STARLING_GRANT_INVALID', 'the invite that was used has expired');
    }
    const undo = (): void => {
      if (this.#spent.get(jti) === spent) this.#spent.delete(jti);
    };
    this.#keep(jws, { kind: 'invite', signer, exp, undo });
    const known = this.#spent.get(jti);
    // Of two uses that never heard of each other the earlier one is remembered, everywhere.
    if (known === undefined || isEarlier(spent, known)) this.#spent.set(jti, spent);
  }

  #requireMember(did: Did): void {
    if (did === this.#mesh) return;
    if (this.#components.successions.lineage(did).some((one) => this.#byHolder.has(one))) return;
    throw new StarlingError('STARLING_GRANT_INVALID', `${did} is no member of this mesh`);
  }

  /** What nobody else can take: our own, and of a private mesh those of its key and its founder. */
  #rankOf(signer: Did): Rank {
    const { successions } = this.#components;
    if (successions.follows(this.#self, signer)) return 'own';
    if (this.#open) return 'other';
    const isFounder = successions
      .lineage(signer)
      .some((did) => this.#byHolder.get(did)?.some(({ claims }) => claims.iss === this.#mesh));
    return signer === this.#mesh || isFounder ? 'owner' : 'other';
  }

  #requireRoom(kind: RecordKind, signer: Did, sizeBytes: number): void {
    try {
      this.#room.require({ kind, signer, rank: this.#rankOf(signer), sizeBytes });
    } catch (error) {
      this.#components.health?.raise({
        code: FULL,
        text: `a record of the mesh found no room here: ${messageOf(error)}`,
        hint: 'some revocations do not count here until older ones have ended; if one member signs so many without need, revoke its membership: starling grant list',
      });
      throw error;
    }
  }

  #keep(
    jws: string,
    {
      exp,
      ...of
    }: Pick<Entry, 'kind' | 'signer' | 'undo'> & {
      /** Seconds since the epoch; none: for good. */
      readonly exp?: number;
    },
  ): void {
    const { kind, signer } = of;
    const sizeBytes = jws.length;
    this.#requireRoom(kind, signer, sizeBytes);
    const endMs = exp === undefined ? Infinity : exp * 1000 + CLOCK_SKEW_MS;
    const overAtMs = Math.ceil(endMs / MINUTE_MS) * MINUTE_MS;
    const entry = { ...of, jws, sizeBytes, rank: this.#rankOf(signer), overAtMs };
    this.#room.take(entry);
    const hash = hashOf(jws);
    this.#entries.set(hash, entry);
    if (this.#components.clock.now() < overAtMs) this.#texts.set(hash, jws);
    this.#calm = { ...this.#calm, toMs: Math.min(this.#calm.toMs, overAtMs) };
    this.#digest = undefined;
  }

  #keepSuccession(jws: string): void {
    const signer = issuerOf(jws);
    this.#keep(jws, { kind: 'succession', signer });
    this.#successionsOf.set(signer, (this.#successionsOf.get(signer) ?? 0) + 1);
  }

  /** Passes on no more what is over, and forgets it later: a clock that ran ahead may go back. */
  #sweep(): void {
    const { clock, table, logger, health } = this.#components;
    const nowMs = clock.now();
    if (nowMs >= this.#calm.fromMs && nowMs < this.#calm.toMs) return;
    const gone: Write[] = [];
    let toMs = Infinity;
    for (const [key, entry] of this.#entries) {
      const { jws, overAtMs, undo } = entry;
      if (nowMs >= overAtMs + KEEP_OVER_MS) {
        this.#entries.delete(key);
        this.#room.give(entry);
        this.#texts.delete(key);
        undo?.();
        gone.push({ key });
        continue;
      }
      const isOver = nowMs >= overAtMs;
      if (isOver) this.#texts.delete(key);
      else this.#texts.set(key, jws);
      toMs = Math.min(toMs, isOver ? overAtMs + KEEP_OVER_MS : overAtMs);
    }
    this.#calm = { fromMs: nowMs, toMs };
    this.#digest = undefined;
    if (gone.length === 0) return;
    health?.clear(FULL);
    table
      .batch(gone)
      .catch((error: unknown) =>
        logger.warn({ error: messageOf(error) }, 'records that are over were not deleted'),
      );
  }

  #verify(
    leaf: Grant,
    more: ReadonlyMap<string, Grant>,
    holder: Did,
    takenIn = false,
  ): ReturnType<typeof verifyChain> {
    const { successions } = this.#components;
    const verdict = verifyChain(leaf, {
      find: (hash) => more.get(hash) ?? this.#grants.get(hash),
      nowMs: this.#components.clock.now(),
      successions: takenIn ? this.#lenient : successions,
      isRevoked: (grant, mayRevoke) =>
        !this.#open && !takenIn && this.#components.grants.isRevoked(grant, mayRevoke),
      maxLinks: MEMBERSHIP_LINKS_MAX,
      holder,
      owner: this.#mesh,
    });
    if (verdict.ok && !allowsOnMesh(leaf, this.#mesh, 'mesh/join')) {
      return {
        ok: false,
        refusal: { rule: 'not-covered', text: 'it does not let its holder join' },
      };
    }
    return verdict;
  }
}
