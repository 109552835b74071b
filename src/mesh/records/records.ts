/**
 * What every member must know: who is a member, what is revoked, which invites there are and which of
 * them are spent, and which keys were replaced. Each of these kinds is a signed text that is verified before it is kept or
 * passed on, so that it does not matter from whom it came. `record-set.ts` keeps the texts,
 * `member-list.ts` the members, and `record-sync.ts` carries the records to others.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { BucketSize, Clock, Did, Health, Logger, MeshId, PeerId } from '../../core/index.ts';
import type { Grant, GrantBook, Revocation, Successions } from '../../grants/index.ts';
import { encodeJws } from '../../identity/index.ts';
import type { Signer } from '../../identity/index.ts';
import type { Table, Write } from '../../store/index.ts';
import { createInvites } from './invites.ts';
import type { Invites } from './invites.ts';
import { createMemberList } from './member-list.ts';
import type { MemberList } from './member-list.ts';
import type { MembershipEnd } from './membership-end.ts';
import { createOverusedTickets } from './overused-tickets.ts';
import { createRecordIntake } from './record-intake.ts';
import type { RecordIntake, Taken } from './record-intake.ts';
import { createRecordKinds } from './record-kinds.ts';
import type { RecordKinds } from './record-kinds.ts';
import { createRecordPace } from './record-pace.ts';
import type { Rank, RecordQuotasInit } from './record-quotas.ts';
import { createRecordSet } from './record-set.ts';
import type { RecordSet } from './record-set.ts';
import { SPENT_TYPE, hashOf, isForgotten, recordText } from './record-texts.ts';
import type { Spent } from './record-texts.ts';

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

/** The set of records of one mesh. */
export interface Records {
  load(): Promise<void>;
  /** Takes one text; true when it is new and sound. Never throws for bad input. */
  add(jws: string): Promise<boolean>;
  /** Takes texts in whatever order; gives how many were new and sound. */
  addAll(texts: readonly string[]): Promise<number>;
  /** The same of texts that `from` has sent: one part after the other, with rests, so that who sends many holds up nobody's calls. */
  addOfPeer(texts: readonly string[], from: PeerId): Promise<Taken>;
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
  readonly #invites: Invites;
  readonly #kinds: RecordKinds;
  readonly #intake: RecordIntake;
  readonly #listeners = new Set<(jws: string) => void>();
  readonly #overListeners = new Set<(signer: Did, times: number) => void>();

  constructor(components: RecordComponents, init: RecordsInit) {
    const { clock, health, logger, successions } = components;
    this.#components = components;
    this.#init = init;
    const members = createMemberList(components, init);
    const invites = createInvites(init.mesh);
    const rankOf = (signer: Did): Rank => this.#rankOf(signer);
    const over = (signer: Did, times: number): void => {
      for (const listener of this.#overListeners) listener(signer, times);
    };
    const set = createRecordSet({ ...components, rankOf }, init.room);
    this.#members = members;
    this.#invites = invites;
    this.#set = set;
    this.#kinds = createRecordKinds(
      {
        ...components,
        set,
        members,
        invites,
        overused: createOverusedTickets({
          invites,
          successions,
          members: {
            isKnown: (did) => members.isKnown(did),
            isMember: (did) => this.isMember(did),
          },
          health,
        }),
        pace: createRecordPace(clock, over, init.pace),
        rankOf,
        write: ({ hash, jws }) => components.table.put(hash, Buffer.from(jws, 'utf8')),
      },
      init,
    );
    this.#intake = createRecordIntake({
      set,
      kinds: this.#kinds,
      clock,
      logger,
      told: (jws) => {
        for (const listener of this.#listeners) listener(jws);
      },
    });
  }

  async load(): Promise<void> {
    const { clock, grants, successions, table } = this.#components;
    // The one of each key that counts comes first, so that no other takes its place.
    for (const { claims, jws } of successions.all()) {
      // Those of a mesh that this node was in before are no business of this one.
      if (claims.mesh === this.#init.mesh) {
        this.#kinds.keepSuccession(recordText(jws), claims.iss);
      }
    }
    const texts: string[] = [];
    const over: Write[] = [];
    for await (const [key, value] of table.entries()) {
      const jws = Buffer.from(value).toString('utf8');
      if (isForgotten(jws, clock.now())) over.push({ key });
      else texts.push(jws);
    }
    await this.#intake.all(texts, true);
    for (const revocation of grants.revocations()) {
      // Those of a mesh that this node was in before are by no member of this one.
      if (this.#members.isKnown(revocation.claims.iss)) this.#loadRevocation(revocation);
    }
    if (over.length > 0)
      await table.batch(over).catch((error: unknown) => this.#notForgotten(error));
  }

  /** Of more than there is room for some are not passed on; the grant book has them all. */
  #loadRevocation(revocation: Revocation): void {
    try {
      this.#intake.known(revocation);
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      this.#components.logger.debug({ error: messageOf(error) }, 'revocation not passed on');
    }
  }

  /** They are forgotten at the next start. */
  #notForgotten(error: unknown): void {
    this.#components.logger.warn({ error: messageOf(error) }, 'records that are over stay on disk');
  }

  async add(jws: string): Promise<boolean> {
    return (await this.#intake.one(jws)) === 'new';
  }

  addAll(texts: readonly string[]): Promise<number> {
    return this.#intake.all(texts);
  }

  addOfPeer(texts: readonly string[], from: PeerId): Promise<Taken> {
    return this.#intake.ofPeer(texts, from);
  }

  async hold(jws: string): Promise<() => Promise<void>> {
    await this.#intake.own(jws, true);
    return async () => this.#components.table.put(hashOf(jws), Buffer.from(jws, 'utf8'));
  }

  async publish(jws: string): Promise<void> {
    try {
      await this.#intake.own(jws);
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      throw new StarlingError(
        error.code,
        `it is revoked here, but the other members can't be told: ${error.message}`,
        { hint: 'try again once older revocations have ended: starling doctor', cause: error },
      );
    }
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
    for (const jws of successions) {
      if (['refused', 'later'].includes(await this.#intake.one(jws))) return;
    }
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

  /** What nobody else can take: our own, and of a private mesh those of its key and its founder. */
  #rankOf(signer: Did): Rank {
    const { mesh, open, self } = this.#init;
    if (this.#components.successions.follows(self, signer)) return 'own';
    if (open) return 'other';
    return signer === mesh || this.#members.isFounder(signer) ? 'owner' : 'other';
  }
}
