/** What a request says of the call that it asks for: its arguments, and why it is made. */
import { StarlingError, foldName, isObject, printable } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { readCallArguments, readParsedArguments } from '../../grants/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { RequestFrame } from '../frame-types.ts';
import { metaOf, objectOf } from '../wire/era.ts';
import { spansOf } from '../wire/frame.ts';

/** Key in `_meta` of a request: why it is made, in the caller's words. */
const REASONING_META = 'starling/reasoning';
const REASONING_MAX = 2048;
const NAME_SHOWN_MAX = 80;

/** Arguments that this node has made itself, or that are long, by their request. */
const strict = new WeakMap<RequestFrame, JsonObject>();
/**
 * The last arguments that were read strictly: a call asks for them up to four times, nearly always before another does. A
 * weak map of each call would have the collector look at each of them.
 */
let last: { readonly request: RequestFrame; readonly args: JsonObject } | undefined;
/** Longer messages are not kept alive by that. */
const LAST_BYTES_MAX = 16 * 1024;

/** Levels of arguments that no grant speaks of, but that are recorded. */
const RECORDED_DEPTH_MAX = 512;

/** Says that the arguments of a request of this node's own making are these: they are not read again. */
export function knowArguments(request: RequestFrame, args: JsonObject): void {
  strict.set(request, args);
}

/**
 * The arguments of a call as they are judged and recorded: read strictly, but for the operator's calls that
 * nobody keeps a record of.
 * @throws STARLING_CALL_REFUSED as {@link strictArgumentsOf}
 */
export function argumentsOf(
  principal: Principal,
  request: RequestFrame,
  { isRecorded }: { readonly isRecorded: boolean },
): JsonObject {
  if (principal.kind === 'operator' && !isRecorded) return objectOf(request.params['arguments']);
  const isBound = principal.kind === 'peer' || principal.kind === 'agent';
  return strictArgumentsOf(request, isBound ? undefined : RECORDED_DEPTH_MAX);
}

/**
 * The arguments as a person may be shown them: two names in one object that some reader takes for one would have
 * the person approve another call than the one that is made.
 * @throws STARLING_CALL_REFUSED as {@link strictArgumentsOf}, and for such names
 */
export function shownArgumentsOf(request: RequestFrame): JsonObject {
  const args = strictArgumentsOf(request);
  const twins = twinsIn(args);
  if (twins === undefined) return args;
  const [one, other] = twins.map((name) => printable(JSON.stringify(name), NAME_SHOWN_MAX));
  throw new StarlingError(
    'STARLING_CALL_REFUSED',
    `the arguments of the call can be read in more than one way: ${one} could be read as ${other}`,
    { data: { rule: 'args' } },
  );
}

/**
 * The arguments as every reader must understand them: a key that is there twice is refused, because the
 * server may read the other value than the guard, or the person who approves the call.
 * @throws STARLING_CALL_REFUSED
 */
export function strictArgumentsOf(request: RequestFrame, depthMax?: number): JsonObject {
  const known = last?.request === request ? last.args : strict.get(request);
  if (known !== undefined) return known;
  const { arguments: given } = request.params;
  const text = textOf(request);
  const args = text === undefined ? objectOf(given) : readStrictly(text, parsedOf(given), depthMax);
  if (request.bytes.length <= LAST_BYTES_MAX) last = { request, args };
  else strict.set(request, args);
  return args;
}

/** The arguments as they stand in the message, in UTF-8. */
function textOf(request: RequestFrame): Buffer | undefined {
  const { argumentsText } = request;
  if (argumentsText !== undefined) return Buffer.from(argumentsText);
  const span = spansOf(request).arguments;
  return span && request.bytes.subarray(span.start, span.end);
}

function readStrictly(
  text: Buffer,
  parsed: JsonObject | undefined,
  depthMax: number | undefined,
): JsonObject {
  if (parsed === undefined) return readCallArguments(text.toString('utf8'), depthMax);
  return readParsedArguments(text, parsed, depthMax);
}

function parsedOf(value: Json | undefined): JsonObject | undefined {
  return isObject(value) ? value : undefined;
}

/** Two names of one object, at any depth, that are one to a careless reader. */
function twinsIn(value: Json | undefined): readonly [string, string] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const isList = Array.isArray(value);
  const seen = new Map<string, string>();
  for (const [name, inner] of Object.entries(value as JsonObject)) {
    const folded = foldName(name);
    const before = isList ? undefined : seen.get(folded);
    if (before !== undefined) return [name, before];
    seen.set(folded, name);
    const twins = twinsIn(inner);
    if (twins !== undefined) return twins;
  }
  return undefined;
}

/** Why the caller says that it asks (`_meta["starling/reasoning"]`), cut where it is long. */
export function reasoningOf(request: RequestFrame): string | undefined {
  const said = metaOf(request.params)[REASONING_META];
  return typeof said === 'string' && said !== '' ? said.slice(0, REASONING_MAX) : undefined;
}
