/**
 * Whether a ticket is still good, for the newcomer that holds it (in time?) and for the member that is
 * shown its invite: does the chain hold, is the proof fresh and of the invite's key, was it used before?
 */
import { StarlingError, durationText } from '../../core/index.ts';
import type { Did, MeshId, PeerId } from '../../core/index.ts';
import type { Grant } from '../../grants/index.ts';
import { parseDid, verifySignature } from '../../identity/index.ts';
import type { InviteProof } from '../../network/index.ts';
import type { Records } from '../records/records.ts';
import type { Ticket } from './ticket.ts';

/**
 * How far apart the clocks of two that meet may be, for an invite's proof. More = machines with worse
 * clocks can join; and a proof that was overheard could be shown again for longer, by the same peer only.
 */
const PROOF_AGE_MAX_MS = 300_000;
/** In `data.rule` of a refusal because of clocks. */
export const CLOCKS_APART = 'clocks-apart';

/** @throws STARLING_TICKET_EXPIRED when the ticket's time is over by `nowMs` */
export function requireInTime(ticket: Ticket, nowMs: number): void {
  const expiresAtMs = ticket.expiresAt * 1000;
  if (nowMs < expiresAtMs) return;
  throw new StarlingError(
    'STARLING_TICKET_EXPIRED',
    `the ticket for mesh '${ticket.name}' expired at ${new Date(expiresAtMs).toISOString()}; by this machine's clock it is ${new Date(nowMs).toISOString()}`,
    { hint: 'ask a member for a new one: starling invite (or set the clock, if it is wrong)' },
  );
}

/** What the holder of an invite signs, bound to this pair of peers. */
export function proofOf(newcomer: PeerId, member: PeerId, mesh: MeshId, time: number): Uint8Array {
  return Buffer.from(['starling-hello-1', newcomer, member, mesh, String(time)].join('\n'), 'utf8');
}

/** An invite as a newcomer shows it to a member. */
export interface ShownInvite {
  readonly proof: InviteProof;
  readonly newcomer: PeerId;
  readonly member: PeerId;
  readonly mesh: MeshId;
  /** The newcomer's clock when it signed, ms since the epoch. */
  readonly time: number;
}

/**
 * That the proof is fresh and signed by `key`.
 * @throws STARLING_TICKET_INVALID; STARLING_JOIN_REFUSED when the clocks are too far apart
 */
export function requireProof(shown: ShownInvite, key: Did, nowMs: number): void {
  const { proof, newcomer, member, mesh, time } = shown;
  const message = proofOf(newcomer, member, mesh, time);
  if (!verifySignature(key, message, proof.signature)) {
    throw invalid("the proof of the ticket's key does not hold");
  }
  if (Math.abs(nowMs - time) > PROOF_AGE_MAX_MS) {
    throw new StarlingError(
      'STARLING_JOIN_REFUSED',
      `the clock of ${newcomer}, which wants to join, is ${durationText(Math.abs(time - nowMs))} ${time > nowMs ? 'ahead of' : 'behind'} that of ${member}, the member that it asked, where it is ${new Date(nowMs).toISOString()}; 5 minutes are taken`,
      {
        hint: 'set the clock that is wrong, best by NTP: timedatectl set-ntp true',
        data: { rule: CLOCKS_APART },
      },
    );
  }
}

/**
 * The invite that a long ticket carries, once its chain holds.
 * @throws STARLING_TICKET_INVALID, STARLING_TICKET_EXPIRED
 */
export function verifyCarried(records: Records, { grants }: InviteProof): Grant {
  const [jws] = grants;
  const aud = jws === undefined ? undefined : audienceOf(jws);
  if (aud === undefined) throw invalid('the invite does not parse');
  try {
    const [invite] = records.verifyMembership(grants, aud);
    if (invite !== undefined) return invite;
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    const expired = error.data['rule'] === 'expired';
    throw new StarlingError(
      expired ? 'STARLING_TICKET_EXPIRED' : 'STARLING_TICKET_INVALID',
      `the ticket does not hold: ${error.message}`,
      { hint: 'ask a member for a new one: starling invite', cause: error },
    );
  }
  throw invalid('the invite is empty');
}

/**
 * That fewer than `uses` others than `newcomer` used the invite, and that `newcomer` was not put out, and has not left,
 * since it did: whoever is out comes back by a new ticket only.
 * @throws STARLING_TICKET_SPENT
 */
export function requireUnused(records: Records, invite: Grant, newcomer: Did, uses: number): void {
  const users = records.usersOf(invite.claims.jti);
  const isUser = users.includes(newcomer);
  if (isUser && records.endOf(newcomer) !== undefined) {
    throw spent('this node came in by this ticket before, and is no member any more');
  }
  if (users.length < uses || (isUser && users.slice(0, uses).includes(newcomer))) return;
  throw spent(
    uses === 1 ? 'this ticket was used before' : `all ${uses} uses of this ticket are used up`,
  );
}

function spent(what: string): StarlingError {
  return new StarlingError('STARLING_TICKET_SPENT', what, {
    hint: 'ask a member for a new one (starling invite)',
  });
}

/** Whom a grant is for, unverified; undefined when it can't be read. */
function audienceOf(jws: string): Did | undefined {
  try {
    const payload: unknown = JSON.parse(
      Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8'),
    );
    if (typeof payload !== 'object' || payload === null || !('aud' in payload)) return undefined;
    return parseDid(String(payload.aud));
  } catch {
    // Hostile or damaged: the caller refuses it by name.
    return undefined;
  }
}

function invalid(message: string): StarlingError {
  return new StarlingError('STARLING_TICKET_INVALID', message);
}
