/** Ways of one connection: the socket, TCP, WebSocket, HTTP+SSE, `starling mcp` and libp2p. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { symlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { WebSocket } from 'ws';
import type { PeerId } from '../../../src/core/index.ts';
import { socketPath } from '../../../src/config/index.ts';
import { MCP_PROTOCOL, SERVER_META } from '../../../src/gateway/wire/peers/peer-protocol.ts';
import type { Network } from '../../../src/network/index.ts';
import { TOKEN_META } from '../../../src/gateway/transports/tcp.ts';
import { defer } from '../../gateway/support/cleanup.ts';
import type { TestNode } from '../../gateway/support/gateways.ts';
import { eventReader, lineReader, pipeClient } from './client.ts';
import type { Client, Inbox, Message, Pipe } from './client.ts';

const CLI = resolve(import.meta.dirname, '../../../dist/cli.js');

const parse = (text: string): Message => JSON.parse(text) as Message;

async function linesOn(socket: Socket, inbox: Inbox): Promise<Pipe> {
  defer(() => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('close', () => inbox.end());
  socket.on(
    'data',
    lineReader((line) => inbox.take(parse(line))),
  );
  await once(socket, 'connect');
  return {
    send: (text) => void socket.write(`${text}\n`),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    vanish: () => void socket.destroy(),
  };
}

/** Lines on the node's own socket. */
export function socketClient(node: TestNode): Promise<Client> {
  return pipeClient((inbox) => linesOn(connect(node.gateway.endpoints().socket), inbox));
}

/** Lines over TCP; without a token when `token` is empty. */
export function tcpClient(node: TestNode, token: string): Promise<Client> {
  const [host = '', port = ''] = (node.gateway.endpoints().tcp ?? '').split(':');
  const meta = token === '' ? {} : { [TOKEN_META]: token };
  return pipeClient((inbox) => linesOn(connect(Number(port), host), inbox), meta);
}

/** Frames of a WebSocket. */
export function webSocketClient(node: TestNode, token: string): Promise<Client> {
  return pipeClient(async (inbox) => {
    const url = (node.gateway.endpoints().url ?? '').replace(/^http/, 'ws');
    const headers = token === '' ? {} : { authorization: `Bearer ${token}` };
    const socket = new WebSocket(url, 'mcp', { headers });
    defer(() => socket.terminate());
    socket.on('close', () => inbox.end());
    socket.on('message', (data: Buffer) => inbox.take(parse(data.toString())));
    await once(socket, 'open');
    return {
      send: (text) => socket.send(text),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      vanish: () => socket.terminate(),
    };
  });
}

/** HTTP+SSE of 2024-11-05: one event stream for what comes, a POST for each message. */
export function sseClient(node: TestNode, token: string): Promise<Client> {
  return pipeClient(async (inbox) => {
    const base = new URL(node.gateway.endpoints().url ?? '');
    const headers = token === '' ? {} : { authorization: `Bearer ${token}` };
    const stream = request(new URL('/sse', base), {
      headers: { accept: 'text/event-stream', ...headers },
      agent: false,
    });
    stream.on('error', () => inbox.end());
    stream.end();
    defer(() => stream.destroy());
    const [response] = (await once(stream, 'response')) as [IncomingMessage];
    if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
    response.on('error', () => undefined);
    response.on('close', () => inbox.end());
    const endpoint = await new Promise<string>((found) => {
      response.on(
        'data',
        eventReader((event, data) => {
          if (event === 'endpoint') found(data);
          else inbox.take(parse(data));
        }),
      );
    });
    // One connection for all messages: they arrive in the order in which they were said.
    let last: Promise<unknown> = Promise.resolve();
    const post = async (text: string): Promise<void> => {
      const sent = request(new URL(endpoint, base), {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        agent: false,
      });
      sent.on('error', () => undefined);
      sent.end(text);
      const [answer] = (await once(sent, 'response')) as [IncomingMessage];
      const chunks: Buffer[] = [];
      for await (const chunk of answer) chunks.push(chunk as Buffer);
      // What was refused is answered here, not on the stream.
      if (answer.statusCode !== 202) inbox.take(parse(Buffer.concat(chunks).toString('utf8')));
    };
    return {
      send(text) {
        // Whose message did not arrive must not wait for the answer.
        last = last.then(() => post(text)).catch(() => inbox.end());
      },
      pause: () => void response.pause(),
      resume: () => void response.resume(),
      vanish: () => void stream.destroy(),
    };
  });
}

/** `starling mcp`, as a client's config starts it. */
export function stdioClient(node: TestNode): Promise<Client> {
  return pipeClient(async (inbox) => {
    await symlink(node.gateway.endpoints().socket, socketPath(node.folder)).catch(() => undefined);
    const child = spawn(process.execPath, [CLI, 'mcp', '--state', node.folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    defer(() => child.kill('SIGKILL'));
    child.once('close', () => inbox.end());
    child.stdin.on('error', () => undefined);
    child.stdout.on(
      'data',
      lineReader((line) => inbox.take(parse(line))),
    );
    return {
      send: (text) => void child.stdin.write(`${text}\n`),
      pause: () => void child.stdout.pause(),
      resume: () => void child.stdout.resume(),
      vanish: () => void child.kill('SIGKILL'),
    };
  });
}

/** A stream of a peer, in a session for one server. */
export function peerClient(network: Network, owner: PeerId, server: string): Promise<Client> {
  return pipeClient(
    async (inbox) => {
      const stream = await network.open(owner, MCP_PROTOCOL, {
        signal: AbortSignal.timeout(60_000),
      });
      stream.onEnd(() => inbox.end());
      stream.onData(lineReader((line) => inbox.take(parse(line))));
      return {
        send: (text) => void stream.write(Buffer.from(`${text}\n`)),
        pause: () => stream.pause(),
        resume: () => stream.resume(),
        vanish: () => stream.abort(new Error('vanished')),
      };
    },
    { [SERVER_META]: server },
  );
}
