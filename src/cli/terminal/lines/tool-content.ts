/** What a tool answered, as lines of text (MCP `tools`: content blocks). */
import type { Json, JsonObject } from '../../../core/json/json.ts';
import { isObject } from '../../../core/json/value-checks.ts';
import { safeLine, size } from '../output.ts';

/** The parts of a result as text: text as it came, everything else in a few words. */
export function contentOf(result: JsonObject): readonly string[] {
  const content: Json = result['content'] ?? [];
  const parts = (Array.isArray(content) ? content : [])
    .filter((each: Json) => isObject(each))
    .map(describePart);
  const structured = result['structuredContent'];
  return parts.length === 0 && structured !== undefined ? [JSON.stringify(structured)] : parts;
}

function describePart(part: JsonObject): string {
  const { type, text, resource, uri } = part;
  if (type === 'text' && typeof text === 'string') return text;
  if (isObject(resource)) {
    return typeof resource['text'] === 'string'
      ? resource['text']
      : inWords('resource', resource, resource['blob']);
  }
  return inWords(
    word(type) || 'unknown content',
    uri === undefined ? {} : part,
    part['data'],
    part,
  );
}

function inWords(kind: string, named: JsonObject, data: Json | undefined, typed = named): string {
  const words = [
    kind,
    word(named['uri']),
    word(typed['mimeType']),
    typeof data === 'string' ? size(Buffer.byteLength(data, 'base64')) : '',
  ];
  return safeLine(`[${words.filter((one) => one !== '').join(' ')}; --json shows it whole]`);
}

function word(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
