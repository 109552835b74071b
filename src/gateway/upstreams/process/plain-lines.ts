/**
 * The line protocol of plain programs (docs/agents.md): one JSON object a line in both directions, in place of MCP.
 *
 *     node → program   {"id":1,"type":"query","from":"alice@laptop","message":…}
 *     program → node   {"id":1,"answer":…}                      or {"id":1,"error":"why"}
 *     program → node   {"id":"a","call":"files__read","arguments":{…}}
 *     node → program   {"id":"a","result":…}                    or {"id":"a","error":"why"}
 *
 * Any other line of the program is something that it says, and goes to its log.
 */
import { isObject, isText } from '../../../core/index.ts';
import type { Json, JsonObject } from '../../../core/index.ts';
import { LEGACY_VERSIONS } from '../../wire/era.ts';
import type { LineCodec } from './process-hooks.ts';

/** What an MCP server that is an agent has. */
export const MESSAGE_TOOL = 'message';

/** Longest id that a program may give a call of its own. */
const ID_MAX = 128;
const ERROR_MAX = 2000;

/** What JSON.parse reads can be too deep for JSON.stringify, which a program must not end the node by. */
const TOO_DEEP = 'it is nested too deep';

/** Makes the codec of one process. */
export function createPlainLines(): LineCodec {
  return {
    toProgram(message) {
      const frame = JSON.parse(message.toString('utf8')) as JsonObject;
      const { id = null, method } = frame;
      return unlessTooDeep(
        () => sentFor(frame),
        () =>
          typeof method === 'string'
            ? { answer: messageOf({ id, error: { code: -32_603, message: TOO_DEEP } }) }
            : { line: lineOf({ id, error: TOO_DEEP }) },
      );
    },
    fromProgram(line) {
      const said = objectIn(line);
      if (said === undefined) return undefined;
      const { id, call } = said;
      if (!isId(id)) return undefined;
      return unlessTooDeep(
        () => messageIn(said, id),
        // A call can be answered to the program alone, and then stands in its log.
        () => (typeof call === 'string' ? undefined : messageOf({ id, result: failure(TOO_DEEP) })),
      );
    },
  };
}

function unlessTooDeep<T>(work: () => T, otherwise: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) return otherwise();
    throw error;
  }
}

function sentFor(frame: JsonObject): ReturnType<LineCodec['toProgram']> {
  const { id, method, params } = frame;
  if (typeof method !== 'string') return { line: lineOf(answered(frame)) };
  if (id === undefined) return {};
  if (method === 'tools/call') {
    const { arguments: given } = params as JsonObject;
    return { line: lineOf({ id, ...(given as JsonObject) }) };
  }
  return { answer: inItsPlace(id, method) };
}

function messageIn(said: JsonObject, id: string | number): Buffer | undefined {
  const { call, error } = said;
  if (typeof call === 'string') {
    const given = said['arguments'];
    const params = { name: call, arguments: isObject(given) ? given : {} };
    return messageOf({ id, method: 'tools/call', params });
  }
  if (error !== undefined && error !== null) return messageOf({ id, result: failure(error) });
  if (!('answer' in said)) return undefined;
  const answer = said['answer'] ?? null;
  const content = [{ type: 'text', text: textOf(answer) }];
  return messageOf({ id, result: { content, structuredContent: { answer } } });
}

/** A plain program has no handshake and no lists. */
function inItsPlace(id: Json, method: string): Buffer {
  if (method === 'initialize') {
    const serverInfo = { name: 'plain-lines', version: '1' };
    const result = { protocolVersion: LEGACY_VERSIONS[0], capabilities: { tools: {} }, serverInfo };
    return messageOf({ id, result });
  }
  if (method === 'tools/list') {
    const tool = { name: MESSAGE_TOOL, inputSchema: { type: 'object' } };
    return messageOf({ id, result: { tools: [tool] } });
  }
  return messageOf({ id, error: { code: -32_601, message: `it has no ${method}` } });
}

/** The answer to a call of the program, without the forms of MCP. */
function answered({ id, result, error }: JsonObject): JsonObject {
  if (isObject(error)) return { id: id ?? null, error: textOf(error['message'] ?? '') };
  const { structuredContent, content, isError } = isObject(result) ? result : {};
  const text = textsIn(content ?? null);
  if (isError === true) return { id: id ?? null, error: text };
  return { id: id ?? null, result: structuredContent ?? text };
}

function textsIn(content: Json): string {
  if (!Array.isArray(content)) return '';
  return (content as readonly Json[])
    .flatMap((part) => (isObject(part) ? [textOf(part['text'] ?? '')] : []))
    .join('\n');
}

function failure(error: Json): JsonObject {
  return { isError: true, content: [{ type: 'text', text: textOf(error).slice(0, ERROR_MAX) }] };
}

function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function isId(id: Json | undefined): id is string | number {
  return typeof id === 'number' || isText(id, ID_MAX);
}

function objectIn(line: Buffer): JsonObject | undefined {
  if (line[0] !== 0x7b) return undefined;
  try {
    const value: unknown = JSON.parse(line.toString('utf8'));
    return isObject(value) ? (value as JsonObject) : undefined;
  } catch {
    // What is no JSON is something that the program says.
    return undefined;
  }
}

function messageOf(frame: JsonObject): Buffer {
  return Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...frame }));
}

function lineOf(value: JsonObject): Buffer {
  return Buffer.from(JSON.stringify(value));
}
