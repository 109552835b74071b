/**
 * Who is and was a member, by whom each came in, which tickets are open, and how somebody is put out. All
 * of that is read from the records; whoever came in by a member is put out with it.
 */
import { StarlingError } from '../core/index.ts';
import type { Clock, Did } from '../core/index.ts';
import { issueRevocation } from '../grants/index.ts';
import type { Grant, GrantBook } from '../grants/index.ts';
import type { Identity } from '../identity/index.ts';
import { mayPassOn, usesOf } from './records/invites.ts';
import { allowsOnMesh } from './records/member-list.ts';
import type { MembershipEnd } from './records/membership-end.ts';
import type { OwnMesh } from './mesh.ts';
import type { Records } from './records/records.ts';

/** What it works with. */
export interface MembersComponents {
  readonly identity: Identity;
  readonly ownMesh: OwnMesh;
  readonly grants: GrantBook;
  readonly clock: Clock;
}

/** A node that a membership was issued to, ended or not. */
export interface Member {
  /** Its key in use. */
  readonly did: Did;
  /** Who let it in; the mesh's own key for who founded it. */
  readonly by: Did;
  readonly isFounder: boolean;
  /** When, ms since the epoch. */
  readonly since: number;
  readonly canInvite: boolean;
  /** Absent while it is a member. */
  readonly end?: MembershipEnd;
}

/** A ticket that can still let somebody in. */
export interface OpenTicket {
  /** The id of its invite. */
  readonly id: string;
  readonly by: Did;
  /** ms since the epoch */
  readonly since: number;
  readonly expiresAt: number;
  /** Nodes that it lets in, and those that it has let in. */
  readonly uses: number;
  readonly usedBy: readonly Did[];
  readonly canInvite: boolean;
}

/** What ended when somebody was put out. */
export interface PutOut {
  /** Others that came in by it, and are out as well. */
  readonly members: readonly Did[];
  /** Ids of the grants that this node gave it. */
  readonly grants: readonly string[];
  /** Ids of the open tickets that it, or those others, had made. */
  readonly tickets: readonly string[];
}

/** The members of this node's mesh. */
export interface Members {
  /** Everybody who is a member, and who was one and whose end is known; by when they came in. */
  all(): readonly Member[];
  tickets(): readonly OpenTicket[];
  /**
   * Puts out whoever has `did`, with all whom that one let in.
   * @throws STARLING_JOIN_REFUSED when this node is not above it: `data.above` names those who are;
   * STARLING_PEER_UNKNOWN when it is no member; STARLING_LIMIT_EXCEEDED when the others can't be told
   */
  putOut(did: Did, reason?: string): Promise<PutOut>;
  /** Signs that this node leaves, and tells the members. */
  sayGoodbye(): Promise<void>;
}

/** Makes the view of the members. */
export function createMembers(components: MembersComponents): Members {
  return new RecordedMembers(components);
}

class RecordedMembers implements Members {
  readonly #components: MembersComponents;

  constructor(components: MembersComponents) {
    this.#components = components;
  }

  all(): readonly Member[] {
    const { ownMesh } = this.#components;
    const byHolder = new Map<Did, Grant>();
    for (const grant of ownMesh.records().memberships()) {
      const did = ownMesh.successions.current(grant.claims.aud);
      const known = byHolder.get(did);
      if (known === undefined || known.claims.iat <= grant.claims.iat) byHolder.set(did, grant);
    }
    return [...byHolder]
      .flatMap(([did, last]) => this.#memberOf(did, last))
      .toSorted(
        (a, b) =>
          a.since - b.since ||
          Number(b.isFounder) - Number(a.isFounder) ||
          (a.did < b.did ? -1 : 1),
      );
  }

  tickets(): readonly OpenTicket[] {
    const { ownMesh } = this.#components;
    const records = ownMesh.records();
    const mesh = ownMesh.require().id;
    return records
      .invites()
      .filter((invite) => counts(records, invite))
      .map((invite) =>
        ticketOf(
          invite,
          usesOf(invite, mesh) ?? 1,
          records.usersOf(invite.claims.jti),
          mayPassOn(invite, mesh),
        ),
      )
      .filter(({ uses, usedBy }) => usedBy.length < uses)
      .toSorted((a, b) => b.since - a.since);
  }

  async putOut(did: Did, reason?: string): Promise<PutOut> {
    const { clock, grants, identity, ownMesh } = this.#components;
    const records = ownMesh.records();
    if (ownMesh.require().open) {
      throw new StarlingError('STARLING_JOIN_REFUSED', 'nobody can be put out of an open mesh', {
        hint: 'end what this node granted it: starling grant list, then starling grant revoke <id>',
      });
    }
    const before = this.all().filter(({ end }) => end === undefined);
    const ticketsBefore = this.tickets();
    if (!before.some((member) => member.did === did)) throw noMember();
    const memberships = this.#membershipsOf(did);
    // All of them before any is ended: two members may have let it in at the same time.
    for (const membership of memberships) this.#requireAbove(membership);
    for (const membership of memberships) {
      const revocation = issueRevocation(identity, membership, clock.now(), reason);
      await grants.addRevocation(revocation);
      await records.publish(revocation.jws);
    }
    const ended = await this.#endGrantsTo(did, reason);
    const out = before.filter((member) => member.did !== did && !this.#isIn(member.did));
    const left = new Set(this.tickets().map(({ id }) => id));
    return {
      members: out.map((member) => member.did),
      grants: ended,
      tickets: ticketsBefore.filter(({ id }) => !left.has(id)).map(({ id }) => id),
    };
  }

  async sayGoodbye(): Promise<void> {
    const { clock, grants, identity, ownMesh } = this.#components;
    // Nobody can be told of an open mesh's members who has left: anybody may come back at any time.
    if (ownMesh.require().open) return;
    for (const membership of this.#membershipsOf(identity.did)) {
      const revocation = issueRevocation(identity, membership, clock.now());
      await grants.addRevocation(revocation);
      await ownMesh.records().publish(revocation.jws);
    }
  }

  #memberOf(did: Did, last: Grant): readonly Member[] {
    const { ownMesh } = this.#components;
    const { claims } = this.#isIn(did) ? (ownMesh.records().membershipOf(did)?.[0] ?? last) : last;
    const end = ownMesh.records().endOf(did);
    // Its time is over: there is nobody to be told of.
    if (end === undefined && !this.#isIn(did)) return [];
    const { id: mesh } = ownMesh.require();
    return [
      {
        did,
        by: claims.iss === mesh ? mesh : ownMesh.successions.current(claims.iss),
        isFounder: claims.iss === mesh,
        since: claims.iat * 1000,
        canInvite: allowsOnMesh(last, mesh, 'mesh/invite'),
        ...(end === undefined ? {} : { end }),
      },
    ];
  }

  #isIn(did: Did): boolean {
    const { ownMesh } = this.#components;
    return ownMesh.records().isMember(ownMesh.successions.current(did));
  }

  /** All memberships of whoever has `did`: each of them would hold by itself. */
  #membershipsOf(did: Did): readonly Grant[] {
    const { ownMesh } = this.#components;
    return ownMesh
      .records()
      .memberships()
      .filter(({ claims }) => ownMesh.successions.current(claims.aud) === did);
  }

  #requireAbove(membership: Grant): void {
    const { identity, ownMesh } = this.#components;
    const { successions } = ownMesh;
    const above = issuersOf(ownMesh.records().above(membership)).map((did) =>
      successions.current(did),
    );
    if (above.includes(identity.did)) return;
    throw new StarlingError(
      'STARLING_JOIN_REFUSED',
      'only who let it in can put it out, and those above that one',
      { data: { above: above.filter((did) => did !== ownMesh.require().id) } },
    );
  }

  async #endGrantsTo(did: Did, reason?: string): Promise<readonly string[]> {
    const { grants, ownMesh } = this.#components;
    const { id: mesh } = ownMesh.require();
    const given = grants
      .issued()
      .filter(
        ({ claims }) => ownMesh.successions.current(claims.aud) === did && claims.sub !== mesh,
      )
      .filter((grant) => grants.state(grant) === 'valid');
    for (const { claims } of given) await grants.revoke(claims.jti, reason);
    return given.map(({ claims }) => claims.jti);
  }
}

function issuersOf(chain: readonly Grant[]): readonly Did[] {
  return chain.map(({ claims }) => claims.iss);
}

function ticketOf(
  { claims }: Grant,
  uses: number,
  usedBy: readonly Did[],
  canInvite: boolean,
): OpenTicket {
  return {
    id: claims.jti,
    by: claims.iss,
    since: claims.iat * 1000,
    expiresAt: claims.exp * 1000,
    uses,
    usedBy,
    canInvite,
  };
}

/** Whether a ticket lets in whoever holds it: in time, not ended, by a maker who was a member since it was made. */
function counts(records: Records, invite: Grant): boolean {
  try {
    records.verifyInvite(invite);
    return true;
  } catch (error) {
    if (error instanceof StarlingError) return false;
    throw error;
  }
}

function noMember(): StarlingError {
  return new StarlingError('STARLING_PEER_UNKNOWN', 'that node is no member of this mesh', {
    hint: 'see who is: starling members',
  });
}
