/** How a session answers where three tools stand for the whole list: `tools: search`. */
import type { JsonObject } from '../../core/index.ts';
import type { ListedTool } from '../../directory/index.ts';
import { requestBytes } from '../wire/frame.ts';
import { META_TOOLS, answerMetaTool, isMetaTool, readToolCall } from '../catalog/search-tools.ts';
import type { View } from '../catalog/types.ts';
import { createToolSearches } from '../catalog/tool-search.ts';
import type { RequestFrame } from '../types.ts';
import { paginate } from '../catalog/lists.ts';

/** The tool by which search calls others. */
const CALL_TOOL = 'call_tool';
/** Shared by the sessions that see the same list: an index of many tools takes a while. */
const searches = createToolSearches();

/** What is listed instead of all tools. */
export const SEARCH_PAGES: readonly Buffer[] = paginate('tools', META_TOOLS).pages;

/** The call that a `call_tool` is about; any other request as it is. @throws STARLING_USAGE */
export function unwrapCall(frame: RequestFrame): RequestFrame {
  const { method, params } = frame;
  if (method !== 'tools/call' || params['name'] !== CALL_TOOL) return frame;
  const call = readToolCall(params['arguments']);
  const inner = { ...params, name: call.name, arguments: call.arguments };
  return { ...frame, bytes: requestBytes(frame.id, method, inner), params: inner };
}

/** The answer of `search_tools` or `describe_tools`; undefined when the request calls neither. */
export function answerSearch(view: View, frame: RequestFrame): Promise<JsonObject> | undefined {
  const { method, params } = frame;
  const { name } = params;
  if (method !== 'tools/call') return undefined;
  if (typeof name !== 'string' || !isMetaTool(name) || name === CALL_TOOL) return undefined;
  const tools = (): readonly ListedTool[] => view.lists.items('tools') as readonly ListedTool[];
  return answerMetaTool(name, params['arguments'], {
    tools: tools(),
    search: searches.get(view.lists.digest('tools'), tools),
  });
}
