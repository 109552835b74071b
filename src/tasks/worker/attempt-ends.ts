/** What the end of an attempt is to its submitter: by its result, by what its agent says, or because nobody has agreed to it. */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Json } from '../../core/index.ts';
import { readTaint } from '../../guard/index.ts';
import type { Taint } from '../../guard/index.ts';
import { RESULT_BYTES_MAX, WORDS_MAX } from '../limits.ts';
import type { Ended } from './work-attempt.ts';

/** The result is kept until the submitter's node has asked for it, and that node takes no larger one. */
export function ofSize(result: Json): Ended {
  const bytes = Buffer.byteLength(JSON.stringify(result));
  if (bytes <= RESULT_BYTES_MAX) return { state: 'done', result };
  const message = `its result has ${bytes} bytes, of ${RESULT_BYTES_MAX} at most`;
  return { state: 'failed', reason: 'size', message, answered: true };
}

/** A person, or the time for one, has said no; anything else ends the attempt without a word of anybody. */
export function notAgreed(error: unknown): Ended {
  const said = error instanceof StarlingError ? error.data['state'] : undefined;
  const answered = said === 'denied' || said === 'expired';
  const message = messageOf(error).slice(0, WORDS_MAX);
  return { state: 'failed', reason: answered ? 'denied' : 'lost', message, answered };
}

/** What the agent has answered is its own failure; what else there is says that it was lost. */
export function faultOf(error: unknown): Ended {
  const reason = error instanceof StarlingError ? String(error.data['reason'] ?? error.code) : '';
  const message = messageOf(error).slice(0, WORDS_MAX);
  const taint = error instanceof StarlingError ? readTaint(error.data['taint']) : undefined;
  const said = { reason, message, answered: reason === 'failed' };
  return { state: 'failed', ...said, ...(taint === undefined ? {} : { taint }) };
}

/** The end of an attempt, with what its agent had read. */
export function withTaint(outcome: Ended, taint: Taint | undefined): Ended {
  return taint === undefined ? outcome : { ...outcome, taint };
}
