/** As much of the NATS client protocol (docs.nats.io, "Client Protocol") as a request and its reply need. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { joinedWrites } from '../lines.ts';

const LINE_END = '\r\n';
const EMPTY: Buffer = Buffer.alloc(0);

/** What a subscriber hears. */
export interface NatsMessage {
  readonly replyTo: string | undefined;
  readonly text: string;
}

/** A connection to `nats-server`. */
export interface NatsConnection {
  publish(subject: string, text: string, replyTo?: string): void;
  close(): void;
}

/** Connects, and subscribes to one subject. */
export async function connectNats(
  port: number,
  subject: string,
  heard: (message: NatsMessage, connection: NatsConnection) => void,
): Promise<NatsConnection> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  const connection = new Connection(socket, heard);
  connection.begin(subject);
  await connection.ready;
  return connection;
}

class Connection implements NatsConnection {
  readonly ready: Promise<void>;
  readonly #socket: Socket;
  readonly #heard: (message: NatsMessage, connection: NatsConnection) => void;
  readonly #send: (text: string) => void;
  #isReady: () => void = () => undefined;
  #rest: Buffer = EMPTY;

  constructor(socket: Socket, heard: (message: NatsMessage, connection: NatsConnection) => void) {
    this.#socket = socket;
    this.#heard = heard;
    this.#send = joinedWrites((text) => socket.write(text));
    this.ready = new Promise((resolve, reject) => {
      this.#isReady = resolve;
      socket.once('close', () => reject(new Error('nats-server closed the connection')));
    });
    // Whoever waits for it hears; afterwards a closed connection is none of its business.
    this.ready.catch(() => undefined);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => this.#push(chunk));
  }

  begin(subject: string): void {
    const options = '{"verbose":false,"pedantic":false,"lang":"node","version":"1"}';
    this.#send(`CONNECT ${options}${LINE_END}SUB ${subject} 1${LINE_END}PING${LINE_END}`);
  }

  publish(subject: string, text: string, replyTo = ''): void {
    const length = Buffer.byteLength(text);
    const reply = replyTo === '' ? '' : `${replyTo} `;
    this.#send(`PUB ${subject} ${reply}${length}${LINE_END}${text}${LINE_END}`);
  }

  close(): void {
    this.#socket.destroy();
  }

  #push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      const end = bytes.indexOf(LINE_END, at);
      if (end === -1) break;
      const next = this.#take(bytes, bytes.toString('latin1', at, end), end + LINE_END.length);
      if (next === undefined) break;
      at = next;
    }
    this.#rest = at === bytes.length ? EMPTY : bytes.subarray(at);
  }

  /** Takes what the control line begins; gives where the next one starts, undefined when bytes lack. */
  #take(bytes: Buffer, line: string, start: number): number | undefined {
    if (line.startsWith('MSG ')) {
      const words = line.split(' ');
      const end = start + Number(words.at(-1));
      if (bytes.length < end + LINE_END.length) return undefined;
      const replyTo = words.length === 5 ? words[3] : undefined;
      this.#heard({ replyTo, text: bytes.toString('utf8', start, end) }, this);
      return end + LINE_END.length;
    }
    if (line === 'PING') this.#send(`PONG${LINE_END}`);
    if (line === 'PONG') this.#isReady();
    if (line.startsWith('-ERR')) this.#socket.destroy();
    return start;
  }
}
