/**
 * Headers of a request in the stateless era (MCP 2026-07-28, Streamable HTTP, "Request headers"):
 * they repeat in the open what the body says, so that what stands between can route by them.
 */
import type { Json, JsonObject } from '../../core/index.ts';
import { objectOf } from './era.ts';

/** The key of `_meta` that says a request's version. */
const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
const VERSION_DEFAULT = '2026-07-28';
const ANNOTATION = 'x-mcp-header';
/** RFC 9110 §5.6.2 */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
/** Where in `params` the value of `Mcp-Name` stands, by method. */
const NAMED: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};
/** Keywords whose values are data, not schemas. */
const DATA_KEYWORDS: ReadonlySet<string> = new Set(['const', 'default', 'enum', 'examples']);
const DEPTH_MAX = 64;

/** A parameter of a tool that is repeated in a header. */
export interface HeaderParam {
  /** Where in the tool's arguments it stands. */
  readonly path: readonly string[];
  /** The header's name without `Mcp-Param-`. */
  readonly header: string;
}

/**
 * The headers of one request or notification. `paramHeaders` gives those of the tool's annotated
 * parameters; see {@link paramHeadersOf}.
 */
export function modernHeaders(init: {
  readonly method: string;
  readonly params: JsonObject;
  readonly paramHeaders?: Readonly<Record<string, string>>;
}): Record<string, string> {
  const version = objectOf(init.params['_meta'])[VERSION_KEY];
  const field = Object.hasOwn(NAMED, init.method) ? NAMED[init.method] : undefined;
  const name = field === undefined ? undefined : init.params[field];
  return {
    'mcp-protocol-version': encodeHeaderValue(
      typeof version === 'string' ? version : VERSION_DEFAULT,
    ),
    'mcp-method': encodeHeaderValue(init.method),
    ...(typeof name === 'string' ? { 'mcp-name': encodeHeaderValue(name) } : {}),
    ...init.paramHeaders,
  };
}

/**
 * The value as it may stand in a header: as it is when it is plain ASCII that no parser trims, else
 * `=?base64?…?=` of its UTF-8 bytes.
 */
export function encodeHeaderValue(value: string): string {
  const plain = /^[\x20-\x7e\t]+$/.test(value) && value.trim() === value;
  const ambiguous = value.startsWith('=?base64?') && value.endsWith('?=');
  return plain && !ambiguous ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`;
}

/** `Mcp-Param-*` headers of a call with the arguments `args`; absent and null ones have none. */
export function paramHeadersOf(
  declared: readonly HeaderParam[],
  args: JsonObject,
): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { path, header } of declared) {
    let value: Json | undefined = args;
    for (const key of path) {
      const inside: JsonObject = objectOf(value);
      value = Object.hasOwn(inside, key) ? inside[key] : undefined;
    }
    const text = textOf(value);
    if (text !== undefined) headers[`mcp-param-${header.toLowerCase()}`] = encodeHeaderValue(text);
  }
  return headers;
}

/**
 * The annotated parameters of a tool's input schema; a string says why the annotation is invalid,
 * which makes the whole tool unusable in this era (SEP-2243).
 */
export function headerParamsOf(inputSchema: Json | undefined): readonly HeaderParam[] | string {
  const found: HeaderParam[] = [];
  const fault = visit(inputSchema, [], 0, found);
  if (fault !== undefined) return fault;
  const names = found.map(({ header }) => header.toLowerCase());
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  return repeated === undefined ? found : `${ANNOTATION} '${repeated}' is given twice`;
}

/** `path` is undefined where an annotation may not stand. */
function visit(
  schema: Json | undefined,
  path: readonly string[] | undefined,
  depth: number,
  found: HeaderParam[],
): string | undefined {
  if (typeof schema !== 'object' || schema === null) return undefined;
  if (depth > DEPTH_MAX) return `the schema is over ${DEPTH_MAX} levels deep`;
  if (Array.isArray(schema)) {
    return firstFault(schema as readonly Json[], (one) => visit(one, undefined, depth + 1, found));
  }
  const fields = schema as JsonObject;
  if (Object.hasOwn(fields, ANNOTATION)) {
    const fault = annotationFault(fields, path);
    if (fault !== undefined) return fault;
    found.push({ path: path ?? [], header: String(fields[ANNOTATION]) });
  }
  return firstFault(Object.entries(fields), ([keyword, value]) => {
    if (DATA_KEYWORDS.has(keyword) || keyword === ANNOTATION) return undefined;
    if (keyword !== 'properties') return visit(value, undefined, depth + 1, found);
    return firstFault(Object.entries(objectOf(value)), ([key, property]) =>
      visit(property, path === undefined ? undefined : [...path, key], depth + 1, found),
    );
  });
}

function annotationFault(
  schema: JsonObject,
  path: readonly string[] | undefined,
): string | undefined {
  if (path === undefined || path.length === 0) {
    return `${ANNOTATION} stands where a call may have no such argument`;
  }
  const at = path.join('.').slice(0, 128);
  const name = schema[ANNOTATION];
  if (typeof name !== 'string' || !TOKEN.test(name)) {
    return `${at}: ${ANNOTATION} is no name of a header`;
  }
  return ['string', 'integer', 'boolean'].includes(String(schema['type']))
    ? undefined
    : `${at}: ${ANNOTATION} needs the type string, integer or boolean`;
}

function firstFault<T>(
  values: readonly T[],
  look: (value: T) => string | undefined,
): string | undefined {
  for (const value of values) {
    const fault = look(value);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function textOf(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  const fits = typeof value === 'number' && Number.isFinite(value);
  return fits && (!Number.isInteger(value) || Number.isSafeInteger(value))
    ? String(value)
    : undefined;
}
