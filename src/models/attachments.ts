/** What a request brings besides texts: pictures and documents, of whose tokens the length of the request says nothing. Pure. */
import { isObject } from '../core/index.ts';
import type { Json, JsonObject } from '../core/index.ts';

/**
 * The most that one picture takes: over 14,000 tokens at OpenAI's newest models as they are by default, 16,384 at Qwen's, some
 * 5,000 at Anthropic's, 1,100 at Google's; looked up 2026-11-30. A model that counts more has that in its list price.
 */
export const PICTURE_TOKENS = 16_384;

const PICTURES: readonly string[] = ['image', 'image_url', 'input_image'];
const DOCUMENTS: readonly string[] = ['container_upload', 'document', 'file', 'input_file'];
/** Where a request has what the model is to read. */
const READ: readonly string[] = ['input', 'messages', 'system'];

/** How many there are. */
export interface Attachments {
  readonly pictures: number;
  /** A short one may have many pages, and one that is only named any number. */
  readonly documents: number;
}

/** Counts them, wherever they stand in what the model is to read; rather too many than too few. */
export function attachmentsIn(fields: JsonObject): Attachments {
  let [pictures, documents] = [0, 0];
  // Not by calls of itself: a request may be nested deeper than the stack.
  const rest: Json[] = READ.map((key) => fields[key] ?? null);
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const type = isObject(next) ? next['type'] : undefined;
    if (typeof type === 'string') {
      if (PICTURES.includes(type)) pictures += 1;
      if (DOCUMENTS.includes(type)) documents += 1;
    }
    // Where a picture comes from is none: `{"type":"image","source":{"type":"file"}}`.
    for (const [key, inner] of Object.entries(next)) {
      if (key !== 'source' && typeof inner === 'object' && inner !== null) rest.push(inner);
    }
  }
  return { pictures, documents };
}
