/** Yjs documents that a WebSocket server relays, in this process: what boards are measured beside. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { Doc, applyUpdate, encodeStateAsUpdate } from 'yjs';

/** A replica of either kind. */
export interface Replica {
  set(key: string, value: number): unknown;
  get(key: string): unknown;
  size(): number;
}

/** A server, and its clients. */
export interface YjsRelay {
  readonly clients: readonly Replica[];
  /** A new client, which has asked for what there is. */
  client(): Promise<Replica>;
  /** Keys at the server. */
  size(): number;
  stop(): Promise<void>;
}

const MAP = 'entries';

/** Starts a server on loopback. */
export async function createYjsRelay(): Promise<YjsRelay> {
  const doc = new Doc();
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.on('connection', (socket) => {
    socket.send(encodeStateAsUpdate(doc));
    socket.on('message', (data: Buffer) => {
      applyUpdate(doc, data);
      for (const other of server.clients) if (other !== socket) other.send(data);
    });
  });
  const clients: Replica[] = [];
  const sockets: WebSocket[] = [];
  return {
    clients,
    async client() {
      const own = new Doc();
      const map = own.getMap<{ readonly v: number }>(MAP);
      let size = 0;
      map.observe((event) => {
        for (const { action } of event.changes.keys.values()) if (action === 'add') size += 1;
      });
      const socket = new WebSocket(`ws://127.0.0.1:${port}`);
      socket.on('message', (data: Buffer) => applyUpdate(own, data, 'server'));
      await once(socket, 'open');
      own.on('update', (update: Uint8Array, origin: unknown) => {
        if (origin !== 'server') socket.send(update);
      });
      const replica: Replica = {
        set: (key, value) => map.set(key, { v: value }),
        get: (key) => map.get(key)?.v,
        size: () => size,
      };
      clients.push(replica);
      sockets.push(socket);
      return replica;
    },
    size: () => doc.getMap(MAP).size,
    async stop() {
      for (const socket of sockets) socket.terminate();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
