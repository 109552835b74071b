/** An {@link AgentClient} over a door of a node, or over any client of MCP that is attached to one. */
import { ERRORS, StarlingError, isObject } from '../core/index.ts';
import type { Json, JsonObject } from '../core/index.ts';
import { answeredError, connectDoor } from '../gateway/index.ts';
import type { DoorInit } from '../gateway/index.ts';
import { AgentClient } from './client.ts';
import type { AgentCall } from './client.ts';

/** How an agent is connected. */
export interface ConnectInit extends DoorInit {
  /** Hears what a handler threw, and why an inbox could not be read. */
  readonly onError?: (error: unknown) => void;
}

/** Calls a tool of a node by its bare name, as any client of MCP does; gives the result of MCP. */
export type ToolCall = (
  name: string,
  args: JsonObject,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
) => Promise<unknown>;

/**
 * Makes an agent, or a caller of agents, of the node at `address`: `http://host:port`, `ws://…` or `tcp://…`. The key is
 * one of that node's, and what its scopes name is what the agent may do.
 * @throws STARLING_USAGE for an address that is none
 */
export function connectAgent(address: string, init: ConnectInit): AgentClient {
  const door = connectDoor(address, init);
  const { clock, onError, random } = init;
  return new AgentClient({
    call: callOver((name, args, options) => door.call(name, args, options)),
    closes: () => door.close(),
    ...(clock === undefined ? {} : { clock }),
    ...(random === undefined ? {} : { random }),
    ...(onError === undefined ? {} : { onError }),
  });
}

/** What {@link AgentClient} works with, over the calls of any client of MCP: one at `starling mcp` on stdio, for example. */
export function callOver(callTool: ToolCall): AgentCall {
  return async (tool, args, options) => {
    const result = await callTool(tool, args, options).catch((error: unknown) => {
      throw asOurs(error);
    });
    const answer = result as Json | undefined;
    const { content, isError, structuredContent } = isObject(answer) ? answer : {};
    if (isError !== true && isObject(structuredContent)) return structuredContent;
    throw new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', `${tool}: ${textIn(content)}`);
  };
}

/** Clients of MCP give what a node answers as an error of their own, with its `data`. */
function asOurs(error: unknown): unknown {
  if (error instanceof StarlingError || !(error instanceof Error)) return error;
  const { data } = error as { readonly data?: unknown };
  const code = isObject(data) ? data['code'] : undefined;
  if (typeof code !== 'string' || !Object.hasOwn(ERRORS, code)) return error;
  return answeredError({ code: 0, message: error.message, data: data as JsonObject });
}

function textIn(content: unknown): string {
  const [first] = Array.isArray(content) ? (content as readonly unknown[]) : [];
  const text = isObject(first) ? first['text'] : undefined;
  return typeof text === 'string' ? text.slice(0, 2000) : 'its answer has no structured content';
}
