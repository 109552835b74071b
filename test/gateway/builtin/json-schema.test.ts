/** Schemas check what their authors mean, also where they leave something out. */
import { expect, it } from 'vitest';
import { readJsonSchema } from '../../../src/gateway/index.ts';
import type { Json, JsonObject } from '../../../src/core/index.ts';

const fits = (schema: JsonObject, value: Json): boolean =>
  readJsonSchema(schema).safeParse(value).success;

it.each<[string, JsonObject, Json, Json]>([
  ['required without properties', { type: 'object', required: ['n'] }, { n: 1 }, {}],
  ['no type', { properties: { n: { type: 'number' } }, required: ['n'] }, { n: 1 }, { n: 'x' }],
  ['required deep inside', { properties: { a: { required: ['b'] } } }, { a: { b: 1 } }, { a: {} }],
  ['in all of', { allOf: [{ required: ['a'] }, { required: ['b'] }] }, { a: 1, b: 2 }, { a: 1 }],
  ['in one of', { anyOf: [{ required: ['a'] }, { type: 'string' }] }, 'x', {}],
  ['items', { items: { maxLength: 2 } }, ['ab'], ['abc']],
  ['bounds', { minimum: 3 }, 3, 2],
  ['a property called type', { properties: { type: { enum: ['a'] } } }, { type: 'a' }, { type: 1 }],
  [
    'a property called required',
    { properties: { required: { type: 'number' } } },
    { required: 1 },
    { required: 'x' },
  ],
  ['no others', { properties: { a: true }, additionalProperties: false }, { a: 1 }, { b: 1 }],
  ['a reference', { $ref: '#/$defs/n', $defs: { n: { required: ['n'] } } }, { n: 1 }, {}],
])('%s', (_, schema, good, bad) => {
  expect(fits(schema, good)).toBe(true);
  expect(fits(schema, bad)).toBe(false);
});

it.each<[JsonObject, string]>([
  [{ not: { type: 'string' } }, "it can't be checked: not is not supported (except"],
  [{ type: 'object', unevaluatedProperties: {} }, "it can't be checked: unevaluatedProperties is"],
  [{ $ref: '#/$defs/n' }, "it can't be checked: Reference not found: #/$defs/n"],
])('what can not be checked is said, without the name of the library: %j', (schema, says) => {
  expect(() => readJsonSchema(schema)).toThrow(says);
  expect(() => readJsonSchema(schema)).not.toThrow(/Zod/);
});
