/** How many tokens a text may have, where nobody has said it: rather too many than too few. Pure. */
import type { Json } from '../../core/index.ts';
import { countIn, objectIn, textIn } from '../json-reading.ts';
import { limitKeys } from '../read-call.ts';
import type { ReadCall } from '../types.ts';

/** Characters of a token, at the least. */
const CHARS_PER_TOKEN = 3;
/** What a request that names no limit is reckoned to bring. */
const OUTPUT_GUESS = 1024;

/** Models whose thoughts are paid for and never shown. */
const UNSEEN = /^(?:o\d|gpt-[5-9])(?:[-.]|$)/;
const THINKING: readonly string[] = ['adaptive', 'enabled'];

/**
 * Whether a model may have thought more than it has shown, so that the length of what came says little of what it took: then
 * the limit of the request counts.
 */
export function mayThinkUnseen({ fields }: Pick<ReadCall, 'fields'>, model: string): boolean {
  const isAsked = fields['reasoning_effort'] !== undefined || fields['reasoning'] !== undefined;
  const thinks = THINKING.includes(textIn(objectIn(fields['thinking'])['type']));
  return isAsked || thinks || UNSEEN.test(model);
}

/** Tokens of a text of so many characters. */
export function reckonTokens(length: number): number {
  return Math.ceil(length / CHARS_PER_TOKEN);
}

/** Tokens that the request lets be answered. */
export function limitIn({ fields, form }: Pick<ReadCall, 'fields' | 'form'>): number {
  if (form === 'embeddings' || form === 'count_tokens' || form === 'moderations') return 0;
  const said = limitKeys(form).find((key) => countIn(fields[key]) > 0);
  return said === undefined ? OUTPUT_GUESS : countIn(fields[said]);
}

/** Characters of all texts in a request, but for pictures, which are paid for otherwise. */
export function textLengthOf(value: Json | undefined): number {
  let length = 0;
  // Not by calls of itself: a request may be nested deeper than the stack.
  const rest: unknown[] = [value];
  while (rest.length > 0) {
    const next = rest.pop();
    if (typeof next === 'string') length += next.startsWith('data:') ? 0 : next.length;
    if (typeof next !== 'object' || next === null) continue;
    for (const [key, inner] of Object.entries(next)) if (key !== 'data') rest.push(inner);
  }
  return length;
}
