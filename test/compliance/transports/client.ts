/** A client of a node as the transports' suite sees it: JSON-RPC messages, by whatever way. */

export type Message = Readonly<Record<string, unknown>>;

/** The answer that every client gives to a question. */
export const ANSWER = { action: 'accept', content: { name: 'Ann' } } as const;

/** An attached client. */
export interface Client {
  /** Opens what the era opens; gives the result of `initialize`, or of `server/discover`. */
  greet(): Promise<Message>;
  /** Sends a request; gives the answer: result or error. Rejects when the way ended before. */
  ask(method: string, params: Message, id?: string): Promise<Message>;
  /** Gives up a request that is under way. */
  cancel(id: string): Promise<void>;
  /** Sends bytes that are no message; gives what is answered to them, by the id that they show or none. */
  sendRaw(text: string, id?: string): Promise<Message>;
  /** Notifications and questions that came from the node. */
  readonly heard: Message[];
  /** Stops and resumes reading what comes. */
  pause(): void;
  resume(): void;
  /** Goes without a word. */
  vanish(): void;
  /** Resolves once the node has ended the connection; never for a way without one. */
  readonly closed: Promise<void>;
}

interface Waiter {
  readonly resolve: (message: Message) => void;
  readonly reject: (error: Error) => void;
}

/** Sorts what comes to a client: answers to who waits for them, questions to the one answer. */
export class Inbox {
  readonly heard: Message[] = [];
  readonly closed: Promise<void>;
  readonly #waiting = new Map<unknown, Waiter>();
  readonly #answer: (message: Message) => void;
  #close: () => void = () => undefined;
  #isOver = false;

  /** `answer` sends the client's answer to a question. */
  constructor(answer: (message: Message) => void) {
    this.#answer = answer;
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
  }

  /** Waits for the answer to `id`; `null` for the answer to what was no message. */
  answerTo(id: string | null): Promise<Message> {
    if (this.#isOver) return Promise.reject(new Error('the way has ended'));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  take(message: Message): void {
    const { id, method } = message;
    if (method !== undefined) {
      this.heard.push(message);
      if (id !== undefined) this.#answer({ jsonrpc: '2.0', id, result: ANSWER });
      return;
    }
    const waiter = this.#waiting.get(id ?? null);
    if (waiter === undefined) throw new Error(`nobody waits for ${JSON.stringify(message)}`);
    this.#waiting.delete(id ?? null);
    waiter.resolve(message);
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#close();
    for (const { reject } of this.#waiting.values()) reject(new Error('the way has ended'));
    this.#waiting.clear();
  }
}

/** A way of one connection for everything: lines, frames or events. */
export interface Pipe {
  send(text: string): void;
  pause(): void;
  resume(): void;
  vanish(): void;
}

/** The client of the legacy era on a pipe. `meta` goes into `initialize`. */
export function pipeClient(
  connect: (inbox: Inbox) => Promise<Pipe>,
  meta: Message = {},
): Promise<Client> {
  let pipe: Pipe | undefined;
  const inbox = new Inbox((message) => pipe?.send(JSON.stringify(message)));
  const say = (message: Message): void =>
    pipe?.send(JSON.stringify({ jsonrpc: '2.0', ...message }));
  let count = 0;
  const client: Client = {
    heard: inbox.heard,
    closed: inbox.closed,
    async greet() {
      const result = resultOf(await client.ask('initialize', initializeParams(meta)));
      say({ method: 'notifications/initialized' });
      return result;
    },
    ask(method, params, id = `own ${(count += 1)}`) {
      const answer = inbox.answerTo(id);
      say({ id, method, params });
      return answer;
    },
    async cancel(id) {
      say({ method: 'notifications/cancelled', params: { requestId: id } });
    },
    sendRaw(text, id) {
      const answer = inbox.answerTo(id ?? null);
      pipe?.send(text);
      return answer;
    },
    pause: () => pipe?.pause(),
    resume: () => pipe?.resume(),
    vanish: () => pipe?.vanish(),
  };
  return connect(inbox).then((connected) => {
    pipe = connected;
    return client;
  });
}

/** The result in an answer. @throws the error in it */
export function resultOf({ result, error }: Message): Message {
  if (error !== undefined) throw new Error((error as { readonly message: string }).message);
  return result as Message;
}

export function initializeParams(meta: Message = {}): Message {
  return {
    protocolVersion: '2025-11-25',
    capabilities: { elicitation: { form: {} } },
    clientInfo: { name: 'compliance', version: '1' },
    ...(Object.keys(meta).length === 0 ? {} : { _meta: meta }),
  };
}

/** Splits a stream of bytes into lines that are not empty. */
export function lineReader(take: (line: string) => void): (chunk: Uint8Array) => void {
  let parts: Buffer[] = [];
  return (chunk) => {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const line = Buffer.concat([...parts, rest.subarray(0, end)]).toString('utf8');
      parts = [];
      rest = rest.subarray(end + 1);
      if (line.trim() !== '') take(line);
    }
    if (rest.length > 0) parts.push(Buffer.from(rest));
  };
}

/** Reads an event stream; gives the name and the data of each event. */
export function eventReader(
  take: (event: string, data: string) => void,
): (chunk: Uint8Array) => void {
  let event = 'message';
  return lineReader((line) => {
    if (line.startsWith('event:')) event = line.slice(6).trim();
    else if (line.startsWith('data:')) {
      take(event, line.slice(5).trim());
      event = 'message';
    }
  });
}
