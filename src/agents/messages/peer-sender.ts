/** Who at a peer has sent a message, in one word. Pure. */
import type { OnBehalfOf, Principal } from '../../guard/index.ts';

/** What a name may be made of that another node gives; anything else could be taken for another part of the line. */
const NAME = /^[\w.:-]{1,64}$/;

/**
 * `<who>@<alias>`: the agent that the peer's node names, else whoever it says that it calls for, else the person whose
 * node it is. Only the alias is proven, by the peer's key.
 */
export function peerSender(
  { alias, onBehalfOf }: Extract<Principal, { kind: 'peer' }>,
  from: string | undefined,
): string {
  const [agent = ''] = from?.split('@', 1) ?? [];
  return `${NAME.test(agent) ? agent : callerOf(onBehalfOf)}@${alias}`;
}

function callerOf(onBehalfOf: OnBehalfOf | undefined): string {
  if (onBehalfOf === undefined) return 'operator';
  const { did, name } = onBehalfOf;
  const caller = did ?? `client:${name}`;
  return NAME.test(caller) ? caller : 'client';
}
