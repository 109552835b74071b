/** Reads parts of JSON whose form nobody has checked. */
import { isCount, isObject } from '../core/index.ts';
import type { Json, JsonObject } from '../core/index.ts';

const NONE: JsonObject = {};

/** An object, or an empty one in place of anything else. */
export function objectIn(value: Json | undefined): JsonObject {
  return isObject(value) ? value : NONE;
}

/** A list, or an empty one in place of anything else. */
export function listIn(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** A text, or an empty one in place of anything else. */
export function textIn(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** A count of at least 0, or 0 in place of anything else. */
export function countIn(value: Json | undefined): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

/** More tokens no one call takes; whoever tells more tells nothing. */
const TOKENS_MAX = 1_000_000_000;

/** Tokens as somebody tells them; nothing told is none. Undefined for what can't be a count of tokens. */
export function tokensIn(value: Json | undefined): number | undefined {
  if (value === undefined || value === null) return 0;
  return isCount(value) && value <= TOKENS_MAX ? value : undefined;
}

/** What `text` holds, where that is a JSON object. */
export function parsedObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? (value as JsonObject) : undefined;
  } catch {
    // It is no JSON.
    return undefined;
  }
}
