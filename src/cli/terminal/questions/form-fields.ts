/** The fields of a form (MCP 2025-11-25 `client/elicitation`, `PrimitiveSchemaDefinition`), and what was typed for one. Pure. */
import type { Json, JsonObject } from '../../../core/json/json.ts';
import { isObject } from '../../../core/json/value-checks.ts';

/** What is asked for in one go, and whether it may be left out. */
export interface Field {
  readonly name: string;
  readonly schema: JsonObject;
  readonly isNeeded: boolean;
}

/** One of the values that a field takes, and how people read it. */
export interface Choice {
  readonly value: string;
  readonly title: string;
}

/** A form has few choices; what is over that is not offered. */
const CHOICES_MAX = 100;

/** The values that a field chooses from; none where anything may be typed. */
export function choicesOf(schema: JsonObject): readonly Choice[] {
  const { items } = schema;
  const from = schema['type'] === 'array' && isObject(items) ? items : schema;
  const named = from['oneOf'] ?? from['anyOf'];
  if (Array.isArray(named)) {
    return named
      .filter((one: Json) => isObject(one))
      .map((one) => ({ value: textIn(one['const']), title: textIn(one['title'] ?? one['const']) }))
      .slice(0, CHOICES_MAX);
  }
  const values = Array.isArray(from['enum']) ? from['enum'] : [];
  const titles = Array.isArray(from['enumNames']) ? from['enumNames'] : [];
  return values
    .map((value, at) => ({ value: textIn(value), title: textIn(titles[at] ?? value) }))
    .slice(0, CHOICES_MAX);
}

/** What may be typed for a field, in a few words. */
export function ruleOf(schema: JsonObject): string {
  const { type, format } = schema;
  if (type === 'boolean') return 'yes or no';
  if (choicesOf(schema).length > 0)
    return type === 'array' ? 'numbers of the list, with commas' : 'a number of the list';
  if (type === 'integer' || type === 'number')
    return `${type === 'integer' ? 'a whole number' : 'a number'}${boundsOf(schema)}`;
  return typeof format === 'string' && /^[a-z-]{1,20}$/.test(format) ? format : 'text';
}

/** What was typed, as the field takes it, or what is wrong with that. */
export function readField(
  schema: JsonObject,
  said: string,
): { readonly value: Json } | { readonly fault: string } {
  const { type } = schema;
  if (type === 'boolean') return readBoolean(said);
  if (type === 'integer' || type === 'number') return readNumber(schema, said);
  if (type === 'array') return readSeveral(schema, said);
  const choices = choicesOf(schema);
  if (choices.length > 0) return readChoice(choices, said);
  const { minLength, maxLength } = schema;
  if (typeof minLength === 'number' && said.length < minLength)
    return { fault: `this takes ${minLength} characters or more` };
  if (typeof maxLength === 'number' && said.length > maxLength)
    return { fault: `this takes at most ${maxLength} characters` };
  return { value: said };
}

function readBoolean(said: string): ReturnType<typeof readField> {
  const word = said.toLowerCase();
  if (word !== '' && ['yes', 'true'].some((one) => one.startsWith(word))) return { value: true };
  if (word !== '' && ['no', 'false'].some((one) => one.startsWith(word))) return { value: false };
  return { fault: 'this is yes or no' };
}

function readNumber(schema: JsonObject, said: string): ReturnType<typeof readField> {
  const value = said === '' ? Number.NaN : Number(said);
  const { minimum, maximum } = schema;
  const isOut =
    (typeof minimum === 'number' && value < minimum) ||
    (typeof maximum === 'number' && value > maximum);
  const isNumber = schema['type'] === 'integer' ? Number.isInteger(value) : Number.isFinite(value);
  return isNumber && !isOut ? { value } : { fault: `this is ${ruleOf(schema)}` };
}

function readSeveral(schema: JsonObject, said: string): ReturnType<typeof readField> {
  const choices = choicesOf(schema);
  const values: Json[] = [];
  for (const word of said.split(',').map((one) => one.trim())) {
    if (word === '') continue;
    const read = choices.length > 0 ? readChoice(choices, word) : { value: word };
    if ('fault' in read) return read;
    if (!values.includes(read.value)) values.push(read.value);
  }
  const { minItems, maxItems } = schema;
  if (typeof minItems === 'number' && values.length < minItems)
    return { fault: `choose ${minItems} or more` };
  if (typeof maxItems === 'number' && values.length > maxItems)
    return { fault: `choose at most ${maxItems}` };
  return { value: values };
}

function readChoice(choices: readonly Choice[], said: string): ReturnType<typeof readField> {
  const chosen =
    choices.find(({ value, title }) => value === said || title === said) ??
    (/^\d{1,3}$/.test(said) ? choices[Number(said) - 1] : undefined);
  return chosen === undefined
    ? { fault: `this is a number from 1 to ${choices.length}` }
    : { value: chosen.value };
}

function boundsOf({ minimum, maximum }: JsonObject): string {
  if (typeof minimum === 'number' && typeof maximum === 'number')
    return ` from ${minimum} to ${maximum}`;
  if (typeof minimum === 'number') return ` from ${minimum}`;
  return typeof maximum === 'number' ? ` up to ${maximum}` : '';
}

function textIn(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}
