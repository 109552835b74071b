/**
 * What the Responses API keeps at the vendor, and this node does not: a request that stands on what was kept, or wants to be
 * kept, is refused by name. Pure.
 */
import { StarlingError } from '../core/index.ts';
import type { Json, JsonObject } from '../core/index.ts';
import { listIn, objectIn } from './json-reading.ts';

const KEPT: Readonly<Record<string, (value: Json) => boolean>> = {
  previous_response_id: () => false,
  conversation: () => false,
  background: (value) => value === false,
  store: (value) => value === false,
};

/** Checks the fields of a request for a response. @throws STARLING_MODEL_UNSUPPORTED */
export function requireStateless(fields: JsonObject): void {
  for (const [name, isPlain] of Object.entries(KEPT)) {
    const value = fields[name];
    if (value !== undefined && value !== null && !isPlain(value)) throw kept(name);
  }
  const isReference = (item: Json): boolean => objectIn(item)['type'] === 'item_reference';
  if (listIn(fields['input']).some(isReference)) throw kept('input of type item_reference');
}

function kept(field: string): StarlingError {
  return new StarlingError(
    'STARLING_MODEL_UNSUPPORTED',
    `'${field}' asks for a response that is kept, and this node keeps none`,
    { hint: 'send the whole conversation in input, with store: false', data: { field } },
  );
}
