/**
 * Yjs documents that the server of y-websocket relays, in this process: what boards are measured beside. The server
 * keeps nothing on disk, and nothing is encrypted or checked.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { Doc } from 'yjs';
import type { Replica } from './replica.ts';

/** A server, and its clients. */
export interface YjsServer {
  readonly url: string;
  readonly clients: readonly Replica[];
  /** A new client, which has all that there is. */
  client(): Promise<Replica>;
  /** Bytes that went over all connections so far. */
  bytes(): number;
  stop(): Promise<void>;
}

/** A client that is on its own. */
export interface YjsClient {
  readonly replica: Replica;
  /** Resolves once the client has what the server had. */
  readonly synced: Promise<void>;
  stop(): void;
}

const ROOM = 'bench';
const MAP = 'entries';
/** By this name Yjs tells of a second copy of itself, which the server brings; no document is of both. */
const MARK = '__ $YJS$ __';

/** Starts the server of y-websocket on loopback. */
export async function createYjsServer(): Promise<YjsServer> {
  const parts = await serverParts();
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `ws://127.0.0.1:${port}`;
  // Documents outlive their server.
  const docName = `${ROOM}-${port}`;
  const sockets: { readonly bytesRead: number; readonly bytesWritten: number }[] = [];
  server.on('connection', (connection, request) => {
    sockets.push(request.socket);
    parts.setupWSConnection(connection, request, { docName });
  });
  const clients: YjsClient[] = [];
  return {
    url,
    get clients() {
      return clients.map(({ replica }) => replica);
    },
    async client() {
      const client = await createYjsClient(url);
      clients.push(client);
      await client.synced;
      return client.replica;
    },
    bytes: () => sockets.reduce((sum, one) => sum + one.bytesRead + one.bytesWritten, 0),
    async stop() {
      for (const client of clients) client.stop();
      // Its timer would keep the process alive.
      parts.docs.get(docName)?.destroy();
      for (const socket of server.clients) socket.terminate();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

/** Connects to the server at `url`. */
export async function createYjsClient(url: string): Promise<YjsClient> {
  const { WebsocketProvider } = await import('y-websocket');
  const doc = new Doc();
  const map = doc.getMap<{ readonly v: number }>(MAP);
  let size = 0;
  map.observe((event) => {
    for (const { action } of event.changes.keys.values()) if (action === 'add') size += 1;
  });
  // Each of them listens for the end of the process, and Node takes more than ten for a leak.
  process.setMaxListeners(process.getMaxListeners() + 1);
  const provider = new WebsocketProvider(url, ROOM, doc, {
    WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
    disableBc: true,
  });
  const synced = new Promise<void>((resolve) => provider.once('sync', () => resolve()));
  return {
    synced,
    stop() {
      provider.destroy();
      process.setMaxListeners(process.getMaxListeners() - 1);
      // Ends the timer of who is there, which would keep a process alive.
      doc.destroy();
    },
    replica: {
      set: (key, value) => map.set(key, { v: value }),
      get: (key) => map.get(key)?.v,
      size: () => size,
      onChange(listener) {
        const heard = (event: { readonly keysChanged: Set<string> }): void =>
          listener(event.keysChanged);
        map.observe(heard);
        return () => map.unobserve(heard);
      },
    },
  };
}

async function serverParts(): Promise<{
  setupWSConnection(
    connection: unknown,
    request: unknown,
    options: { readonly docName: string },
  ): void;
  readonly docs: ReadonlyMap<string, { destroy(): void }>;
}> {
  // Else the second copy of Yjs would complain on standard error.
  Reflect.deleteProperty(globalThis, MARK);
  return import('y-websocket/bin/utils');
}
