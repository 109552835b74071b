/**
 * What every member must know: who is a member, what is revoked, which invites there are and which of
 * them are spent, and which keys were replaced. Each of these kinds is a signed text that is verified before it is kept or
 * passed on, so that it does not matter from whom it came. `record-set.ts` keeps the texts,
 * `member-list.ts` the members, and `record-sync.ts` carries the records to others.
 */
import { StarlingError, messageOf } from '../core/index.ts';
import type { BucketSize, Clock, Did, Health, Logger, MeshId } from '../core/index.ts';
import {
  GRANT_TYPE,
  KEEP_OVER_MS,
  MEMBERSHIP_LINKS_MAX,
  REVOCATION_TYPE,
  SUCCESSION_TYPE,
  isOverAt,
  parseGrant,
  parseRevocation,
  parseSuccession,
} from '../grants/index.ts';
import type { Grant, GrantBook, Revocation, Successions } from '../grants/index.ts';
import { decodeJws, encodeJws } from '../identity/index.ts';
import type { Signer } from '../identity/index.ts';
import type { Table, Write } from '../store/index.ts';
import { createInvites, usesOf } from './invites.ts';
import type { Invites } from './invites.ts';
import { createMemberList } from './member-list.ts';
import type { MemberList } from './member-list.ts';
import type { MembershipEnd } from './membership-end.ts';
import { createOverusedTickets } from './overused-tickets.ts';
import type { OverusedTickets } from './overused-tickets.ts';
import { createRecordPace, isLater } from './record-pace.ts';
import type { RecordPace } from './record-pace.ts';
import type { Rank, RecordKind, RecordQuotasInit } from './record-quotas.ts';
import { createRecordSet } from './record-set.ts';
import type { RecordSet } from './record-set.ts';
import {
  SPENT_TYPE,
  hashOf,
  idOf,
  isFinal,
  isForgotten,
  issuerOf,
  readSpent,
  typeOf,
} from './record-texts.ts';
import type { Spent } from './record-texts.ts';

/** Texts that are taken in one turn of the event loop, with one wait for the disk. */
const AT_ONCE = 128;
/** The longest rest between two of these. */
const REST_MAX_MS = 50;
/** The same after records of somebody who signs many, in times of the work. */
const LONG_REST = { times: 6, maxMs: 500 } as const;
/** Texts of a peer that are taken in one turn: others wait for their end. */
const OF_PEER_AT_ONCE = 32;
/** Successions of one key: one counts, the others are kept so that all see the conflict. */
const SUCCESSIONS_PER_KEY_MAX = 4;

/** What the records work with. */
export interface RecordComponents {
  readonly table: Table;
  readonly grants: Pick<
    GrantBook,
    'addRevocation' | 'findRevocation' | 'isRevoked' | 'revocations'
  >;
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
  /** How fast one signer's records of one kind are taken. */
  readonly pace?: BucketSize;
}

type Outcome = 'new' | 'known' | 'refused' | 'waits' | 'later';

/** What became of many texts. */
export interface Taken {
  /** New and sound. */
  readonly news: number;
  /** Of signers that sign too many: not looked at, and to be offered again. */
  readonly later: number;
}

/** The set of records of one mesh. */
export interface Records {
  load(): Promise<void>;
  /** Takes one text; true when it is new and sound. Never throws for bad input. */
  add(jws: string): Promise<boolean>;
  /** Takes texts in whatever order; gives how many were new and sound. */
  addAll(texts: readonly string[]): Promise<number>;
  /** The same of texts that a peer has sent: rests as long as it works, so that who sends many holds up nobody's calls. */
  addOfPeer(texts: readonly string[]): Promise<Taken>;
  /**
   * Lets a text of our own count before it is written; gives the function that writes it.
   * @throws why it does not count
   */
  hold(jws: string): Promise<() => Promise<void>>;
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
  /** How the last membership of `did` was ended; undefined while one holds, and of whom never had one. */
  endOf(did: Did): MembershipEnd | undefined;
  /** The memberships that `grant`, a known one, stands on, itself first. */
  above(grant: Grant): readonly Grant[];
  /** That the key `did` was not replaced. @throws STARLING_KEY_RETIRED */
  requireInUse(did: Did): void;
  /** Verifies a membership chain that `did` shows. @throws STARLING_KEY_RETIRED, STARLING_JOIN_REFUSED */
  verifyMembership(chain: readonly string[], did: Did): readonly Grant[];
  /** True when this very grant is among the records: a membership, and no invite. */
  holds(grant: Grant): boolean;
  /** All memberships that were ever issued, whether they count or not. */
  memberships(): readonly Grant[];
  /** All invites that are known, whether they count or not. */
  invites(): readonly Grant[];
  /** The invites to the one-time key `key`, whether they count or not. */
  invitesTo(key: Did): readonly Grant[];
  /** Verifies that an invite counts now. @throws STARLING_TICKET_INVALID, STARLING_TICKET_EXPIRED */
  verifyInvite(invite: Grant): void;
  /** Who used the invite, the earliest first. */
  usersOf(jti: string): readonly Did[];
  /** Signs and keeps that `aud` used `invite`; counts at once. Gives the text that says so. */
  spend(signer: Signer, invite: Grant, aud: Did): Promise<string>;
  /** Hears each new record. */
  onAdded(listener: (jws: string) => void): () => void;
  /** Hears of a member that signs more than is taken, at each sound record by which it is over, and how often that counts. */
  onSignsTooMuch(listener: (signer: Did, times: number) => void): () => void;
}

/** Makes the records of a mesh, empty: `load` reads them. */
export function createRecords(components: RecordComponents, init: RecordsInit): Records {
  return new MeshRecords(components, init);
}

class MeshRecords implements Records {
  readonly #components: RecordComponents;
  readonly #init: RecordsInit;
  readonly #set: RecordSet;
  readonly #members: MemberList;
  readonly #pace: RecordPace;
  /** Somebody has signed many of the records at hand. */
  #isHasty = false;
  /** Being taken, and until when: a revocation is told of before it is in the set. */
  readonly #taking = new Map<string, Promise<void>>();
  /** Texts that need not be written, because they were just read. */
  readonly #onDisk = new Set<string>();
  readonly #invites: Invites;
  readonly #successionsOf = new Map<Did, number>();
  readonly #listeners = new Set<(jws: string) => void>();
  readonly #overListeners = new Set<(signer: Did, times: number) => void>();
  readonly #overused: OverusedTickets;

  constructor(components: RecordComponents, init: RecordsInit) {
    this.#components = components;
    this.#init = init;
    this.#members = createMemberList(components, init);
    this.#invites = createInvites(init.mesh);
    this.#overused = createOverusedTickets({
      invites: this.#invites,
      successions: components.successions,
      members: {
        isKnown: (did) => this.#members.isKnown(did),
        isMember: (did) => this.isMember(did),
      },
      health: components.health,
    });
    const over = (signer: Did, times: number): void => {
      for (const listener of this.#overListeners) listener(signer, times);
    };
    this.#pace = createRecordPace(components.clock, over, init.pace);
    this.#set = createRecordSet(
      { ...components, rankOf: (signer) => this.#rankOf(signer) },
      init.room,
    );
  }

  async load(): Promise<void> {
    const { clock, grants, successions, table } = this.#components;
    // The one of each key that counts comes first, so that no other takes its place.
    for (const { claims, jws } of successions.all()) {
      // Those of a mesh that this node was in before are no business of this one.
      if (claims.mesh === this.#init.mesh) this.#keepSuccession(jws);
    }
    const texts: string[] = [];
    const over: Write[] = [];
    for await (const [key, value] of table.entries()) {
      const jws = Buffer.from(value).toString('utf8');
      if (isForgotten(jws, clock.now())) over.push({ key });
      else texts.push(jws);
    }
    for (const jws of texts) this.#onDisk.add(jws);
    await this.addAll(texts);
    this.#onDisk.clear();
    for (const revocation of grants.revocations()) {
      // Those of a mesh that this node was in before are by no member of this one.
      if (this.#members.isKnown(revocation.claims.iss))
        await this.#take(revocation.jws, revocation);
    }
    if (over.length > 0)
      await table.batch(over).catch((error: unknown) => this.#notForgotten(error));
  }

  /** They are forgotten at the next start. */
  #notForgotten(error: unknown): void {
    this.#components.logger.warn({ error: messageOf(error) }, 'records that are over stay on disk');
  }

  async add(jws: string): Promise<boolean> {
    return (await this.#tryAdd(jws)) === 'new';
  }

  async addAll(texts: readonly string[]): Promise<number> {
    return (await this.#addAll(texts, false)).news;
  }

  addOfPeer(texts: readonly string[]): Promise<Taken> {
    return this.#addAll(texts, true);
  }

  async #addAll(texts: readonly string[], rests: boolean): Promise<Taken> {
    const isBase = (jws: string): boolean => [GRANT_TYPE, SUCCESSION_TYPE].includes(typeOf(jws));
    const all: Outcome[] = [];
    // Parents may come after children, and heirs before whom they follow; what members sign is last.
    let waiting: readonly string[] = texts.filter(isBase);
    for (let pass = 0; pass < MEMBERSHIP_LINKS_MAX && waiting.length > 0; pass += 1) {
      const outcomes = await this.#addMany(waiting, rests);
      const news = outcomes.filter((one) => one === 'new').length;
      all.push(...outcomes);
      waiting = news === 0 ? [] : waiting.filter((_, index) => outcomes[index] === 'waits');
    }
    const others = texts.filter((jws) => !isBase(jws));
    all.push(...(await this.#addMany(others, rests)));
    const countOf = (wanted: Outcome): number => all.filter((one) => one === wanted).length;
    return { news: countOf('new'), later: countOf('later') };
  }

  async hold(jws: string): Promise<() => Promise<void>> {
    this.#onDisk.add(jws);
    try {
      await this.#take(jws);
    } finally {
      this.#onDisk.delete(jws);
    }
    this.#tell(jws);
    return () => this.#write(jws);
  }

  async publish(jws: string): Promise<void> {
    if (this.#isKnown(hashOf(jws))) return;
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
    return this.#set.all();
  }

  digest(): string {
    return this.#set.digest();
  }

  isMember(did: Did): boolean {
    return this.membershipOf(did) !== undefined;
  }

  membershipOf(did: Did): readonly Grant[] | undefined {
    return this.#members.chainOf(did);
  }

  async introduce(chain: readonly string[], successions: readonly string[]): Promise<void> {
    if (successions.length === 0) return;
    for (const jws of chain.toReversed()) await this.add(jws);
    // A stranger may show anything, and signatures cost: none is looked at after a forged one.
    for (const jws of successions) if ((await this.#tryAdd(jws)) === 'refused') return;
  }

  endOf(did: Did): MembershipEnd | undefined {
    return this.#members.endOf(did);
  }

  above(grant: Grant): readonly Grant[] {
    return this.#members.above(grant);
  }

  requireInUse(did: Did): void {
    this.#members.requireInUse(did);
  }

  verifyMembership(chain: readonly string[], did: Did): readonly Grant[] {
    return this.#members.verifyShown(chain, did);
  }

  holds(grant: Grant): boolean {
    return this.#members.holds(grant);
  }

  memberships(): readonly Grant[] {
    return this.#members.all();
  }

  invites(): readonly Grant[] {
    return this.#invites.all();
  }

  invitesTo(key: Did): readonly Grant[] {
    return this.#invites.byKey(key);
  }

  verifyInvite(invite: Grant): void {
    this.#members.verifyInvite(invite);
  }

  usersOf(jti: string): readonly Did[] {
    return this.#invites.users(jti);
  }

  async spend(signer: Signer, invite: Grant, aud: Did): Promise<string> {
    const spent: Spent = {
      iss: signer.did,
      jti: invite.claims.jti,
      aud,
      iat: Math.floor(this.#components.clock.now() / 1000),
      exp: invite.claims.exp,
    };
    // Known at once, so that of two uses at the same time one finds it spent.
    const undo = this.#invites.use(spent);
    const jws = encodeJws(signer, SPENT_TYPE, spent);
    try {
      await this.add(jws);
    } catch (error) {
      undo();
      throw error;
    }
    return jws;
  }

  onAdded(listener: (jws: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onSignsTooMuch(listener: (signer: Did, times: number) => void): () => void {
    this.#overListeners.add(listener);
    return () => this.#overListeners.delete(listener);
  }

  /** In parts, so that others have a turn, and with one wait for the disk for each part. */
  async #addMany(texts: readonly string[], rests: boolean): Promise<readonly Outcome[]> {
    const { clock } = this.#components;
    const outcomes: Outcome[] = [];
    const atOnce = rests ? OF_PEER_AT_ONCE : AT_ONCE;
    for (let at = 0; at < texts.length; at += atOnce) {
      const part = texts.slice(at, at + atOnce);
      const beganMs = clock.now();
      outcomes.push(...(await Promise.all(part.map((jws) => this.#tryAdd(jws)))));
      const rest = this.#isHasty ? LONG_REST : { times: 1, maxMs: REST_MAX_MS };
      this.#isHasty = false;
      const restMs = rests ? Math.min(rest.maxMs, rest.times * (clock.now() - beganMs)) : 0;
      await new Promise<void>((resolve) => {
        if (restMs > 0) clock.schedule(restMs, resolve);
        else setImmediate(resolve);
      });
    }
    return outcomes;
  }

  async #tryAdd(jws: string): Promise<Outcome> {
    const hash = hashOf(jws);
    this.#set.sweep();
    if (this.#isKnown(hash)) {
      // What hangs below a grant is judged by it, so that it must count before somebody goes on. (The other
      // kinds are told of while they are taken, by whom they would wait for.)
      if (typeOf(jws) === GRANT_TYPE) await this.#taking.get(hash);
      return 'known';
    }
    try {
      await this.#take(jws);
    } catch (error) {
      // That the disk fails is nothing that the record has done.
      if (!(error instanceof StarlingError) || error.code === 'STARLING_STATE_UNUSABLE')
        throw error;
      this.#components.logger.debug({ error: messageOf(error) }, 'record not taken');
      if (isLater(error)) return 'later';
      return isFinal(error) ? 'refused' : 'waits';
    }
    this.#tell(jws);
    return 'new';
  }

  #tell(jws: string): void {
    for (const listener of this.#listeners) listener(jws);
  }

  #take(jws: string, verified?: Revocation): Promise<void> {
    const hash = hashOf(jws);
    // The text is on the list before its verification begins, which may tell of it.
    let done = (): void => undefined;
    this.#taking.set(hash, new Promise((resolve) => void (done = resolve)));
    return this.#verifyAndKeep(jws, verified).finally(() => {
      this.#taking.delete(hash);
      done();
    });
  }

  /** Verifies a text, writes it, and only then lets it count. */
  async #verifyAndKeep(jws: string, verified: Revocation | undefined): Promise<void> {
    const typ = typeOf(jws);
    // Revocations have a table of their own.
    if (typ === REVOCATION_TYPE) return this.#takeRevocation(jws, verified);
    if (typ === SUCCESSION_TYPE) return this.#takeSuccession(jws);
    const count = typ === GRANT_TYPE ? this.#grantIn(jws) : this.#spentIn(jws);
    await this.#write(jws);
    count();
  }

  async #write(jws: string): Promise<void> {
    if (this.#onDisk.has(jws)) return;
    await this.#components.table.put(hashOf(jws), Buffer.from(jws, 'utf8'));
  }

  #isKnown(hash: string): boolean {
    return this.#set.has(hash) || this.#taking.has(hash);
  }

  #grantIn(jws: string): () => void {
    const grant = parseGrant(jws);
    return usesOf(grant, this.#init.mesh) === undefined
      ? this.#membershipIn(jws, grant)
      : this.#inviteIn(jws, grant);
  }

  #inviteIn(jws: string, invite: Grant): () => void {
    const { iss, exp } = invite.claims;
    this.#set.requireRoom('invite', iss, jws.length);
    this.#requirePace('invite', iss, jws);
    this.#members.requireSoundInvite(invite);
    this.#tookAtPace('invite', jws, invite.claims);
    if (!this.#invites.hasRoom(invite.claims.aud)) {
      throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many invites to one key');
    }
    return () => {
      const undo = this.#invites.add(invite);
      this.#set.keep(jws, { kind: 'invite', signer: iss, exp, ...(undo && { undo }) });
    };
  }

  #membershipIn(jws: string, grant: Grant): () => void {
    const { iss, exp } = grant.claims;
    this.#requirePace('membership', iss, jws);
    this.#members.requireSound(grant);
    this.#set.requireRoom('membership', iss, jws.length);
    this.#tookAtPace('membership', jws, grant.claims);
    return () => {
      let undo = (): void => undefined;
      this.#set.keep(jws, { kind: 'membership', signer: iss, exp, undo: () => undo() });
      undo = this.#members.add(grant);
    };
  }

  async #takeRevocation(jws: string, verified?: Revocation): Promise<void> {
    // Before its signature is looked at, which costs more: most of a flood ends here.
    const signer = issuerOf(jws);
    this.#requireMember(signer);
    this.#set.requireRoom('revocation', signer, jws.length);
    if (verified === undefined && !this.#endsMembership(jws, signer)) {
      this.#requirePace('revocation', signer, jws);
    }
    const { claims } = verified ?? parseRevocation(jws);
    if (verified === undefined) this.#tookAtPace('revocation', jws, claims);
    if (isOverAt(claims.exp, this.#components.clock.now()) && verified === undefined) {
      throw new StarlingError('STARLING_GRANT_INVALID', 'the revoked grant has expired');
    }
    if (verified === undefined) await this.#components.grants.addRevocation(jws);
    this.#set.keep(jws, { kind: 'revocation', signer, exp: claims.exp });
    if (!this.#members.hasId(claims.jti)) return;
    this.#members.forgetVerdicts();
    this.#overused.look();
  }

  async #takeSuccession(jws: string): Promise<void> {
    // Before its signatures are looked at: most of a flood ends here.
    this.#requireMember(issuerOf(jws));
    const succession = parseSuccession(jws);
    const { iss, mesh } = succession.claims;
    if (mesh !== this.#init.mesh || iss === this.#init.mesh) {
      const what =
        iss === this.#init.mesh ? "a mesh's own key has no heir" : 'it is for another mesh';
      throw new StarlingError('STARLING_GRANT_INVALID', what, { data: { rule: 'mesh' } });
    }
    if ((this.#successionsOf.get(iss) ?? 0) >= SUCCESSIONS_PER_KEY_MAX) {
      throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many successions of one key');
    }
    this.#set.requireRoom('succession', iss, jws.length);
    // Those that count have a table of their own; here lie those that contradict them.
    const verdict = await this.#components.successions.add(succession);
    if (verdict === 'conflict') await this.#write(jws);
    this.#keepSuccession(jws);
    this.#members.forgetVerdicts();
  }

  #spentIn(jws: string): () => void {
    const decoded = decodeJws(jws, SPENT_TYPE, 'a record of a used invite');
    const spent = readSpent(decoded.payload);
    this.#requireMember(spent.iss);
    this.#set.requireRoom('invite', spent.iss, jws.length);
    this.#requirePace('invite', spent.iss, jws);
    decoded.verify(spent.iss);
    this.#tookAtPace('invite', jws, spent);
    const { iss: signer, jti, exp } = spent;
    if (isOverAt(exp, this.#components.clock.now() - KEEP_OVER_MS)) {
      throw new StarlingError('STARLING_GRANT_INVALID', 'the invite that was used has expired');
    }
    return () => {
      let undo = (): void => undefined;
      this.#set.keep(jws, {
        kind: 'invite',
        signer,
        exp,
        undo: () => {
          undo();
          this.#overused.look();
        },
      });
      undo = this.#invites.use(spent);
      this.#overused.look(jti);
    };
  }

  #requireMember(did: Did): void {
    if (this.#members.isKnown(did)) return;
    throw new StarlingError('STARLING_GRANT_INVALID', `${did} is no member of this mesh`);
  }

  /** @throws STARLING_LIMIT_EXCEEDED while others' records of this signer are to come later */
  #requirePace(kind: RecordKind, signer: Did, jws: string): void {
    if (this.#isPaced(signer, jws)) this.#pace.require(kind, signer);
  }

  #tookAtPace(kind: RecordKind, jws: string, { iss, iat }: Pick<Spent, 'iss' | 'iat'>): void {
    if (this.#isPaced(iss, jws) && this.#pace.took(kind, iss, iat * 1000)) this.#isHasty = true;
  }

  /** Not what was read from disk, nor what this node and the owner of the mesh sign. */
  #isPaced(signer: Did, jws: string): boolean {
    return !this.#onDisk.has(jws) && this.#rankOf(signer) === 'other';
  }

  /** A membership that is known here is ended at once, and once. Nothing is verified yet. */
  #endsMembership(jws: string, signer: Did): boolean {
    const jti = idOf(jws);
    if (!this.#members.hasId(jti)) return false;
    return this.#components.grants.findRevocation(jti, [signer]) === undefined;
  }

  /** What nobody else can take: our own, and of a private mesh those of its key and its founder. */
  #rankOf(signer: Did): Rank {
    const { mesh, open, self } = this.#init;
    if (this.#components.successions.follows(self, signer)) return 'own';
    if (open) return 'other';
    return signer === mesh || this.#members.isFounder(signer) ? 'owner' : 'other';
  }

  #keepSuccession(jws: string): void {
    const signer = issuerOf(jws);
    this.#set.keep(jws, { kind: 'succession', signer });
    this.#successionsOf.set(signer, (this.#successionsOf.get(signer) ?? 0) + 1);
  }
}
