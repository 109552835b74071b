/** The config file's JSON Schema (draft 2020-12), generated from the one zod schema. */
import { z } from 'zod';
import type { JsonObject } from '../core/index.ts';
import { fileSchema } from './schema.ts';

/** The schema of `starling.json`, for editors and for `config/starling.schema.json`. */
export function configJsonSchema(): JsonObject {
  const schema = z.toJSONSchema(fileSchema, { io: 'input', unrepresentable: 'any' });
  return {
    $id: 'starling.schema.json',
    title: 'Starling configuration',
    ...(JSON.parse(JSON.stringify(schema)) as JsonObject),
  };
}
