/** What is said of conversations that there are not, or that can't be changed like that. */
import { StarlingError, printable } from '../core/index.ts';
import type { Did } from '../core/index.ts';
import { CONTEXTS_PER_AGENT, SHARES_MAX } from './limits.ts';

/** No such conversation, for whoever asks. */
export function unknown(id: string): StarlingError {
  return new StarlingError(
    'STARLING_CONTEXT_UNKNOWN',
    `this node has no conversation '${printable(id, 80)}'`,
    { hint: 'see which there are: starling context list' },
  );
}

/** Another summary came in between. */
export function summarisedMeanwhile(id: string): StarlingError {
  return new StarlingError('STARLING_USAGE', 'it was summarised meanwhile', {
    hint: `see it: starling context show ${id}`,
  });
}

/** Who is shown a conversation reads it, and changes nothing of it. */
export function ofAnother(id: string, by: Did): StarlingError {
  return new StarlingError(
    'STARLING_CONTEXT_UNKNOWN',
    `this node only reads '${printable(id, 80)}': it belongs to the node ${by}, which shows it`,
    { hint: `change it there; to read it here: starling context show ${printable(id, 80)}` },
  );
}

/** A way of sharing that can't be. */
export function wrong(why: string, hint?: string): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `the conversation can't be shared like that: ${why}`,
    hint === undefined ? {} : { hint: `make one: ${hint}` },
  );
}

/** One more than may be shown it. */
export function tooManyShares(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `a conversation is shown to ${SHARES_MAX} nodes and clients at the most`,
    { hint: 'end one: starling context share <id> <node> --view none' },
  );
}

/** One more than an agent may have. */
export function tooManyContexts(agent: string): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `agent ${agent} has ${CONTEXTS_PER_AGENT} conversations, and all are shown to somebody`,
    { hint: 'delete one: starling context delete <id>' },
  );
}
