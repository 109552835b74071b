/**
 * Session guarantees (Terry et al., "Session guarantees for weakly consistent replicated data", 1994) by one
 * text: how far the replica that a client used had seen each lane. A replica that has seen as much serves
 * the client's reads and writes in order, whichever replicas the client used before.
 */
import { StarlingError, printable } from '../../core/index.ts';
import { ownedNumbersOf, ownedPlacesOf } from './lane-format.ts';
import type { OwnedPlace } from './lane-format.ts';

const HEAD = 'b3.';
const CHARS_MAX = 128 * 1024;

/** The token of a replica that has seen `seen`. */
export function writeToken(seen: readonly OwnedPlace[]): string {
  return `${HEAD}${Buffer.from(JSON.stringify(ownedNumbersOf(seen))).toString('base64url')}`;
}

/** What a token says was seen. @throws STARLING_USAGE when it is none */
export function readToken(token: string): readonly OwnedPlace[] {
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

function seenOf(token: string): readonly OwnedPlace[] | undefined {
  try {
    return ownedPlacesOf(JSON.parse(Buffer.from(token.slice(HEAD.length), 'base64url').toString()));
  } catch {
    // Whatever is wrong with it, it is no token.
    return undefined;
  }
}
