/** What `starling up` says where the node of the state folder runs already. */
import type { StatusResult } from '../../builtin/results.ts';
import { StarlingError } from '../../core/errors.ts';
import { SECOND_NODE } from '../../core/words/system-words.ts';
import { attach } from './client.ts';

/** A node that takes longer hangs, and its folder is all that is known of it. */
const ASK_TIMEOUT_MS = 3000;

/** `error`, or for a state folder in use which node that is, and how to do what was meant. */
export async function withRunning(
  error: unknown,
  stateDir: string,
  isJoin: boolean,
): Promise<unknown> {
  if (!(error instanceof StarlingError) || error.code !== 'STARLING_STATE_LOCKED') return error;
  const running = await statusOf(stateDir);
  if (running === undefined) return error;
  const first = isJoin
    ? 'to join, stop it there (Ctrl-C), then give this command again'
    : 'see it with: starling status';
  return new StarlingError(
    'STARLING_STATE_LOCKED',
    `this node runs already (${running.name}, pid ${running.pid})`,
    {
      hint: `${first}; ${SECOND_NODE.replace('starling up', 'starling up --state <folder>')}`,
      cause: error,
    },
  );
}

/** The status of the node that runs in the state folder; undefined when none answers. */
export async function statusOf(stateDir: string): Promise<StatusResult | undefined> {
  try {
    const node = await attach(stateDir);
    try {
      return await node.builtin<StatusResult>('status', {}, { timeoutMs: ASK_TIMEOUT_MS });
    } finally {
      node.close();
    }
  } catch {
    // It is just starting or stopping, or another program has the folder: the error says what is sure.
    return undefined;
  }
}
