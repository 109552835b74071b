/** One process of an agent: what it is given, what it may ask for, and how it ends. */
import { resolve } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { Secret, silentLogger, systemClock } from '../../../src/core/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import type { AgentProcess, AgentStart } from '../../../src/gateway/index.ts';
import type { Session } from '../../../src/gateway/session/types.ts';
import { resultBytes } from '../../../src/gateway/wire/frame.ts';
import { startAgentProcess } from '../../../src/gateway/upstreams/agent-process.ts';
import { createPlainLines } from '../../../src/gateway/upstreams/process/plain-lines.ts';
import type { Principal } from '../../../src/guard/index.ts';

const FOLDER = resolve(import.meta.dirname, '../../fixtures/agents');
const NEVER = new AbortController().signal;
const LONG_MS = 60_000;

const running: AgentProcess[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.close();
});

interface Opened {
  readonly principal: Principal;
  readonly methods: string[];
  isOver: boolean;
}

async function start(
  file: string,
  more: Partial<AgentStart> = {},
): Promise<{ agent: AgentProcess; sessions: Opened[]; wrote: string[] }> {
  const sessions: Opened[] = [];
  const wrote: string[] = [];
  const agent = await startAgentProcess(
    {
      clock: systemClock,
      random: Math.random,
      logger: silentLogger,
      open(principal) {
        const opened: Opened = { principal, methods: [], isOver: false };
        sessions.push(opened);
        return sessionOf(opened);
      },
      ended: () => undefined,
    },
    {
      name: 'agent worker',
      server: {
        type: 'stdio',
        command: process.execPath,
        args: [resolve(FOLDER, file)],
        env: { TOKEN: new Secret('a-long-secret') },
        timeoutMs: LONG_MS,
        shared: false,
        peerRoots: false,
        idleMs: 0,
      },
      protocol: 'lines',
      principal: () => ({ kind: 'operator' }),
      spawned: () => undefined,
      wrote: (line) => void wrote.push(line),
      within: [],
      callsMax: 10,
      timeoutMs: LONG_MS,
      signal: NEVER,
      ...more,
    },
    { messageBytes: 1024 * 1024 },
  );
  running.push(agent);
  return { agent, sessions, wrote };
}

/** Answers every call with its tool's name. */
function sessionOf(opened: Opened): Session {
  return {
    receive(frame: { method: string; id: number; kind: string; params: JsonObject }, reply: never) {
      opened.methods.push(frame.method);
      if (frame.kind !== 'request' || frame.params['name'] === 'approved__later') return;
      const structuredContent = { called: frame.params['name'] ?? null };
      (reply as { final(bytes: Buffer): void }).final(resultBytes(frame.id, { structuredContent }));
    },
    whenIdle: (listener: () => void) => listener(),
    end() {
      opened.isOver = true;
    },
  } as unknown as Session;
}

const say = (message: unknown): JsonObject => ({ type: 'query', message }) as JsonObject;

it('a plain program answers by lines; what is no answer is its log, without its secrets', async () => {
  const { agent, wrote } = await start('worker.mjs');
  await expect(agent.deliver(say('hello'), LONG_MS, 'operator')).resolves.toBe('you said: "hello"');
  await expect(agent.deliver(say({ do: 'env', name: 'TOKEN' }), LONG_MS, 'operator')).resolves.toBe(
    'a-long-secret',
  );
  expect(wrote).toContain('a line that is no message');
  await expect(agent.deliver(say({ do: 'die' }), LONG_MS, 'operator')).rejects.toMatchObject({
    code: 'STARLING_UPSTREAM_UNAVAILABLE',
    message: expect.stringContaining('out of cheese') as string,
  });
  await agent.ended;
  expect(wrote).toContain('out of cheese');
});

it('an MCP server with a tool `message` is an agent, one without is refused', async () => {
  const { agent } = await start('mcp-worker.mjs', { protocol: 'mcp' });
  await expect(agent.deliver(say('hi'), LONG_MS, 'operator')).resolves.toBe('over MCP: hi');
  await expect(start('../servers/crashes.mjs', { protocol: 'mcp' })).rejects.toMatchObject({
    code: 'STARLING_UPSTREAM_INVALID',
    message: expect.stringContaining("no tool 'message'") as string,
  });
});

it('a program calls by its own pipe, in a session of its own rights; other rights are another session', async () => {
  let principal: Principal = { kind: 'client', name: 'agent:a', scopes: [] };
  const { agent, sessions } = await start('worker.mjs', { principal: () => principal });
  const call = (): Promise<unknown> =>
    agent.deliver(say({ do: 'call', tool: 'files__read' }), LONG_MS, 'operator');
  await expect(call()).resolves.toEqual({ result: { called: 'files__read' } });
  await call();
  expect(sessions).toHaveLength(1);
  expect(sessions[0]).toMatchObject({ principal, isOver: false });
  expect(sessions[0]?.methods.filter((method) => method === 'tools/call')).toHaveLength(2);
  principal = { ...principal };
  await call();
  expect(sessions.map(({ isOver }) => isOver)).toEqual([true, false]);
  await agent.close();
  expect(sessions.map(({ isOver }) => isOver)).toEqual([true, true]);
});

it('lines of a program mean what the protocol says, and nothing else', () => {
  const codec = createPlainLines();
  const means = (line: string): unknown => {
    const message = codec.fromProgram(Buffer.from(line));
    return message === undefined ? undefined : JSON.parse(message.toString());
  };
  expect(means('{"id":1,"answer":null}')).toMatchObject({
    id: 1,
    result: { structuredContent: { answer: null } },
  });
  expect(means('{"id":1,"error":"no"}')).toMatchObject({ result: { isError: true } });
  expect(means('{"id":"a","call":"x"}')).toEqual({
    jsonrpc: '2.0',
    id: 'a',
    method: 'tools/call',
    params: { name: 'x', arguments: {} },
  });
  for (const odd of [
    '',
    'hello',
    '{',
    '[]',
    '{"id":1}',
    '{"answer":1}',
    '{"id":{},"answer":1}',
    'null',
  ]) {
    expect(means(odd), odd).toBeUndefined();
  }
});

it('a program that waits for a call of its own takes no longer for a message than there is time', async () => {
  const { agent } = await start('worker.mjs');
  const asked = agent.deliver(say({ do: 'call', tool: 'approved__later' }), 500, 'operator');
  await expect(asked).rejects.toMatchObject({ code: 'STARLING_TIMEOUT' });
  await expect(agent.deliver(say('hello'), LONG_MS, 'operator')).resolves.toBe('you said: "hello"');
});

it('a plain program that nests deeper than can be written fails its answer, and nothing else', () => {
  const codec = createPlainLines();
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  const read = (text: string): unknown => {
    const message = codec.fromProgram(Buffer.from(text));
    return message === undefined ? undefined : JSON.parse(message.toString());
  };
  expect(read(`{"id":1,"answer":${deep}}`)).toMatchObject({ id: 1, result: { isError: true } });
  expect(read(`{"id":1,"error":${deep}}`)).toMatchObject({ id: 1, result: { isError: true } });
  expect(read(`{"id":"a","call":"t","arguments":{"a":${deep}}}`)).toBeUndefined();
  const given = codec.toProgram(
    Buffer.from(`{"jsonrpc":"2.0","id":"a","result":{"structuredContent":{"a":${deep}}}}`),
  );
  expect(given.line?.toString()).toBe('{"id":"a","error":"it is nested too deep"}');
  const asked = codec.toProgram(
    Buffer.from(
      `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"arguments":{"a":${deep}}}}`,
    ),
  );
  expect(JSON.parse(asked.answer?.toString() ?? '')).toMatchObject({ id: 2, error: {} });
});
