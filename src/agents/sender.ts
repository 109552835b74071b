/** How an inbox names who sent a message: whoever called, and those for whom that one works. */
import { keyOf } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';

/** The sender of what a node tells its own agents. */
export const NODE_SENDER = 'node';
const BETWEEN = '\n';

/** The sender of a message: `keyOf` the caller first. An agent that sends is no way around those who sent it. */
export function senderKey(principal: Principal): string {
  const { worksFor = [] } = principal.kind === 'client' ? principal : {};
  return [principal, ...worksFor].map((one) => keyOf(one)).join(BETWEEN);
}

/** `keyOf` each of those by whose word a message came. */
export function sendersIn(sender: string): readonly string[] {
  return sender.split(BETWEEN);
}
