/** Errors as a node answers them at its doors, with all that they say. */
import { StarlingError, isObject } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { errorFrom } from '../wire/frame.ts';

/** The error that a node has answered, as one of ours. */
export function answeredError(error: JsonObject): StarlingError {
  const { code, message, data } = error;
  const read = errorFrom({
    code: typeof code === 'number' ? code : 0,
    message: typeof message === 'string' ? message : 'the call failed, and nothing says why',
    ...(data === undefined ? {} : { data }),
  });
  const { code: _code, hint: _hint, ...said } = isObject(data) ? data : {};
  return new StarlingError(read.code, read.message, {
    ...(read.hint === undefined ? {} : { hint: read.hint }),
    data: { ...said, ...read.data },
  });
}

/** The node is not there, or its answer does not come any more. */
export function notReached(where: string, cause: unknown): StarlingError {
  const why = cause instanceof Error ? cause.message : 'it has closed the connection';
  return new StarlingError('STARLING_NODE_UNREACHABLE', `the node at ${where}: ${why}`, {
    hint: 'see where it listens: starling status',
    cause,
  });
}
