/** The config file's JSON Schema (draft 2020-12), generated from the one zod schema. */
import { z } from 'zod';
import type { JsonObject } from '../../core/index.ts';
import { fileSchema } from './schema.ts';
import { mcpServerSchema } from './server-schema.ts';

/** The schema of `starling.json`, for editors and for `config/starling.schema.json`. */
export function configJsonSchema(): JsonObject {
  const schema = z.toJSONSchema(fileSchema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema === mcpServerSchema) widen(jsonSchema);
    },
  });
  return {
    $id: 'starling.schema.json',
    title: 'Starling configuration',
    ...(JSON.parse(JSON.stringify(schema)) as JsonObject),
  };
}

const PLAIN = { type: ['string', 'number', 'boolean', 'null'] };

/** An entry may have keys of other clients, and numbers for texts (`client-entries.ts`). */
function widen(entry: z.core.JSONSchema.BaseSchema): void {
  delete entry.additionalProperties;
  const { args, env, headers } = entry.properties ?? {};
  if (typeof args === 'object') Object.assign(args, { items: PLAIN });
  for (const one of [env, headers]) {
    if (typeof one === 'object') Object.assign(one, { additionalProperties: PLAIN });
  }
}
