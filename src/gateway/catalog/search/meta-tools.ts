/**
 * The three tools that stand for a whole list where a client asked for `tools: search`: one finds tools,
 * one describes them, one calls them. Pure: the session hands in what its caller sees, and relays a
 * `call_tool` itself, as a call of the tool that {@link readToolCall} names.
 */
import { StarlingError, isCount, isObject, isText, printable } from '../../../core/index.ts';
import type { Json, JsonObject } from '../../../core/index.ts';
import type { ListedTool } from '../../../directory/index.ts';
import {
  DESCRIBED_MAX,
  HITS_DEFAULT,
  HITS_MAX,
  META_TOOLS,
  NAME_LENGTH_MAX,
  QUERY_LENGTH_MAX,
} from './meta-tool-definitions.ts';
import type { MetaToolName } from './meta-tool-definitions.ts';
import type { ToolSearch } from './word-index.ts';

/** What the meta tools look at: the list that the caller would see without them. */
export interface MetaToolComponents {
  readonly tools: readonly ListedTool[];
  readonly search: ToolSearch;
}

/** What a `call_tool` asks for. */
export interface ToolCall {
  readonly name: string;
  readonly arguments: JsonObject;
}

const SUMMARY_MAX = 160;
const SUGGESTIONS = 3;
const NAMES: ReadonlySet<string> = new Set(META_TOOLS.map(({ name }) => name));

/** What an argument must be, and how a person reads that. */
interface Argument {
  readonly fits: (value: Json) => boolean;
  readonly text: string;
  readonly isOptional?: true;
}

const isName = (value: Json): value is string => isText(value, NAME_LENGTH_MAX) && value !== '';

const ARGUMENTS: Readonly<Record<MetaToolName, Readonly<Record<string, Argument>>>> = {
  search_tools: {
    query: {
      fits: (value) => isText(value, QUERY_LENGTH_MAX),
      text: `a text of at most ${QUERY_LENGTH_MAX} characters`,
    },
    limit: {
      fits: (value) => isCount(value) && value >= 1 && value <= HITS_MAX,
      text: `a whole number from 1 to ${HITS_MAX}`,
      isOptional: true,
    },
  },
  describe_tools: {
    names: {
      fits: (value) =>
        Array.isArray(value) &&
        value.length >= 1 &&
        value.length <= DESCRIBED_MAX &&
        value.every((name: Json) => isName(name)),
      text: `a list of 1 to ${DESCRIBED_MAX} names`,
    },
  },
  call_tool: {
    name: { fits: isName, text: `a name of 1 to ${NAME_LENGTH_MAX} characters` },
    arguments: { fits: (value) => isObject(value), text: 'an object', isOptional: true },
  },
};

/** Whether the tool of this name is one of the three. */
export function isMetaTool(name: string): name is MetaToolName {
  return NAMES.has(name);
}

/**
 * The `tools/call` result of `search_tools` or `describe_tools`.
 * @throws STARLING_USAGE when the arguments do not fit
 */
export async function answerMetaTool(
  name: Exclude<MetaToolName, 'call_tool'>,
  args: unknown,
  components: MetaToolComponents,
): Promise<JsonObject> {
  if (name === 'search_tools') {
    const { query, limit = HITS_DEFAULT } = read(name, args);
    const hits = await components.search(String(query), Number(limit));
    const tools = hits.map(({ tool, score }) => ({
      name: tool.name,
      description: summaryOf(tool),
      score: Math.round(score * 100) / 100,
    }));
    return resultOf({ tools, total: components.tools.length });
  }
  const { names } = read(name, args);
  const wanted = new Set(names as readonly string[]);
  const tools = components.tools.filter((tool) => wanted.has(tool.name));
  for (const { name: found } of tools) wanted.delete(found);
  const unknown = await Promise.all(
    [...wanted].map(async (missing) => ({
      name: missing,
      didYouMean: await nearTools(missing, components.search),
    })),
  );
  return resultOf({ tools, unknown });
}

/** What a `call_tool` asks for. @throws STARLING_USAGE when its arguments do not fit */
export function readToolCall(args: unknown): ToolCall {
  const { name, arguments: inner = {} } = read('call_tool', args);
  if (isMetaTool(String(name))) {
    throw new StarlingError('STARLING_USAGE', `call_tool does not call ${String(name)}`, {
      hint: `call ${String(name)} itself`,
    });
  }
  return { name: String(name), arguments: inner as JsonObject };
}

/**
 * An error of a meta tool as a result that the model reads and can learn from (MCP 2025-11-25, `tools`:
 * input errors are results with `isError`).
 */
export function metaToolError(error: StarlingError): JsonObject {
  const text = error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
  return { content: [{ type: 'text', text: `${error.code}: ${text}` }], isError: true };
}

async function nearTools(name: string, search: ToolSearch): Promise<string[]> {
  return (await search(name, SUGGESTIONS)).map(({ tool }) => tool.name);
}

/** The arguments of a meta tool, once each is what it must be. @throws STARLING_USAGE */
function read(tool: MetaToolName, args: unknown): JsonObject {
  const known = ARGUMENTS[tool];
  const given = args === undefined || args === null ? {} : args;
  if (!isObject(given)) throw wrongArguments(tool, ['arguments must be an object']);
  const problems = [
    ...Object.entries(known).flatMap(([name, { fits, text, isOptional }]) => {
      const value = given[name] as Json | undefined;
      const isRight = value === undefined ? isOptional === true : fits(value);
      return isRight ? [] : [`${name} must be ${text}`];
    }),
    ...Object.keys(given)
      .filter((name) => !Object.hasOwn(known, name))
      .map((name) => `there is no argument ${name}`),
  ];
  if (problems.length > 0) throw wrongArguments(tool, problems);
  return given as JsonObject;
}

function wrongArguments(tool: MetaToolName, problems: readonly string[]): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `${tool} can't use these arguments: ${printable(problems.join('; '), 500)}`,
    { hint: `its arguments are: ${Object.keys(ARGUMENTS[tool]).join(', ')}` },
  );
}

/** The first sentence of what a tool says of itself, on one line. */
function summaryOf(tool: ListedTool): string {
  const { description, title } = tool;
  const said = typeof description === 'string' && description.trim() !== '' ? description : title;
  if (typeof said !== 'string') return '';
  const line = said
    .slice(0, SUMMARY_MAX * 4)
    .replaceAll(/\s+/g, ' ')
    .trim();
  const sentence = /^.*?[.!?](?= \p{Lu}|$)/u.exec(line)?.[0] ?? line;
  return sentence.length > SUMMARY_MAX ? `${sentence.slice(0, SUMMARY_MAX - 1)}…` : sentence;
}

function resultOf(structured: object): JsonObject {
  const structuredContent = structured as JsonObject;
  return {
    content: [{ type: 'text', text: JSON.stringify(structuredContent) }],
    structuredContent,
  };
}
