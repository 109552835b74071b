/** `--arg name=value`: typed as the tool's input schema says. */
import { readFile } from 'node:fs/promises';
import { StarlingError, messageOf } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json/json.ts';
import { isObject } from '../../core/json/value-checks.ts';

/** `name=value` or `name:=json`; the name ends at the first `=` or `:=`. */
const ARGUMENT = /^([^=]+?)(:?=)([\s\S]*)$/;

/**
 * Reads the arguments: `name=value` typed by `schema` (JSON Schema of the tool's input), `name=@file`
 * as the file's text, `name:=json` as JSON. @throws STARLING_USAGE naming the one that can't be read
 */
export async function readArguments(
  words: readonly string[],
  schema: JsonObject | undefined,
): Promise<JsonObject> {
  const args: [string, Json][] = [];
  for (const word of words) {
    const [, name, how, text] = ARGUMENT.exec(word) ?? [];
    if (name === undefined || text === undefined) {
      throw new StarlingError('STARLING_USAGE', `'${word}' is not name=value`, {
        hint: /^\s*\{/.test(word)
          ? `all arguments as one JSON object follow an option: --args '{"name": "value"}'`
          : 'write --arg name=value, --arg name=@file or --arg name:=json; the names: starling tools show <tool>',
      });
    }
    args.push([
      name,
      how === ':=' ? parseJson(name, text) : await readValue(name, text, typeOf(schema, name)),
    ]);
  }
  return Object.fromEntries(args);
}

async function readValue(name: string, text: string, type: string | undefined): Promise<Json> {
  if (text.startsWith('@')) return readText(name, text.slice(1));
  switch (type) {
    case 'number':
    case 'integer':
      return parseNumber(name, text, type);
    case 'boolean':
      if (text === 'true' || text === 'false') return text === 'true';
      throw new StarlingError(
        'STARLING_USAGE',
        `--arg ${name}: '${text}' is neither true nor false`,
      );
    case 'array':
    case 'object':
      return parseJson(name, text);
    default:
      return text;
  }
}

async function readText(name: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new StarlingError(
      'STARLING_USAGE',
      `--arg ${name}: the file ${file} can't be read: ${messageOf(error)}`,
      { hint: `for text that begins with @ write --arg '${name}:="@…"'`, cause: error },
    );
  }
}

function parseNumber(name: string, text: string, type: 'number' | 'integer'): number {
  const number = Number(text);
  if (text.trim() === '' || !Number.isFinite(number)) {
    throw new StarlingError('STARLING_USAGE', `--arg ${name}: '${text}' is not a number`);
  }
  if (type === 'integer' && !Number.isInteger(number)) {
    throw new StarlingError('STARLING_USAGE', `--arg ${name}: '${text}' is not a whole number`);
  }
  return number;
}

function parseJson(name: string, text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new StarlingError('STARLING_USAGE', `--arg ${name}: '${text}' is not JSON`, {
      hint: `quote it for the shell, like --arg '${name}:=["a", "b"]'`,
      cause: error,
    });
  }
}

/** The JSON type of a property; undefined when the schema leaves it open, which means text. */
function typeOf(schema: JsonObject | undefined, name: string): string | undefined {
  const properties = schema?.['properties'];
  if (typeof properties !== 'object' || properties === null || !Object.hasOwn(properties, name))
    return undefined;
  const found = typesIn(Reflect.get(properties, name) as Json);
  return found.size === 1 ? [...found][0] : undefined;
}

/** Types besides null that a schema names, in `type` or in the branches of a choice. */
export function typesIn(schema: Json): ReadonlySet<string> {
  if (!isObject(schema)) return new Set();
  const { type, anyOf, oneOf } = schema;
  const named = (Array.isArray(type) ? type : [type]).filter((one) => typeof one === 'string');
  // Only one level is looked at: a schema from elsewhere may have any depth.
  const branches = [anyOf, oneOf].flatMap((choice) => (Array.isArray(choice) ? choice : []));
  const inBranches = branches.flatMap((branch: Json) =>
    typeof branch === 'object' && branch !== null ? [Reflect.get(branch, 'type') as Json] : [],
  );
  return new Set(
    [...named, ...inBranches].filter(
      (one): one is string => typeof one === 'string' && one !== 'null',
    ),
  );
}
