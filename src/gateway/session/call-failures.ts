/** How the failures of calls are named: in the log, for those who count them, and where the next server is to be tried. */
import { ERRORS, StarlingError, messageOf } from '../../core/index.ts';
import type { Json, LogFields, Logger } from '../../core/index.ts';
import type { ResponseFrame } from '../frame-types.ts';
import { objectOf } from '../wire/era.ts';

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
export function errorIn({ error, result }: ResponseFrame): string | undefined {
  if (error === undefined) return result?.['isError'] === true ? 'tool_error' : undefined;
  const { code } = objectOf(error.data);
  return typeof code === 'string' && Object.hasOwn(ERRORS, code) ? code : String(error.code);
}
