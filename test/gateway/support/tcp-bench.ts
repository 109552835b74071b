/** A TCP transport over fake sessions, and clients of it that end with their test. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { expect } from 'vitest';
import { silentLogger, systemClock } from '../../../src/core/index.ts';
import type { Clock, JsonObject, Logger } from '../../../src/core/index.ts';
import { TOKEN_META, createTcpTransport } from '../../../src/gateway/transports/tcp.ts';
import type { TcpInit, TcpTransport } from '../../../src/gateway/transports/tcp.ts';
import type { Credential } from '../../../src/gateway/door/types.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { OPERATOR, fakeSessions } from './fake-session.ts';
import type { FakeSessions } from './fake-session.ts';
import { INITIALIZE, defer, until } from './gateways.ts';

export const TOKEN = 'the-right-token-of-this-node';
export const INIT: TcpInit = {
  host: '127.0.0.1',
  port: 0,
  requireToken: true,
  messageBytes: 1024 * 1024,
  keepAliveMs: 30_000,
};

export const NOBODY: Principal = { kind: 'client', name: 'tcp', scopes: [] };
export const CREDENTIAL: Credential = { id: 'operator', principal: OPERATOR };

export interface Served {
  readonly transport: TcpTransport;
  readonly sessions: FakeSessions;
  readonly logged: string[];
  connect(): Promise<Client>;
}

export interface Client {
  readonly socket: Socket;
  send(...messages: readonly unknown[]): void;
  next(): Promise<JsonObject>;
  /** Everything until the connection is over. */
  rest(): Promise<readonly JsonObject[]>;
}

interface Options {
  readonly init?: Partial<TcpInit>;
  readonly clock?: Clock;
  readonly max?: number;
  readonly isAllowed?: (address: string | undefined) => boolean;
  readonly credentialOf?: (token: string) => Promise<Credential | undefined>;
}

export async function serve(options: Options = {}): Promise<Served> {
  const sessions = fakeSessions(options.max);
  const logged: string[] = [];
  const note = (...said: unknown[]): void => void logged.push(JSON.stringify(said));
  const logger: Logger = { ...silentLogger, debug: note, info: note, warn: note, error: note };
  const transport = createTcpTransport(
    {
      isAllowed: () => true,
      nobody: NOBODY,
      credentialOf: async (token) => (token === TOKEN ? CREDENTIAL : undefined),
      ...options,
      open: (principal, push) => sessions.open(principal, push),
      ended: (session) => sessions.ended(session),
      clock: options.clock ?? systemClock,
      logger,
    },
    { ...INIT, ...options.init },
  );
  await transport.start();
  defer(() => transport.stop());
  return { transport, sessions, logged, connect: () => clientOf(transport) };
}

async function clientOf(transport: TcpTransport): Promise<Client> {
  const [host, port] = (transport.address() ?? '').split(':');
  const socket = connect({ host: host ?? '', port: Number(port), allowHalfOpen: true });
  socket.on('error', () => socket.destroy());
  defer(() => socket.destroy());
  await once(socket, 'connect');
  // Not by `once` of node:events, which fails when the connection is reset.
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  const messages: JsonObject[] = [];
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (text + chunk).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) messages.push(JSON.parse(line) as JsonObject);
  });
  socket.on('end', () => socket.end());
  return {
    socket,
    send: (...sent) =>
      void socket.write(
        sent.map((one) => `${typeof one === 'string' ? one : JSON.stringify(one)}\n`).join(''),
      ),
    async next() {
      await until(() => messages.length > 0);
      return messages.shift() ?? {};
    },
    async rest() {
      await closed;
      return messages.splice(0);
    },
  };
}

export function greeting(token: unknown = TOKEN, more: JsonObject = {}): JsonObject {
  const params = { ...INITIALIZE.params, _meta: { ...more, [TOKEN_META]: token as string } };
  return { ...INITIALIZE, params };
}

export async function greeted(served: Served): Promise<Client> {
  const client = await served.connect();
  client.send(greeting());
  expect(await client.next()).toMatchObject({ id: 0, result: { serverInfo: { name: 'fake' } } });
  return client;
}
