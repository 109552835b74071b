/** How an inbox names who sent a message: whoever called, and those for whom that one works. */
import { chainOf, readLink } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';

/** The sender of what a node tells its own agents. */
export const NODE_SENDER = 'node';
const BETWEEN = '\n';

/** Of those who call again and again: each message asks for it. */
const keys = new WeakMap<Principal, string>();

/** The sender of a message: whoever called first. An agent that sends is no way around those who sent it. */
export function senderKey(principal: Principal): string {
  const known = keys.get(principal);
  if (known !== undefined) return known;
  const key = chainOf(principal).join(BETWEEN);
  keys.set(principal, key);
  return key;
}

/** The links of those by whose word a message came. */
export function sendersIn(sender: string): readonly string[] {
  return sender.split(BETWEEN);
}

/** Within what an id counts once: what the node sends from which the message came, or somebody of this node. */
export function originOf(sender: string): string {
  const [first = ''] = sendersIn(sender);
  return readLink(first)?.node ?? first;
}
