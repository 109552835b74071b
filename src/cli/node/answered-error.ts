/** The error that a node answered, as one of ours. */
import { ERRORS, StarlingError } from '../../core/errors.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json/json.ts';
import { isObject } from '../../core/json/value-checks.ts';

/** JSON-RPC 2.0 §5.1. */
const INVALID_PARAMS = -32602;

/** The error that the node answered. An error without a code of Starling's comes from a tool's server. */
export function errorFrom(error: JsonObject): StarlingError {
  const { data, message, code: rpc } = error;
  const { code, reason, hint, candidates } = isObject(data) ? data : {};
  const known = typeof code === 'string' && Object.hasOwn(ERRORS, code);
  // Older nodes answer some errors with a word for a reason, which tells a person nothing.
  const isSentence = typeof reason === 'string' && reason.includes(' ');
  const text = known && isSentence ? reason : withoutHint(message, hint);
  const otherwise = rpc === INVALID_PARAMS ? 'STARLING_USAGE' : 'STARLING_UPSTREAM_UNAVAILABLE';
  return new StarlingError(
    known ? (code as ErrorCode) : otherwise,
    typeof text === 'string' ? text : 'the call failed, and nothing says why',
    {
      ...(typeof hint === 'string' ? { hint } : {}),
      data: { rpc, ...(candidates === undefined ? {} : { candidates }) },
    },
  );
}

/** Nodes put the hint behind the message; it is shown on a line of its own. */
function withoutHint(message: Json | undefined, hint: Json | undefined): Json | undefined {
  const end = typeof hint === 'string' ? ` — ${hint}` : '';
  const isBehind = typeof message === 'string' && end !== '' && message.endsWith(end);
  return isBehind ? message.slice(0, -end.length) : message;
}
