/**
 * Whether a ticket is still good, for the newcomer that holds it (in time?) and for the member that is
 * shown its invite: does the chain hold, is the proof fresh and of the invite's key, was it used before?
 */
import { StarlingError } from '../core/index.ts';
import type { Did, MeshId, PeerId } from '../core/index.ts';
import type { Grant } from '../grants/index.ts';
import { parseDid, verifySignature } from '../identity/index.ts';
import type { InviteProof } from '../network/index.ts';
import type { Records } from './records.ts';
import type { Ticket } from './ticket-format.ts';

/**
 * How far apart the clocks of two that meet may be, for an invite's proof. More = machines with worse
 * clocks can join; and a proof that was overheard could be shown again for longer, by the same peer only.
 */
const PROOF_AGE_MAX_MS = 300_000;

/** @throws STARLING_TICKET_EXPIRED when the ticket's time is over by `nowMs` */
export function requireInTime(ticket: Ticket, nowMs: number): void {
  const expiresAtMs = Math.min(...ticket.grants.map((grant) => grant.claims.exp)) * 1000;
  if (nowMs < expiresAtMs) return;
  throw new StarlingError(
    'STARLING_TICKET_EXPIRED',
    `the ticket for mesh '${ticket.name}' expired at ${new Date(expiresAtMs).toISOString()}`,
    { hint: 'ask a member for a new one: starling invite' },
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
 * The invite's grant, once its chain and its proof hold. That nobody used it is for {@link requireUnused}.
 * @throws STARLING_TICKET_INVALID, STARLING_TICKET_EXPIRED; STARLING_JOIN_REFUSED when clocks are apart
 */
export function verifyInvite(records: Records, shown: ShownInvite, nowMs: number): Grant {
  const { proof, newcomer, member, mesh, time } = shown;
  const invite = verifyChain(records, proof);
  if (Math.abs(nowMs - time) > PROOF_AGE_MAX_MS) {
    throw new StarlingError(
      'STARLING_JOIN_REFUSED',
      'the clocks of the two machines are more than 5 minutes apart',
      { hint: 'set the clock of the machine that wants to join' },
    );
  }
  const message = proofOf(newcomer, member, mesh, time);
  if (verifySignature(invite.claims.aud, message, proof.signature)) return invite;
  throw invalid("the proof of the ticket's key does not hold");
}

/** That nobody else than `newcomer` used the invite. @throws STARLING_TICKET_SPENT */
export function requireUnused(records: Records, invite: Grant, newcomer: Did): void {
  const usedBy = records.spentBy(invite.claims.jti);
  if (usedBy === undefined || usedBy === newcomer) return;
  throw new StarlingError('STARLING_TICKET_SPENT', 'this ticket was used before', {
    hint: 'each lets one node in: ask a member for a new one (starling invite)',
  });
}

function verifyChain(records: Records, { grants }: InviteProof): Grant {
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
