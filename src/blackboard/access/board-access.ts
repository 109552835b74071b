/**
 * Who may do what on one board, and up to where what a writer wrote counts. It follows from a set of signed records
 * that only grows, and from nothing else: no clock of this node and no order in which records came, so that
 * every replica that has the same records shows the same of the same lanes.
 *
 * A right is revoked with a cut: the positions in the lanes of those who lose the right that the revoker had seen.
 * A lane that a cut names counts up to there, whatever was granted to its writer then; a lane that
 * none names counts as far as its writer has rights that nobody revoked. So a writer who gets
 * a right again begins another lane.
 */
import { createHash } from 'node:crypto';
import type { Did } from '../../core/index.ts';
import { matchesTarget, patternCovers, targetOf, verifyChain } from '../../grants/index.ts';
import type { Grant, SuccessionView } from '../../grants/index.ts';
import { changeName, keyResource, readAccessRecord, wholeOf } from './access-records.ts';
import type { AccessRecord, BoardCreation, BoardReplicas, Cuts } from './access-records.ts';
import { isNamed, limitIn } from './cuts.ts';
import { heldOf, rightOf } from './held-rights.ts';
import type { Held, RevocationRecord } from './held-rights.ts';
import { creatorIn, nameIn } from '../board-id.ts';
import type { LaneId } from '../lanes/lane.ts';
import type { BoardRight } from '../types.ts';
import { ReplicaChanges } from './replica-changes.ts';

/** What a replica asks before it takes something of a lane. */
export interface LaneAccess {
  /** Something that was written counts no more. */
  readonly hasCuts: boolean;
  /** Up to which clock the lane counts; 0: not at all. */
  limitOf(lane: LaneId): number;
  /** Whether its writer may, or might when the lane was written, write the key. */
  mayWriteIn(lane: LaneId, key: string): boolean;
  /** Whether somebody may write any key now. */
  mayWriteSome(did: Did): boolean;
  /**
   * Whether its writer may, or might when the lane was written, write any key: else there is no such lane, not even one that
   * says nothing of any key.
   */
  mayBegin(lane: LaneId): boolean;
  /** Whether its writer may, or might when the lane was written, let it stand for lanes of others. */
  mayAdopt(lane: LaneId): boolean;
}

/** Records of one board: a bound that an honest board does not reach. */
export const RECORDS_MAX = 512;
/**
 * Of these, what only the creator's may fill: else administrators, also such as have lost that right, could leave no room for what takes
 * a right back. Higher: more can be taken back; lower: administrators give more rights.
 */
const RECORDS_RESERVED_MIN = 128;
const DIGITS = 32;
/** Keys that begin with this are the board's own. */
const HIDDEN = '\u0000';

/** The rights on one board. */
export class BoardAccess implements LaneAccess {
  readonly id: string;
  readonly creator: Did;
  readonly #name: string;
  readonly #successions: SuccessionView | undefined;
  readonly #texts = new Set<string>();
  readonly #grants = new Map<string, Grant>();
  readonly #revocations = new Map<string, RevocationRecord[]>();
  #creation: BoardCreation | undefined;
  #creationText: string | undefined;
  readonly #replicaChanges = new ReplicaChanges();
  #held = new Map<Did, Held[]>();
  #digest: string | undefined;
  #pending: readonly Cuts[] = [];
  #changes = 0;
  /** How many records others than the creator have signed. */
  #ofOthers = 0;

  /** `id` must be that of a board with a creator. */
  constructor(id: string, successions?: SuccessionView) {
    this.id = id;
    this.creator = creatorIn(id) ?? ('' as Did);
    this.#name = nameIn(id);
    this.#successions = successions;
  }

  get creation(): BoardCreation | undefined {
    return this.#creation;
  }

  /** The record of who created the board; undefined where it has not come. */
  get creationText(): string | undefined {
    return this.#creationText;
  }

  get records(): readonly string[] {
    return [...this.#texts];
  }

  /** Whether a record is kept already, given as its text. */
  knows(jws: string): boolean {
    return this.#texts.has(jws);
  }

  /** Each entry carries its writer's signature. */
  get isSigned(): boolean {
    return this.#creation?.signed === true;
  }

  /** A node that may have the board holds its entries only while somebody there uses them. */
  get isOnDemand(): boolean {
    return this.#creation?.hold === 'on-demand';
  }

  /** Who keeps the keys of a strong board, as far as records say so; undefined of a board that is not strong. */
  get replicas(): readonly Did[] | undefined {
    const first = this.#creation?.strong;
    if (first === undefined) return undefined;
    return this.lastChange?.voters.map(({ did }) => did) ?? first;
  }

  /** The last change of the replicas that counts. */
  get lastChange(): BoardReplicas | undefined {
    return this.#countedChanges().at(-1)?.change;
  }

  /** Records of the changes of the replicas that count and that one of `signers` has signed, the last ones first. */
  changesBy(signers: readonly Did[]): readonly string[] {
    return this.#countedChanges()
      .filter(({ change }) => signers.some((signer) => this.#isSameNode(change.iss, signer)))
      .map(({ jws }) => jws)
      .toReversed();
  }

  /** Whether a change of the replicas, given as its record, counts now. */
  isCounted(jws: string): boolean {
    return this.#countedChanges().some((known) => known.jws === jws);
  }

  /** Reads a change of the replicas; undefined when nobody has signed the text who might have. */
  readChange(jws: string): BoardReplicas | undefined {
    const known = this.#replicaChanges.get(jws);
    if (known !== undefined) return known;
    const record = readAccessRecord(jws);
    if (record?.kind !== 'replicas') return undefined;
    return this.#isFit(record, this.#grants) ? record.change : undefined;
  }

  get hasCuts(): boolean {
    return this.#revocations.size > 0;
  }

  /** Hash of all records; empty while there is none. */
  get digest(): string {
    if (this.#texts.size === 0) return '';
    this.#digest ??= createHash('sha256')
      .update([...this.#texts].toSorted().join('\n'))
      .digest('hex')
      .slice(0, DIGITS);
    return this.#digest;
  }

  /**
   * Which of `texts` are new and would count, each after those on which it stands, and how many are no records
   * at all. Of others than the creator there are as many as leave `reserved` to that one. Keeps nothing.
   */
  fit(
    texts: readonly string[],
    reserved = RECORDS_RESERVED_MIN,
  ): {
    readonly records: readonly AccessRecord[];
    readonly forged: number;
    /** How many would count, if there were room. */
    readonly left: number;
  } {
    const fresh = texts.filter((jws) => !this.#texts.has(jws)).slice(0, RECORDS_MAX);
    const read = fresh.flatMap((jws) => readAccessRecord(jws) ?? []);
    const grants = new Map(this.#grants);
    const found: AccessRecord[] = [];
    let rest = read;
    for (let isMore = true; isMore && rest.length > 0;) {
      const fitting = rest.filter((record) => this.#isFit(record, grants));
      for (const record of fitting)
        if (record.kind === 'grant') grants.set(record.grant.hash, record.grant);
      rest = rest.filter((record) => !fitting.includes(record));
      found.push(...fitting);
      isMore = fitting.length > 0;
    }
    const records = this.#within(found, reserved);
    return { records, forged: fresh.length - read.length, left: found.length - records.length };
  }

  /** Those of `found` for which there is room, none without those on which it stands. */
  #within(found: readonly AccessRecord[], reserved: number): readonly AccessRecord[] {
    const left = new Set<string>();
    let [size, ofOthers] = [this.#texts.size, this.#ofOthers];
    return found.filter((record) => {
      const isOther = !this.#isCreator(signerOf(record));
      const isFull = isOther && ofOthers >= RECORDS_MAX - reserved;
      const parents = record.kind === 'grant' ? (record.grant.claims.prf ?? []) : [];
      if (size >= RECORDS_MAX || isFull || parents.some((parent) => left.has(parent))) {
        if (record.kind === 'grant') left.add(record.grant.hash);
        return false;
      }
      size += 1;
      if (isOther) ofOthers += 1;
      return true;
    });
  }

  /** Keeps records that {@link fit} gave. */
  keep(records: readonly AccessRecord[]): void {
    for (const record of records) {
      if (!this.#texts.has(record.jws) && !this.#isCreator(signerOf(record))) this.#ofOthers += 1;
      this.#texts.add(record.jws);
      if (record.kind === 'grant') this.#grants.set(record.grant.hash, record.grant);
      else if (record.kind === 'creation') {
        const { creation } = record;
        const isEarlier = this.#creation === undefined || creation.at < this.#creation.at;
        if (isEarlier) {
          this.#creation = creation;
          this.#creationText = record.jws;
        }
      } else if (record.kind === 'replicas') {
        this.#replicaChanges.keep(record.jws, record.change);
      } else {
        const { jti } = record.revocation.claims;
        const known = this.#revocations.get(jti) ?? [];
        this.#revocations.set(jti, [...known, record]);
      }
    }
    this.#digest = undefined;
    this.#changes += 1;
    this.#recompute();
  }

  /** Changes with whatever changes what is permitted. */
  get state(): string {
    return `${this.#changes}`;
  }

  /** Nothing beyond `cuts` is taken until {@link release}: while a revocation is on its way to the disk. */
  hold(cuts: Cuts): void {
    this.#pending = [...this.#pending, cuts];
    this.#changes += 1;
  }

  release(cuts: Cuts): void {
    this.#pending = this.#pending.filter((one) => one !== cuts);
    this.#changes += 1;
  }

  /** Whether `did` may have a replica. */
  mayRead(did: Did): boolean {
    if (this.#isCreator(did) || this.#isReplica(did)) return true;
    return this.#liveOf(did).some(({ reads }) => reads);
  }

  /** Whether `did` may write the key now. */
  mayWrite(did: Did, key: string): boolean {
    if (this.#isCreator(did) || this.#isReplica(did)) return true;
    return this.#allows(this.#liveOf(did), key);
  }

  /** Whether `did` may write any key now. */
  mayWriteSome(did: Did): boolean {
    if (this.#isCreator(did) || this.#isReplica(did)) return true;
    return this.#liveOf(did).some(({ writesAll, writes }) => writesAll || writes.length > 0);
  }

  mayAdminister(did: Did): boolean {
    return this.#isCreator(did) || this.#liveOf(did).some(({ administers }) => administers);
  }

  limitOf(lane: LaneId): number {
    const { did } = lane;
    if (this.#isCreator(did) || this.#wasReplica(did)) return Number.POSITIVE_INFINITY;
    return Math.min(limitIn(this.#pending, lane), limitIn(this.#cutsOf(did), lane));
  }

  mayWriteIn({ did, client }: LaneId, key: string): boolean {
    // Of a strong board lanes only show what its replicas have chosen, whenever they were replicas.
    if (this.#wasReplica(did)) return true;
    if (this.replicas !== undefined && !key.startsWith(HIDDEN)) return false;
    if (this.#isCreator(did)) return true;
    const isCut = isNamed(this.#cutsOf(did), did, client);
    return this.#allows(isCut ? this.#heldBy(did) : this.#liveOf(did), key);
  }

  mayBegin({ did, client }: LaneId): boolean {
    if (this.#isCreator(did) || this.#wasReplica(did)) return true;
    const isCut = isNamed(this.#cutsOf(did), did, client);
    const held = isCut ? this.#heldBy(did) : this.#liveOf(did);
    if (held.some(({ administers }) => administers)) return true;
    if (this.replicas !== undefined) return false;
    return held.some(({ writesAll, writes }) => writesAll || writes.length > 0);
  }

  mayAdopt({ did, client }: LaneId): boolean {
    if (this.replicas !== undefined) return false;
    if (this.#isCreator(did)) return true;
    const isCut = isNamed(this.#cutsOf(did), did, client);
    return (isCut ? this.#heldBy(did) : this.#liveOf(did)).some(({ administers }) => administers);
  }

  /** All rights that were ever given. */
  rights(): readonly BoardRight[] {
    return [...this.#held.values()].flat().map(rightOf);
  }

  /** A live grant by which `did` may give rights to others; undefined of the creator, who needs none. */
  adminGrantOf(did: Did): Grant | undefined {
    return this.#liveOf(did).find(({ administers }) => administers)?.grant;
  }

  /** Live grants that `by` may revoke: given by that one, or standing on such. */
  revocable(by: Did): readonly Grant[] {
    return [...this.#held.values()]
      .flat()
      .filter(({ grant, isLive }) => isLive && this.#issuersOf(grant).has(by))
      .map(({ grant }) => grant);
  }

  /** Who loses a right when `grant` is revoked: its holder, and those whose grants stand on it. */
  affectedBy(grant: Grant): readonly Did[] {
    const affected = [...this.#held.values()]
      .flat()
      .filter((held) => this.#chainOf(held.grant).some(({ hash }) => hash === grant.hash));
    return [...new Set(affected.map((held) => held.grant.claims.aud))];
  }

  /** The grants that `did` holds, and what they stand on. */
  grantsOf(did: Did): readonly string[] {
    const chains = this.#liveOf(did).flatMap(({ grant }) => this.#chainOf(grant));
    return [...new Set(chains.map(({ jws }) => jws))];
  }

  /** The revocations of what `did` was given. */
  revocationsOf(did: Did): readonly string[] {
    const ids = new Set(
      this.#heldBy(did).flatMap(({ grant }) =>
        this.#chainOf(grant).map(({ claims }) => claims.jti),
      ),
    );
    return [...ids].flatMap((id) => this.#revocations.get(id) ?? []).map(({ jws }) => jws);
  }

  #isCreator(did: Did): boolean {
    if (did === this.creator) return true;
    return this.#successions?.follows(did, this.creator) ?? false;
  }

  #isReplica(did: Did): boolean {
    const { replicas } = this;
    if (replicas === undefined) return false;
    return replicas.some((one) => this.#isSameNode(did, one));
  }

  /** Whether `did` is a replica, or was one. */
  #wasReplica(did: Did): boolean {
    if (this.#isReplica(did)) return true;
    if (this.#creation?.strong?.some((one) => this.#isSameNode(did, one)) === true) return true;
    return this.#countedChanges().some(({ change }) =>
      change.voters.some((voter) => this.#isSameNode(did, voter.did)),
    );
  }

  /** The changes of the replicas that follow each other and were signed by those who may, or who might at that time. */
  #countedChanges(): ReturnType<ReplicaChanges['counted']> {
    return this.#replicaChanges.counted(this.#creation, (jws, signer) => {
      if (this.#isCreator(signer)) return true;
      const name = changeName(jws);
      return this.#heldBy(signer).some(
        ({ administers, revocations }) =>
          administers && revocations.every(({ changes }) => changes.has(name)),
      );
    });
  }

  #isSameNode(did: Did, one: Did): boolean {
    return did === one || this.#successions?.follows(did, one) === true;
  }

  #isFit(record: AccessRecord, grants: ReadonlyMap<string, Grant>): boolean {
    if (record.kind === 'creation') {
      const { iss, name } = record.creation;
      return iss === this.creator && name === this.#name;
    }
    if (record.kind === 'grant') return this.#holds(record.grant, grants);
    if (record.kind === 'replicas') {
      const { iss, board } = record.change;
      return board === this.id && (this.#isCreator(iss) || this.#mightAdminister(iss, grants));
    }
    const { jti, iss } = record.revocation.claims;
    return [...grants.values()].some(
      (grant) => grant.claims.jti === jti && this.#issuersOf(grant, grants).has(iss),
    );
  }

  /** Whether `did` was ever given the right to administer. */
  #mightAdminister(did: Did, grants: ReadonlyMap<string, Grant>): boolean {
    const whole = wholeOf(this.#name);
    const lineage = this.#successions?.lineage(did) ?? [did];
    return [...grants.values()].some(
      (grant) => lineage.includes(grant.claims.aud) && heldOf(grant, whole, []).administers,
    );
  }

  /** Whether a grant is on this board and its chain ends at the creator, whatever was revoked. */
  #holds(grant: Grant, grants: ReadonlyMap<string, Grant>): boolean {
    const whole = wholeOf(this.#name);
    const isHere = grant.claims.cap.every(
      ({ resource, caveats }) => caveats === undefined && patternCovers(whole, resource),
    );
    if (!isHere) return false;
    return verifyChain(grant, {
      find: (hash) => grants.get(hash),
      nowMs: grant.claims.iat * 1000,
      isRevoked: () => false,
      // Who has the creator's place by now also answers for what the creator gave before.
      owner: this.#successions?.current(this.creator) ?? this.creator,
      ...(this.#successions === undefined ? {} : { successions: this.#successions }),
    }).ok;
  }

  #recompute(): void {
    this.#held = new Map();
    for (const grant of this.#grants.values()) {
      const revocations = this.#chainOf(grant).flatMap((link) => {
        const issuers = this.#issuersOf(link);
        const found = this.#revocations.get(link.claims.jti) ?? [];
        return found.filter(({ revocation }) => issuers.has(revocation.claims.iss));
      });
      const { aud } = grant.claims;
      const all = this.#held.get(aud) ?? [];
      all.push(heldOf(grant, wholeOf(this.#name), revocations));
      this.#held.set(aud, all);
    }
  }

  #heldBy(did: Did): readonly Held[] {
    const lineage = this.#successions?.lineage(did) ?? [did];
    return lineage.flatMap((one) => this.#held.get(one) ?? []);
  }

  #liveOf(did: Did): readonly Held[] {
    return this.#heldBy(did).filter(({ isLive }) => isLive);
  }

  #allows(held: readonly Held[], key: string): boolean {
    if (key.startsWith(HIDDEN)) return held.some(({ administers }) => administers);
    if (held.some(({ writesAll }) => writesAll)) return true;
    if (held.length === 0) return false;
    const target = targetOf(keyResource(this.#name, key));
    if (target === undefined) return false;
    return held.some(({ writes }) => writes.some((pattern) => matchesTarget(pattern, target)));
  }

  #cutsOf(did: Did): readonly Cuts[] {
    return this.#heldBy(did).flatMap(({ revocations }) => revocations.map((one) => one.cuts));
  }

  /** The grant, and all that it stands on. */
  #chainOf(grant: Grant, grants: ReadonlyMap<string, Grant> = this.#grants): readonly Grant[] {
    const chain = new Map([[grant.hash, grant]]);
    for (const link of chain.values()) {
      for (const hash of link.claims.prf ?? []) {
        const parent = grants.get(hash);
        if (parent !== undefined) chain.set(hash, parent);
      }
    }
    return [...chain.values()];
  }

  #issuersOf(grant: Grant, grants: ReadonlyMap<string, Grant> = this.#grants): ReadonlySet<Did> {
    return new Set(this.#chainOf(grant, grants).map(({ claims }) => claims.iss));
  }
}

/** Who has signed a record. */
function signerOf(record: AccessRecord): Did {
  switch (record.kind) {
    case 'grant':
      return record.grant.claims.iss;
    case 'revocation':
      return record.revocation.claims.iss;
    case 'creation':
      return record.creation.iss;
    case 'replicas':
      return record.change.iss;
  }
}
