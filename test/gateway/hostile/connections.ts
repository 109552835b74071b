/** Ways in that carry messages both ways on one connection, without any client library. */
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import type { Socket } from 'node:net';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import type { PeerId } from '../../../src/core/index.ts';
import type { PeerStream } from '../../../src/network/index.ts';
import { streamPair } from '../support/gateways.ts';
import type { Wire } from '../support/gateways.ts';

/** One connection. */
export interface Connection {
  /** Sends messages; `cuts` are shares of their length at which they are torn apart. */
  send(messages: readonly Buffer[], cuts?: readonly number[]): void;
  /** Takes all that came since the last call; each as it was on the wire. */
  take(): readonly string[];
  /** Resolves when something has come, or it is over. */
  heard(): Promise<void>;
  readonly isClosed: boolean;
  close(): void;
}

/** What came, and who waits for it. */
class Inbox {
  isClosed = false;
  #texts: string[] = [];
  #waiting: (() => void)[] = [];

  add(text: string): void {
    this.#texts.push(text);
    this.#wake();
  }

  closed(): void {
    this.isClosed = true;
    this.#wake();
  }

  take(): readonly string[] {
    return this.#texts.splice(0);
  }

  heard(): Promise<void> {
    if (this.#texts.length > 0 || this.isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** The pieces of `messages` as lines, torn at `cuts`. */
function torn(messages: readonly Buffer[], cuts: readonly number[]): readonly Buffer[] {
  const lines = Buffer.concat(messages.flatMap((one) => [one, Buffer.from('\n')]));
  const places = cuts.map((cut) => Math.floor(cut * lines.length)).toSorted((a, b) => a - b);
  return [0, ...places].map((from, index) => lines.subarray(from, places[index] ?? lines.length));
}

function lineSplitter(inbox: Inbox): (chunk: Buffer | Uint8Array) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + Buffer.from(chunk).toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) inbox.add(line);
  };
}

/** Over the node's socket or its TCP port. */
export async function openLines(target: string): Promise<Connection> {
  const [host, port] = target.split(':');
  const isPath = target.startsWith('/');
  const socket: Socket = isPath
    ? connectSocket(target)
    : connectSocket({ host: host ?? '', port: Number(port), noDelay: true });
  const inbox = new Inbox();
  socket.on('data', lineSplitter(inbox));
  // A connection that is cut may say so; that it is over is what counts.
  socket.on('error', () => inbox.closed());
  socket.on('close', () => inbox.closed());
  await once(socket, 'connect');
  return {
    send(messages, cuts = []) {
      for (const piece of torn(messages, cuts)) if (piece.length > 0) socket.write(piece);
    },
    take: () => inbox.take(),
    heard: () => inbox.heard(),
    get isClosed() {
      return inbox.isClosed;
    },
    close: () => socket.destroy(),
  };
}

/** Over WebSocket. */
export async function openWebSocket(url: string, token: string): Promise<Connection> {
  const inbox = new Inbox();
  const client = new WebSocket(url.replace('http', 'ws'), 'mcp', {
    headers: { authorization: `Bearer ${token}` },
  });
  client.on('message', (data: Buffer) => inbox.add(data.toString('utf8')));
  client.on('error', () => inbox.closed());
  client.on('close', () => inbox.closed());
  await once(client, 'open');
  return {
    send(messages) {
      for (const one of messages) {
        if (client.readyState === WebSocket.OPEN) client.send(one, { binary: false });
      }
    },
    take: () => inbox.take(),
    heard: () => inbox.heard(),
    get isClosed() {
      return inbox.isClosed;
    },
    close: () => client.terminate(),
  };
}

/** As a peer: a stream in memory from `self` to the node of `peerId`. */
export async function openPeer(wire: Wire, peerId: PeerId, self: PeerId): Promise<Connection> {
  const handler = wire.handlers.get(peerId)?.get('/starling/mcp/1');
  if (handler === undefined) throw new Error('the node serves no peers');
  const [near, far]: [PeerStream, PeerStream] = streamPair(peerId, self);
  const inbox = new Inbox();
  near.onData(lineSplitter(inbox));
  near.onEnd(() => inbox.closed());
  handler(far);
  return {
    send(messages, cuts = []) {
      for (const piece of torn(messages, cuts)) if (piece.length > 0) near.write(piece);
    },
    take: () => inbox.take(),
    heard: () => inbox.heard(),
    get isClosed() {
      return inbox.isClosed;
    },
    close: () => near.abort(new Error('done')),
  };
}

/** Over HTTP+SSE: what answers a POST by itself counts as come on the connection. */
export async function openSse(url: string, token: string): Promise<Connection> {
  const inbox = new Inbox();
  const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' };
  const target = new URL(url.replace(/\/mcp$/, '/sse'));
  const opening = request(target, { headers, agent: false }).end();
  const [response] = (await once(opening, 'response')) as [IncomingMessage];
  let rest = '';
  let tellEndpoint: (path: string) => void = () => undefined;
  const endpoint = new Promise<string>((resolve) => {
    tellEndpoint = resolve;
  });
  response.setEncoding('utf8').on('data', (chunk: string) => {
    const events = (rest + chunk).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const data = /^data: (.*)$/m.exec(event)?.[1] ?? '';
      if (event.startsWith('event: endpoint')) tellEndpoint(data);
      else if (event.startsWith('event:')) inbox.add(data);
    }
  });
  response.on('error', () => inbox.closed());
  response.on('close', () => inbox.closed());
  const post = new URL(await endpoint, target);
  const type = { 'content-type': 'application/json' };
  return {
    send(messages) {
      for (const body of messages) {
        const posting = request(post, { method: 'POST', headers: { ...headers, ...type } });
        posting.on('error', () => inbox.closed());
        posting.on('response', (answer: IncomingMessage) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('end', () => {
            if (answer.statusCode !== 202) inbox.add(Buffer.concat(chunks).toString('utf8'));
          });
        });
        posting.end(body);
      }
    },
    take: () => inbox.take(),
    heard: () => inbox.heard(),
    get isClosed() {
      return inbox.isClosed;
    },
    close: () => opening.destroy(),
  };
}
