/** Where a request goes: by the tool, prompt, resource or server that it names. */
import { BUILTIN_SERVER } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { toolResource } from '../../grants/index.ts';
import { objectOf, protocolError } from '../wire/era.ts';
import { RPC } from '../wire/frame.ts';
import type { Route, View } from '../catalog/types.ts';
import type { RelayedCall } from '../channel-types.ts';
import type { RequestFrame } from '../frame-types.ts';

/** A lone surrogate, or NUL. */
const AMBIGUOUS = /[\p{Cs}\0]/u;

/**
 * The servers that may answer `frame`, the likeliest first. What ends a subscription goes to the server that has it
 * (`hasIt`), where there is one. @throws what {@link View} throws
 */
export function routesOf(
  view: View,
  frame: RequestFrame,
  hasIt: (route: Route) => boolean = () => false,
): readonly Route[] {
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
      return endingOf(view.resource(textOf(params, 'uri'), 'resource/read'), hasIt);
    case 'completion/complete':
      return [completionRoute(view, params)];
    case 'tasks/get':
    case 'tasks/update':
    case 'tasks/cancel':
      return [ownTask(params['taskId'], method) ?? view.server(method)];
    default:
      return [view.server(method)];
  }
}

function endingOf(routes: readonly Route[], hasIt: (route: Route) => boolean): readonly Route[] {
  const route = routes.find(hasIt) ?? routes[0];
  return route === undefined ? [] : [route];
}

/** The tools that do the same for a client of the node: who may call these may ask for the task. */
const TASK_TOOLS: Readonly<Record<string, string>> = {
  'tasks/get': 'task_status',
  'tasks/update': 'task_answer',
  'tasks/cancel': 'task_cancel',
};
const OWN_TASK = /^task_\d{13}_[0-9a-z]{1,32}$/;

/** By its form alone: the task may be one that is not there. */
export function isOwnTask(id: unknown): id is string {
  return typeof id === 'string' && OWN_TASK.test(id);
}

/** A task of this node is known by its id, whichever session or door has begun it. */
export function ownTask(taskId: unknown, method: string): Route | undefined {
  const tool = TASK_TOOLS[method];
  if (!isOwnTask(taskId) || tool === undefined) return undefined;
  const resource = toolResource(BUILTIN_SERVER, tool);
  const facts = method === 'tasks/get' ? { facts: { readOnly: true } } : {};
  return {
    target: { server: BUILTIN_SERVER },
    wanted: { ability: 'tool/call', resource, ...facts },
  };
}

const NO_EDITS: NonNullable<RelayedCall['edits']> = {};

/** What is renamed on the way: nothing when the thing has the same name there. */
export function editsOf(request: RequestFrame, route: Route): NonNullable<RelayedCall['edits']> {
  const { edits } = route;
  if (edits === undefined) return NO_EDITS;
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
  // A server may read half of such a text, or another one.
  if (AMBIGUOUS.test(value)) {
    const what = `"params.${key}" must be Unicode text without NUL`;
    throw protocolError(RPC.invalidParams, what);
  }
  return value;
}
