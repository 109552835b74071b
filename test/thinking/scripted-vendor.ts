/**
 * A vendor of models at the wire whose model does as a test says: OpenAI's chat completions as a stream, with texts and calls
 * of tools. The script sees the whole request, as a vendor does.
 */
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A message of a request. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string | null;
  readonly tool_calls?: readonly { readonly id: string; readonly function: { name: string } }[];
}

/** A request as the vendor got it. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly { readonly function: { readonly name: string } }[];
  readonly max_tokens?: number;
}

/** What the model does: says something, and calls tools. `args` may be a text that is no JSON. */
export interface Doing {
  readonly text?: string;
  readonly calls?: readonly (readonly [tool: string, args?: object | string])[];
}

/** A vendor that listens. */
export interface ScriptedVendor {
  readonly url: string;
  readonly got: ChatRequest[];
  /** What the model does with each request from now on; it may be asynchronous, and stay silent. */
  script: (request: ChatRequest) => Doing | Promise<Doing>;
  stop(): Promise<void>;
}

/** Starts one on a free port, whose model says `ready` first. */
export async function startScriptedVendor(): Promise<ScriptedVendor> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url?.startsWith('/v1/models') === true) {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ object: 'list', data: [{ id: 'mind' }] }));
        return;
      }
      const body = JSON.parse(Buffer.concat(chunks).toString()) as ChatRequest;
      vendor.got.push(body);
      void Promise.resolve(vendor.script(body)).then((doing) => stream(response, body, doing));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const vendor: ScriptedVendor = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    got: [],
    script: () => ({ text: 'ready' }),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return vendor;
}

let calls = 0;

function stream(response: ServerResponse, { model }: ChatRequest, doing: Doing): void {
  if (response.destroyed) return;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const chunk = (choices: readonly object[], more: object = {}): void => {
    const body = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model };
    response.write(`data: ${JSON.stringify({ ...body, choices, ...more })}\n\n`);
  };
  const delta = (fields: object, finish: string | null = null): void =>
    chunk([{ index: 0, delta: fields, finish_reason: finish }]);
  delta({ role: 'assistant', content: '' });
  for (const word of doing.text?.split(/(?<= )/) ?? []) delta({ content: word });
  for (const [index, [name, args = {}]] of (doing.calls ?? []).entries()) {
    calls += 1;
    const text = typeof args === 'string' ? args : JSON.stringify(args);
    const half = Math.floor(text.length / 2);
    const piece = (fields: object): void => delta({ tool_calls: [{ index, ...fields }] });
    piece({ id: `call_${calls}`, type: 'function', function: { name, arguments: '' } });
    piece({ function: { arguments: text.slice(0, half) } });
    piece({ function: { arguments: text.slice(half) } });
  }
  delta({}, (doing.calls?.length ?? 0) > 0 ? 'tool_calls' : 'stop');
  chunk([], { usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 } });
  response.end('data: [DONE]\n\n');
}

/** What the tools gave so far, the latest last. */
export function resultsIn({ messages }: ChatRequest): readonly string[] {
  return messages.flatMap(({ role, content }) => (role === 'tool' ? [content ?? ''] : []));
}
