import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configJsonSchema } from '../../src/config/schema/json-schema.ts';
import type { JsonObject } from '../../src/core/index.ts';

const FILE = resolve(import.meta.dirname, '../../config/starling.schema.json');

/** Every key of the schema, by its dotted path. */
function keysOf(schema: JsonObject, path = ''): [string, JsonObject][] {
  const properties = (schema['properties'] ?? {}) as Record<string, JsonObject>;
  return Object.entries(properties).flatMap(([name, below]) => {
    const key = path === '' ? name : `${path}.${name}`;
    return [[key, below] as [string, JsonObject], ...keysOf(below, key)];
  });
}

describe('the JSON Schema of the config file', () => {
  it('is what `npm run schema` writes', async () => {
    const written = await readFile(FILE, 'utf8');
    expect(written).toBe(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  });

  it('is strict, and describes every key that is not a group of others', () => {
    const schema = configJsonSchema();
    expect(schema['additionalProperties']).toBe(false);
    const bare = keysOf(schema)
      .filter(
        ([, below]) => below['description'] === undefined && below['properties'] === undefined,
      )
      .map(([key]) => key);
    expect(bare).toEqual([]);
  });

  it('knows the defaults', () => {
    const keys = new Map(keysOf(configJsonSchema()));
    expect(keys.get('http.port')?.['default']).toBe(4100);
    expect(keys.get('limits.messageBytes')?.['default']).toBe(10 * 1024 * 1024);
    expect(keys.get('heartbeat.intervalMs')?.['default']).toBe(5000);
  });
});
