/**
 * Vendors of batches at the wire: a server that has OpenAI's `/files` and `/batches` and Anthropic's `/messages/batches`, whose
 * batches end when a test says so. What a request's text says decides what becomes of the request: `refuse`, `lose`, `twice`,
 * `expire`, `broken tool`; a test may have the server refuse, or take a request and break the connection.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the vendor got it. */
export interface GotRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** How the vendor's next answer to such a path is. */
export interface Mishap {
  readonly at: RegExp;
  /** Refused by this status. */
  readonly status?: number;
  readonly body?: string;
  /** The request is taken, and the connection ends without a word. */
  readonly isCut?: true;
}

type Outcome = 'completed' | 'expired' | 'cancelled' | 'failed';

interface KeptBatch {
  readonly id: string;
  readonly api: 'openai' | 'anthropic';
  readonly requests: readonly { readonly custom_id: string; readonly body: Said }[];
  readonly metadata: object;
  status: 'running' | 'cancelling' | Outcome;
}

interface Said {
  readonly model?: string;
  readonly messages?: readonly {
    readonly content: string | readonly { readonly text: string }[];
  }[];
  readonly input?: string;
}

/** A vendor that listens. */
export interface FakeBatches {
  readonly url: string;
  readonly got: GotRequest[];
  readonly mishaps: Mishap[];
  /** Batches that were taken, the oldest first. */
  readonly batches: KeptBatch[];
  /** A batch ends, the last one that was taken. */
  finish(outcome?: Outcome): void;
  stop(): Promise<void>;
}

/** Starts a vendor on a free port. */
export async function startBatchVendor(): Promise<FakeBatches> {
  const files = new Map<string, string>();
  const vendor = {
    url: '',
    got: [] as GotRequest[],
    mishaps: [] as Mishap[],
    batches: [] as KeptBatch[],
    finish(outcome: Outcome = 'completed'): void {
      const last = vendor.batches.at(-1);
      if (last !== undefined) last.status = outcome;
    },
    stop: (): Promise<void> =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      const text = Buffer.concat(chunks).toString();
      vendor.got.push({ method, path, headers, text });
      const at = vendor.mishaps.findIndex((one) => one.at.test(`${method} ${path}`));
      const [mishap] = at === -1 ? [] : vendor.mishaps.splice(at, 1);
      if (mishap?.status !== undefined) {
        response.writeHead(mishap.status, { 'content-type': 'application/json' });
        return void response.end(mishap.body ?? '{"error":{"message":"no"}}');
      }
      const answer = answerTo(`${method} ${path}`, text, vendor.batches, files);
      if (mishap?.isCut === true) return void response.destroy();
      return send(response, answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  vendor.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return vendor;
}

type Answer = { readonly json: object } | { readonly lines: string } | undefined;

function send(response: ServerResponse, answer: Answer): void {
  if (answer === undefined) {
    response.writeHead(404, { 'content-type': 'application/json' });
    return void response.end('{"error":{"message":"there is none"}}');
  }
  response.writeHead(200, { 'content-type': 'json' in answer ? 'application/json' : 'text/plain' });
  response.end('json' in answer ? JSON.stringify(answer.json) : answer.lines);
}

function answerTo(
  what: string,
  text: string,
  batches: KeptBatch[],
  files: Map<string, string>,
): Answer {
  const made = (one: Omit<KeptBatch, 'id' | 'status'>): KeptBatch => {
    const batch = { ...one, id: `batch_${batches.length}`, status: 'running' as const };
    batches.push(batch);
    return batch;
  };
  if (what === 'GET /v1/models') return { json: { data: [] } };
  if (what === 'POST /v1/files') {
    const id = `file-${files.size}`;
    const [, lines = ''] = /filename="[^"]+"\r\n[^\r]+\r\n\r\n([^]*?)\r\n--/.exec(text) ?? [];
    files.set(id, lines);
    return { json: { id, object: 'file', purpose: /\r\n\r\nbatch\r\n/.test(text) ? 'batch' : '' } };
  }
  if (what === 'POST /v1/batches') {
    const asked = JSON.parse(text) as { input_file_id: string; metadata: object };
    const lines = (files.get(asked.input_file_id) ?? '').split('\n').filter(Boolean);
    const requests = lines.map((line) => JSON.parse(line) as KeptBatch['requests'][number]);
    return { json: shown(made({ api: 'openai', requests, metadata: asked.metadata })) };
  }
  if (what === 'POST /v1/messages/batches') {
    const asked = JSON.parse(text) as { requests: { custom_id: string; params: Said }[] };
    const requests = asked.requests.map(({ custom_id, params }) => ({ custom_id, body: params }));
    return { json: shown(made({ api: 'anthropic', requests, metadata: {} })) };
  }
  const api = what.includes('/messages/') ? 'anthropic' : 'openai';
  if (/^GET \/v1\/(?:messages\/)?batches\?/.test(what)) {
    const data = batches.filter((one) => one.api === api).map(shown);
    return { json: { data: data.toReversed(), has_more: false } };
  }
  const [, , id = '', verb = ''] =
    /^(?:GET|POST) \/v1\/(messages\/)?batches\/([\w-]+)(?:\/(cancel|results))?$/.exec(what) ?? [];
  const [, file = ''] = /^GET \/v1\/files\/(?:out|err)-([\w-]+)\/content$/.exec(what) ?? [];
  const batch = batches.find((one) => one.id === (file === '' ? id : file));
  if (batch === undefined) return undefined;
  if (file !== '') return { lines: linesOf(batch, what.includes('/err-')) };
  if (verb === 'results') return { lines: linesOf(batch) };
  if (verb === 'cancel' && batch.status === 'running') batch.status = 'cancelling';
  return { json: shown(batch) };
}

function shown({ api, id, metadata, requests, status }: KeptBatch): object {
  const isOver = status !== 'running' && status !== 'cancelling';
  if (api === 'openai') {
    return {
      id,
      object: 'batch',
      metadata,
      status: status === 'running' ? 'in_progress' : status,
      ...(isOver && status !== 'failed'
        ? { output_file_id: `out-${id}`, error_file_id: `err-${id}` }
        : {}),
      ...(status === 'failed' ? { errors: { data: [{ message: 'line 1 is none' }] } } : {}),
    };
  }
  const counts = { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0 };
  const which =
    status === 'expired' ? 'expired' : status === 'cancelled' ? 'canceled' : 'succeeded';
  return {
    id,
    type: 'message_batch',
    processing_status: isOver ? 'ended' : status === 'running' ? 'in_progress' : 'canceling',
    request_counts: { ...counts, [isOver ? which : 'processing']: requests.length },
    archived_at: null,
    results_url: isOver ? 'http://192.0.2.1/elsewhere' : null,
  };
}

/** Results, the last request first; of OpenAI those that went well, or the others. */
function linesOf(batch: KeptBatch, isErrors?: boolean): string {
  const lines = batch.requests.toReversed().flatMap(({ custom_id, body }) => {
    const said = body.messages?.[0]?.content ?? body.input ?? '';
    const text = typeof said === 'string' ? said : (said[0]?.text ?? '');
    if (text === 'lose' || batch.status === 'failed') return [];
    const isUnanswered =
      text === 'expire' || batch.status === 'expired' || batch.status === 'cancelled';
    const isError = isUnanswered || text === 'refuse';
    if (isErrors !== undefined && isErrors !== isError) return [];
    const end = batch.status === 'cancelled' ? 'cancelled' : 'expired';
    const line =
      batch.api === 'openai'
        ? openAiLine(custom_id, body, text, isUnanswered ? end : undefined)
        : anthropicLine(custom_id, body, text, isUnanswered ? end : undefined);
    return text === 'twice' ? [line, line] : [line];
  });
  return [...lines, { custom_id: 'of-nobody-0' }, 'no JSON']
    .map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))
    .join('\n');
}

function openAiLine(
  custom_id: string,
  { input, model }: Said,
  text: string,
  end: 'expired' | 'cancelled' | undefined,
): object {
  if (end !== undefined) {
    return { custom_id, response: null, error: { code: `batch_${end}`, message: end } };
  }
  if (text === 'refuse') {
    const body = { error: { message: 'not this', code: 'bad' } };
    return { custom_id, response: { status_code: 400, body }, error: null };
  }
  if (input !== undefined) {
    const data = [{ object: 'embedding', index: 0, embedding: [0.5] }];
    const body = { object: 'list', model, data, usage: { prompt_tokens: 3, total_tokens: 3 } };
    return { custom_id, response: { status_code: 200, body }, error: null };
  }
  const called = { id: 'c', type: 'function', function: { name: 'look', arguments: '{"at": sky' } };
  const message =
    text === 'broken tool'
      ? { role: 'assistant', content: null, tool_calls: [called] }
      : { role: 'assistant', content: `you said: ${text}` };
  const body = {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    model,
    choices: [{ index: 0, message, finish_reason: text === 'broken tool' ? 'tool_calls' : 'stop' }],
    usage: {
      prompt_tokens: 1000,
      completion_tokens: 100,
      prompt_tokens_details: { cached_tokens: 500 },
    },
  };
  return { custom_id, response: { status_code: 200, body }, error: null };
}

function anthropicLine(
  custom_id: string,
  { model }: Said,
  text: string,
  end: 'expired' | 'cancelled' | undefined,
): object {
  if (end !== undefined) {
    return { custom_id, result: { type: end === 'cancelled' ? 'canceled' : end } };
  }
  if (text === 'refuse') {
    const error = { type: 'invalid_request_error', message: 'not this' };
    return { custom_id, result: { type: 'errored', error: { type: 'error', error } } };
  }
  const message = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model,
    content: [{ type: 'text', text: `you said: ${text}` }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: 1000, output_tokens: 100 },
  };
  return { custom_id, result: { type: 'succeeded', message } };
}
