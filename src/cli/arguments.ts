/** `--arg name=value`: typed as the tool's input schema says. */
import { readFile } from 'node:fs/promises';
import { StarlingError } from '../core/errors.ts';
import type { Json, JsonObject } from '../core/json.ts';

/** Reads the arguments. @throws STARLING_USAGE naming the one that can't be read */
export async function readArguments(
  words: readonly string[],
  schema: JsonObject | undefined,
): Promise<JsonObject> {
  const args: Record<string, Json> = {};
  for (const word of words) {
    const match = /^([^=:]+)(:?=)([\s\S]*)$/.exec(word);
    const [, name, how, text] = match ?? [];
    if (name === undefined || text === undefined) {
      throw new StarlingError('STARLING_USAGE', `--arg ${word}: it is not name=value`);
    }
    args[name] =
      how === ':=' ? parseJson(name, text) : await readValue(name, text, typeOf(schema, name));
  }
  return args;
}

async function readValue(name: string, text: string, type: string | undefined): Promise<Json> {
  if (text.startsWith('@')) return readFile(text.slice(1), 'utf8');
  switch (type) {
    case 'number':
    case 'integer': {
      const number = Number(text);
      if (text.trim() !== '' && Number.isFinite(number)) return number;
      throw new StarlingError('STARLING_USAGE', `--arg ${name}: '${text}' is not a number`);
    }
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

function parseJson(name: string, text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new StarlingError('STARLING_USAGE', `--arg ${name}: '${text}' is not JSON`, {
      cause: error,
    });
  }
}

function typeOf(schema: JsonObject | undefined, name: string): string | undefined {
  const properties = schema?.['properties'];
  if (typeof properties !== 'object' || properties === null || !Object.hasOwn(properties, name))
    return undefined;
  const property = Reflect.get(properties, name) as JsonObject | undefined;
  const type = property?.['type'];
  return typeof type === 'string' ? type : undefined;
}
