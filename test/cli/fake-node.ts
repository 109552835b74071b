/**
 * A double of the node at the wire: newline-delimited JSON-RPC on the socket of a state folder. The
 * real one is tested in `test/e2e`; this one also does what a real one never should.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ATTACH_METHOD } from '../../src/config/client-names.ts';
import { socketPath } from '../../src/config/paths.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { createLineDecoder } from '../../src/core/index.ts';

export interface Heard extends JsonObject {
  readonly method: string;
  readonly params?: JsonObject;
}

/** Answers one message other than `initialize`; what it returns becomes the result. */
export type Answer = (message: Heard, connection: Connection) => JsonObject | undefined | void;

export interface Connection {
  readonly socket: Socket;
  readonly send: (message: JsonObject) => void;
  readonly fail: (id: unknown, error: JsonObject) => void;
}

export interface FakeNode {
  readonly stateDir: string;
  /** Every message that came, in order. */
  readonly heard: readonly Heard[];
  /** Resolves to the first message of `method`, also one that came before. */
  received(method: string): Promise<Heard>;
  stop(): Promise<void>;
}

export interface FakeInit {
  readonly answer?: Answer;
  /** Where the state folder is made; default: among the temporary files. */
  readonly parent?: string;
  /** Takes the place of the usual answer to `initialize`. */
  readonly initialize?: Answer;
}

export async function startFakeNode(init: FakeInit = {}): Promise<FakeNode> {
  const stateDir = await mkdtemp(join(init.parent ?? tmpdir(), 'starling-fake-'));
  const heard: Heard[] = [];
  const sockets = new Set<Socket>();
  const waiting = new Set<() => void>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // A client that ends at once resets the connection, which is no matter here.
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
    const connection: Connection = {
      socket,
      send: (message) => void socket.write(`${JSON.stringify(message)}\n`),
      fail: (id, error) => connection.send({ jsonrpc: '2.0', id: id as string, error }),
    };
    const decoder = createLineDecoder(1024 * 1024, {
      line: (bytes) => {
        const message = JSON.parse(bytes.toString('utf8')) as Heard;
        if (message.method === ATTACH_METHOD) {
          const principal = String(message.params?.['as']);
          return connection.send({ jsonrpc: '2.0', id: message['id'], result: { principal } });
        }
        heard.push(message);
        for (const wake of waiting) wake();
        const isHello = message.method === 'initialize';
        const answer = isHello ? (init.initialize ?? (() => ({}))) : init.answer;
        const result = answer?.(message, connection) as JsonObject | undefined;
        if (result !== undefined) {
          connection.send({ jsonrpc: '2.0', id: message['id'], result });
        }
      },
      oversize: () => socket.destroy(),
    });
    socket.on('data', (chunk) => decoder.push(chunk));
  });
  await new Promise<void>((resolve) => {
    server.listen(socketPath(stateDir), resolve);
  });
  return {
    stateDir,
    heard,
    received: (method) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = heard.find((message) => message.method === method);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      await rm(stateDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** An answer that serves the tools of the built-in server: results by tool name. */
export function serving(results: Readonly<Record<string, JsonObject>>): Answer {
  return ({ method, params, id }, connection) => {
    if (method !== 'tools/call') return undefined;
    const name = String(params?.['name']);
    const result = results[name.replace('starling__', '')];
    if (result !== undefined) return { content: [], structuredContent: result };
    return connection.fail(id, { code: -32602, message: `no tool ${name}` });
  };
}
