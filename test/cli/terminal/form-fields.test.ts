/** What is typed for a field of a form, as the server gets it (MCP 2025-11-25 `client/elicitation`). */
import { expect, it } from 'vitest';
import { choicesOf, readField, ruleOf } from '../../../src/cli/terminal/questions/form-fields.ts';
import type { JsonObject } from '../../../src/core/index.ts';

const CHOICE: JsonObject = { type: 'string', enum: ['a', 'b'], enumNames: ['Anna', 'Bob'] };
const TITLED: JsonObject = { type: 'string', oneOf: [{ const: 'a', title: 'Anna' }] };
const SEVERAL: JsonObject = {
  type: 'array',
  items: { anyOf: [{ const: 'a', title: 'Anna' }, { const: 'b' }] },
  minItems: 1,
  maxItems: 1,
};

it.each<[JsonObject, string, unknown]>([
  [{ type: 'boolean' }, 'Y', true],
  [{ type: 'boolean' }, 'false', false],
  [{ type: 'integer', minimum: 1, maximum: 9 }, '9', 9],
  [{ type: 'number' }, '1.5', 1.5],
  [{ type: 'string', minLength: 2 }, 'ab', 'ab'],
  [CHOICE, '2', 'b'],
  [CHOICE, 'Anna', 'a'],
  [TITLED, 'a', 'a'],
  [SEVERAL, ' 2, b', ['b']],
  [{ type: 'array', items: { type: 'string' } }, 'x, y', ['x', 'y']],
])('for %j the words %j are %j', (schema, said, value) => {
  expect(readField(schema, said)).toEqual({ value });
});

it.each<[JsonObject, string, string]>([
  [{ type: 'boolean' }, '', 'this is yes or no'],
  [{ type: 'boolean' }, 'perhaps', 'this is yes or no'],
  [{ type: 'integer' }, '1.5', 'this is a whole number'],
  [{ type: 'number', minimum: 1, maximum: 9 }, '10', 'this is a number from 1 to 9'],
  [{ type: 'number', minimum: 1 }, '', 'this is a number from 1'],
  [{ type: 'number', maximum: 1 }, 'x', 'this is a number up to 1'],
  [{ type: 'string', maxLength: 1 }, 'ab', 'this takes at most 1 characters'],
  [{ type: 'string', minLength: 1 }, '', 'this takes 1 characters or more'],
  [CHOICE, '3', 'this is a number from 1 to 2'],
  [SEVERAL, '', 'choose 1 or more'],
  [SEVERAL, '1,2', 'choose at most 1'],
  [SEVERAL, '1,7', 'this is a number from 1 to 2'],
])('for %j the words %j are wrong: %s', (schema, said, fault) => {
  expect(readField(schema, said)).toEqual({ fault });
});

it('says what may be typed', () => {
  const rules = [
    CHOICE,
    SEVERAL,
    { type: 'boolean' },
    { type: 'string', format: 'email' },
    { type: 'string', format: '\u001B[2J' },
  ].map((schema) => ruleOf(schema));
  expect(rules).toEqual([
    'a number of the list',
    'numbers of the list, with commas',
    'yes or no',
    'email',
    'text',
  ]);
});

it('offers no more choices than a person reads', () => {
  const values = Array.from({ length: 1000 }, (_, at) => `value-${at}`);
  expect(choicesOf({ type: 'string', enum: values })).toHaveLength(100);
});
