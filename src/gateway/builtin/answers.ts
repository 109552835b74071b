/** Answers of the built-in server: what a tool gives, as structured content, as text, and at the top of the result. */
import type { JsonObject } from '../../core/index.ts';
import type { FrameId, ResponseFrame } from '../frame-types.ts';
import type { BuiltinTool } from '../types.ts';
import { resultFrame } from '../wire/frame.ts';
import { jsonOf } from './tool.ts';

/** What results of calls are as JSON, by the result: all of it was made of one text. */
const bodies = new WeakMap<JsonObject, string>();
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
  const text = forNodes ? '' : `{"type":"text","text":${JSON.stringify(json)}}`;
  const top = onTop && json !== '{}' ? `${json.slice(1, -1)},` : '';
  bodies.set(made, `${top}"content":[${text}],"structuredContent":${json}`);
  return made;
}

/** An answer of this node's own making, which is not read again. */
export function ownResponse(id: FrameId, kind: JsonObject, result: JsonObject): ResponseFrame {
  const all = { ...kind, ...result };
  const body = bodies.get(result);
  const first =
    kind['resultType'] === undefined ? '' : `"resultType":${JSON.stringify(kind['resultType'])},`;
  return resultFrame(id, all, body === undefined ? undefined : `{${first}${body}}`);
}
