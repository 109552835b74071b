/** What a session answers where three tools stand for the whole list: `tools: search`. */
import { StarlingError } from '../../../core/index.ts';
import type { JsonObject } from '../../../core/index.ts';
import type { ListedTool } from '../../../directory/index.ts';
import { requestBytes } from '../../wire/frame.ts';
import type { RequestFrame } from '../../frame-types.ts';
import { paginate } from '../lists.ts';
import { META_TOOLS } from './meta-tool-definitions.ts';
import { answerMetaTool, isMetaTool, metaToolError, readToolCall } from './meta-tools.ts';
import { createToolSearches } from './word-index.ts';
import type { SearchMode, View } from '../types.ts';

/** The tool by which search calls others. */
const CALL_TOOL = 'call_tool';

/**
 * Makes the search of a node. Sessions that see the same list share an index, because the index of many
 * tools takes a while to build.
 */
export function createSearchMode(): SearchMode {
  const searches = createToolSearches();
  const answer = async (name: string, args: unknown, view: View): Promise<JsonObject> => {
    if (!isMetaTool(name) || name === CALL_TOOL) throw new TypeError(`${name} is no meta tool`);
    const tools = (): readonly ListedTool[] => view.lists.items('tools') as readonly ListedTool[];
    try {
      const search = searches.get(view.lists.digest('tools'), tools);
      return await answerMetaTool(name, args, { tools: tools(), search });
    } catch (error) {
      if (error instanceof StarlingError) return metaToolError(error);
      throw error;
    }
  };
  return {
    pages: paginate('tools', META_TOOLS).pages,
    unwrap(frame: RequestFrame) {
      const { method, params } = frame;
      if (method !== 'tools/call' || params['name'] !== CALL_TOOL) return frame;
      const call = readToolCall(params['arguments']);
      const inner = { ...params, name: call.name, arguments: call.arguments };
      return { ...frame, bytes: requestBytes(frame.id, method, inner), params: inner };
    },
    answer(view, { method, params }) {
      const { name } = params;
      if (method !== 'tools/call' || typeof name !== 'string') return undefined;
      if (!isMetaTool(name) || name === CALL_TOOL) return undefined;
      return answer(name, params['arguments'], view);
    },
  };
}
