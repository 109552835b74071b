/**
 * MCP tasks (SEP-2663) over HTTP and over `starling mcp`, by requests as the specification writes them: the SDKs have no
 * client for the extension.
 */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { NodeClient } from '../../../src/cli/node/client.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import type { PeersResult, StarlingNode } from '../../../src/index.ts';
import { makeKey, wholeNodes } from '../../fixtures/whole-nodes.ts';
import { SERVERS } from '../support.ts';

const CLI = resolve(import.meta.dirname, '../../../dist/cli.js');
const VERSION = '2026-07-28';
const META = 'io.modelcontextprotocol/';
const TASKS = `${META}tasks`;
const DECLARES = { extensions: { [TASKS]: {} }, elicitation: {} };
const nodes = wholeNodes('mcp-tasks');

let node: StarlingNode;
let operator: NodeClient;
let key: string;
let otherKey: string;

beforeAll(async () => {
  ({ node, operator } = await nodes.start({
    name: 'alice',
    open: 'mcp-tasks',
    log: { level: 'silent' },
  }));
  const scopes = ['tool:starling/*', 'agent:*', 'resource:starling/*'];
  key = await makeKey(operator, 'ann', scopes);
  otherKey = await makeKey(operator, 'bob', scopes);
  const digger = node
    .agent({ name: 'digger', listed: true, concurrency: 8 })
    .onTask('dig', (input) => ({ dug: input }))
    .onTask('fail', () => {
      throw new Error('the ground is stone');
    })
    .onTask('ask', async (_, task) => ({
      deep: await task.ask('deep', 'How deep?', { type: 'number' }),
    }));
  const idler = node.agent({ name: 'idler', listed: true, concurrency: 8 }).onTask(
    'wait',
    (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('taken back')), { once: true });
      }),
  );
  await idler.announced;
  nodes.cleanups.push(() => idler.close());
  await digger.announced;
  nodes.cleanups.push(() => digger.close());
});

/** Sends one request, and gives its answer and what came before it. */
type Send = (method: string, params: JsonObject, capabilities?: JsonObject) => Promise<JsonObject>;

const WAIT = { timeout: 60_000 };
const peersOf = async (client: NodeClient): Promise<PeersResult['peers']> =>
  (await client.builtin<PeersResult>('peers')).peers;

let ids = 0;
const requestOf = (method: string, params: JsonObject, capabilities: JsonObject): JsonObject => {
  ids += 1;
  const _meta = {
    [`${META}protocolVersion`]: VERSION,
    [`${META}clientCapabilities`]: capabilities,
    [`${META}clientInfo`]: { name: 'raw', version: '1' },
  };
  return { jsonrpc: '2.0', id: ids, method, params: { ...params, _meta } };
};

const headersOf = (method: string, params: JsonObject, token: string): Record<string, string> => ({
  authorization: `Bearer ${token}`,
  accept: 'application/json, text/event-stream',
  'content-type': 'application/json',
  'mcp-protocol-version': VERSION,
  'mcp-method': method,
  ...(params['name'] === undefined ? {} : { 'mcp-name': String(params['name']) }),
  ...(params['taskId'] === undefined ? {} : { 'mcp-name': String(params['taskId']) }),
});

const overHttp =
  (token: string): Send =>
  async (method, params, capabilities = DECLARES) => {
    const answer = await fetch(node.status().endpoints.url ?? '', {
      method: 'POST',
      headers: headersOf(method, params, token),
      body: JSON.stringify(requestOf(method, params, capabilities)),
    });
    const text = await answer.text();
    const data = text.split('\n').filter((line) => line.startsWith('data: '));
    return JSON.parse(data.at(-1)?.slice(6) ?? text) as JsonObject;
  };

/** `starling mcp` as a process. */
function overStdio(): Send {
  const args = [CLI, 'mcp', '--as', 'cursor', '--state', node.status().stateDir];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = new Promise((done) => void child.once('exit', done));
  nodes.cleanups.push(() => {
    child.kill();
    return ended;
  });
  const waiting = new Map<unknown, (answer: JsonObject) => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = JSON.parse(line) as JsonObject;
    waiting.get(message['id'])?.(message);
  });
  return (method, params, capabilities = DECLARES) =>
    new Promise((done) => {
      const request = requestOf(method, params, capabilities);
      waiting.set(request['id'], done);
      child.stdin.write(`${JSON.stringify(request)}\n`);
    });
}

const resultOf = (answer: JsonObject): JsonObject => {
  if (answer['result'] === undefined) throw new Error(JSON.stringify(answer));
  return answer['result'] as JsonObject;
};
const codeOf = (answer: JsonObject): unknown =>
  (answer['error'] as JsonObject | undefined)?.['code'];
const give = async (
  send: Send,
  capability: string,
  capabilities?: JsonObject,
): Promise<JsonObject> =>
  resultOf(
    await send(
      'tools/call',
      { name: 'starling__agent_task', arguments: { capability, input: 'hole', timeoutMs: 60_000 } },
      capabilities,
    ),
  );
/** Asks at each change of the task until its status is one of these. */
async function until(send: Send, { taskId = '' }: JsonObject, wanted: string): Promise<JsonObject> {
  for (let version = 0; ;) {
    const now = resultOf(await send('tasks/get', { taskId }));
    if (now['status'] === wanted) return now;
    const look = { taskId, version, timeout_s: 30 };
    ({ version } = await operator.builtin<{ version: number }>('task_status', look));
  }
}

describe.each([
  ['HTTP', () => overHttp(key)],
  ['starling mcp', () => overStdio()],
] as const)('a client over %s', (_, open) => {
  it('that declares tasks gets one in place of a result, and polls it to its end', async () => {
    const send = open();
    const found = resultOf(await send('server/discover', {}));
    expect(found).toMatchObject({ capabilities: { extensions: { [TASKS]: {} } } });
    const task = await give(send, 'dig');
    expect(task).toMatchObject({
      resultType: 'task',
      taskId: expect.stringMatching(/^task_/) as string,
      status: 'working',
      ttlMs: 60_000,
      pollIntervalMs: 1000,
      createdAt: expect.stringMatching(/Z$/) as string,
    });
    expect(await until(send, task, 'completed')).toMatchObject({
      resultType: 'complete',
      taskId: task['taskId'],
      result: { structuredContent: { status: 'done', result: { dug: 'hole' } }, isError: false },
    });
    expect(await until(send, await give(send, 'fail'), 'completed')).toMatchObject({
      statusMessage: expect.stringContaining('stone') as string,
      result: { isError: true, structuredContent: { status: 'failed' } },
    });
    const waits = await give(send, 'wait');
    expect(resultOf(await send('tasks/cancel', { taskId: waits['taskId'] ?? '' }))).toMatchObject({
      resultType: 'complete',
    });
    await until(send, waits, 'cancelled');
    // What comes too late is acknowledged.
    expect(codeOf(await send('tasks/cancel', { taskId: waits['taskId'] ?? '' }))).toBeUndefined();
  });

  it('answers what the agent of its task asks', async () => {
    const send = open();
    const task = await give(send, 'ask');
    const { taskId = '' } = task;
    const asks = await until(send, task, 'input_required');
    expect(asks).toMatchObject({
      inputRequests: {
        deep: {
          method: 'elicitation/create',
          params: { mode: 'form', message: 'How deep?', requestedSchema: { type: 'object' } },
        },
      },
    });
    const answer = { action: 'accept', content: { answer: 3 } };
    const other = await send('tasks/update', { taskId, inputResponses: { unknown: answer } });
    expect(resultOf(other)).toMatchObject({ resultType: 'complete' });
    await send('tasks/update', { taskId, inputResponses: { deep: answer } });
    const twice = await send('tasks/update', { taskId, inputResponses: { deep: answer } });
    expect(codeOf(twice)).toBeUndefined();
    expect(await until(send, task, 'completed')).toMatchObject({
      result: { structuredContent: { result: { deep: 3 } } },
    });
  });

  it('that declares none sees nothing of tasks', async () => {
    const send = open();
    const found = resultOf(await send('server/discover', {}, {}));
    expect(JSON.stringify(found['capabilities'])).not.toContain(TASKS);
    const plain = await give(send, 'dig', {});
    expect(plain).toMatchObject({
      resultType: 'complete',
      structuredContent: { taskId: plain['taskId'] },
    });
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
      expect(codeOf(await send(method, { taskId: plain['taskId'] ?? '' }, {}))).toBe(-32_021);
    }
    const listen = { notifications: { taskIds: [plain['taskId'] ?? ''] } };
    expect(codeOf(await send('subscriptions/listen', listen, {}))).toBe(-32_021);
  });
});

it('is nobody else’s, and an id that is none is invalid', async () => {
  const mine = await give(overHttp(key), 'wait');
  const { taskId = '' } = mine;
  const other = overHttp(otherKey);
  for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
    const given = { taskId, inputResponses: {} };
    expect(codeOf(await other(method, given))).toBe(-32_602);
  }
  expect(codeOf(await overHttp(key)('tasks/get', { taskId: 'task_1790000000000_abc' }))).toBe(
    -32_602,
  );
  // Another session of the same client goes on with it.
  expect(resultOf(await overHttp(key)('tasks/get', { taskId }))).toMatchObject({
    status: 'working',
  });
  await overHttp(key)('tasks/cancel', { taskId });
});

it('is told of to whoever listens, whole, at each change', async () => {
  const send = overHttp(key);
  const task = await give(send, 'ask');
  const { taskId = '' } = task;
  const params = { notifications: { taskIds: [taskId, 'not-one-of-ours'] } };
  const abort = new AbortController();
  const answer = await fetch(node.status().endpoints.url ?? '', {
    method: 'POST',
    signal: abort.signal,
    headers: headersOf('subscriptions/listen', {}, key),
    body: JSON.stringify(requestOf('subscriptions/listen', params, DECLARES)),
  });
  const heard: JsonObject[] = [];
  const statuses = (): unknown[] =>
    heard
      .filter(({ method }) => method === 'notifications/tasks')
      .map((one) => (one['params'] as JsonObject)['status']);
  const decoder = new TextDecoder();
  let rest = '';
  let isAnswered = false;
  for await (const chunk of answer.body ?? []) {
    const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('data: {')) heard.push(JSON.parse(line.slice(6)) as JsonObject);
    }
    if (statuses().includes('input_required') && !isAnswered) {
      isAnswered = true;
      const said = { action: 'accept', content: { answer: 5 } };
      await send('tasks/update', { taskId, inputResponses: { deep: said } });
    }
    if (statuses().includes('completed')) break;
  }
  abort.abort();
  expect(heard[0]).toMatchObject({
    method: 'notifications/subscriptions/acknowledged',
    params: { notifications: { taskIds: [taskId] } },
  });
  expect(heard.at(-1)?.['params']).toMatchObject({
    taskId,
    status: 'completed',
    result: { structuredContent: { result: { deep: 5 } } },
  });
});

describe('a call of a tool at a peer', () => {
  const SERVER = resolve(import.meta.dirname, '../../fixtures/servers/tasks.mjs');
  const RESEARCH = 'bob__everything__simulate-research-query';
  let scoped: string;

  beforeAll(async () => {
    const { operator: ofBob } = await nodes.start({
      name: 'bob',
      open: 'mcp-tasks',
      bootstrap: [...node.status().addresses],
      log: { level: 'silent' },
      mcpServers: {
        site: { command: process.execPath, args: [SERVER] },
        everything: SERVERS.everything(),
      },
    });
    await vi.waitUntil(
      async () => (await peersOf(ofBob)).some(({ state }) => state === 'alive'),
      WAIT,
    );
    await ofBob.builtin('grant_create', { peer: 'alice', tools: ['site/*', 'everything/*'] });
    scoped = await makeKey(operator, 'cyd', ['tool:@bob/site/*', 'tool:@bob/everything/*']);
    await vi.waitUntil(async () => {
      const text = JSON.stringify(resultOf(await overHttp(scoped)('tools/list', {})));
      return text.includes('bob__site__dig_as_task') && text.includes(RESEARCH);
    }, WAIT);
  });

  it('that takes long is a task, which the client finds again by another connection', async () => {
    const task = resultOf(
      await overHttp(scoped)('tools/call', {
        name: 'bob__site__dig',
        arguments: { ms: 3500 },
      }),
    );
    expect(task).toMatchObject({ resultType: 'task', status: 'working' });
    const { taskId = '' } = task;
    expect(codeOf(await overHttp(otherKey)('tasks/get', { taskId }))).toBe(-32_602);
    await expect
      .poll(async () => resultOf(await overHttp(scoped)('tasks/get', { taskId })), WAIT)
      .toMatchObject({ taskId, status: 'completed', result: { content: [{ text: 'a hole' }] } });
  });

  it('of which the server makes a task is that task, and asks what the server asks', async () => {
    const send = overHttp(scoped);
    const params = { name: 'bob__site__dig_as_task', arguments: {} };
    const task = resultOf(await send('tools/call', params));
    expect(task).toMatchObject({ resultType: 'task', ttlMs: 60_000 });
    const { taskId = '' } = task;
    expect(taskId).toMatch(/^call_/);
    expect(resultOf(await send('tasks/get', { taskId }))).toMatchObject({
      taskId,
      status: 'input_required',
      inputRequests: { deep: { method: 'elicitation/create' } },
    });
    expect(codeOf(await send('tasks/get', { taskId: 'the-one' }))).toBe(-32_602);
    const inputResponses = { deep: { action: 'accept', content: { deep: 7 } } };
    await send('tasks/update', { taskId, inputResponses });
    expect(resultOf(await send('tasks/get', { taskId }))).toMatchObject({
      taskId,
      status: 'completed',
      result: { content: [{ text: 'dug 7' }] },
    });
  });

  it('of a tool that its server, of the era before, does as a task only is one as well', async () => {
    const send = overHttp(scoped);
    const params = { name: RESEARCH, arguments: { topic: 'digging', ambiguous: true } };
    const task = resultOf(await send('tools/call', params));
    expect(task).toMatchObject({ resultType: 'task' });
    const { taskId = '' } = task;
    const shown = async (): Promise<JsonObject> => resultOf(await send('tasks/get', { taskId }));
    await expect.poll(shown, WAIT).toMatchObject({ status: 'input_required' });
    const asked = Object.keys((await shown())['inputRequests'] as JsonObject);
    const said = { action: 'accept', content: { interpretation: 'technical' } };
    await send('tasks/update', {
      taskId,
      inputResponses: Object.fromEntries(asked.map((key) => [key, said])),
    });
    await expect.poll(shown, WAIT).toMatchObject({ status: 'completed' });
    expect(JSON.stringify(await shown())).toContain('digging (technical)');
  });
});
