/**
 * A vendor of models at the wire, in a process of its own: an HTTP server that streams twenty pieces in the OpenAI API, at a
 * real vendor's pace or at once, or fails as the model's name says. Prints its address, and ends with its standard input.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createChance } from '../../scenario/random.ts';
import { CHUNKS, MODELS, PACE, TEXT } from './job.ts';
import type { VendorCounts } from './job.ts';

const BACKLOG = 4096;
const SEED = 20;
const USAGE = { prompt_tokens: 20, completion_tokens: CHUNKS, total_tokens: 20 + CHUNKS };

const chance = createChance(SEED);
let gapsMs: number[] = [];
let requests: Record<string, number> = {};
let failed: Record<string, number> = {};
let failedAt: number | undefined;
let alternating = 0;

/** Ways to fail before the first token. */
const FAULTS: readonly ((response: ServerResponse) => void)[] = [
  (response) => refuse(response, 500),
  (response) => refuse(response, 529),
  (response) => void response.destroy(),
  (response) => {
    head(response).write(event({ role: 'assistant', content: '' }));
    setImmediate(() => response.destroy());
  },
];

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => answer(request, response, Buffer.concat(chunks)));
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', BACKLOG, () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
process.stdin.resume().on('end', () => process.exit());

function answer({ url = '' }: IncomingMessage, response: ServerResponse, body: Buffer): void {
  if (url === '/counted') {
    const counts: VendorCounts = { gapsMs, requests, failed };
    [gapsMs, requests, failed, failedAt] = [[], {}, {}, undefined];
    return send(response, counts);
  }
  if (failedAt !== undefined) gapsMs.push(performance.now() - failedAt);
  failedAt = undefined;
  const [, path = ''] = url.split('/');
  requests[path] = (requests[path] ?? 0) + 1;
  const { model, stream } = JSON.parse(body.toString()) as {
    readonly model: string;
    readonly stream?: boolean;
  };
  const fault = faultOf(model);
  if (fault !== undefined) {
    failed[path] = (failed[path] ?? 0) + 1;
    response.once('finish', () => {
      failedAt = performance.now();
    });
    return fault(response);
  }
  if (stream === true) return streamed(response, model === MODELS.paced);
  const message = { role: 'assistant', content: TEXT };
  const choices = [{ index: 0, message, finish_reason: 'stop', logprobs: null }];
  return send(response, {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model,
    choices,
    usage: USAGE,
  });
}

function faultOf(model: string): ((response: ServerResponse) => void) | undefined {
  if (model === MODELS.alternating) {
    alternating += 1;
    return alternating % 2 === 1 ? FAULTS[0] : undefined;
  }
  if (model !== MODELS.half || chance.next() < 0.5) return undefined;
  return FAULTS[Math.floor(chance.next() * FAULTS.length)];
}

const PIECES = Array.from({ length: CHUNKS }, (_, at) => event({ content: `word${at} ` }));
const LAST = [
  event({}, 'stop'),
  data({ ...chunkOf([]), usage: USAGE }),
  Buffer.from('data: [DONE]\n\n'),
];
const LAST_BYTES = Buffer.concat(LAST);

function streamed(response: ServerResponse, isPaced: boolean): void {
  head(response);
  if (!isPaced) {
    for (const piece of PIECES) response.write(piece);
    response.end(LAST_BYTES);
    return;
  }
  let at = 0;
  const next = (): void => {
    if (response.destroyed) return;
    response.write(PIECES[at]);
    at += 1;
    if (at === CHUNKS) response.end(LAST_BYTES);
    else setTimeout(next, PACE.betweenMs);
  };
  setTimeout(next, PACE.firstMs);
}

function head(response: ServerResponse): ServerResponse {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  return response;
}

function event(delta: object, finish: string | null = null): Buffer {
  return data(chunkOf([{ index: 0, delta, finish_reason: finish }]));
}

function chunkOf(choices: readonly object[]): object {
  return { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'fake', choices };
}

function data(value: object): Buffer {
  return Buffer.from(`data: ${JSON.stringify(value)}\n\n`);
}

function refuse(response: ServerResponse, status: number): void {
  send(response, { error: { message: 'broken on purpose', type: 'server_error' } }, status);
}

function send(response: ServerResponse, value: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
