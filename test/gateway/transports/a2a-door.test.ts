/** A stream of A2A looks at its task again and again: what that costs ends with each look, and with the caller. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { silentLogger, systemClock } from '../../../src/core/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { createA2aDoor } from '../../../src/gateway/transports/a2a/a2a-door.ts';
import type { A2aDoorComponents } from '../../../src/gateway/transports/a2a/a2a-door.ts';
import { createIdentity } from '../../../src/identity/index.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Door {
  readonly socket: Socket;
  readonly response: ServerResponse;
  /** Calls of tools, sessions that are open now, and most listeners that the response has had. */
  looks: number;
  open: number;
  listeners: number;
}

/** Begins a stream at a task that has something new at each of `looksMax` looks, and has ended then. */
async function streaming(looksMax: number, text: string): Promise<Door> {
  let seen: Door | undefined;
  const viewOf = (version: number): JsonObject => ({
    taskId: 'task-1',
    agentId: 'coder',
    status: version < looksMax ? 'running' : 'failed',
    ...(version < looksMax ? {} : { endedAt: '2026-01-01T00:00:00.000Z' }),
    progress: { text: `${version} ${text}` },
    message: { metadata: { a2a: { contextId: 'context' } } },
    version,
  });
  const counts = { looks: 0, open: 0, listeners: 0 };
  const components: A2aDoorComponents = {
    signer: createIdentity(Buffer.alloc(32, 7)),
    agent: () => ({ name: 'coder', kind: 'test', skills: [] }),
    toolName: (tool) => tool,
    rateLimit: { take: () => undefined },
    open() {
      counts.open += 1;
      return {
        receive(_: unknown, reply: { final(message: Buffer): void }) {
          counts.looks += 1;
          counts.listeners = Math.max(counts.listeners, responses[0]?.listenerCount('close') ?? 0);
          const result = { structuredContent: viewOf(counts.looks) };
          const message = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, result }));
          setImmediate(() => reply.final(message));
        },
        end: () => undefined,
      } as never;
    },
    ended: () => void (counts.open -= 1),
    clock: systemClock,
    logger: silentLogger,
  };
  const init = { node: 'alice', isTls: false, hasOauth: false, messageBytes: 10_000 };
  const door = createA2aDoor(components, { ...init, keepAliveMs: 60_000 });
  const responses: ServerResponse[] = [];
  const server = createServer((request, response) => {
    responses.push(response);
    door.serve(request, response, ['coder'], {
      id: 'key',
      principal: { kind: 'operator' },
    } as never);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  cleanups.push(
    () => server.close(),
    () => socket.destroy(),
  );
  const message = { messageId: 'one', role: 'ROLE_USER', parts: [{ text: 'go' }] };
  const call = { jsonrpc: '2.0', id: 1, method: 'SendStreamingMessage', params: { message } };
  const body = JSON.stringify(call);
  const head = ['POST / HTTP/1.1', 'Host: a', 'A2A-Version: 1.0', 'Content-Type: application/json'];
  socket.write(`${[...head, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`);
  await once(server, 'request');
  const response = responses[0] as ServerResponse;
  seen = Object.assign(counts, { socket, response });
  return seen;
}

it('leaves no listener behind a look, and no session', async () => {
  const door = await streaming(200, 'x');
  door.socket.resume();
  await once(door.response, 'finish');
  expect(door.looks).toBe(200);
  expect(door.listeners).toBeLessThan(10);
  expect(door.open).toBe(0);
});

it('is looked at no more while its caller does not read, nor once the caller is gone', async () => {
  const door = await streaming(Number.MAX_SAFE_INTEGER, 'x'.repeat(100_000));
  door.socket.pause();
  let before = -1;
  for (let same = 0; same < 50;) {
    await new Promise((resolve) => setImmediate(resolve));
    same = door.looks === before ? same + 1 : 0;
    before = door.looks;
    if (door.looks > 2000) break;
  }
  expect(door.response.writableLength).toBeLessThan(1024 * 1024);
  expect(door.looks).toBeLessThan(2000);
  door.socket.destroy();
  if (!door.response.closed) await once(door.response, 'close');
  const { looks } = door;
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(door.looks).toBeLessThanOrEqual(looks + 1);
  expect(door.open).toBe(0);
});
