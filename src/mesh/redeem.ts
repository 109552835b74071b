/**
 * Lets a newcomer in by its ticket. Who made the ticket is asked where that one can be reached, so that
 * one member counts its uses; members that are cut off from the maker count by what they know themselves.
 */
import { ERRORS, StarlingError, clockText } from '../core/index.ts';
import type { Clock, Did, ErrorCode, Health, PeerId } from '../core/index.ts';
import { parseGrant } from '../grants/index.ts';
import type { Grant, GrantBook } from '../grants/index.ts';
import { didFromPeerId, peerIdFromDid } from '../identity/index.ts';
import type { Identity } from '../identity/index.ts';
import type { Hello, InviteProof } from '../network/index.ts';
import type { InviteAnswer, InviteQuestion } from './tickets/invite-messages.ts';
import { mayPassOn, usesOf } from './records/invites.ts';
import type { OwnMesh } from './mesh.ts';
import {
  CLOCKS_APART,
  requireProof,
  requireUnused,
  verifyCarried,
} from './tickets/ticket-check.ts';
import type { ShownInvite } from './tickets/ticket-check.ts';

/** What redeeming works with. */
export interface RedeemComponents {
  readonly identity: Identity;
  readonly ownMesh: OwnMesh;
  readonly grants: GrantBook;
  readonly clock: Clock;
  /** Hears that a newcomer's clock is too far from ours. */
  readonly health?: Pick<Health, 'raise' | 'clear'>;
  /** Hears who has come in by which invite: at this node, or at another by an invite of this node. */
  readonly redeemed?: (newcomer: PeerId, invite: Grant) => void;
}

/** Health warning while the last newcomer was refused because of its clock. */
const NEWCOMER_CLOCK = 'newcomer-clock';

/** Asks the maker of a ticket; undefined when that one can't be reached. */
export type AskInviter = (
  inviter: PeerId,
  question: InviteQuestion,
) => Promise<InviteAnswer | undefined>;

/** Redeems tickets. */
export interface Redeemer {
  /** From now on the makers of tickets are asked by `ask`. */
  askBy(ask: AskInviter): void;
  /**
   * Lets a newcomer in: gives its membership and those above it, leaf first.
   * @throws STARLING_TICKET_INVALID, STARLING_TICKET_EXPIRED, STARLING_TICKET_SPENT, STARLING_JOIN_REFUSED;
   * STARLING_PEER_UNREACHABLE when nobody who can be asked knows the invite
   */
  redeem(hello: Hello, proof: InviteProof, peer: PeerId): Promise<readonly Grant[]>;
  /** Answers a member that a newcomer has shown a ticket of ours. Never rejects. */
  answer(question: InviteQuestion): Promise<InviteAnswer>;
}

/** Makes the redeemer of a node. */
export function createRedeemer(components: RedeemComponents): Redeemer {
  return new TicketRedeemer(components);
}

class TicketRedeemer implements Redeemer {
  readonly #components: RedeemComponents;
  #ask: AskInviter = () => Promise.resolve(undefined);

  constructor(components: RedeemComponents) {
    this.#components = components;
  }

  askBy(ask: AskInviter): void {
    this.#ask = ask;
  }

  async redeem(hello: Hello, proof: InviteProof, peer: PeerId): Promise<readonly Grant[]> {
    const { clock, grants, identity, ownMesh } = this.#components;
    const records = ownMesh.records();
    const { id: mesh } = ownMesh.require();
    const did = didFromPeerId(peer);
    const shown = { proof, newcomer: peer, member: identity.peerId, mesh, time: hello.time };
    const carried = proof.key === undefined ? verifyCarried(records, proof) : undefined;
    this.#requireProof(shown, proof.key ?? carried?.claims.aud ?? identity.did, clock.now());
    const known = records.membershipOf(did);
    if (known !== undefined) return known;
    // Nothing is used up by asking one who may let nobody in.
    ownMesh.requireInviter();
    const invite =
      carried === undefined
        ? await this.#agree(proof.key ?? identity.did, did, proof.by)
        : await this.#useCarried(carried, did);
    const canInvite = mayPassOn(invite, mesh);
    const membership = ownMesh.delegate(did, canInvite, Number.MAX_SAFE_INTEGER);
    await grants.keepIssued(membership);
    await records.add(membership.jws);
    this.#components.redeemed?.(peer, invite);
    return [membership, ...ownMesh.ownChain()];
  }

  async answer({ key, newcomer }: InviteQuestion): Promise<InviteAnswer> {
    try {
      const { identity, ownMesh } = this.#components;
      const [invite] = ownMesh
        .records()
        .invitesTo(key)
        .filter((one) => this.#isOurs(one));
      if (invite === undefined) throw unknownInvite('this node has made no such ticket');
      const isNew = ownMesh.records().membershipOf(newcomer) === undefined;
      const spent = await this.#use(invite, newcomer, identity);
      if (isNew) this.#components.redeemed?.(peerIdFromDid(newcomer), invite);
      return { ok: true, invite: invite.jws, spent };
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      return { ok: false, code: error.code, reason: error.message };
    }
  }

  /** Only who holds a ticket of this mesh can have its clock told. */
  #requireProof(shown: ShownInvite, key: Did, nowMs: number): void {
    const { health, ownMesh } = this.#components;
    try {
      requireProof(shown, key, nowMs);
      health?.clear(NEWCOMER_CLOCK);
    } catch (error) {
      const isClock = error instanceof StarlingError && error.data['rule'] === CLOCKS_APART;
      const isKnown = shown.proof.key === undefined || ownMesh.records().invitesTo(key).length > 0;
      if (isClock && isKnown) {
        const offset = { alias: shown.newcomer, clockOffsetMs: shown.time - nowMs };
        health?.raise({
          code: NEWCOMER_CLOCK,
          text: `a node that wants to join was refused: ${clockText(offset)}`,
          hint: 'set the clock that is wrong, best by NTP (timedatectl set-ntp true), and start that node again',
        });
      }
      throw error;
    }
  }

  async #useCarried(invite: Grant, did: Did): Promise<Grant> {
    const records = this.#components.ownMesh.records();
    requireUnused(records, invite, did, 1);
    await records.spend(this.#components.identity, invite, did);
    return invite;
  }

  /** The invite to `key`, once its maker or this node by itself has counted its use. */
  async #agree(key: Did, newcomer: Did, by: PeerId | undefined): Promise<Grant> {
    const { identity, ownMesh } = this.#components;
    const records = ownMesh.records();
    const maker = by === undefined ? undefined : this.#currentOf(didFromPeerId(by));
    const invite = records.invitesTo(key).find((one) => this.#currentOf(one.claims.iss) === maker);
    if (maker === identity.did) {
      if (invite === undefined) throw unknownInvite('this node has made no such ticket');
      await this.#use(invite, newcomer, identity);
      return invite;
    }
    // Whom the newcomer names is bothered only where that one is a member.
    const answer =
      maker === undefined || records.membershipOf(maker) === undefined
        ? undefined
        : await this.#ask(peerIdFromDid(maker), { key, newcomer });
    if (answer?.ok === true) return this.#counted(answer, key, newcomer);
    if (answer !== undefined) {
      const code = isCode(answer.code) ? answer.code : 'STARLING_TICKET_INVALID';
      throw new StarlingError(code, answer.reason, { hint: 'ask for a new one: starling invite' });
    }
    if (invite === undefined) {
      throw new StarlingError(
        'STARLING_PEER_UNREACHABLE',
        `the invite of this ticket has not come to this member yet, and ${by ?? 'who made it'} can't be asked: it is not reached from here, or is no member`,
        { hint: 'try again once that one runs, or ask another member for a ticket' },
      );
    }
    await this.#use(invite, newcomer, identity);
    return invite;
  }

  /** What its maker has answered is verified like any record. */
  async #counted(
    answer: Extract<InviteAnswer, { readonly ok: true }>,
    key: Did,
    newcomer: Did,
  ): Promise<Grant> {
    const records = this.#components.ownMesh.records();
    await records.addAll([answer.invite, answer.spent]);
    const invite = parseGrant(answer.invite);
    const isKnown = records.invitesTo(key).some(({ hash }) => hash === invite.hash);
    if (!isKnown) throw unknownInvite('what its maker says of it does not hold here');
    records.verifyInvite(invite);
    if (records.usersOf(invite.claims.jti).includes(newcomer)) return invite;
    throw unknownInvite('its maker has not counted the use');
  }

  /** Counts a use; gives the text that says so. */
  async #use(invite: Grant, newcomer: Did, signer: Identity): Promise<string> {
    const { ownMesh } = this.#components;
    const records = ownMesh.records();
    records.verifyInvite(invite);
    const uses = usesOf(invite, ownMesh.require().id) ?? 1;
    requireUnused(records, invite, newcomer, uses);
    return records.spend(signer, invite, newcomer);
  }

  #isOurs(invite: Grant): boolean {
    return this.#currentOf(invite.claims.iss) === this.#components.identity.did;
  }

  #currentOf(did: Did): Did {
    return this.#components.ownMesh.successions.current(did);
  }
}

function unknownInvite(why: string): StarlingError {
  return new StarlingError('STARLING_TICKET_INVALID', `the ticket is not known: ${why}`, {
    hint: 'ask a member for a new one: starling invite',
  });
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
