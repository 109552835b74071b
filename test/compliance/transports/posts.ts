/** Ways of one HTTP request for each message: Streamable HTTP with a session, and the stateless era. */
import { once } from 'node:events';
import { request } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { defer } from '../../gateway/support/cleanup.ts';
import type { TestNode } from '../../gateway/support/gateways.ts';
import { ANSWER, Inbox, eventReader, initializeParams, resultOf } from './client.ts';
import type { Client, Message } from './client.ts';

const META = 'io.modelcontextprotocol/';
const MODERN = '2026-07-28';

/** The POSTs of one client. */
class Poster {
  readonly inbox: Inbox;
  sessionId: string | undefined;
  readonly #url: URL;
  readonly #headers: Record<string, string>;
  readonly #open = new Set<ClientRequest>();
  readonly #responses = new Set<IncomingMessage>();
  #isPaused = false;

  constructor(node: TestNode, token: string) {
    this.#url = new URL(node.gateway.endpoints().url ?? '');
    this.#headers = {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
    };
    this.inbox = new Inbox((message) => void this.post(JSON.stringify(message)));
    defer(() => this.vanish());
  }

  /** Sends `body`; what is answered goes into the inbox as it comes. Gives how to give it up. */
  async post(body: string, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.start(body, headers).answered;
  }

  start(
    body: string,
    headers: Readonly<Record<string, string>> = {},
  ): { readonly sent: ClientRequest; readonly answered: Promise<void> } {
    const session = this.sessionId === undefined ? {} : { 'mcp-session-id': this.sessionId };
    const sent = request(this.#url, {
      method: 'POST',
      headers: { ...this.#headers, ...session, ...headers },
      agent: false,
    });
    this.#open.add(sent);
    sent.on('close', () => this.#open.delete(sent));
    sent.end(body);
    return { sent, answered: this.#read(sent) };
  }

  async #read(sent: ClientRequest): Promise<void> {
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    this.#responses.add(response);
    response.on('error', () => undefined);
    if (this.#isPaused) response.pause();
    this.sessionId ??= response.headers['mcp-session-id'] as string | undefined;
    const isStream = response.headers['content-type']?.startsWith('text/event-stream') === true;
    const chunks: Buffer[] = [];
    const events = eventReader((_event, data) => this.inbox.take(JSON.parse(data) as Message));
    response.on('data', (chunk: Buffer) => {
      if (isStream) events(chunk);
      else chunks.push(chunk);
    });
    if (this.#isPaused) response.pause();
    await new Promise<void>((resolve) => {
      response.once('close', () => resolve());
    });
    this.#responses.delete(response);
    if (!response.complete) throw new Error('the answer was cut');
    if (!isStream && chunks.length > 0) {
      this.inbox.take(JSON.parse(Buffer.concat(chunks).toString('utf8')) as Message);
    }
  }

  pause(): void {
    this.#isPaused = true;
    for (const response of this.#responses) response.pause();
  }

  resume(): void {
    this.#isPaused = false;
    for (const response of this.#responses) response.resume();
  }

  vanish(): void {
    for (const sent of this.#open) sent.destroy();
  }
}

/** Races an answer with the end of its request. */
async function answerOf(
  poster: Poster,
  id: string | null,
  start: () => { readonly answered: Promise<void> },
): Promise<Message> {
  const answer = poster.inbox.answerTo(id);
  const { answered } = start();
  return Promise.race([answer, answered.then(() => answer)]);
}

/** Streamable HTTP of 2025-11-25, with a session. */
export async function streamableClient(node: TestNode, token: string): Promise<Client> {
  const poster = new Poster(node, token);
  let count = 0;
  const client: Client = {
    heard: poster.inbox.heard,
    closed: poster.inbox.closed,
    async greet() {
      const result = resultOf(await client.ask('initialize', initializeParams()));
      await poster.post('{"jsonrpc":"2.0","method":"notifications/initialized"}');
      return result;
    },
    ask(method, params, id = `own ${(count += 1)}`) {
      const body = JSON.stringify({ jsonrpc: '2.0', id, method, params });
      return answerOf(poster, id, () => poster.start(body));
    },
    cancel: (requestId) =>
      poster.post(
        JSON.stringify({
          jsonrpc: '2.0',
          method: 'notifications/cancelled',
          params: { requestId },
        }),
      ),
    sendRaw: (text, id) => answerOf(poster, id ?? null, () => poster.start(text)),
    pause: () => poster.pause(),
    resume: () => poster.resume(),
    vanish: () => poster.vanish(),
  };
  return client;
}

/** The stateless era, 2026-07-28: each request says all; a question is answered in a new request. */
export async function statelessClient(node: TestNode, token: string): Promise<Client> {
  const poster = new Poster(node, token);
  const sent = new Map<string, ClientRequest>();
  let count = 0;

  const send = (method: string, params: Message, id: string): Promise<Message> => {
    const { name } = params as { readonly name?: string };
    const _meta = {
      [`${META}protocolVersion`]: MODERN,
      [`${META}clientCapabilities`]: { elicitation: { form: {} } },
      ...(params['_meta'] as object | undefined),
    };
    const body = JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta } });
    return answerOf(poster, id, () => {
      const started = poster.start(body, {
        'mcp-protocol-version': MODERN,
        'mcp-method': method,
        ...(name === undefined ? {} : { 'mcp-name': name }),
      });
      sent.set(id, started.sent);
      return started;
    });
  };
  const client: Client = {
    heard: poster.inbox.heard,
    closed: poster.inbox.closed,
    greet: async () => resultOf(await client.ask('server/discover', {})),
    async ask(method, params, id = `own ${(count += 1)}`) {
      const answer = await send(method, params, id);
      const result = answer['result'] as Message | undefined;
      if (result?.['resultType'] !== 'input_required') return answer;
      const questions = result['inputRequests'] as Readonly<Record<string, Message>>;
      poster.inbox.heard.push(...Object.values(questions));
      const inputResponses = Object.fromEntries(
        Object.keys(questions).map((key) => [key, ANSWER] as const),
      );
      const { requestState } = result;
      return send(method, { ...params, inputResponses, requestState }, `${id} again`);
    },
    async cancel(id) {
      sent.get(id)?.destroy();
    },
    sendRaw: (text, id) =>
      answerOf(poster, id ?? null, () =>
        poster.start(text, { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call' }),
      ),
    pause: () => poster.pause(),
    resume: () => poster.resume(),
    vanish: () => poster.vanish(),
  };
  return client;
}
