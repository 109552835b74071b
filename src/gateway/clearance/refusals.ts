/** Why somebody may not, or can't, as errors for a caller. */
import { StarlingError } from '../../core/index.ts';
import type { Wanted } from '../../grants/index.ts';
import type { Decision, Principal } from '../../guard/index.ts';
import type { PeerView } from '../../membership/index.ts';
import { objectOf } from '../wire/era.ts';
import type { ResponseFrame } from '../types.ts';

/** What was refused, by the error that its caller got: for the record, and for nobody else. */
const refusedWith = new WeakMap<StarlingError, Wanted>();

/** What the guard refused with `error`; undefined when something else did. */
export function wantedOfRefusal(error: unknown): Wanted | undefined {
  return error instanceof StarlingError ? refusedWith.get(error) : undefined;
}

/** {@link refusalOf} for what is refused before there is a call. */
export function refusalBefore(
  wanted: Wanted,
  ...refused: Parameters<typeof refusalOf>
): StarlingError {
  const error = refusalOf(...refused);
  refusedWith.set(error, wanted);
  return error;
}

/** Marks `error` as what refused `wanted` before there was a call. */
export function markRefusal(error: unknown, wanted: Wanted): void {
  if (error instanceof StarlingError) refusedWith.set(error, wanted);
}

/** The refusal as an error for the caller: `node` is who refuses, `peer` who is refused. */
export function refusalOf(
  decision: Extract<Decision, { allow: false }>,
  principal: Principal,
  self: string,
): StarlingError {
  const causes = (decision.refusal.causes ?? []).map((cause) => cause.text).join('; ');
  const text = causes === '' ? decision.refusal.text : `${decision.refusal.text}: ${causes}`;
  const hint = decision.hint.startsWith('starling ')
    ? `to allow it, run on ${self}: ${decision.hint}`
    : decision.hint;
  const peer = principal.kind === 'peer' ? { peer: principal.peerId } : {};
  return new StarlingError('STARLING_CALL_REFUSED', text, { hint, data: { node: self, ...peer } });
}

/** For the record, why a server says that it failed, in our words: its own may repeat the arguments. */
export function failureOf({ error }: ResponseFrame): string | undefined {
  if (error === undefined) return undefined;
  const { code } = objectOf(error.data);
  const isOurs = typeof code === 'string' && /^STARLING_[A-Z_]{1,40}$/.test(code);
  return isOurs ? code : `the server answered with error ${error.code}`;
}

/** The peer is dead or has left. */
export function peerAway(peer: PeerView): StarlingError {
  const when =
    peer.lastHeartbeatAt === 0
      ? 'was never heard'
      : `was last heard at ${new Date(peer.lastHeartbeatAt).toISOString()}`;
  const how = peer.state === 'left' ? 'has left the mesh' : 'is unreachable';
  return new StarlingError('STARLING_PEER_UNREACHABLE', `peer ${peer.alias} ${how}; it ${when}`, {
    hint: 'see who is there: starling peers',
    data: { peer: peer.peerId },
  });
}
