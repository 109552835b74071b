/** What carries the messages of a session between a client and a node: a WebSocket, or lines over TCP. */
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { createLineDecoder, isObject } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { answeredError } from './answered-error.ts';

/** Hears what comes. */
export interface PipeListener {
  message(text: string): void;
  /** Once: nothing comes any more, and nothing can be sent. */
  ended(error?: Error): void;
}

/** Carries messages. */
export interface Pipe {
  send(text: string): void;
  close(): void;
}

/** Opens a pipe; gives it once the other end is there. */
export interface PipeOpener {
  readonly where: string;
  open(listener: PipeListener): Promise<Pipe>;
}

/** A message that is longer ends the pipe, in bytes. */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
const OPEN_TIMEOUT_MS = 10_000;
const PATH = '/mcp';
/** Characters of a refusal that are read. */
const REFUSAL_MAX = 64 * 1024;

/** A WebSocket, with the key in the header of its handshake. */
export function webSocketPipe(url: URL, key: string): PipeOpener {
  const target = url.pathname === '/' ? new URL(PATH, url) : url;
  return {
    where: url.host,
    open: (listener) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(target, 'mcp', {
          headers: { authorization: `Bearer ${key}` },
          handshakeTimeout: OPEN_TIMEOUT_MS,
          maxPayload: MESSAGE_BYTES_MAX,
          followRedirects: false,
        });
        const failed = (error?: Error): void => {
          reject(error ?? new Error('it has closed the connection'));
          listener.ended(error);
        };
        socket.on('error', failed);
        socket.on('close', () => failed());
        socket.on('unexpected-response', (_, response) => {
          refusalIn(response).then(failed, failed);
        });
        socket.on('message', (data) => listener.message(bytesOf(data).toString('utf8')));
        socket.once('open', () =>
          resolve({ send: (text) => socket.send(text), close: () => socket.close() }),
        );
      }),
  };
}

/** Why a node opens no WebSocket, in its own words. */
async function refusalIn(response: IncomingMessage): Promise<Error> {
  let text = '';
  for await (const part of response) {
    text += String(part);
    if (text.length > REFUSAL_MAX) break;
  }
  const error = errorMember(text);
  const { statusCode = 0 } = response;
  return error === undefined ? new Error(`it answers HTTP ${statusCode}`) : answeredError(error);
}

function errorMember(text: string): JsonObject | undefined {
  try {
    const body = JSON.parse(text) as Json;
    const error = isObject(body) ? body['error'] : undefined;
    return isObject(error) ? error : undefined;
  } catch {
    // What is no JSON is no answer of a node.
    return undefined;
  }
}

function bytesOf(data: Buffer | ArrayBuffer | Buffer[]): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}

/** Lines over TCP; the key goes into the first message. */
export function tcpPipe(url: URL): PipeOpener {
  // An address of IPv6 stands in brackets.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    where: url.host,
    open: (listener) =>
      new Promise((resolve, reject) => {
        const socket = connect({ host, port: Number(url.port) });
        let isOver = false;
        const failed = (error?: Error): void => {
          if (isOver) return;
          isOver = true;
          socket.destroy();
          reject(error ?? new Error('it has closed the connection'));
          listener.ended(error);
        };
        const decoder = createLineDecoder(MESSAGE_BYTES_MAX, {
          line: (bytes) => listener.message(bytes.toString('utf8')),
          oversize: (bytes) => failed(new Error(`a message of ${bytes} bytes`)),
        });
        socket.setTimeout(OPEN_TIMEOUT_MS, () => failed(new Error('it does not answer')));
        socket.on('data', (chunk) => decoder.push(chunk));
        socket.on('error', failed);
        socket.on('close', () => failed());
        socket.once('connect', () => {
          socket.setTimeout(0);
          resolve({
            send(text) {
              socket.write(`${text}\n`);
            },
            close: () => socket.destroySoon(),
          });
        });
      }),
  };
}
