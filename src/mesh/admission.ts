/**
 * Who is let into the mesh: makes tickets and redeems them, says this node's hellos and answers those
 * of others. Whether a ticket is still good is decided in `ticket-check.ts`.
 */
import { EventEmitter } from 'node:events';
import { ERRORS, StarlingError, VERSION, createSemaphore, messageOf } from '../core/index.ts';
import type { Clock, Did, ErrorCode, Health, Logger, PeerId, Secret } from '../core/index.ts';
import { parseSuccession } from '../grants/index.ts';
import type { Grant, GrantBook, Succession } from '../grants/index.ts';
import { didFromPeerId, randomSeed, signerFromSeed } from '../identity/index.ts';
import type { Identity } from '../identity/index.ts';
import { HELLO_VERSION } from '../network/index.ts';
import type { Admission, Hello, InviteProof, HelloAnswer } from '../network/index.ts';
import { ownSuccessions } from './hello-successions.ts';
import type { OwnMesh } from './mesh.ts';
import { describeEnd, membershipEnded } from './records/membership-end.ts';
import { fingerprintOf } from './fingerprint.ts';
import type { InviteAnswer, InviteQuestion } from './tickets/invite-messages.ts';
import { usesOf } from './records/invites.ts';
import { createRedeemer } from './redeem.ts';
import type { AskInviter, Redeemer } from './redeem.ts';
import { proofOf, requireInTime } from './tickets/ticket-check.ts';
import { encodeTicket, inviteSeed, parseTicket, ticketSecret } from './tickets/ticket-short.ts';
import type { Ticket } from './tickets/ticket.ts';
import type { Mesh } from './types.ts';

/** Longest part of a peer's refusal that is repeated to a person. */
const REASON_MAX = 500;

/** What admission works with. */
export interface MeshAdmissionComponents {
  readonly identity: Identity;
  readonly ownMesh: OwnMesh;
  readonly grants: GrantBook;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears that a newcomer's clock is too far from ours. */
  readonly health?: Pick<Health, 'raise' | 'clear'>;
}

/** What a new ticket is for. */
export interface InvitationInit {
  /** Where this node is called, the most useful first. */
  readonly addresses: readonly string[];
  readonly expiresInMs: number;
  /** Whether who comes in may invite others. */
  readonly canInvite: boolean;
  /** Nodes that it lets in; default 1, at most 100. */
  readonly uses?: number;
}

/** A new ticket. */
export interface Invitation {
  readonly ticket: Secret;
  /** ms since the epoch */
  readonly expiresAt: number;
}

/** Whether a node may leave `from`, a mesh that only it was ever in, for `to`: asks a person, where one is. */
export type MayMove = (from: Mesh, to: Pick<Mesh, 'name' | 'fingerprint'>) => Promise<boolean>;

/** Heard by the node, which tells its operator. */
export interface MeshAdmissionEvents {
  /** A peer has shown that this node's key was replaced: it is an older copy of another node. */
  retired: [succession: Succession];
  /**
   * A newcomer was let in by a ticket: here, or at another member that has asked this node, which made the ticket.
   * The ticket is by `maker`, and was made at `invitedAt` (ms since the epoch).
   */
  redeemed: [newcomer: PeerId, invitedAt: number, maker: Did];
}

/** Who is let in, and how this node gets in; for the network, an {@link Admission}. */
export interface MeshAdmission extends Admission {
  readonly events: EventEmitter<MeshAdmissionEvents>;
  /**
   * Takes a ticket; returns the addresses to dial. This node is in once somebody has let it in. A node
   * that is alone in its mesh, or was put out of it, goes over to the ticket's where `mayMove` says so.
   * @throws STARLING_TICKET_INVALID, STARLING_TICKET_EXPIRED, STARLING_MESH_MISMATCH
   */
  takeTicket(text: Secret, mayMove?: MayMove): Promise<readonly string[]>;
  /**
   * Makes a ticket, and tells the members of its invite.
   * @throws STARLING_JOIN_REFUSED when this node may not invite; STARLING_LIMIT_EXCEEDED when the
   * records have no room
   */
  invite(init: InvitationInit): Promise<Invitation>;
  /** Of a ticket's grant: whether all who may have come in by it. Undefined of any other grant. */
  ticketOf(grant: Grant): 'open' | 'spent' | undefined;
  /** Ends a ticket of this node by which nobody needs to come in any more; a spent one is left. @throws STARLING_TICKET_INVALID */
  endTicket(text: Secret): Promise<void>;
  /** From now on `ask` asks the makers of tickets that are shown to this node. */
  askInvitersBy(ask: AskInviter): void;
  /** Answers a member to whom a ticket of this node was shown. Never rejects. */
  answerInvite(question: InviteQuestion): Promise<InviteAnswer>;
}

/** Makes the admission of a node; its `name` is what hellos say. */
export function createMeshAdmission(
  components: MeshAdmissionComponents,
  init: { readonly name: string },
): MeshAdmission {
  return new TicketAdmission(components, init.name);
}

class TicketAdmission implements MeshAdmission {
  readonly events = new EventEmitter<MeshAdmissionEvents>();
  readonly #components: MeshAdmissionComponents;
  readonly #name: string;
  readonly #redeemer: Redeemer;
  /** Taken, and not redeemed yet. */
  #ticket: Ticket | undefined;
  /** One hello of a newcomer at a time. */
  readonly #greeting = createSemaphore(1);

  constructor(components: MeshAdmissionComponents, name: string) {
    this.#components = components;
    this.#name = name;
    this.#redeemer = createRedeemer({
      ...components,
      redeemed: (newcomer, { claims }) => {
        const maker = components.ownMesh.successions.current(claims.iss);
        this.events.emit('redeemed', newcomer, claims.iat * 1000, maker);
      },
    });
  }

  askInvitersBy(ask: AskInviter): void {
    this.#redeemer.askBy(ask);
  }

  answerInvite(question: InviteQuestion): Promise<InviteAnswer> {
    return this.#redeemer.answer(question);
  }

  isMember(peer: PeerId): boolean {
    return this.#components.ownMesh.hasMember(peer);
  }

  async takeTicket(text: Secret, mayMove?: MayMove): Promise<readonly string[]> {
    const { ownMesh, clock, identity } = this.#components;
    const ticket = parseTicket(text);
    const isOther = ownMesh.mesh() !== undefined && ownMesh.mesh()?.id !== ticket.mesh;
    if (isOther && !ownMesh.mayGo()) {
      ownMesh.requireSame(ticket.mesh, ticket.name);
    }
    // A service keeps its ticket in its settings: a member has no more use for it, however old it is.
    if (!isOther && ownMesh.isMember()) return ticket.addresses;
    if (ticket.inviter === identity.peerId) {
      throw new StarlingError('STARLING_TICKET_INVALID', 'this node has made that ticket itself', {
        hint: 'paste it on the machine that is to join',
      });
    }
    requireInTime(ticket, clock.now());
    if (isOther) await this.#move(ticket, mayMove);
    else await ownMesh.enter(ticket.mesh, ticket.name);
    this.#ticket = ticket;
    return ticket.addresses;
  }

  /** Tickets that let nobody in any more go by themselves, whenever a new one is made. */
  async #forgetStale(): Promise<void> {
    const { grants } = this.#components;
    const stale = grants.issued().filter((grant) => {
      const ticket = this.ticketOf(grant);
      return ticket === 'spent' || (ticket === 'open' && grants.state(grant) !== 'valid');
    });
    if (stale.length > 0) await grants.forgetIssued(stale);
  }

  /** Goes over to the ticket's mesh, where that is agreed. @throws STARLING_MESH_MISMATCH */
  async #move({ mesh, name }: Ticket, mayMove: MayMove = async () => false): Promise<void> {
    const { ownMesh } = this.#components;
    const from = ownMesh.require();
    const to = { name, fingerprint: fingerprintOf(mesh) };
    if (await mayMove(from, to)) return ownMesh.move(mesh, name);
    const alone = ownMesh.isAlone() ? ', which no other node ever joined' : '';
    throw new StarlingError(
      'STARLING_MESH_MISMATCH',
      `this node belongs to the mesh '${from.name}' (${from.fingerprint})${alone}, and the ticket is for '${name}' (${to.fingerprint})`,
      { hint: 'to go over to that mesh, agree: starling up --join <ticket> --yes' },
    );
  }

  async invite(init: InvitationInit): Promise<Invitation> {
    const { clock, grants, identity, ownMesh } = this.#components;
    const { id: mesh, name } = ownMesh.require();
    await this.#forgetStale();
    const secret = ticketSecret(randomSeed());
    const { canInvite, uses = 1 } = init;
    const addresses = callable(init.addresses);
    const expiresAtS = Math.floor((clock.now() + init.expiresInMs) / 1000);
    const { did: key } = signerFromSeed(inviteSeed(secret, mesh));
    const invite = ownMesh.delegate(key, canInvite, expiresAtS, uses);
    if (!(await ownMesh.records().add(invite.jws))) {
      throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'the records have no room for an invite', {
        hint: 'see why: starling doctor',
      });
    }
    await grants.keepIssued(invite);
    const { exp: expiresAt } = invite.claims;
    const inviter = identity.peerId;
    const ticket = encodeTicket({ mesh, name, addresses, secret, expiresAt, inviter });
    return { ticket, expiresAt: expiresAt * 1000 };
  }

  ticketOf(grant: Grant): 'open' | 'spent' | undefined {
    const { ownMesh } = this.#components;
    const { jti, sub } = grant.claims;
    if (sub !== ownMesh.mesh()?.id || ownMesh.records().holds(grant)) return undefined;
    const uses = usesOf(grant, sub) ?? 1;
    return ownMesh.records().usersOf(jti).length < uses ? 'open' : 'spent';
  }

  async endTicket(text: Secret): Promise<void> {
    const { grants } = this.#components;
    const { did: key } = signerFromSeed(parseTicket(text).seed);
    const open = grants
      .issued()
      .filter((grant) => grant.claims.aud === key && this.ticketOf(grant) === 'open');
    for (const { claims } of open) await grants.revoke(claims.jti);
  }

  hello(peer: PeerId): Hello {
    return this.#helloBeside(peer, []);
  }

  /** A hello that goes out in one message with `others`, which take their room in it. */
  #helloBeside(peer: PeerId, others: readonly string[]): Hello {
    const { identity, clock, ownMesh } = this.#components;
    const time = clock.now();
    const mesh = ownMesh.mesh()?.id;
    const base = {
      version: HELLO_VERSION,
      release: VERSION,
      name: this.#name,
      time,
      ...(mesh === undefined ? {} : { mesh }),
    } as const;
    if (mesh === undefined) return { ...base, membership: [] };
    const chain = ownMesh.records().membershipOf(identity.did);
    if (chain !== undefined) {
      const membership = chain.map((grant) => grant.jws);
      const successions = ownSuccessions(ownMesh.successions, {
        did: identity.did,
        mesh,
        others: [...membership, ...others],
      });
      return { ...base, membership, ...(successions.length === 0 ? {} : { successions }) };
    }
    const ticket = this.#ticket;
    if (ticket === undefined) return { ...base, membership: [] };
    const message = proofOf(identity.peerId, peer, mesh, time);
    const key = signerFromSeed(ticket.seed);
    const { inviter: by } = ticket;
    const invite: InviteProof = {
      grants: ticket.grants.map((grant) => grant.jws),
      signature: key.sign(message),
      ...(by === undefined ? {} : { key: key.did, by }),
    };
    return { ...base, membership: [], invite };
  }

  async inTurn<T>(greet: () => Promise<T>): Promise<T> {
    if (this.#ticket === undefined || this.#components.ownMesh.isMember()) return greet();
    await this.#greeting.take();
    try {
      return await greet();
    } finally {
      this.#greeting.give();
    }
  }

  async admit(hello: Hello, peer: PeerId): Promise<HelloAnswer> {
    const { ownMesh, logger } = this.#components;
    const mesh = ownMesh.require();
    try {
      requireSameMesh(hello, mesh);
      const admitted = await this.#admitted(hello, peer);
      const issued = admitted?.map((grant) => grant.jws);
      return {
        ok: true,
        hello: this.#helloBeside(peer, issued ?? []),
        ...(issued === undefined ? {} : { issued }),
      };
    } catch (error) {
      if (!(error instanceof StarlingError)) {
        logger.error({ peer, error: messageOf(error) }, 'hello could not be verified');
      }
      const succession = ownMesh.successions.of(didFromPeerId(peer))?.jws;
      const ended = error instanceof StarlingError ? error.data['ended'] : undefined;
      return {
        ...refusal(error, mesh, hello.mesh === undefined),
        // Who was put out can tell by it that this is true, and by whom.
        ...(typeof ended === 'string' ? { ended } : {}),
        // Its holder has signed it itself, and can tell by it that this is true.
        ...(succession === undefined ? {} : { succession }),
      };
    }
  }

  async answered(answer: HelloAnswer, peer: PeerId): Promise<void> {
    if (!answer.ok) {
      this.#hearOfHeir(answer.succession);
      await this.#hearOfEnd(answer.ended);
      const code = isCode(answer.code) ? answer.code : 'STARLING_JOIN_REFUSED';
      throw new StarlingError(code, `${peer} refused us: ${answer.reason.slice(0, REASON_MAX)}`);
    }
    const { hello, issued } = answer;
    const { identity, ownMesh } = this.#components;
    const records = ownMesh.records();
    if (hello.membership.length === 0) {
      throw new StarlingError('STARLING_JOIN_REFUSED', `${peer} is no member of this mesh yet`, {
        hint: 'it needs a ticket: starling invite',
        data: { noMemberYet: true },
      });
    }
    await records.introduce(hello.membership, hello.successions ?? []);
    await this.#keep(records.verifyMembership(hello.membership, didFromPeerId(peer)));
    if (issued === undefined || ownMesh.isMember()) return;
    await this.#keep(records.verifyMembership(issued, identity.did));
    this.#ticket = undefined;
    await ownMesh.keep();
  }

  /** What was issued to a newcomer; undefined for a member. @throws why the peer is refused */
  async #admitted(hello: Hello, peer: PeerId): Promise<readonly Grant[] | undefined> {
    const records = this.#components.ownMesh.records();
    const did = didFromPeerId(peer);
    records.requireInUse(did);
    if (hello.membership.length > 0) {
      await records.introduce(hello.membership, hello.successions ?? []);
      await this.#keep(records.verifyMembership(hello.membership, did));
      return undefined;
    }
    if (hello.invite !== undefined) return this.#redeemer.redeem(hello, hello.invite, peer);
    throw new StarlingError(
      'STARLING_JOIN_REFUSED',
      'this mesh is private and you show no membership',
      { hint: 'ask a member for a ticket (starling invite), and start with --join' },
    );
  }

  /** That this node's key is retired counts only when that key itself has signed it, for this mesh. */
  #hearOfHeir(jws: string | undefined): void {
    if (jws === undefined) return;
    const { identity, ownMesh } = this.#components;
    const succession = parseSuccession(jws);
    const { iss, mesh } = succession.claims;
    if (iss !== identity.did || mesh !== ownMesh.mesh()?.id) return;
    this.events.emit('retired', succession);
  }

  /**
   * A member says by whom this node, or who let it in, was put out. The text is a record like any other:
   * one that does not hold changes nothing. @throws STARLING_MEMBERSHIP_ENDED when it holds
   */
  async #hearOfEnd(jws: string | undefined): Promise<void> {
    const { ownMesh } = this.#components;
    if (jws === undefined || !ownMesh.isMember()) return;
    await ownMesh.records().add(jws);
    const end = ownMesh.ended();
    if (end !== undefined) throw membershipEnded(describeEnd(end, ownMesh.require()), end);
  }

  /** Keeps a verified chain in the records, its root first. */
  async #keep(chain: readonly Grant[]): Promise<void> {
    for (const grant of chain.toReversed()) await this.#components.ownMesh.records().add(grant.jws);
  }
}

function requireSameMesh(hello: Hello, mesh: Mesh): void {
  if (hello.mesh === mesh.id) return;
  if (hello.mesh === undefined) {
    throw new StarlingError(
      'STARLING_JOIN_REFUSED',
      `this is the ${mesh.open ? 'open' : 'private'} mesh '${mesh.name}'`,
    );
  }
  throw new StarlingError(
    'STARLING_MESH_MISMATCH',
    `this node is of the mesh '${mesh.name}' (${mesh.fingerprint}), and you are of another`,
  );
}

function refusal(
  error: unknown,
  mesh: Mesh,
  isAsking: boolean,
): Extract<HelloAnswer, { readonly ok: false }> {
  const known = error instanceof StarlingError;
  const hint = known && error.hint !== undefined ? ` — ${error.hint}` : '';
  return {
    ok: false,
    code: known ? error.code : 'STARLING_JOIN_REFUSED',
    reason: known ? `${error.message}${hint}` : 'the hello could not be judged',
    // A newcomer that names no mesh asks which one this is; a stranger of another mesh need not know.
    ...(isAsking ? { mesh: mesh.id, meshName: mesh.name, open: mesh.open } : {}),
  };
}

/** Relays serve members only, so that a newcomer has no use for them. @throws STARLING_JOIN_REFUSED */
function callable(addresses: readonly string[]): readonly string[] {
  const direct = addresses.filter((address) => !address.includes('/p2p-circuit'));
  if (direct.length > 0) return direct;
  throw new StarlingError(
    'STARLING_JOIN_REFUSED',
    'this node has no address at which a newcomer could call it',
    {
      hint: 'let it listen on an address that others reach (--listen, --announce), or invite from another member',
    },
  );
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
