/**
 * Spans as OTLP has them in JSON (OpenTelemetry Protocol 1.x, "OTLP/HTTP", JSON Protobuf Encoding: ids in hexadecimal
 * digits, 64-bit numbers as texts). Names, codes and figures alone: no argument, no result, no text of a server. The
 * attributes are those of OpenTelemetry's conventions for MCP, and our own below `starling.`.
 */
import { VERSION, printable } from '../core/index.ts';
import { METHODS } from '../gateway/index.ts';
import type { EndedSpan } from './types.ts';

/** Who sends. */
export interface SpanSource {
  readonly serviceName: string;
  /** The name of the node. */
  readonly node: string;
  readonly peerId: string;
}

/** One attribute of OTLP. */
interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue: string } | { readonly doubleValue: number };
}

/** `SPAN_KIND_SERVER`: somebody waits for the answer. */
const KIND_SERVER = 2;
const STATUS_ERROR = 2;
/** W3C flags of a span that is kept, and whether its parent is somewhere else: that it is so, and that this is known. */
const FLAG_SAMPLED = 1;
const FLAGS_REMOTE_PARENT = 0x3_00;
/** Names are bounded before: this is for what a peer may have called its server. */
const TEXT_MAX = 256;
const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS);

/** The body of a request to `/v1/traces`. `epochMs` is when `performance.now()` was 0, in ms since the epoch. */
export function otlpBody(spans: readonly EndedSpan[], source: SpanSource, epochMs: number): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: {
          attributes: [
            text('service.name', source.serviceName),
            text('service.version', VERSION),
            text('service.instance.id', source.peerId),
            text('starling.node', source.node),
          ],
        },
        scopeSpans: [
          {
            scope: { name: 'starling', version: VERSION },
            spans: spans.map((span) => spanOf(span, epochMs)),
          },
        ],
      },
    ],
  });
}

function spanOf(span: EndedSpan, epochMs: number): object {
  const { parent, beganAt, totalMs, error } = span;
  // What a client calls its own method is no name for others to group by.
  const method = KNOWN_METHODS.has(span.method) ? span.method : 'other';
  const { name, attributes } = thingOf(span.resource);
  const beganMs = epochMs + beganAt;
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(parent === undefined ? {} : { parentSpanId: parent.spanId }),
    flags: FLAG_SAMPLED | (parent === undefined ? 0 : FLAGS_REMOTE_PARENT),
    name: name === undefined ? method : `${method} ${name}`,
    kind: KIND_SERVER,
    startTimeUnixNano: nanoseconds(beganMs),
    endTimeUnixNano: nanoseconds(beganMs + totalMs),
    attributes: [
      text('mcp.method.name', method),
      ...attributes,
      ...(span.peer === undefined ? [] : [text('starling.peer', span.peer)]),
      text('starling.caller', span.caller),
      text('starling.outcome', span.outcome),
      ...(span.sentMs === undefined ? [] : [number('starling.sent_ms', span.sentMs)]),
      ...(error === undefined ? [] : [text('error.type', error)]),
    ],
    status: error === undefined ? {} : { code: STATUS_ERROR },
  };
}

/** What a resource of the guard is called: of a tool and a prompt its name, of anything else the server alone. */
function thingOf(resource: string | undefined): {
  readonly name?: string;
  readonly attributes: readonly Attribute[];
} {
  if (resource === undefined) return { attributes: [] };
  const [kind = '', ...rest] = resource.split(':');
  const parts = rest.join(':').split('/');
  const isOfPeer = parts[0]?.startsWith('@') === true;
  const server = parts[isOfPeer ? 1 : 0] ?? '';
  const name = parts.slice(isOfPeer ? 2 : 1).join('/');
  const attributes = [text('starling.server', server)];
  // The URI of a resource may hold anything.
  if (kind !== 'tool' && kind !== 'prompt') return { attributes };
  return { name: shown(name), attributes: [...attributes, text(`gen_ai.${kind}.name`, name)] };
}

function text(key: string, value: string): Attribute {
  return { key, value: { stringValue: shown(value) } };
}

function number(key: string, value: number): Attribute {
  return { key, value: { doubleValue: value } };
}

function shown(value: string): string {
  return printable(value, TEXT_MAX);
}

/** To the microsecond, which is what a number of this size can tell. */
function nanoseconds(ms: number): string {
  return `${Math.round(ms * 1000)}000`;
}
