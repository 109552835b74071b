/**
 * Vendors of models at the wire: a server that answers in the APIs of OpenAI and Anthropic, well or as the model's name
 * says: `status-401`, `cut`, `silent`, `malformed`, `html`, `moved`, `filtered`, `bad-tool`.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { content, contentEvents, googleError } from './fake-google.ts';
import { response as responseOf, responseEvents } from './fake-responses.ts';

/** A request as the vendor got it. */
export interface Got {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A vendor that listens. */
export interface FakeVendor {
  /** `http://127.0.0.1:…` */
  readonly url: string;
  readonly got: Got[];
  /** Streams that a client left before their end. */
  left: number;
  /** Bytes that `endless` has written and the system has taken. */
  written: number;
  /** Lets a stream that waits at `steps` go on; false when none waits. */
  step(): boolean;
  stop(): Promise<void>;
}

const WORDS = ['The', ' mesh', ' says', ' hello', '.'];
/** What models say that propose grants, and that plan and need no tool. */
const PROPOSAL = ['{"peer": "bob",', ' "models": ["gpu/*"]}'];
const PLAN = ['{"plan":["Say hello."],"tools":[]}'];
const SAID: Readonly<Record<string, readonly string[]>> = { proposes: PROPOSAL, plans: PLAN };
const wordsOf = (model: string): readonly string[] => SAID[model] ?? WORDS;
/** Sent with each refusal, so that a leak would show. */
const REFUSAL = (status: number, message: string): object => ({
  type: 'error',
  error: { type: `error_${status}`, message, code: status === 400 ? 'bad' : undefined },
});

/** Starts a vendor on a free port. */
export async function startVendor(): Promise<FakeVendor> {
  const steps: (() => void)[] = [];
  const vendor = {
    url: '',
    got: [] as Got[],
    left: 0,
    written: 0,
    step(): boolean {
      const waiting = steps.splice(0);
      for (const go of waiting) go();
      return waiting.length > 0;
    },
    stop: () => closed(server),
  };
  const wait = (): Promise<void> => new Promise((resolve) => steps.push(resolve));
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const body = text === '' ? {} : (JSON.parse(text) as Got['body']);
      const { method = '', url = '', headers } = request;
      vendor.got.push({ method, path: url, headers, text, body });
      response.on('close', () => {
        if (!response.writableFinished) vendor.left += 1;
      });
      void answer(response, url, body, String(headers['x-api-key'] ?? headers.authorization), {
        wait,
        wrote: (bytes) => (vendor.written += bytes),
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  vendor.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return vendor;
}

interface Control {
  wait(): Promise<void>;
  wrote(bytes: number): void;
}

async function answer(
  response: ServerResponse,
  url: string,
  body: Got['body'],
  key: string,
  control: Control,
): Promise<void> {
  const [, inPath = '', verb = ''] = /^\/v1beta\/models\/([^:]+):(\w+)/.exec(url) ?? [];
  const model = String(body['model'] ?? inPath);
  const json = (value: object, status = 200, headers = {}): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(value));
  };
  if (url.startsWith('/v1beta/models?')) {
    return json({ models: [{ name: 'models/gemini-2.5-flash' }, { name: 'tunedModels/own' }] });
  }
  if (verb !== '' && google(verb, model, body, json)) return undefined;
  if (url.startsWith('/v1/models')) {
    if (key.includes('hanging')) {
      return response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    }
    if (key.includes('odd')) {
      return json({
        data: ['qwen', 'two\nlines', 'x'.repeat(300), '\ud800'].map((id) => ({ id })),
      });
    }
    return json({ object: 'list', data: [{ id: 'qwen' }, { id: 'org/qwen:7b' }] });
  }
  const [, status = '', retry = ''] = /^status-(\d+)(?:-(\d+))?$/.exec(model) ?? [];
  if (status !== '') {
    const headers = retry === '' ? {} : { 'retry-after': retry };
    return json(REFUSAL(Number(status), `no: ${key}`), Number(status), headers);
  }
  if (model === 'too-long') return json(REFUSAL(400, 'prompt is too long: 9 > 8'), 400);
  if (model === 'filtered') return json(REFUSAL(400, 'content_filter: not this'), 400);
  if (model === 'html')
    return void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>');
  if (model === 'moved')
    return void response.writeHead(302, { location: 'http://192.0.2.1/' }).end();
  if (model === 'silent') return undefined;
  if (url === '/v1/embeddings') {
    const data = [{ object: 'embedding', index: 0, embedding: [0.5, -0.25] }];
    return json({ object: 'list', model, data, usage: { prompt_tokens: 3, total_tokens: 3 } });
  }
  if (url === '/v1/messages/count_tokens') return json({ input_tokens: 17 });
  if (url === '/v1/moderations') {
    return json({ id: 'modr-1', model, results: [{ flagged: body['input'] === 'bad' }] });
  }
  const { whole, events: streamed } = FORMS[verb === '' ? url : 'google'] ?? MESSAGES;
  const isStream = body['stream'] === true || verb === 'streamGenerateContent';
  if (!isStream) return json(whole(body, model));
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const events = streamed(body, model);
  for (const [at, event] of events.entries()) {
    if (model === 'cut-first' && at === 1) return void response.destroy();
    if (model === 'cut' && at === 3) return void response.destroy();
    if (model === 'short' && at === 3) return void response.end();
    if (model === 'malformed' && at === 3) response.write('data: {"choi\n\n');
    if (model === 'fails' && at === 3)
      response.write(`data: ${JSON.stringify(REFUSAL(500, `broke: ${key}`))}\n\n`);
    if (model === 'stalls' && at === 3) return undefined;
    if (model === 'steps' && at > 0) await control.wait();
    await new Promise((resolve) => response.write(event, resolve));
  }
  if (model === 'endless') return endless(response, control);
  return void response.end();
}

interface Form {
  readonly whole: (body: Got['body'], model: string) => object;
  readonly events: (body: Got['body'], model: string) => string[];
}

/** What Google does in its own way; false where it does as the others do. */
function google(
  verb: string,
  model: string,
  body: Got['body'],
  json: (value: object, status?: number) => void,
): boolean {
  if (verb === 'batchEmbedContents') {
    const requests = (body['requests'] ?? []) as readonly unknown[];
    json({ embeddings: requests.map(() => ({ values: [0.5, -0.25] })) });
    return true;
  }
  const refusals: Readonly<Record<string, readonly [number, string]>> = {
    'bad-key': [400, 'API key not valid. Please pass a valid API key.'],
    'too-long': [
      400,
      'The input token count (9) exceeds the maximum number of tokens allowed (8).',
    ],
    busy: [429, 'You exceeded your current quota'],
  };
  const refusal = refusals[model];
  if (refusal === undefined) return false;
  json(googleError(...refusal), refusal[0]);
  return true;
}

const MESSAGES: Form = { whole: message, events: messageEvents };
const FORMS: Readonly<Record<string, Form>> = {
  google: {
    whole: (body, model) => content(body, model, WORDS.join('')),
    events: (body, model) => contentEvents(body, model, WORDS),
  },
  '/v1/chat/completions': { whole: chat, events: chatEvents },
  '/v1/responses': {
    whole: (body) => responseOf(body, WORDS.join('')),
    events: (body) => responseEvents(body, WORDS),
  },
};

async function endless(response: ServerResponse, control: Control): Promise<void> {
  const filler = 'x'.repeat(16_384);
  const line = `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content: filler } }] })}\n\n`;
  while (!response.destroyed) {
    control.wrote(line.length);
    await new Promise<void>((resolve) => {
      const go = (): void => {
        response.off('close', go);
        resolve();
      };
      response.once('close', go);
      response.write(line, go);
    });
  }
}

const usesTool = (body: Got['body']): boolean => Array.isArray(body['tools']);

function chat(body: Got['body'], model: string): object {
  const called = {
    id: 'call_1',
    type: 'function',
    function: { name: 'look', arguments: model === 'bad-tool' ? '{"at": sky' : '{"at":"sky"}' },
  };
  const message = usesTool(body)
    ? { role: 'assistant', content: null, tool_calls: [called] }
    : { role: 'assistant', content: wordsOf(model).join('') };
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model,
    system_fingerprint: 'fp_own',
    choices: [
      { index: 0, message, finish_reason: usesTool(body) ? 'tool_calls' : 'stop', logprobs: null },
    ],
    usage: { prompt_tokens: 11, completion_tokens: 5, total_tokens: 16 },
  };
}

function message(body: Got['body'], model: string): object {
  const content = usesTool(body)
    ? [{ type: 'tool_use', id: 'toolu_1', name: 'look', input: { at: 'sky' } }]
    : [{ type: 'text', text: WORDS.join('') }];
  return {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model,
    content,
    stop_reason: usesTool(body) ? 'tool_use' : 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: 9, cache_read_input_tokens: 2, output_tokens: 5 },
  };
}

function chatEvents(body: Got['body'], model: string): string[] {
  const chunk = (delta: object, finish: string | null = null): string =>
    `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  const call = (fields: object): object => ({ tool_calls: [{ index: 0, ...fields }] });
  const deltas = usesTool(body)
    ? [
        chunk(call({ id: 'call_1', type: 'function', function: { name: 'look', arguments: '' } })),
        chunk(call({ function: { arguments: '{"at":' } })),
        chunk(call({ function: { arguments: model === 'bad-tool' ? 'sky' : '"sky"}' } })),
        chunk({}, 'tool_calls'),
      ]
    : [
        ...wordsOf(model).map((content) => chunk({ content })),
        chunk({}, model === 'endless' ? null : 'stop'),
      ];
  const { include_usage: withUsage } = (body['stream_options'] ?? {}) as {
    include_usage?: boolean;
  };
  const usage = `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model, choices: [], usage: { prompt_tokens: 11, completion_tokens: 5, total_tokens: 16 } })}\n\n`;
  const last = model === 'endless' ? [] : ['data: [DONE]\n\n'];
  return [
    chunk({ role: 'assistant', content: '' }),
    ...deltas,
    ...(withUsage === true ? [usage] : []),
    ...last,
  ];
}

function messageEvents(body: Got['body'], model: string): string[] {
  const event = (data: { type: string; [key: string]: unknown }): string =>
    `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
  const { content: _, ...start } = message(body, model) as { content: unknown };
  const usage = { input_tokens: 9, cache_read_input_tokens: 2, output_tokens: 1 };
  const block = usesTool(body)
    ? { type: 'tool_use', id: 'toolu_1', name: 'look', input: {} }
    : { type: 'text', text: '' };
  const deltas = usesTool(body)
    ? ['{"at":', model === 'bad-tool' ? 'sky' : '"sky"}'].map((text) => ({
        type: 'input_json_delta',
        partial_json: text,
      }))
    : WORDS.map((text) => ({ type: 'text_delta', text }));
  return [
    event({ type: 'message_start', message: { ...start, content: [], stop_reason: null, usage } }),
    event({ type: 'content_block_start', index: 0, content_block: block }),
    ...deltas.map((delta) => event({ type: 'content_block_delta', index: 0, delta })),
    event({ type: 'content_block_stop', index: 0 }),
    event({
      type: 'message_delta',
      delta: { stop_reason: usesTool(body) ? 'tool_use' : 'end_turn', stop_sequence: null },
      usage: { output_tokens: 5 },
    }),
    event({ type: 'message_stop' }),
  ];
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
