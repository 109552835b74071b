/**
 * The three tools that stand for a whole list where a client asked for `tools: search`: one finds tools,
 * one describes them, one calls them. Pure: the session hands in what its caller sees, and relays a
 * `call_tool` itself, as a call of the tool that {@link readToolCall} names.
 */
import { z } from 'zod';
import { StarlingError, printable } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import type { ListedTool } from '../../directory/index.ts';
import type { ToolSearch } from './tool-search.ts';

/** The meta tools' names. */
export type MetaToolName = 'search_tools' | 'describe_tools' | 'call_tool';

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

const HITS_DEFAULT = 10;
const HITS_MAX = 50;
const DESCRIBED_MAX = 20;
const NAME_LENGTH_MAX = 128;
const QUERY_LENGTH_MAX = 512;
const SUMMARY_MAX = 160;
const SUGGESTIONS = 3;

const toolName = z.string().min(1).max(NAME_LENGTH_MAX);

const INPUTS = {
  search_tools: z.strictObject({
    query: z
      .string()
      .max(QUERY_LENGTH_MAX)
      .describe(
        'What the tool should do, in a few words, e.g. "read file". Empty lists the first.',
      ),
    limit: z
      .int()
      .min(1)
      .max(HITS_MAX)
      .optional()
      .describe(`How many at most; default ${HITS_DEFAULT}.`),
  }),
  describe_tools: z.strictObject({
    names: z.array(toolName).min(1).max(DESCRIBED_MAX).describe('Names as search_tools gave them.'),
  }),
  call_tool: z.strictObject({
    name: toolName.describe('Name as search_tools gave it.'),
    arguments: z
      .record(z.string(), z.unknown())
      .optional()
      .describe("Arguments by the tool's inputSchema, which describe_tools gives."),
  }),
} as const satisfies Record<MetaToolName, z.ZodObject>;

const OUTPUTS = {
  search_tools: z.object({
    tools: z.array(z.object({ name: z.string(), description: z.string(), score: z.number() })),
    total: z.int().describe('How many tools there are in all.'),
  }),
  describe_tools: z.object({
    tools: z.array(z.looseObject({ name: z.string() })).describe('Full definitions.'),
    unknown: z.array(z.object({ name: z.string(), didYouMean: z.array(z.string()) })),
  }),
};

/** The definitions of the meta tools, as `tools/list` gives them. */
export const META_TOOLS: readonly ListedTool[] = [
  {
    name: 'search_tools',
    title: 'Search tools',
    description:
      'Finds tools by what they do. Only these three tools are listed here; all others are found with this one, described by describe_tools, and called with call_tool.',
    inputSchema: schemaOf(INPUTS.search_tools),
    outputSchema: schemaOf(OUTPUTS.search_tools),
    annotations: { readOnlyHint: true, openWorldHint: false },
  },
  {
    name: 'describe_tools',
    title: 'Describe tools',
    description:
      'Gives the full definitions of tools, input schemas included. Use it before call_tool.',
    inputSchema: schemaOf(INPUTS.describe_tools),
    outputSchema: schemaOf(OUTPUTS.describe_tools),
    annotations: { readOnlyHint: true, openWorldHint: false },
  },
  {
    name: 'call_tool',
    title: 'Call a tool',
    description: 'Calls a tool that search_tools found. The result is the one that the tool gives.',
    inputSchema: schemaOf(INPUTS.call_tool),
  },
];

/** Is this one of the meta tools? */
export function isMetaTool(name: string): name is MetaToolName {
  return Object.hasOwn(INPUTS, name);
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
    const { query, limit = HITS_DEFAULT } = read(name, INPUTS.search_tools, args);
    const hits = await components.search(query, limit);
    const tools = hits.map(({ tool, score }) => ({
      name: tool.name,
      description: summaryOf(tool),
      score: Math.round(score * 100) / 100,
    }));
    return resultOf({ tools, total: components.tools.length });
  }
  const { names } = read(name, INPUTS.describe_tools, args);
  const wanted = new Set(names);
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
  const call = read('call_tool', INPUTS.call_tool, args);
  if (isMetaTool(call.name)) {
    throw new StarlingError('STARLING_USAGE', `call_tool does not call ${call.name}`, {
      hint: `call ${call.name} itself`,
    });
  }
  return { name: call.name, arguments: (call.arguments ?? {}) as JsonObject };
}

/** The error of a `call_tool` whose tool the caller does not see, with the names that are near. */
export async function unknownToolError(name: string, search: ToolSearch): Promise<StarlingError> {
  const near = await nearTools(name, search);
  return new StarlingError('STARLING_TOOL_UNKNOWN', `no tool is called '${printable(name)}'`, {
    hint: near.length === 0 ? 'find it with search_tools' : `did you mean ${near.join(' or ')}?`,
    data: { didYouMean: near },
  });
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

function read<Input extends z.ZodObject>(
  name: MetaToolName,
  schema: Input,
  args: unknown,
): z.output<Input> {
  const parsed = schema.safeParse(args ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path, message }) => `${path.join('.') || 'arguments'}: ${message}`,
  );
  const known = Object.keys(schema.shape).join(', ');
  throw new StarlingError(
    'STARLING_USAGE',
    `${name} can't use these arguments: ${printable(problems.join('; '), 500)}`,
    { hint: `its arguments are: ${known}` },
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

function schemaOf(schema: z.ZodObject): JsonObject {
  const { $schema: _, ...json } = z.toJSONSchema(schema);
  return JSON.parse(JSON.stringify(json)) as JsonObject;
}
