/** Asks a person which of several peers is meant, where they go by one name. */
import { StarlingError } from '../../../core/errors.ts';
import { isObject } from '../../../core/json/value-checks.ts';
import { shortId } from '../../../identity/short-id.ts';
import { ask, canAsk } from './ask.ts';
import type { Conversation } from './ask.ts';
import { safeLine, tell } from '../output.ts';

/** Answers that a person can give at the most: one a candidate. */
const CANDIDATES_MAX = 9;

/**
 * The PeerId of the peer that is meant by the name in `error`, once a person has said which; undefined
 * when the error is another, and where nobody can be asked: then the error lists them all.
 */
export async function choosePeer(
  error: unknown,
  conversation?: Conversation,
): Promise<string | undefined> {
  if (!(error instanceof StarlingError) || error.code !== 'STARLING_PEER_AMBIGUOUS')
    return undefined;
  const { candidates } = error.data;
  if (!Array.isArray(candidates) || candidates.length > CANDIDATES_MAX || !canAsk(conversation))
    return undefined;
  const peers = candidates.filter(isObject).map(({ alias, peerId, state }) => ({
    alias: String(alias),
    peerId: String(peerId),
    state: String(state),
  }));
  tell(safeLine(error.message));
  for (const [index, { alias, peerId, state }] of peers.entries()) {
    tell(safeLine(`  ${index + 1}  ${alias}  ${shortId(peerId)}  ${state}`));
  }
  const numbers = peers.map((_, index) => String(index + 1));
  const answer = await ask('Which one is meant?', ['none', ...numbers], conversation);
  return peers[Number(answer) - 1]?.peerId;
}
