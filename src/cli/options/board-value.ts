/** Board values on the command line. */
import type { Json } from '../../core/json/json.ts';
import { safe, safeLine } from '../terminal/output.ts';

/** A value as it is typed: JSON when it parses as JSON, else the text itself. */
export function readValue(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // What is no JSON is text.
    return text;
  }
}

/** A value as it is shown: text as it is, everything else as JSON. */
export function showValue(value: Json): string {
  return safe(typeof value === 'string' ? value : JSON.stringify(value));
}

/** A change as one line. */
export function showChange(change: {
  readonly key: string;
  readonly entry?: { readonly value: Json };
}): string {
  const { key, entry } = change;
  const name = safeLine(key);
  return entry === undefined ? `- ${name}` : `+ ${name} = ${safeLine(showValue(entry.value))}`;
}
