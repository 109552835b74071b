/** Where a request goes: by the tool, prompt, resource or server that it names. */
import type { JsonObject } from '../../core/index.ts';
import { readCallArguments } from '../../grants/index.ts';
import type { Wanted } from '../../grants/index.ts';
import type { Principal } from '../../guard/index.ts';
import { metaOf, objectOf, protocolError } from '../wire/era.ts';
import { RPC } from '../wire/frame.ts';
import { markRefusal } from '../clearance/refusals.ts';
import { scanSpans } from '../wire/json-scan.ts';
import type { Route, View } from '../catalog/router.ts';
import type { RelayedCall, RequestFrame } from '../types.ts';

/** Key in `_meta` of a request: why it is made, in the caller's words. */
const REASONING_META = 'starling/reasoning';
const REASONING_MAX = 2048;

/** The servers that may answer `frame`, the likeliest first. @throws STARLING_CALL_REFUSED, … */
export function routesOf(view: View, frame: RequestFrame): readonly Route[] {
  const { method, params } = frame;
  switch (method) {
    case 'tools/call':
      return view.tool(textOf(params, 'name'));
    case 'prompts/get':
      return [view.prompt(textOf(params, 'name'))];
    case 'resources/read':
      return view.resource(textOf(params, 'uri'), 'resource/read');
    case 'resources/subscribe':
      return view.resource(textOf(params, 'uri'), 'resource/subscribe');
    case 'resources/unsubscribe':
      return view.resource(textOf(params, 'uri'), 'resource/read').slice(0, 1);
    case 'completion/complete':
      return [completionRoute(view, params)];
    default:
      return [view.server(method)];
  }
}

/**
 * The arguments that a grant may speak of, read strictly for whoever is bound by one: a repeated key is
 * refused, because the server may read the other. `wanted` is what goes into the record then.
 * @throws STARLING_CALL_REFUSED
 */
export function argumentsOf(
  principal: Principal,
  request: RequestFrame,
  wanted?: Wanted,
): JsonObject {
  if (principal.kind === 'operator' || principal.kind === 'client') {
    return objectOf(request.params['arguments']);
  }
  try {
    return strictArgumentsOf(request);
  } catch (error) {
    if (wanted !== undefined) markRefusal(error, wanted);
    throw error;
  }
}

/** The arguments that everybody reads alike. @throws STARLING_CALL_REFUSED */
export function strictArgumentsOf({ params, bytes }: RequestFrame): JsonObject {
  const span = scanSpans(bytes).arguments;
  if (span === undefined) return objectOf(params['arguments']);
  return readCallArguments(bytes.toString('utf8', span.start, span.end));
}

/** Why the caller says that it asks (`_meta["starling/reasoning"]`), cut where it is long. */
export function reasoningOf(request: RequestFrame): string | undefined {
  const said = metaOf(request.params)[REASONING_META];
  return typeof said === 'string' && said !== '' ? said.slice(0, REASONING_MAX) : undefined;
}

/** What is renamed on the way: nothing when the thing has the same name there. */
export function editsOf(request: RequestFrame, route: Route): NonNullable<RelayedCall['edits']> {
  const edits = route.edits ?? {};
  const { params } = request;
  const isSameName = edits.name !== undefined && edits.name === params['name'];
  const isSameUri = edits.uri !== undefined && edits.uri === params['uri'];
  if (!isSameName && !isSameUri) return edits;
  const { name, uri, ...others } = edits;
  return {
    ...others,
    ...(name === undefined || isSameName ? {} : { name }),
    ...(uri === undefined || isSameUri ? {} : { uri }),
  };
}

/** A completion goes where its prompt or resource is. */
function completionRoute(view: View, params: JsonObject): Route {
  const ref = objectOf(params['ref']);
  if (ref['type'] === 'ref/prompt') {
    const { edits, ...route } = view.prompt(textOf(ref, 'name'));
    return edits?.name === undefined ? route : { ...route, edits: { refName: edits.name } };
  }
  if (ref['type'] === 'ref/resource') {
    const uri = textOf(ref, 'uri');
    const [found] = view.resource(uri, 'resource/read');
    if (found !== undefined) {
      const { edits, ...route } = found;
      const isSame = edits?.uri === undefined || edits.uri === uri;
      return isSame ? route : { ...route, edits: { refUri: edits.uri } };
    }
  }
  throw protocolError(RPC.invalidParams, '"ref" names no prompt and no resource');
}

function textOf(params: JsonObject, key: string): string {
  const value = params[key];
  if (typeof value !== 'string')
    throw protocolError(RPC.invalidParams, `"params.${key}" must be a string`);
  return value;
}
