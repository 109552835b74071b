/**
 * Session guarantees (Terry et al., "Session guarantees for weakly consistent replicated data", 1994) by one
 * text: how far the replica that a client used had seen each lane. A replica that has seen as much serves
 * the client's reads and writes in order, whichever replicas the client used before.
 */
import { StarlingError, printable } from '../core/index.ts';
import type { Seen } from './update.ts';

const HEAD = 'b2.';
const CHARS_MAX = 128 * 1024;

/** The token of a replica that has seen `seen`. */
export function writeToken(seen: Seen): string {
  return `${HEAD}${Buffer.from(JSON.stringify(seen)).toString('base64url')}`;
}

/** What a token says was seen. @throws STARLING_USAGE when it is none */
export function readToken(token: string): Seen {
  const seen = token.startsWith(HEAD) && token.length <= CHARS_MAX ? seenOf(token) : undefined;
  if (seen !== undefined) return seen;
  throw new StarlingError(
    'STARLING_USAGE',
    `'${printable(token.slice(0, 40))}' is no token of a board`,
    {
      hint: 'use the `token` of an earlier answer about this board, as it was',
    },
  );
}

/** Whether a replica that has seen `ours` has seen all of `wanted`. */
export function covers(ours: Seen, wanted: Seen): boolean {
  const known = new Map<number, number>();
  for (let at = 0; at < ours.length; at += 2) known.set(ours[at] ?? 0, ours[at + 1] ?? 0);
  for (let at = 0; at < wanted.length; at += 2) {
    if ((known.get(wanted[at] ?? 0) ?? 0) < (wanted[at + 1] ?? 0)) return false;
  }
  return true;
}

function seenOf(token: string): Seen | undefined {
  try {
    const value: unknown = JSON.parse(
      Buffer.from(token.slice(HEAD.length), 'base64url').toString(),
    );
    const isSeen =
      Array.isArray(value) && value.length % 2 === 0 && value.every(Number.isSafeInteger);
    return isSeen ? (value as Seen) : undefined;
  } catch {
    // Whatever is wrong with it, it is no token.
    return undefined;
  }
}
