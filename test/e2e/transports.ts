/** Transports for the SDK's clients that it does not have: WebSocket, and lines over TCP. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { WebSocket } from 'ws';

const OPEN_TIMEOUT_MS = 60_000;

/** What the clients of both of the SDK's lines take for a transport. */
export interface SmallTransport {
  onmessage?: (message: JSONRPCMessage) => void;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  start(): Promise<void>;
  send(message: object): Promise<void>;
  close(): Promise<void>;
}

/** MCP over WebSocket, with the token in the header. */
export function webSocketTransport(url: string, token: string): SmallTransport {
  const headers = { authorization: `Bearer ${token}` };
  const socket = new WebSocket(url.replace(/^http/, 'ws'), 'mcp', { headers });
  const opened = once(socket, 'open', { signal: AbortSignal.timeout(OPEN_TIMEOUT_MS) });
  const transport: SmallTransport = {
    async start() {
      await opened;
      socket.on('message', (data: Buffer) => {
        transport.onmessage?.(JSON.parse(data.toString()) as JSONRPCMessage);
      });
      socket.on('close', () => transport.onclose?.());
      socket.on('error', (error) => transport.onerror?.(error));
    },
    send: async (message) => socket.send(JSON.stringify(message)),
    close: async () => socket.close(),
  };
  return transport;
}

/** MCP as lines of JSON over TCP; the token goes into the first request. */
export function tcpTransport(address: string, token: string): SmallTransport {
  const [host = '', port = ''] = address.split(':');
  const socket = connect(Number(port), host);
  let isFirst = true;
  const transport: SmallTransport = {
    async start() {
      await once(socket, 'connect', { signal: AbortSignal.timeout(OPEN_TIMEOUT_MS) });
      createInterface({ input: socket }).on('line', (line) => {
        transport.onmessage?.(JSON.parse(line) as JSONRPCMessage);
      });
      socket.on('close', () => transport.onclose?.());
      socket.on('error', (error) => transport.onerror?.(error));
    },
    async send(message) {
      const { params = {} } = message as { params?: { readonly _meta?: object } };
      const _meta = { ...params._meta, 'starling/token': token };
      const sent = isFirst ? { ...message, params: { ...params, _meta } } : message;
      isFirst = false;
      socket.write(`${JSON.stringify(sent)}\n`);
    },
    close: async () => void socket.destroy(),
  };
  return transport;
}
