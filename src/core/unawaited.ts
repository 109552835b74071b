/** Work that goes on while nobody waits for it. */
import { messageOf } from './errors.ts';
import type { Logger } from './logger.ts';

/**
 * Lets `work` go on by itself. What it rejects with is logged as an error: `what` says in a sentence what did not come
 * about, `facts` of whom. Without that the rejection would be nobody's, and a fault of the whole node.
 */
export function unawaited(
  work: Promise<unknown>,
  logger: Pick<Logger, 'error'>,
  what: string,
  facts: Readonly<Record<string, unknown>> = {},
): void {
  work.catch((error: unknown) => logger.error({ ...facts, error: messageOf(error) }, what));
}
