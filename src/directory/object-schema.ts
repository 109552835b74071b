/**
 * The schema of a tool's arguments or of its structured result, as servers write it and as every client
 * takes it: MCP has an object at the top (`"type": "object"`), and the official SDK refuses a whole list
 * for one property that is a boolean schema (JSON Schema 2020-12 §4.3.2), which others take.
 */
import { isObject } from '../core/index.ts';
import type { Json, JsonObject } from '../core/index.ts';

/** A schema that clients take, or why there is none: a text that goes on from the schema's name. */
export type ObjectSchema = { readonly schema: JsonObject } | { readonly wrong: string };

const ANYTHING: JsonObject = { type: 'object' };
const NAME_SHOWN = 64;

/**
 * The same schema in the form that clients take; the very same object where it has that form. What is absent,
 * `null`, `true` or an empty list (as PHP writes an empty object) allows any object.
 */
export function objectSchema(written: Json | undefined): ObjectSchema {
  const isAnything = written === undefined || written === null || written === true;
  if (isAnything || isEmptyList(written)) return { schema: ANYTHING };
  if (!isObject(written)) return { wrong: `is ${nounOf(written)}, no object` };
  const { type, properties, required } = written;
  const mended: Record<string, Json> = {};
  if (type !== 'object') {
    const mayBeObject = Array.isArray(type) && type.includes('object');
    if (type !== undefined && type !== null && !mayBeObject) {
      return { wrong: `has the type ${JSON.stringify(type).slice(0, NAME_SHOWN)}, not "object"` };
    }
    mended['type'] = 'object';
  }
  const without = new Set<string>();
  if (properties !== undefined) {
    const found = propertySchemas(properties);
    if (typeof found === 'string') return { wrong: found };
    if (found === undefined) without.add('properties');
    else if (found !== properties) mended['properties'] = found;
  }
  if (required !== undefined && !isTexts(required)) without.add('required');
  if (without.size === 0 && Object.keys(mended).length === 0) return { schema: written };
  const kept = Object.entries(written).filter(([key]) => !without.has(key));
  return { schema: { ...Object.fromEntries(kept), ...mended } };
}

/** Undefined when there are none; a text when they can't be used. */
function propertySchemas(properties: Json): JsonObject | string | undefined {
  if (properties === null || isEmptyList(properties)) return undefined;
  if (!isObject(properties)) return `has properties that are ${nounOf(properties)}, no object`;
  const entries = Object.entries(properties);
  if (entries.every(([, value]) => typeof value === 'object' && value !== null)) return properties;
  const mended: [string, Json][] = [];
  for (const [name, value] of entries) {
    const schema = propertySchema(value);
    if (schema === undefined) {
      return `has a property "${name.slice(0, NAME_SHOWN)}" that is ${nounOf(value)}, no schema`;
    }
    mended.push([name, schema]);
  }
  return Object.fromEntries(mended);
}

/** `true` allows everything, and `false` nothing (JSON Schema 2020-12 §4.3.2). */
function propertySchema(value: Json | undefined): Json | undefined {
  if (value === true || value === null) return {};
  if (value === false) return { not: {} };
  return typeof value === 'object' ? value : undefined;
}

function isEmptyList(value: Json): boolean {
  return Array.isArray(value) && value.length === 0;
}

function isTexts(value: Json): boolean {
  return Array.isArray(value) && value.every((one: Json) => typeof one === 'string');
}

function nounOf(value: Json | undefined): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'text';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
