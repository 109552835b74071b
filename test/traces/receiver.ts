/** A collector of traces: what is sent to it by OTLP/HTTP in JSON is read as the protocol says, and everything else refused. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One span as it came. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: number;
  readonly beganNs: bigint;
  readonly endedNs: bigint;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly isError: boolean;
  /** Of the node that sent it. */
  readonly resource: Readonly<Record<string, string | number>>;
}

export interface Receiver {
  readonly url: string;
  readonly spans: ReceivedSpan[];
  /** Headers of each request that was taken. */
  readonly headers: IncomingMessage['headers'][];
  /** Bodies of all requests, as they came. */
  readonly bodies: string[];
  /** How the next requests are answered; 200 takes them, undefined leaves them without an answer. */
  status: number | undefined;
  answer: string;
  /** Headers of the answer. */
  retryAfter?: string;
  location?: string;
  stop(): Promise<void>;
}

interface Fields {
  readonly [name: string]: unknown;
}

/** Starts it at a free port of loopback. */
export async function startReceiver(): Promise<Receiver> {
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => void pieces.push(piece));
    request.on('end', () => {
      const body = Buffer.concat(pieces).toString('utf8');
      receiver.bodies.push(body);
      if (receiver.status === undefined) return;
      const isOtlp =
        request.method === 'POST' &&
        request.url === '/v1/traces' &&
        request.headers['content-type'] === 'application/json';
      const status = isOtlp ? receiver.status : 404;
      if (status === 200) {
        receiver.headers.push(request.headers);
        receiver.spans.push(...spansIn(body));
      }
      const { location, retryAfter } = receiver;
      response.writeHead(status, {
        'content-type': 'application/json',
        ...(location === undefined ? {} : { location }),
        ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
      });
      response.end(receiver.answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: bound } = server.address() as AddressInfo;
  const receiver: Receiver = {
    url: `http://127.0.0.1:${bound}`,
    spans: [],
    headers: [],
    bodies: [],
    status: 200,
    answer: '{"partialSuccess":{}}',
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

/** The spans of an `ExportTraceServiceRequest`. @throws what is not as OTLP has it in JSON */
function spansIn(body: string): ReceivedSpan[] {
  const { resourceSpans } = JSON.parse(body) as { resourceSpans: Fields[] };
  return resourceSpans.flatMap((one) => {
    const resource = attributesOf((one['resource'] as Fields)['attributes']);
    return (one['scopeSpans'] as Fields[]).flatMap(({ spans }) =>
      (spans as Fields[]).map((span) => spanOf(span, resource)),
    );
  });
}

function spanOf(span: Fields, resource: ReceivedSpan['resource']): ReceivedSpan {
  const { parentSpanId = '', status } = span;
  return {
    traceId: matching(span['traceId'], /^[0-9a-f]{32}$/),
    spanId: matching(span['spanId'], /^[0-9a-f]{16}$/),
    parentSpanId: matching(parentSpanId, /^([0-9a-f]{16})?$/),
    name: matching(span['name'], /^.+$/s),
    kind: Number(span['kind']),
    // 64-bit numbers are texts of decimal digits.
    beganNs: BigInt(matching(span['startTimeUnixNano'], /^\d{19}$/)),
    endedNs: BigInt(matching(span['endTimeUnixNano'], /^\d{19}$/)),
    attributes: attributesOf(span['attributes']),
    isError: (status as { readonly code?: number } | undefined)?.code === 2,
    resource,
  };
}

function attributesOf(list: unknown): Record<string, string | number> {
  return Object.fromEntries(
    (list as { key: string; value: Fields }[]).map(({ key, value }) => {
      const { stringValue, doubleValue } = value;
      if (typeof stringValue === 'string') return [key, stringValue];
      if (typeof doubleValue === 'number') return [key, doubleValue];
      throw new Error(`an attribute of no known kind: ${key}`);
    }),
  );
}

function matching(value: unknown, form: RegExp): string {
  if (typeof value === 'string' && form.test(value)) return value;
  throw new Error(`not as OTLP has it: ${JSON.stringify(value)}`);
}
