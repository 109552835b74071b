/** Answers of the built-in server: what a tool gives, as structured content, as text, and at the top of the result. */
import type { JsonObject } from '../../core/index.ts';
import type { FrameId, ResponseFrame } from '../frame-types.ts';
import type { BuiltinTool } from '../types.ts';
import { ownResultFrame } from '../wire/own-frame.ts';
import { jsonOf } from './tool.ts';

/** How the result of a tool becomes that of its call. */
type How = Pick<BuiltinTool, 'forNodes' | 'onTop'>;

/** What an answer has besides the result of its tool: a result that has such a member itself is written as it comes. */
const OWN_MEMBERS: readonly string[] = ['content', 'resultType', 'structuredContent'];

/**
 * The result of a tool: structured content, and the same as text for clients that read only text (MCP `tools`). Its text is
 * made where a client or a peer reads it, its members where the program that holds the node does.
 */
class Content {
  readonly #result: JsonObject;
  readonly #isOnTop: boolean;
  readonly #isForNodes: boolean;
  #json: string | undefined;

  constructor(result: JsonObject, { forNodes = false, onTop = false }: How, json?: string) {
    this.#result = result;
    this.#json = json;
    this.#isOnTop = onTop;
    this.#isForNodes = forNodes;
  }

  get isError(): boolean {
    return this.#isOnTop && this.#result['isError'] === true;
  }

  membersOf({ resultType }: JsonObject): JsonObject {
    const result = this.#result;
    const content = this.#isForNodes ? [] : [{ type: 'text', text: this.#text() }];
    const top = this.#isOnTop ? result : {};
    // No spread: a member that comes after one makes a new class for the engine, each time.
    const first = resultType === undefined ? {} : { resultType };
    return Object.assign(first, top, { content, structuredContent: result });
  }

  textOf(kind: JsonObject): string {
    const result = this.#result;
    const isDoubled = OWN_MEMBERS.some((name) => Object.hasOwn(result, name));
    if (this.#isOnTop && isDoubled) return JSON.stringify(this.membersOf(kind));
    const json = this.#text();
    const { resultType } = kind;
    const first = resultType === undefined ? '' : `"resultType":${JSON.stringify(resultType)},`;
    const top = this.#isOnTop && json !== '{}' ? `${json.slice(1, -1)},` : '';
    const text = this.#isForNodes ? '' : `{"type":"text","text":${JSON.stringify(json)}}`;
    return `{${first}${top}"content":[${text}],"structuredContent":${json}}`;
  }

  #text(): string {
    this.#json ??= jsonOf(this.#result);
    return this.#json;
  }
}

export type { Content };

/** The result of a tool, as its call has it; `json` is its text, where somebody has written it. */
export function contentOf(result: JsonObject, how: How, json?: string): Content {
  return new Content(result, how, json);
}

/** An answer of this node's own making, which is not read again. */
export function ownResponse(
  id: FrameId,
  kind: JsonObject,
  result: JsonObject | Content,
): ResponseFrame {
  if (!(result instanceof Content)) return ownResultFrame(id, { ...kind, ...result });
  const { isError } = result;
  return ownResultFrame(id, () => result.membersOf(kind), {
    isError,
    text: () => result.textOf(kind),
  });
}
