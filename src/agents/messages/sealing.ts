/**
 * Sealed messages: what is said in a message, and in its answer, is closed for the key of the node that has the agent
 * before it leaves the sender's node, and opened there. Whoever carries or keeps it on the way sees for which agent it
 * is, from whom, its type and its size.
 */
import { StarlingError, isObject } from '../../core/index.ts';
import type { Did, Json, JsonObject } from '../../core/index.ts';
import type { MessageInit } from '../types.ts';

/** Closes and opens. */
export interface Sealing {
  /** Closes `text` for the key of `did`, as base64. */
  seal(did: Did, text: string): string;
  /** @throws STARLING_USAGE for what is not sealed for this node */
  open(sealed: string): string;
}

/** Arguments of `agent_message` with what is said closed for `to`. */
export function sealedArgs(sealing: Sealing, to: Did, args: JsonObject): JsonObject {
  const { message, data, metadata, ...open } = args;
  const { agentId, messageId } = args;
  const inside = { agentId, messageId, message, data, metadata };
  return { ...open, message: null, sealed: sealing.seal(to, JSON.stringify(inside)) };
}

/** What a peer has sent, opened. @throws STARLING_USAGE for what is not sealed for this node, or for another message */
export function openedInit(sealing: Sealing, init: MessageInit, sealed: string): MessageInit {
  // The guard was asked about what stands outside: nothing there may be taken for what is inside.
  if (init.type === undefined || (init.message ?? null) !== null) throw misplaced();
  if (init.data !== undefined || init.metadata !== undefined) throw misplaced();
  const inside = parsed(sealing.open(sealed));
  const { message = null, data, metadata } = inside;
  // What was sealed for one message can't be put into another.
  if (inside['agentId'] !== init.to || inside['messageId'] !== init.messageId) throw misplaced();
  return {
    ...init,
    message,
    data,
    metadata: { ...(isObject(metadata) ? metadata : {}), sealed: true },
  };
}

/** A response as it goes back to a peer. */
export function sealedResponse(sealing: Sealing, to: Did, response: Json): string {
  return sealing.seal(to, JSON.stringify({ response }));
}

/** The response in what {@link sealedResponse} has made. @throws STARLING_USAGE */
export function openedResponse(sealing: Sealing, sealed: string): Json {
  return parsed(sealing.open(sealed))['response'] ?? null;
}

function parsed(text: string): JsonObject {
  const value: unknown = JSON.parse(text);
  if (isObject(value)) return value as JsonObject;
  throw misplaced();
}

function misplaced(): StarlingError {
  return new StarlingError('STARLING_USAGE', 'what is sealed belongs to another message');
}
