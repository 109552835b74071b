/**
 * How a tool of the built-in server is written: a zod schema for its input, and a function.
 * Input is checked here, so no tool sees arguments that do not fit its schema.
 */
import { z } from 'zod';
import { BUILTIN_SERVER, StarlingError, misfitText } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import type { ClientAccess } from '../../guard/index.ts';
import { SEPARATOR } from '../catalog/tool-names.ts';
import type { BuiltinContext, BuiltinTool } from '../types.ts';

/** MCP tool annotations that we set (MCP 2025-11-25, `ToolAnnotations`). */
export interface Hints {
  readonly readOnlyHint?: boolean;
  readonly destructiveHint?: boolean;
  readonly idempotentHint?: boolean;
}

/** One tool before it is built. */
export interface ToolInit<Input extends z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: Input;
  readonly hints: Hints;
  /**
   * What clients of this node may do with it. `yes`: what reads, or concerns the client's own agent,
   * messages and tasks. `ask`: what starts or spends something, so that a person agrees to each call.
   * `no`: what changes rights, keys, secrets, pins, policy, approvals or members.
   */
  readonly clients: ClientAccess;
  /** What peers and agents may do with it; default `no`. */
  readonly peers?: 'granted' | 'no';
  /**
   * Whether the page in the operator's browser may call it. Default: what only reads, and what clients may use at all;
   * so nothing that changes rights, keys, secrets, pins, policy or members.
   */
  readonly dashboard?: boolean;
  /** See {@link BuiltinTool}. */
  readonly subject?: BuiltinTool['subject'];
  readonly onward?: BuiltinTool['onward'];
  readonly begin?: BuiltinTool['begin'];
  readonly onTop?: boolean;
  readonly forNodes?: boolean;
  readonly waits?: boolean;
  readonly givesTask?: boolean;
  /** Arguments of the commonest form, which the schema takes as they are, read without it; undefined for all others. */
  plain?(args: JsonObject): z.infer<Input> | undefined;
  run(input: z.infer<Input>, context: BuiltinContext): Promise<object> | object;
  /** Ends what the tool keeps between calls, when the node stops. */
  stop?(): void;
}

/** Key in the `_meta` of a tool: what clients of this node may do with the tool. */
const CLIENTS_META = 'starling/clients';

/** Builds a tool. Arguments that do not fit become STARLING_USAGE, naming each wrong one. */
export function defineTool<Input extends z.ZodObject>(init: ToolInit<Input>): BuiltinTool {
  const strict = init.input.strict();
  let schema: JsonObject | undefined;
  return {
    definition: {
      name: init.name,
      title: init.title,
      description: init.description,
      // Made for whoever lists the tool first: a node has dozens of tools, and starts sooner without.
      get inputSchema() {
        schema ??= schemaOf(strict);
        return schema;
      },
      annotations: { ...init.hints, openWorldHint: false },
      _meta: { [CLIENTS_META]: init.clients },
    },
    clients: init.clients,
    peers: init.peers ?? 'no',
    dashboard: init.dashboard ?? (init.hints.readOnlyHint === true || init.clients !== 'no'),
    ...(init.subject === undefined ? {} : { subject: init.subject }),
    ...(init.onward === undefined ? {} : { onward: init.onward }),
    ...(init.begin === undefined ? {} : { begin: init.begin }),
    ...(init.onTop === true ? { onTop: true } : {}),
    ...(init.forNodes === true ? { forNodes: true } : {}),
    ...(init.waits === true ? { waits: true } : {}),
    ...(init.givesTask === true ? { givesTask: true } : {}),
    ...(init.stop === undefined ? {} : { stop: () => init.stop?.() }),
    async call(args, context) {
      const plain = init.plain?.(args);
      if (plain !== undefined) return toJson(await init.run(plain, context));
      const parsed = strict.safeParse(args);
      if (!parsed.success) {
        const problems = parsed.error.issues.map((issue) => misfitText(issue, 'arguments'));
        throw new StarlingError(
          'STARLING_USAGE',
          `${BUILTIN_SERVER}${SEPARATOR}${init.name} can't use these arguments: ${problems.join('; ')}`,
          {
            hint: `all that it takes: starling tools show ${BUILTIN_SERVER}${SEPARATOR}${init.name}`,
          },
        );
      }
      const result = await init.run(parsed.data as z.infer<Input>, context);
      return toJson(result);
    },
  };
}

function schemaOf(input: z.ZodObject): JsonObject {
  const { $schema: _, ...schema } = z.toJSONSchema(input);
  return schema as JsonObject;
}

/** Results of tools as JSON: whoever sends one has it once in the answer, and as text in it. */
const texts = new WeakMap<JsonObject, string>();

/** Drops what JSON has no word for (absent fields), so that results compare and print as sent. */
function toJson(value: object): JsonObject {
  const text = JSON.stringify(value);
  const json = JSON.parse(text) as JsonObject;
  texts.set(json, text);
  return json;
}

/** A result of a tool as JSON, which nobody has changed. */
export function jsonOf(result: JsonObject): string {
  return texts.get(result) ?? JSON.stringify(result);
}
