/**
 * What a capability takes and gives: JSON Schemas (draft 2020-12, as far as zod reads them) that both ends hold a
 * request and its answer against. A schema comes from whoever announces the agent, so it is bounded, and has no patterns:
 * a regular expression of somebody else's would run here for as long as that one likes. Pure.
 */
import type { z } from 'zod';
import { isObject, messageOf, misfitWords } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { readJsonSchema } from '../../gateway/index.ts';
import { offers } from './names.ts';
import { DEFINITIONS_BYTES_MAX, SCHEMA_DEPTH_MAX } from '../limits.ts';
import type { CapabilityDefinition } from '../types.ts';

/** Keys of a schema that run code of its author's making, or fetch something. */
const REFUSED: readonly string[] = ['pattern', '$dynamicRef', '$anchor', '$id'];
const REFUSED_OBJECT = 'patternProperties';
/** Problems that an error names. */
const PROBLEMS_MAX = 5;
/** Problems are short. */
const PROBLEM_LENGTH_MAX = 200;

/** Schemas as zod has read them; undefined for one that can't be used. */
const read = new WeakMap<JsonObject, z.ZodType | undefined>();

/** Why a definition can't be announced, if so. */
export function definitionFault(definition: CapabilityDefinition): string | undefined {
  for (const member of ['input', 'output'] as const) {
    const schema = definition[member];
    const fault = schema === undefined ? undefined : schemaFault(schema);
    if (fault !== undefined) return `${member}: ${fault}`;
  }
  return undefined;
}

/** Why all the definitions of an agent are too much, if so. */
export function definitionsFault(
  definitions: Readonly<Record<string, CapabilityDefinition>>,
): string | undefined {
  const size = Buffer.byteLength(JSON.stringify(definitions));
  return size > DEFINITIONS_BYTES_MAX
    ? `its capabilities are described in ${size} bytes, and may be in ${DEFINITIONS_BYTES_MAX}`
    : undefined;
}

/** The definition of the first of `capabilities` that is what is `wanted`. */
export function definitionFor(
  { capabilities, definitions = {} }: Defined,
  wanted: string,
): CapabilityDefinition | undefined {
  const key = capabilities.find((one) => offers([one], wanted) && Object.hasOwn(definitions, one));
  return key === undefined ? undefined : definitions[key];
}

/** What says what it can do. */
export interface Defined {
  readonly capabilities: readonly string[];
  readonly definitions?: Readonly<Record<string, CapabilityDefinition>>;
}

/** What of `value` does not fit `schema`, `parameters.text: …` each; nothing where there is no schema that can be used. */
export function misfits(
  schema: JsonObject | undefined,
  value: Json,
  what: 'parameters' | 'result',
): readonly string[] {
  const type = schema === undefined ? undefined : typeOf(schema);
  const found = type?.safeParse(value);
  if (found === undefined || found.success) return [];
  return found.error.issues
    .slice(0, PROBLEMS_MAX)
    .map((issue) =>
      `${[what, ...issue.path.map(String)].join('.')}: ${misfitWords(issue)}`.slice(
        0,
        PROBLEM_LENGTH_MAX,
      ),
    );
}

/** The definition as lists have it: that there are schemas, and not which. */
export function withoutSchemas({
  input,
  output,
  ...rest
}: CapabilityDefinition): CapabilityDefinition {
  return input === undefined && output === undefined ? rest : { ...rest, typed: true };
}

function schemaFault(schema: JsonObject): string | undefined {
  const refused = refusedIn(schema, 0);
  if (refused !== undefined) return refused;
  return typeOf(schema) === undefined ? why(schema) : undefined;
}

function typeOf(schema: JsonObject): z.ZodType | undefined {
  if (read.has(schema)) return read.get(schema);
  let type: z.ZodType | undefined;
  try {
    if (refusedIn(schema, 0) === undefined) type = readJsonSchema(schema);
  } catch {
    // Whoever announces it is told why; whoever is told of it by a peer goes without.
    type = undefined;
  }
  read.set(schema, type);
  return type;
}

function why(schema: JsonObject): string {
  try {
    readJsonSchema(schema);
  } catch (error) {
    return messageOf(error).slice(0, PROBLEM_LENGTH_MAX);
  }
  return 'it can not be used';
}

function refusedIn(value: Json | undefined, depth: number): string | undefined {
  if (depth > SCHEMA_DEPTH_MAX) return `it is nested deeper than ${SCHEMA_DEPTH_MAX}`;
  if (Array.isArray(value)) return firstOf(value, (one) => refusedIn(one, depth + 1));
  if (!isObject(value)) return undefined;
  const key = Object.keys(value).find((one) => REFUSED.includes(one));
  // A property may be called so.
  if (key !== undefined && typeof value[key] === 'string') return `it may not have '${key}'`;
  if (isObject(value[REFUSED_OBJECT])) return `it may not have '${REFUSED_OBJECT}'`;
  const { $ref } = value;
  if (typeof $ref === 'string' && !$ref.startsWith('#')) return "a '$ref' stays in the schema: #/…";
  return firstOf(Object.values(value), (one) => refusedIn(one, depth + 1));
}

function firstOf(
  values: readonly (Json | undefined)[],
  faultOf: (value: Json | undefined) => string | undefined,
): string | undefined {
  for (const value of values) {
    const fault = faultOf(value);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
