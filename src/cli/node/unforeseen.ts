/**
 * A promise that fails while nobody waits for the outcome ends a Node.js process. In a node that many people
 * use, one such fault of ours, which a peer may have brought about, would end the work of all of them: the node
 * goes on, and says so in its log and in `status`. An error that is thrown outside of promises ends the process as
 * before: nobody knows what that has left half done.
 */
import type { StarlingNode } from '../../node-types.ts';

/** Tells `node` of each rejection that nobody handles, until the function that this gives is called. */
export function outliveRejections(node: Pick<StarlingNode, 'noteFault'>): () => void {
  const note = (reason: unknown): void => node.noteFault(reason);
  process.on('unhandledRejection', note);
  return () => process.off('unhandledRejection', note);
}
