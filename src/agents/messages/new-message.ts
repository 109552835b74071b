/**
 * What a node makes of what somebody wants to say: the message as an agent gets it. Objects are written as one literal, or by
 * `Object.assign`: one that is spread and then gets another member is of a class of its own for the engine, each time anew,
 * and whatever reads it afterwards, JSON above all, takes several times as long.
 */
import { isCount } from '../../core/index.ts';
import type { Clock, JsonObject, Random } from '../../core/index.ts';
import { readTaint, worstTaint } from '../../guard/index.ts';
import type { Principal, Taint } from '../../guard/index.ts';
import { QUERY_MAX_MS, QUERY_MS } from '../limits.ts';
import { labelOf, parseAddress } from '../names.ts';
import type { AgentMessage, MessageInit, MessageType } from '../types.ts';

/** Where the time of a message and its id come from. */
export interface NewMessageComponents {
  readonly clock: Pick<Clock, 'now'>;
  readonly random: Random;
}

/** The message as its agent gets it: with an id, who sent it, and what it is made of. `from` is who sends it. */
export function newMessage(
  { clock, random }: NewMessageComponents,
  principal: Principal,
  init: MessageInit & { readonly type: MessageType },
  from: string,
): AgentMessage {
  const isPeer = principal.kind === 'peer';
  const now = clock.now();
  const id = (isPeer ? init.messageId : undefined) ?? labelOf('msg', now, random);
  const correlationId = init.correlationId ?? id;
  const { timeoutMs = QUERY_MS } = init;
  return {
    id,
    from,
    to: init.to === undefined ? '' : parseAddress(init.to).name,
    type: init.type,
    message: init.message,
    ...(init.data === undefined ? {} : { data: init.data }),
    priority: init.priority ?? 'normal',
    correlationId,
    timestamp: new Date(now).toISOString(),
    metadata: metadataOf(principal, init, { correlationId, messageId: id }),
    ...(init.type === 'query' ? { timeoutMs: Math.min(timeoutMs, QUERY_MAX_MS) } : {}),
  };
}

/** What is said beside the message, with what is known of it here in place of what is claimed. */
function metadataOf(
  principal: Principal,
  init: MessageInit,
  ids: { readonly correlationId: string; readonly messageId: string },
): JsonObject {
  const hops = hopsOf(principal, init);
  // What an agent of this node has read from elsewhere may be what it says now.
  const taint = taintOf(principal, init);
  if (init.metadata === undefined && hops === 0 && taint === undefined) return ids;
  const { hops: _claimed, taint: _said, ...said } = init.metadata ?? {};
  return Object.assign(
    said,
    hops === 0 ? undefined : { hops },
    taint === undefined ? undefined : { taint },
    ids,
  );
}

/** How many messages led to one: by the word of the peer that it came from, or of what is known of an agent here. */
export function hopsOf(principal: Principal, { metadata }: MessageInit): number {
  if (principal.kind === 'client') return principal.hops ?? 0;
  const said = principal.kind === 'peer' ? metadata?.['hops'] : undefined;
  return isCount(said) ? said : 0;
}

/** What a message may be made of: as is known of an agent here, and by the word of a peer, who can make it only worse. */
function taintOf(principal: Principal, { metadata, taint }: MessageInit): Taint | undefined {
  const own = principal.kind === 'client' ? principal.taint : undefined;
  const said = principal.kind === 'peer' ? readTaint(metadata?.['taint']) : undefined;
  return worstTaint(own, said, taint);
}
