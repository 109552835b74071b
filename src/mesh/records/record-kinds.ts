/**
 * What each kind of record asks before it counts, and what it changes then. The cheap comes first: whether its signer
 * is a member, whether there is room, and how much that signer has signed of late; only then its signatures are
 * verified. A record is written before it counts.
 */
import { StarlingError } from '../../core/index.ts';
import type { Clock, Did, MeshId } from '../../core/index.ts';
import { KEEP_OVER_MS, isOverAt } from '../../grants/index.ts';
import type {
  Grant,
  GrantBook,
  Revocation,
  Succession,
  Successions,
  Unverified,
} from '../../grants/index.ts';
import { usesOf } from './invites.ts';
import type { Invites } from './invites.ts';
import type { MemberList } from './member-list.ts';
import type { OverusedTickets } from './overused-tickets.ts';
import type { RecordPace } from './record-pace.ts';
import type { Rank, RecordKind } from './record-quotas.ts';
import type { RecordSet } from './record-set.ts';
import type { ReadRecord, RecordText, Spent } from './record-texts.ts';

/** Successions of one key: one counts, the others are kept so that all see the conflict. */
const SUCCESSIONS_PER_KEY_MAX = 4;

/** What the kinds work with. */
export interface RecordKindsComponents {
  readonly grants: Pick<GrantBook, 'addRevocation' | 'findRevocation'>;
  readonly successions: Successions;
  readonly clock: Clock;
  readonly set: RecordSet;
  readonly members: MemberList;
  readonly invites: Invites;
  readonly overused: OverusedTickets;
  readonly pace: RecordPace;
  /** Whose records a signer's are. */
  readonly rankOf: (signer: Did) => Rank;
  /** Brings a text to the disk. @throws STARLING_STATE_UNUSABLE */
  readonly write: (text: RecordText) => Promise<void>;
}

/** How a record came. */
export interface Coming {
  /** It was read from the disk, or is written later: it is not written now, and comes as fast as it does. */
  readonly isOnDisk: boolean;
}

/** How each kind is read, verified and taken. */
export interface RecordKinds {
  /**
   * Verifies a record, writes it, and only then lets it count. Gives whether its signer signs so many that the next ones
   * are in no hurry. @throws why it does not count
   */
  take(text: RecordText, record: ReadRecord, coming: Coming): Promise<boolean>;
  /** Lets a revocation count that the grant book has. @throws why it does not count */
  takeKnown(text: RecordText, revocation: Revocation): void;
  /** Keeps a succession that counts already. @throws STARLING_LIMIT_EXCEEDED */
  keepSuccession(text: RecordText, signer: Did): void;
}

/** Makes the kinds of one mesh. */
export function createRecordKinds(
  components: RecordKindsComponents,
  init: { readonly mesh: MeshId },
): RecordKinds {
  return new KindsOfMesh(components, init.mesh);
}

/** One record on its way. */
interface Way extends Coming {
  readonly text: RecordText;
  readonly issuer: Did;
  /** Its signer signs many. */
  isHasty: boolean;
}

class KindsOfMesh implements RecordKinds {
  readonly #components: RecordKindsComponents;
  readonly #mesh: MeshId;
  readonly #successionsOf = new Map<Did, number>();

  constructor(components: RecordKindsComponents, mesh: MeshId) {
    this.#components = components;
    this.#mesh = mesh;
  }

  async take(text: RecordText, record: ReadRecord, { isOnDisk }: Coming): Promise<boolean> {
    const way: Way = { text, isOnDisk, issuer: record.issuer, isHasty: false };
    if (record.kind === 'revocation') await this.#takeRevocation(way, record.text);
    else if (record.kind === 'succession') await this.#takeSuccession(way, record.text);
    else {
      const count =
        record.kind === 'grant' ? this.#grantIn(way, record.text) : this.#spentIn(way, record.text);
      if (!isOnDisk) await this.#components.write(text);
      count();
    }
    return way.isHasty;
  }

  takeKnown(text: RecordText, { claims }: Revocation): void {
    this.#requireMember(claims.iss);
    this.#keepRevocation(text, claims);
  }

  keepSuccession(text: RecordText, signer: Did): void {
    this.#components.set.keep(text, { kind: 'succession', signer });
    this.#successionsOf.set(signer, (this.#successionsOf.get(signer) ?? 0) + 1);
  }

  #grantIn(way: Way, text: Unverified<Grant>): () => void {
    const isInvite = usesOf(text, this.#mesh) !== undefined;
    return isInvite ? this.#inviteIn(way, text) : this.#membershipIn(way, text);
  }

  #inviteIn(way: Way, read: Unverified<Grant>): () => void {
    const { invites, members, set } = this.#components;
    const { text, issuer: signer } = way;
    const { aud, exp } = read.claims;
    set.requireRoom('invite', signer, text.jws.length);
    this.#requirePace('invite', way);
    const invite = read.verify();
    members.requireSoundInvite(invite);
    this.#tookAtPace('invite', way, read.claims.iat);
    if (!invites.hasRoom(aud)) {
      throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many invites to one key');
    }
    return () => {
      const undo = invites.add(invite);
      set.keep(text, { kind: 'invite', signer, exp, ...(undo && { undo }) });
    };
  }

  #membershipIn(way: Way, read: Unverified<Grant>): () => void {
    const { members, set } = this.#components;
    const { text, issuer: signer } = way;
    this.#requirePace('membership', way);
    set.requireRoom('membership', signer, text.jws.length);
    const grant = read.verify();
    members.requireSound(grant);
    this.#tookAtPace('membership', way, read.claims.iat);
    return () => {
      let undo = (): void => undefined;
      const { exp } = read.claims;
      set.keep(text, { kind: 'membership', signer, exp, undo: () => undo() });
      undo = members.add(grant);
    };
  }

  async #takeRevocation(way: Way, read: Unverified<Revocation>): Promise<void> {
    const { clock, grants, set } = this.#components;
    const { text, issuer } = way;
    const { exp, iat, jti } = read.claims;
    this.#requireMember(issuer);
    set.requireRoom('revocation', issuer, text.jws.length);
    if (isOverAt(exp, clock.now())) {
      throw new StarlingError('STARLING_GRANT_INVALID', 'the revoked grant has expired');
    }
    if (!this.#endsMembership(jti, issuer)) this.#requirePace('revocation', way);
    const revocation = read.verify();
    this.#tookAtPace('revocation', way, iat);
    // Revocations have a table of their own.
    await grants.addRevocation(revocation);
    this.#keepRevocation(text, read.claims);
  }

  #keepRevocation(text: RecordText, { iss, exp, jti }: Revocation['claims']): void {
    const { members, overused, set } = this.#components;
    set.keep(text, { kind: 'revocation', signer: iss, exp });
    if (!members.hasId(jti)) return;
    members.forgetVerdicts();
    overused.look();
  }

  async #takeSuccession({ text, isOnDisk }: Way, read: Unverified<Succession>): Promise<void> {
    const { members, set, successions, write } = this.#components;
    const { iss, mesh } = read.claims;
    this.#requireMember(iss);
    if (mesh !== this.#mesh || iss === this.#mesh) {
      const what = iss === this.#mesh ? "a mesh's own key has no heir" : 'it is for another mesh';
      throw new StarlingError('STARLING_GRANT_INVALID', what, { data: { rule: 'mesh' } });
    }
    if ((this.#successionsOf.get(iss) ?? 0) >= SUCCESSIONS_PER_KEY_MAX) {
      throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many successions of one key');
    }
    set.requireRoom('succession', iss, text.jws.length);
    // Those that count have a table of their own; here lie those that contradict them.
    const verdict = await successions.add(read.verify());
    if (verdict === 'conflict' && !isOnDisk) await write(text);
    this.keepSuccession(text, iss);
    members.forgetVerdicts();
  }

  #spentIn(way: Way, read: Unverified<{ readonly claims: Spent }>): () => void {
    const { clock, invites, overused, set } = this.#components;
    const { text, issuer: signer } = way;
    const { exp, iat, jti } = read.claims;
    this.#requireMember(signer);
    set.requireRoom('invite', signer, text.jws.length);
    if (isOverAt(exp, clock.now() - KEEP_OVER_MS)) {
      throw new StarlingError('STARLING_GRANT_INVALID', 'the invite that was used has expired');
    }
    this.#requirePace('invite', way);
    const { claims: spent } = read.verify();
    this.#tookAtPace('invite', way, iat);
    return () => {
      let undo = (): void => undefined;
      set.keep(text, {
        kind: 'invite',
        signer,
        exp,
        undo: () => {
          undo();
          overused.look();
        },
      });
      undo = invites.use(spent);
      overused.look(jti);
    };
  }

  #requireMember(did: Did): void {
    if (this.#components.members.isKnown(did)) return;
    throw new StarlingError('STARLING_GRANT_INVALID', `${did} is no member of this mesh`);
  }

  /** @throws STARLING_LIMIT_EXCEEDED while others' records of this signer are to come later */
  #requirePace(kind: RecordKind, way: Way): void {
    if (this.#isPaced(way)) this.#components.pace.require(kind, way.issuer);
  }

  #tookAtPace(kind: RecordKind, way: Way, signedAtS: number): void {
    if (!this.#isPaced(way)) return;
    way.isHasty = this.#components.pace.took(kind, way.issuer, signedAtS * 1000);
  }

  /** Not what was read from disk, nor what this node and the owner of the mesh sign. */
  #isPaced({ isOnDisk, issuer }: Way): boolean {
    return !isOnDisk && this.#components.rankOf(issuer) === 'other';
  }

  /** A membership that is known here is ended at once, and once. Nothing is verified yet. */
  #endsMembership(jti: string, signer: Did): boolean {
    const { grants, members } = this.#components;
    return members.hasId(jti) && grants.findRevocation(jti, [signer]) === undefined;
  }
}
