/**
 * Where the id of a task stands in messages about tasks (MCP 2025-11-25 `basic/utilities/tasks`, SEP-2663), so that the id by
 * which a caller knows a task can take the place of its server's. Everything else keeps its bytes.
 */
import { JSON_BYTE, StarlingError, isObject, jsonStringAt } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import type { NotificationFrame, RequestFrame, ResponseFrame, Span } from '../frame-types.ts';
import { objectOf } from './era.ts';
import { RPC, parseFrame, spansOf, spliced } from './frame.ts';
import { placesOf } from './json-scan.ts';

/** Key in `_meta` of whatever belongs to a task of the legacy era. */
const RELATED = 'io.modelcontextprotocol/related-task';

/**
 * The task that a server has made of a call, by its answer; undefined for any other answer. In the legacy era a call says
 * by its `task` that it wants one; in the modern era a server says so by the type of its result.
 */
export function taskMadeIn(
  { method, params }: RequestFrame,
  result: JsonObject | undefined,
): JsonObject | undefined {
  if (method !== 'tools/call' || result === undefined) return undefined;
  if (result['resultType'] === 'task') return result;
  const { task } = result;
  const isTask = 'task' in params && isObject(task) && typeof task['taskId'] === 'string';
  return isTask ? task : undefined;
}

/** The task that something a server says by itself belongs to. */
export function taskNamedIn({ params }: NotificationFrame | RequestFrame): string | undefined {
  const { taskId = objectOf(objectOf(params['_meta'])[RELATED])['taskId'] } = params;
  return typeof taskId === 'string' ? taskId : undefined;
}

/** The answer with the id `ours` wherever it speaks of the task `theirs`. */
export function answerWithTask(frame: ResponseFrame, theirs: string, ours: string): ResponseFrame {
  const renamed = withTask(frame, spansOf(frame).result, { theirs, ours });
  return renamed?.kind === 'response' ? renamed : frame;
}

/** The same of what a server says by itself. */
export function noticeWithTask<T extends NotificationFrame | RequestFrame>(
  frame: T,
  theirs: string,
  ours: string,
): T {
  const renamed = withTask(frame, spansOf(frame).params, { theirs, ours });
  return renamed?.kind === frame.kind ? (renamed as T) : frame;
}

/** MCP wants this code for an id that is no task (SEP-2663, "Error Handling"). */
export function noTask(): StarlingError {
  return new StarlingError('STARLING_TASK_UNKNOWN', 'there is no such task', {
    hint: 'see which there are: starling task list',
    data: { rpc: RPC.invalidParams },
  });
}

interface Ids {
  readonly theirs: string;
  readonly ours: string;
}

function withTask(
  { bytes }: { readonly bytes: Buffer },
  within: Span | undefined,
  { theirs, ours }: Ids,
): ReturnType<typeof parseFrame> | undefined {
  if (within === undefined) return undefined;
  const { places } = placesOf(bytes, within.start, ['taskId', 'task', '_meta']);
  const related = placeIn(bytes, places.get('_meta'), RELATED);
  const found = [
    places.get('taskId'),
    placeIn(bytes, places.get('task'), 'taskId'),
    placeIn(bytes, related, 'taskId'),
  ].filter((span): span is Span => isTextAt(bytes, span, theirs));
  if (found.length === 0) return undefined;
  const text = JSON.stringify(ours);
  const splices = found
    .map(({ start, end }) => ({ start, end, text }))
    .toSorted((one, other) => one.start - other.start);
  return parseFrame(spliced(bytes, splices));
}

function placeIn(bytes: Buffer, span: Span | undefined, key: string): Span | undefined {
  if (span === undefined || bytes[span.start] !== JSON_BYTE.openBrace) return undefined;
  return placesOf(bytes, span.start, [key]).places.get(key);
}

function isTextAt(bytes: Buffer, span: Span | undefined, text: string): boolean {
  if (span === undefined || bytes[span.start] !== JSON_BYTE.quote) return false;
  return jsonStringAt(bytes, span.start, span.end) === text;
}
