/**
 * JSON Schema (draft 2020-12) as zod reads it. Where a schema leaves out `type`, zod takes everything, and of `required`
 * it knows only what stands in `properties`: both are filled in first, as the author means them.
 */
import { z } from 'zod';
import { isObject, messageOf } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';

/** What of a schema says which type it is of. */
const TYPES: readonly (readonly [type: string, keywords: readonly string[]])[] = [
  ['object', ['properties', 'required', 'additionalProperties', 'minProperties', 'maxProperties']],
  ['array', ['items', 'prefixItems', 'minItems', 'maxItems', 'uniqueItems']],
  ['string', ['minLength', 'maxLength', 'format']],
  ['number', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']],
];
const LISTS: readonly string[] = ['anyOf', 'oneOf', 'allOf', 'prefixItems'];
const MAPS: readonly string[] = ['properties', '$defs', 'definitions'];
const SINGLE: readonly string[] = ['items', 'additionalProperties'];

/** What checks values against `schema`. @throws Error for a schema that zod can't read, which says what of it */
export function readJsonSchema(schema: JsonObject): z.ZodType {
  try {
    return z.fromJSONSchema(filledIn(schema) as JsonObject);
  } catch (error) {
    const why = messageOf(error).replace(' in Zod', '');
    throw new Error(`it can't be checked: ${why}`, { cause: error });
  }
}

function filledIn(schema: Json): Json {
  if (!isObject(schema)) return schema;
  const filled: Record<string, Json> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (value !== undefined) filled[key] = memberOf(key, value);
  }
  const type = TYPES.find(([, keywords]) => keywords.some((key) => Object.hasOwn(filled, key)));
  if (filled['type'] === undefined && type !== undefined) [filled['type']] = type;
  const { properties, required } = filled;
  if (Array.isArray(required)) {
    const own = isObject(properties) ? properties : {};
    const missing = required.filter(
      (name): name is string => typeof name === 'string' && !Object.hasOwn(own, name),
    );
    filled['properties'] = { ...own, ...Object.fromEntries(missing.map((name) => [name, {}])) };
  }
  return filled;
}

function memberOf(key: string, value: Json): Json {
  if (LISTS.includes(key) && Array.isArray(value)) return value.map(filledIn);
  if (SINGLE.includes(key)) return filledIn(value);
  if (!MAPS.includes(key) || !isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, one]) =>
      one === undefined ? [] : [[name, filledIn(one)]],
    ),
  );
}
