/**
 * The envelope of a message: the keys by which a node decides, and by which a server understands. A key that
 * a server's parser could take for one of them, and this node does not, would have one thing judged and
 * another one done. So a message with such a key is refused whoever sends it; other unknown keys pass.
 * `docs/protocols.md`, "One message, one meaning", says how parsers differ.
 */
import { createExactNames, jsonStringAt, printable } from '../../core/index.ts';
import type { ExactNames, JsonObject } from '../../core/index.ts';
import type { EnvelopeLevel, Spans } from '../frame-types.ts';

const MODERN = 'io.modelcontextprotocol/';
const SHOWN_MAX = 80;

/** Keys of the message itself (JSON-RPC 2.0 §4 and §5). */
const TOP_KEYS = ['jsonrpc', 'id', 'method', 'params', 'result', 'error'] as const;
/** Keys of `params` that name, address or continue something. */
const PARAMS_KEYS = [
  'name',
  'arguments',
  'uri',
  'ref',
  'argument',
  'task',
  'taskId',
  'requestState',
  'inputResponses',
  'requestId',
  'progressToken',
  '_meta',
] as const;
/** Keys of `params._meta` that this node reads, adds or changes. */
const META_KEYS = [
  'progressToken',
  `${MODERN}protocolVersion`,
  `${MODERN}clientCapabilities`,
  `${MODERN}clientInfo`,
  `${MODERN}logLevel`,
  `${MODERN}subscriptionId`,
  'starling/token',
  'starling/grants',
  'starling/server',
  'starling/on-behalf-of',
  'starling/listener',
  'starling/reasoning',
  'starling/tools',
] as const;
const REF_KEYS = ['type', 'name', 'uri'] as const;
const ARGUMENT_KEYS = ['name', 'value'] as const;
const TASK_KEYS = ['taskId', 'ttl'] as const;

/** Every key that decides something, wherever it stands; at most 31, which the scanner notes as bits. */
export const ENVELOPE_KEYS = [
  ...new Set([...TOP_KEYS, ...PARAMS_KEYS, ...META_KEYS, ...REF_KEYS]),
] as const;

/** A key that decides something. */
export type EnvelopeKey = (typeof ENVELOPE_KEYS)[number];

/** Methods of MCP, and ours. */
export const METHODS = [
  'initialize',
  'ping',
  'tools/list',
  'tools/call',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'prompts/list',
  'prompts/get',
  'completion/complete',
  'logging/setLevel',
  'sampling/createMessage',
  'elicitation/create',
  'roots/list',
  'tasks/get',
  'tasks/list',
  'tasks/result',
  'tasks/update',
  'tasks/cancel',
  'server/discover',
  'subscriptions/listen',
  'starling/catalog',
  'notifications/initialized',
  'notifications/cancelled',
  'notifications/progress',
  'notifications/message',
  'notifications/roots/list_changed',
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
  'notifications/resources/updated',
  'notifications/elicitation/complete',
  'notifications/tasks/status',
  'notifications/starling/grants',
  'notifications/starling/waiting',
];

const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS);
const EXACT_METHODS = createExactNames(METHODS);
const TOP = createExactNames(TOP_KEYS);
/** What every method has in `params`; what else stands there means nothing to this node. */
const FOREIGN_PARAMS = createExactNames(['_meta']);
const NAMES: Readonly<Record<EnvelopeLevel, ExactNames>> = {
  top: TOP,
  params: createExactNames(PARAMS_KEYS),
  meta: createExactNames(META_KEYS),
  ref: createExactNames(REF_KEYS),
  argument: createExactNames(ARGUMENT_KEYS),
  task: createExactNames(TASK_KEYS),
};

/** Why a request or notification can be read in two ways, in a sentence; undefined when nothing is against it. */
export function twinInCall(method: string, { bytes, strangers }: Spans): string | undefined {
  const isKnown = KNOWN_METHODS.has(method);
  if (!isKnown) {
    const meant = EXACT_METHODS.mistakenFor(method);
    if (meant !== undefined) {
      return `the method ${printable(JSON.stringify(method), SHOWN_MAX)} could be read as "${meant}"`;
    }
  }
  for (const { level, start, end } of strangers ?? []) {
    const key = jsonStringAt(bytes, start, end);
    const names = isKnown ? NAMES[level] : foreignNames(level, key);
    const twin = names === undefined ? undefined : twinOf(key, names);
    if (twin !== undefined) return twin;
  }
  return undefined;
}

/** The same of the top level of an answer. */
export function twinInAnswer(message: JsonObject): string | undefined {
  for (const key of Object.keys(message)) {
    const twin = twinOf(key, TOP);
    if (twin !== undefined) return twin;
  }
  return undefined;
}

/** What a key may be taken for in a method that this node does not know, where `meta` is a word like any other. */
function foreignNames(level: EnvelopeLevel, key: string): ExactNames | undefined {
  if (level === 'params') return key === 'meta' ? undefined : FOREIGN_PARAMS;
  return level === 'top' || level === 'meta' ? NAMES[level] : undefined;
}

function twinOf(key: string, names: ExactNames): string | undefined {
  const meant = names.mistakenFor(key);
  if (meant === undefined) return undefined;
  return `the key ${printable(JSON.stringify(key), SHOWN_MAX)} could be read as "${meant}"`;
}
