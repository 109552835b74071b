/**
 * The least that a relay can be: bytes from one socket to another, and over HTTP the one number that tells whose
 * answer it is. No rights, no names, no sessions. Ours is measured as a multiple of the CPU of these.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import type { Duplex, Readable, Writable } from 'node:stream';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { joinedWrites, lineReader } from '../lines.ts';

const HOST = '127.0.0.1';
/** A key that both ends know stands for certificates: what follows the handshake costs the same. */
const SHARED_KEY = Buffer.alloc(32, 7);
const SECURED = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const;
const NEWLINE = Buffer.from('\n');

/** Where the requests of a relay go. */
export interface Beyond {
  readonly input: Readable;
  readonly output: Writable;
}

/** A stdio server of the relay's own. */
export function childOf(script: string): Beyond {
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  return { input: child.stdout, output: child.stdin };
}

/** The other one of two peers. */
export async function peerAt(port: number): Promise<Beyond> {
  const socket = connectTls({
    ...SECURED,
    host: HOST,
    port,
    pskCallback: () => ({ psk: SHARED_KEY, identity: 'bench' }),
    checkServerIdentity: () => undefined,
  });
  await once(socket, 'secureConnect');
  socket.setNoDelay(true);
  return { input: socket, output: socket };
}

/** Listens for the other one of two peers, in front of a stdio server. Gives its port. */
export function serveTls(script: string): Promise<number> {
  const server = createTlsServer({ ...SECURED, pskCallback: () => SHARED_KEY }, (socket) => {
    socket.setNoDelay(true);
    join(socket, childOf(script));
  });
  return listening(server);
}

/** Listens on a Unix socket; all who come share one stdio server, and each line's number tells whose it is. */
export async function serveSocket(path: string, script: string): Promise<void> {
  const { input, output } = childOf(script);
  const waiting = new Map<unknown, (text: string) => void>();
  input.on(
    'data',
    lineReader((line) => {
      const text = line.toString('utf8');
      const id = idOf(text);
      const send = waiting.get(id);
      waiting.delete(id);
      send?.(`${text}\n`);
    }),
  );
  const forward = joinedWrites((text) => output.write(text));
  const server = createServer((socket) => {
    const send = joinedWrites((text) => socket.write(text));
    socket.on('error', () => socket.destroy());
    socket.on(
      'data',
      lineReader((line) => {
        const text = line.toString('utf8');
        const id = idOf(text);
        if (id !== undefined) waiting.set(id, send);
        forward(`${text}\n`);
      }),
    );
  });
  server.listen(path);
  await once(server, 'listening');
}

/** Lines to a stdio server, and its lines back to whoever spoke last: one peer, with one stream. */
export function toProgram({ input, output }: Beyond): LineListener {
  let answer: SendText = () => undefined;
  const forward = joinedWrites((text) => output.write(text));
  input.on(
    'data',
    lineReader((line) => answer(`${line.toString('utf8')}\n`)),
  );
  return (line, send) => {
    answer = send;
    forward(`${line.toString('utf8')}\n`);
  };
}

/** Texts that go one way; those of one microtask leave in one write. */
export type SendText = (text: string) => void;

/** Hears each line, and may answer it. */
export type LineListener = (line: Buffer, send: SendText) => void;

/** Listens on a Unix socket: the lines of one client, each on by the way that `open` opens for it, and those that come back. */
export async function serveLines(
  path: string,
  open: (line: (line: Buffer) => void) => Promise<SendText>,
): Promise<void> {
  let back: SendText = () => undefined;
  const forward = await open((line) => back(`${line.toString('utf8')}\n`));
  const server = createServer((socket) => {
    back = joinedWrites((text) => socket.write(text));
    socket.on('error', () => socket.destroy());
    socket.on(
      'data',
      lineReader((line) => forward(`${line.toString('utf8')}\n`)),
    );
  });
  server.listen(path);
  await once(server, 'listening');
}

/** Standard streams to a Unix socket: what a client of stdio starts. */
export async function pipeTo(path: string): Promise<void> {
  const socket = connect(path);
  await once(socket, 'connect');
  process.stdin.pipe(socket).pipe(process.stdout);
}

/** Listens for HTTP; each POST is one message. Gives its port. */
export function serveHttp({ input, output }: Beyond): Promise<number> {
  const waiting = new Map<unknown, ServerResponse>();
  input.on(
    'data',
    lineReader((line) => {
      const id = idOf(line.toString('utf8'));
      const response = waiting.get(id);
      waiting.delete(id);
      response?.writeHead(200, {
        'content-type': 'application/json',
        'content-length': line.length,
        'mcp-session-id': 'bench',
      });
      response?.end(line);
    }),
  );
  const server = createHttpServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts);
      const id = idOf(body.toString('utf8'));
      if (id === undefined) response.writeHead(202).end();
      else waiting.set(id, response);
      output.write(Buffer.concat([body, NEWLINE]));
    });
  });
  return listening(server);
}

function idOf(message: string): unknown {
  return (JSON.parse(message) as { readonly id?: unknown }).id;
}

function join(socket: Duplex, { input, output }: Beyond): void {
  socket.pipe(output);
  input.pipe(socket);
  socket.on('error', () => socket.destroy());
}

async function listening(server: Server): Promise<number> {
  server.listen(0, HOST);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
