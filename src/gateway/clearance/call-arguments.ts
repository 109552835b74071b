/** What a request says of the call that it asks for: its arguments, and why it is made. */
import type { JsonObject } from '../../core/index.ts';
import { readCallArguments } from '../../grants/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { RequestFrame } from '../types.ts';
import { metaOf, objectOf } from '../wire/era.ts';
import { spansOf } from '../wire/frame.ts';

/** Key in `_meta` of a request: why it is made, in the caller's words. */
const REASONING_META = 'starling/reasoning';
const REASONING_MAX = 2048;

/** Arguments that were read strictly, by their request: a call asks for them up to four times. */
const strict = new WeakMap<RequestFrame, JsonObject>();

/**
 * The arguments that a grant may speak of, read strictly for whoever is bound by one.
 * @throws STARLING_CALL_REFUSED as {@link strictArgumentsOf}
 */
export function argumentsOf(principal: Principal, request: RequestFrame): JsonObject {
  const isBound = principal.kind === 'peer' || principal.kind === 'agent';
  return isBound ? strictArgumentsOf(request) : objectOf(request.params['arguments']);
}

/**
 * The arguments as every reader must understand them: a key that is there twice is refused, because the
 * server may read the other value than the guard, or the person who approves the call.
 * @throws STARLING_CALL_REFUSED
 */
export function strictArgumentsOf(request: RequestFrame): JsonObject {
  const known = strict.get(request);
  if (known !== undefined) return known;
  const { params, bytes } = request;
  const span = spansOf(request).arguments;
  const args =
    span === undefined
      ? objectOf(params['arguments'])
      : readCallArguments(bytes.toString('utf8', span.start, span.end));
  strict.set(request, args);
  return args;
}

/** Why the caller says that it asks (`_meta["starling/reasoning"]`), cut where it is long. */
export function reasoningOf(request: RequestFrame): string | undefined {
  const said = metaOf(request.params)[REASONING_META];
  return typeof said === 'string' && said !== '' ? said.slice(0, REASONING_MAX) : undefined;
}
