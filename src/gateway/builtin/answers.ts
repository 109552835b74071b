/** Answers of the built-in server: what a tool gives, as structured content, as text, and at the top of the result. */
import type { JsonObject } from '../../core/index.ts';
import type { FrameId, ResponseFrame } from '../frame-types.ts';
import type { BuiltinTool } from '../types.ts';
import { ownResultFrame } from '../wire/own-frame.ts';
import { jsonOf } from './tool.ts';

/** How a result of a call is written, by the result: all of it is made of one text. */
const bodies = new WeakMap<JsonObject, () => string>();
/** What an answer has besides the result of its tool: a result that has such a member itself is written as it comes. */
const OWN_MEMBERS: readonly string[] = ['content', 'resultType', 'structuredContent'];

/** Structured content, and the same as text for clients that read only text (MCP `tools`). */
export function contentOf(
  result: JsonObject,
  { forNodes = false, onTop = false }: Pick<BuiltinTool, 'forNodes' | 'onTop'>,
): JsonObject {
  const json = jsonOf(result);
  const made = {
    ...(onTop ? result : {}),
    content: forNodes ? [] : [{ type: 'text', text: json }],
    structuredContent: result,
  };
  if (onTop && OWN_MEMBERS.some((name) => Object.hasOwn(result, name))) return made;
  bodies.set(made, () => {
    const text = forNodes ? '' : `{"type":"text","text":${JSON.stringify(json)}}`;
    const top = onTop && json !== '{}' ? `${json.slice(1, -1)},` : '';
    return `${top}"content":[${text}],"structuredContent":${json}`;
  });
  return made;
}

/** An answer of this node's own making, which is not read again. */
export function ownResponse(id: FrameId, kind: JsonObject, result: JsonObject): ResponseFrame {
  const all = { ...kind, ...result };
  const body = bodies.get(result);
  if (body === undefined) return ownResultFrame(id, all);
  const { resultType } = kind;
  const first = resultType === undefined ? '' : `"resultType":${JSON.stringify(resultType)},`;
  return ownResultFrame(id, all, () => `{${first}${body()}}`);
}
