/** How many tokens a text may have, where nobody has said it: rather too many than too few. Pure. */
import type { Json } from '../../core/index.ts';
import { countIn } from '../json-reading.ts';
import { limitKeys } from '../read-call.ts';
import type { ReadCall } from '../types.ts';

/** Characters of a token, at the least. */
const CHARS_PER_TOKEN = 3;
/** What a request that names no limit is reckoned to bring. */
const OUTPUT_GUESS = 1024;

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
  if (typeof value === 'string') return value.startsWith('data:') ? 0 : value.length;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.entries(value).reduce(
    (sum, [key, inner]) => (key === 'data' ? sum : sum + textLengthOf(inner)),
    0,
  );
}
