/** How the failures of calls are named: to their callers, in the log, for those who count them, and where the next server is to be tried. */
import {
  BUILTIN_SERVER,
  ERRORS,
  StarlingError,
  messageOf,
  printable,
} from '../../../core/index.ts';
import type { Json, LogFields, Logger } from '../../../core/index.ts';
import type { Route } from '../../catalog/types.ts';
import type { ServerTarget } from '../../channel-types.ts';
import type { FrameError, FrameId, RequestFrame, ResponseFrame } from '../../frame-types.ts';
import { objectOf } from '../../wire/era.ts';
import { RPC, errorBytes, errorOf, renumbered } from '../../wire/frame.ts';

/** By which a server of the legacy era says that it has no such resource (MCP 2025-11-25 `resources`). */
const RESOURCE_NOT_FOUND = -32_002;
const NAME_SHOWN_MAX = 128;

/** A peer says so of a tool that it lists no more. */
export function isMissing(data: Json | undefined): boolean {
  return objectOf(data)['code'] === 'STARLING_TOOL_UNKNOWN';
}

/** Logs what went wrong here, and was no refusal; `fields` are the ids of its trace. */
export function reportFailure(logger: Logger, error: unknown, fields: LogFields = {}): void {
  if (error instanceof StarlingError) return;
  logger.error({ ...fields, error: messageOf(error) }, 'request failed');
}

/** The code of what went wrong; what nobody foresaw has none. */
export function codeOf(error: unknown): string {
  return error instanceof StarlingError ? error.code : 'internal';
}

/** The same of an answer, as the conventions of OpenTelemetry for MCP name it; undefined when it tells of no error. */
export function errorIn(frame: ResponseFrame): string | undefined {
  const { error } = frame;
  if (error === undefined) {
    const isError = frame.isError ?? frame.result?.['isError'] === true;
    return isError ? 'tool_error' : undefined;
  }
  const { code } = objectOf(error.data);
  return typeof code === 'string' && Object.hasOwn(ERRORS, code) ? code : String(error.code);
}

/** The built-in server of this node, and not that of a peer. */
export function isOwnServer({ peer, server }: ServerTarget): boolean {
  return peer === undefined && server === BUILTIN_SERVER;
}

/** A server has made a task where it may not, or one that nobody can ask for. */
export function oddTask({ params }: RequestFrame): StarlingError {
  const { name } = params;
  return new StarlingError(
    'STARLING_UPSTREAM_INVALID',
    `the server answered ${printable(String(name), NAME_SHOWN_MAX)} with a task, which its caller can't deal with, or which has no id`,
    { hint: 'tell its author: MCP lets a server do so only where the client declares tasks' },
  );
}

/** Whether another server may do better: a refusal, and what fails for its own fault, would be the same there. */
export function mayTryNext(
  { method }: RequestFrame,
  { code, data }: FrameError,
  next: Route | undefined,
): boolean {
  if (next === undefined) return false;
  const { retryable } = objectOf(data);
  // A peer whose server is away says so in its answer.
  if (next.mayRepeat === true && (retryable === true || isMissing(data))) return true;
  const isUnknown = code === RESOURCE_NOT_FOUND || code === RPC.invalidParams;
  return isUnknown && method.startsWith('resources/');
}

/** The answer under the caller's id; the error of what can't be answered so. */
export function rewriteOrError(frame: ResponseFrame, id: FrameId): Buffer {
  try {
    return renumbered(frame, id);
  } catch (error) {
    return errorBytes(id, errorOf(error));
  }
}
