/**
 * Why a connection or stream failed, in our words: what libp2p and the system say is for programmers. Pure.
 */
import { StarlingError, addressText, messageOf } from '../core/index.ts';
import type { ErrorCode } from '../core/index.ts';

/** How libp2p and the system say it, and what is said in place of that. `$1` is what the form captures. */
const WORDS: readonly (readonly [theirs: RegExp, ours: string])[] = [
  [/^Can not dial self/, 'an address of it leads back to this node'],
  [/Unexpected Peer/i, 'another node is at its address'],
  [/^The connection gater denied/, 'none of its addresses may be dialled from here'],
  [
    /certificate is not valid yet/,
    'its clock and that of this machine are more than an hour apart (its is ahead)',
  ],
  [/certificate has expired/, "this machine's clock is far in the future, or its is in the past"],
  [
    /relay.*NO_RESERVATION/,
    'the member that would relay has no connection with it: it is off, or cut off from there too',
  ],
  [/relay.*(?:RESERVATION_REFUSED|RESOURCE_LIMIT_EXCEEDED)/, 'a relay has no room left'],
  [/relay.*PERMISSION_DENIED/, 'a relay lets only members of its mesh through'],
  [/relay.*CONNECTION_FAILED/, 'a relay could not reach it either'],
  [/relay/i, 'no relay led to it'],
  [/ECONNREFUSED (\S+)/, 'nothing listens at $1'],
  [/ECONNREFUSED/, 'nothing listens there'],
  [/(?:EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL) (\S+)/, 'this machine has no way to $1'],
  [/EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL/, 'this machine has no way there'],
  [/(?:ENOTFOUND|EAI_AGAIN) (\S+)/, 'the name $1 is not known here'],
  [/ETIMEDOUT|timed? ?out|aborted|took (?:too long|longer than)/i, 'no answer in time'],
  [
    /ECONNRESET|EPIPE|reset|closed|hang up|end of (?:input|stream)|unexpected end/i,
    'whoever is there ended the connection',
  ],
  [/protocol selection failed|unsupported protocol|multistream/i, 'no Starling node is there'],
  [/no valid addresses|no transport/i, 'none of its addresses can be dialled from here'],
  [/not found/i, 'no member knows where it is'],
  [/encrypt|handshake|crypto|certificate/i, 'whoever is there could not prove its key'],
];
/** For what nobody has seen yet; the log has the rest. */
const UNKNOWN = 'the connection failed (STARLING_LOG=debug shows more)';

/** Reasons that one text names. */
const REASONS_MAX = 4;

/** Why a dial or a stream failed, for a person. */
export function reasonText(error: unknown): string {
  return [...new Set(reasonsOf(error))].slice(0, REASONS_MAX).join('; ');
}

/** Where a dial failed and why, as people read places: `192.0.2.7:4040: nothing listens there`. */
export function reasonAt(address: string, error: unknown): string {
  const place = addressText(address);
  return `${place}: ${reasonText(error).replaceAll(` at ${place}`, ' there')}`;
}

/** `error` as one of ours: what failed, and why in our words. Errors of ours stay as they are. */
export function asOurs(error: unknown, code: ErrorCode, what: string): StarlingError {
  if (error instanceof StarlingError) return error;
  return new StarlingError(code, `${what}: ${reasonText(error)}`, { cause: error });
}

/** Each reason that `error` has: one that gathers others has all of theirs. */
export function reasonsOf(error: unknown): string[] {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.flatMap(reasonsOf);
  }
  const text = messageOf(error);
  if (error instanceof StarlingError) return [text];
  const found = WORDS.find(([theirs]) => theirs.test(text));
  if (found === undefined) return [UNKNOWN];
  const [theirs, ours] = found;
  return [ours.replace('$1', theirs.exec(text)?.[1]?.replace(/[,;:]$/, '') ?? 'there')];
}
