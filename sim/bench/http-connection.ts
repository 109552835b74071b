/**
 * One kept-alive HTTP/1.1 connection on a bare socket (RFC 9112), one exchange at a time: a loader
 * must cost less than what it loads, and node:http as a client costs more than a gateway does.
 * Bodies by Content-Length or chunked; what follows `KEPT_BYTES_MAX` of one is counted, not kept.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';

/** A list of all tools that an operator has is longer than 64 KiB. */
export const KEPT_BYTES_MAX = 256 * 1024;
const HEAD_END = '\r\n\r\n';
const LINE_END = '\r\n';
const EMPTY = Buffer.alloc(0);

/** What came back. */
export interface HttpAnswer {
  readonly status: number;
  /** Status line and header fields as they came. */
  readonly head: string;
  /** The body's first bytes, at most 256 KiB. */
  readonly body: string;
  /** Of the whole body. */
  readonly sizeBytes: number;
}

/** A connection to one server. */
export interface HttpConnection {
  /**
   * POSTs `body`, with further header fields. Rejects when the connection breaks before the answer is
   * complete.
   */
  post(body: string, headers?: Readonly<Record<string, string>>): Promise<HttpAnswer>;
  close(): void;
}

/** Connects; `headers` go with every request. */
export async function openHttpConnection(
  url: URL,
  headers: Readonly<Record<string, string>>,
): Promise<HttpConnection> {
  const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
  await once(socket, 'connect');
  const head = fieldsOf({ host: url.host, ...headers });
  return new RawConnection(socket, `POST ${url.pathname} HTTP/1.1${LINE_END}${head}`);
}

function fieldsOf(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}${LINE_END}`)
    .join('');
}

type State = 'head' | 'body' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer';

interface Exchange {
  readonly resolve: (answer: HttpAnswer) => void;
  readonly reject: (error: Error) => void;
}

class RawConnection implements HttpConnection {
  readonly #socket: Socket;
  readonly #prefix: string;
  #exchange: Exchange | undefined;
  #state: State = 'head';
  /** Bytes of an unfinished head or line. */
  #rest: Buffer = EMPTY;
  #head = '';
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #sizeBytes = 0;
  /** Bytes of the body, or of its chunk, still to come. */
  #missing = 0;

  constructor(socket: Socket, prefix: string) {
    this.#socket = socket;
    this.#prefix = prefix;
    socket.on('data', (chunk: Buffer) => this.#push(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  post(body: string, headers: Readonly<Record<string, string>> = {}): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(new Error('the connection is closed'));
        return;
      }
      this.#exchange = { resolve, reject };
      const length = Buffer.byteLength(body);
      const fields = fieldsOf(headers);
      this.#socket.write(`${this.#prefix}${fields}content-length: ${length}${HEAD_END}${body}`);
    });
  }

  close(): void {
    this.#exchange = undefined;
    this.#socket.destroy();
  }

  #push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = EMPTY;
    let at = 0;
    while (at < bytes.length) {
      const next = this.#step(bytes, at);
      if (next === undefined) {
        this.#rest = bytes.subarray(at);
        return;
      }
      at = next;
    }
  }

  /** Reads what stands at `at`; gives where the next thing starts, undefined when bytes lack. */
  #step(bytes: Buffer, at: number): number | undefined {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes, at);
      case 'chunk-size':
        return this.#readSize(bytes, at);
      case 'body':
      case 'chunk':
        return this.#readBody(bytes, at);
      case 'chunk-end':
        if (bytes.length - at < LINE_END.length) return undefined;
        this.#state = 'chunk-size';
        return at + LINE_END.length;
      case 'trailer': {
        const end = bytes.indexOf(LINE_END, at);
        if (end === -1) return undefined;
        if (end === at) this.#finish();
        return end + LINE_END.length;
      }
    }
  }

  #readHead(bytes: Buffer, at: number): number | undefined {
    const end = bytes.indexOf(HEAD_END, at);
    if (end === -1) return undefined;
    this.#head = bytes.toString('latin1', at, end);
    this.#kept = [];
    this.#keptBytes = 0;
    this.#sizeBytes = 0;
    if (/\r\ntransfer-encoding: *chunked/i.test(this.#head)) this.#state = 'chunk-size';
    else {
      this.#missing = Number(/\r\ncontent-length: *(\d+)/i.exec(this.#head)?.[1] ?? 0);
      this.#state = 'body';
      if (this.#missing === 0) this.#finish();
    }
    return end + HEAD_END.length;
  }

  #readSize(bytes: Buffer, at: number): number | undefined {
    const end = bytes.indexOf(LINE_END, at);
    if (end === -1) return undefined;
    this.#missing = Number.parseInt(bytes.toString('latin1', at, end), 16);
    this.#state = this.#missing === 0 ? 'trailer' : 'chunk';
    return end + LINE_END.length;
  }

  #readBody(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#missing);
    if (this.#keptBytes < KEPT_BYTES_MAX) {
      const part = bytes.subarray(at, Math.min(end, at + KEPT_BYTES_MAX - this.#keptBytes));
      this.#kept.push(part);
      this.#keptBytes += part.length;
    }
    this.#sizeBytes += end - at;
    this.#missing -= end - at;
    if (this.#missing === 0) {
      if (this.#state === 'chunk') this.#state = 'chunk-end';
      else this.#finish();
    }
    return end;
  }

  #finish(): void {
    this.#state = 'head';
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.resolve({
      status: Number(this.#head.slice(9, 12)),
      head: this.#head,
      body: Buffer.concat(this.#kept).toString('utf8'),
      sizeBytes: this.#sizeBytes,
    });
  }

  #fail(error: Error): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.reject(error);
  }
}
