/**
 * Calls that are tasks to their clients (SEP-2663, and tasks of MCP 2025-11-25): those that take long, which the node goes on
 * with by itself, and those of which a server makes tasks.
 */
import { describe, expect, it } from 'vitest';
import type { Principal } from '../../../src/guard/index.ts';
import { call, benchOf, start } from '../support/session-bench.ts';
import type { SessionBench, Message } from '../support/session-bench.ts';

const EXTENSION = 'io.modelcontextprotocol/tasks';
const RELATED = 'io.modelcontextprotocol/related-task';
const DECLARES = { extensions: { [EXTENSION]: {} }, elicitation: {} };
const NOT_SOON_MS = 2000;
const BOB: Principal = { kind: 'client', name: 'bob', scopes: ['tool:*'] };

const metaOf = (capabilities: object): object => ({
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': capabilities,
  'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
});
const modern = (id: number, method: string, params: object = {}, declared: object = DECLARES) => ({
  id,
  method,
  params: { ...params, _meta: metaOf(declared) },
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const lastId = (bench: SessionBench): unknown => bench.sent.at(-1)?.['id'];
const resultOf = ([answer]: readonly Message[]): Message => answer?.['result'] as Message;
const codeOf = ([answer]: readonly Message[]): unknown =>
  (answer?.['error'] as Message | undefined)?.['code'];

/** A session of the same node, for whoever comes again, or for somebody else. */
const nextBench = ({ callTasks, clock }: SessionBench, principal?: Principal): SessionBench =>
  benchOf({ callTasks, clock, ...(principal === undefined ? {} : { principal }) });

/** Makes a call, and waits until it is a task. */
async function longCall(
  bench: SessionBench,
  id = 1,
): Promise<{ taskId: string; heard: Message[] }> {
  const heard = bench.ask(modern(id, 'tools/call', { name: 'dig', arguments: {} }));
  await bench.clock.advance(NOT_SOON_MS);
  await turn();
  const { taskId } = resultOf(heard) as { taskId: string };
  return { taskId, heard };
}

async function get(bench: SessionBench, taskId: string, id = 90): Promise<Message> {
  const heard = bench.ask(modern(id, 'tasks/get', { taskId }));
  await turn();
  return resultOf(heard) ?? heard[0];
}

describe('a call of a client that declares tasks', () => {
  it('is answered as ever where its server is quick', async () => {
    const bench = benchOf();
    const heard = bench.ask(modern(1, 'tools/call', { name: 'dig' }));
    bench.answer({ id: lastId(bench), result: { resultType: 'complete', content: [] } });
    await bench.clock.advance(NOT_SOON_MS);
    expect(heard).toMatchObject([{ id: 1, result: { content: [] } }]);
  });

  it('is a task once it takes long, and its result is that of the server, byte by byte', async () => {
    const bench = benchOf();
    const { taskId, heard } = await longCall(bench);
    expect(heard).toMatchObject([
      { id: 1, result: { resultType: 'task', status: 'working', ttlMs: 86_400_000 } },
    ]);
    expect(await get(bench, taskId)).toMatchObject({ resultType: 'complete', status: 'working' });
    const head = `{"jsonrpc":"2.0","id":${String(lastId(bench))},"result":`;
    bench.receiveFrom(`${head}{"content":[],"structuredContent":{"n":12345678901234567890}}}`);
    await turn();
    const shown = await bench.callTasks.find(taskId, 'operator')?.shown();
    expect(shown).toContain('"n":12345678901234567890');
    expect(await get(bench, taskId)).toMatchObject({
      status: 'completed',
      result: { content: [] },
    });
    expect(heard).toHaveLength(1);
    expect(bench.session.inFlight).toBe(0);
  });

  it('goes on when its client is gone, and is found by whoever has made it and by nobody else', async () => {
    const bench = benchOf();
    const { taskId } = await longCall(bench);
    bench.session.end();
    expect(bench.closed).toBe(false);
    expect(bench.sent.filter(({ method }) => method === 'notifications/cancelled')).toEqual([]);
    const other = nextBench(bench, BOB);
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
      expect(codeOf(other.ask(modern(1, method, { taskId })))).toBe(-32_602);
    }
    const [dug] = bench.sent.filter(({ method }) => method === 'tools/call');
    bench.answer({ id: dug?.['id'], result: { content: [{ type: 'text', text: 'deep' }] } });
    await turn();
    expect(bench.closed).toBe(true);
    expect(await get(nextBench(bench), taskId)).toMatchObject({
      status: 'completed',
      result: { content: [{ text: 'deep' }] },
    });
  });

  it('is not given up with a request of its client that is answered already', async () => {
    const bench = benchOf();
    const { taskId } = await longCall(bench);
    bench.ask({ method: 'notifications/cancelled', params: { requestId: 1 } });
    expect(await get(bench, taskId)).toMatchObject({ status: 'working' });
    // Nor is its id taken.
    const again = bench.ask(modern(1, 'tools/call', { name: 'dig' }));
    bench.answer({ id: lastId(bench), result: { content: [] } });
    expect(again).toMatchObject([{ id: 1, result: { content: [] } }]);
  });

  it('ends when its client cancels the task; what comes later changes nothing', async () => {
    const bench = benchOf();
    const { taskId } = await longCall(bench);
    const id = lastId(bench);
    expect(resultOf(bench.ask(modern(2, 'tasks/cancel', { taskId })))).toBeUndefined();
    await turn();
    expect(bench.sent.at(-1)).toMatchObject({
      method: 'notifications/cancelled',
      params: { requestId: id },
    });
    bench.answer({ id, result: { content: [] } });
    await turn();
    expect(await get(bench, taskId)).toMatchObject({ status: 'cancelled' });
    const late = bench.ask(modern(3, 'tasks/cancel', { taskId }));
    await turn();
    expect(resultOf(late)).toEqual({ resultType: 'complete' });
  });

  it('is failed where the server has an error, with that error', async () => {
    const bench = benchOf();
    const { taskId } = await longCall(bench);
    bench.answer({ id: lastId(bench), error: { code: -32_000, message: 'stone', data: { a: 1 } } });
    await turn();
    expect(await get(bench, taskId)).toMatchObject({
      status: 'failed',
      error: { code: -32_000, message: 'stone', data: { a: 1 } },
    });
  });

  it('asks for input by its task, and goes on with the answer', async () => {
    const bench = benchOf();
    const { taskId } = await longCall(bench);
    const form = { method: 'elicitation/create', params: { mode: 'form', message: 'How deep?' } };
    const asks = {
      resultType: 'input_required',
      requestState: 's1',
      inputRequests: { deep: form },
    };
    bench.answer({ id: lastId(bench), result: asks });
    await turn();
    expect(await get(bench, taskId)).toMatchObject({
      status: 'input_required',
      inputRequests: { deep: form },
    });
    const inputResponses = { deep: { action: 'accept', content: { answer: 3 } } };
    bench.ask(modern(2, 'tasks/update', { taskId, inputResponses }));
    await turn();
    expect(bench.sent.at(-1)).toMatchObject({
      method: 'tools/call',
      params: { name: 'far_dig', requestState: 's1', inputResponses },
    });
    // Answered twice, it is sent once.
    const sent = bench.sent.length;
    bench.ask(modern(3, 'tasks/update', { taskId, inputResponses }));
    await turn();
    expect(bench.sent).toHaveLength(sent);
    bench.answer({ id: lastId(bench), result: { content: [] } });
    await turn();
    expect(await get(bench, taskId)).toMatchObject({ status: 'completed' });
  });

  it('ends when its caller may not make it any more, and then shows nothing', async () => {
    const bench = benchOf();
    const { taskId } = await longCall(bench);
    bench.session.end();
    bench.allow = false;
    bench.callTasks.recheck();
    await turn();
    expect(bench.sent.at(-1)).toMatchObject({ method: 'notifications/cancelled' });
    const again = nextBench(bench);
    expect(await get(again, taskId)).toMatchObject({
      status: 'failed',
      error: { data: { code: 'STARLING_CALL_REFUSED' } },
    });
    again.allow = false;
    expect(codeOf(again.ask(modern(1, 'tasks/get', { taskId })))).toBe(-32_003);
  });

  it('says how far it is, and tells whoever listens of each change', async () => {
    const bench = benchOf();
    const heard = bench.ask(modern(1, 'tools/call', { name: 'dig', _meta: {} }));
    await bench.clock.advance(NOT_SOON_MS);
    await turn();
    const { taskId } = resultOf(heard) as { taskId: string };
    const told = bench.ask(
      modern(2, 'subscriptions/listen', { notifications: { taskIds: [taskId, 'call_none'] } }),
    );
    await turn();
    expect(told).toMatchObject([
      { params: { notifications: { taskIds: [taskId] } } },
      { method: 'notifications/tasks', params: { taskId, status: 'working' } },
    ]);
    const [dug] = bench.sent.filter(({ method }) => method === 'tools/call');
    bench.answer({ id: dug?.['id'], result: { content: [] } });
    await turn();
    await turn();
    expect(told.at(-1)).toMatchObject({
      method: 'notifications/tasks',
      params: { taskId, status: 'completed', result: { content: [] } },
    });
  });

  it('sees nothing of tasks where it does not declare them', async () => {
    const bench = benchOf();
    const { taskId } = await longCall(bench);
    const plain = bench.ask(modern(5, 'tools/call', { name: 'dig' }, {}));
    await bench.clock.advance(NOT_SOON_MS * 2);
    await turn();
    expect(plain).toEqual([]);
    expect(codeOf(bench.ask(modern(6, 'tasks/get', { taskId }, {})))).toBe(-32_021);
  });
});

describe('a task that a server has made of a call', () => {
  const made = { resultType: 'task', taskId: 'one', status: 'working', ttlMs: 1000 };

  async function carried(bench: SessionBench, task: object = made): Promise<string> {
    const heard = bench.ask(modern(1, 'tools/call', { name: 'dig' }));
    bench.answer({ id: lastId(bench), result: task });
    await turn();
    const { taskId } = resultOf(heard) as { taskId: string };
    return taskId;
  }

  it('has an id of the node, by which it is asked for at its server', async () => {
    const bench = benchOf();
    const taskId = await carried(bench);
    expect(taskId).toMatch(/^call_\d{13}_[0-9a-f]{30}$/);
    const again = nextBench(bench);
    const heard = again.ask(modern(7, 'tasks/get', { taskId }));
    expect(again.sent.at(-1)).toMatchObject({ method: 'tasks/get', params: { taskId: 'one' } });
    // What the tool itself says of a task of that name is its own.
    const result = { structuredContent: { taskId: 'one', task: { taskId: 'one' } } };
    const done = { resultType: 'complete', taskId: 'one', status: 'completed', result };
    again.answer({ id: lastId(again), result: done });
    expect(heard).toMatchObject([{ id: 7, result: { ...done, taskId } }]);
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
      const other = nextBench(bench, BOB);
      expect(codeOf(other.ask(modern(1, method, { taskId })))).toBe(-32_602);
      // Nor does the server's own id lead anywhere.
      expect(codeOf(again.ask(modern(8, method, { taskId: 'one' })))).toBe(-32_602);
      expect(other.sent).toEqual([]);
    }
  });

  it('is another one at another server of the same name for it', async () => {
    const bench = benchOf();
    const one = await carried(bench);
    const other = nextBench(bench);
    other.servers = ['y'];
    const two = await carried(other);
    expect(two).not.toBe(one);
    other.ask(modern(2, 'tasks/cancel', { taskId: two }));
    expect(other.sent.at(-1)).toMatchObject({ method: 'tasks/cancel', params: { taskId: 'one' } });
    expect(bench.callTasks.find(one, 'operator')?.target()).toEqual({ server: 'x' });
    expect(bench.callTasks.find(two, 'operator')?.target()).toEqual({ server: 'y' });
  });

  it('takes the place of the task of the node where it comes late', async () => {
    const bench = benchOf();
    const { taskId } = await longCall(bench);
    bench.answer({ id: lastId(bench), result: made });
    await turn();
    expect(bench.session.inFlight).toBe(0);
    bench.ask(modern(2, 'tasks/get', { taskId }));
    expect(bench.sent.at(-1)).toMatchObject({ method: 'tasks/get', params: { taskId: 'one' } });
  });

  it('ends the call of a client that does not declare tasks, and one without a fit id', async () => {
    const bench = benchOf();
    for (const [declared, task] of [
      [{}, made],
      [DECLARES, { ...made, taskId: 7 }],
      [DECLARES, { ...made, taskId: 'x'.repeat(2000) }],
    ] as const) {
      const heard = bench.ask(modern(1, 'tools/call', { name: 'dig' }, declared));
      bench.answer({ id: lastId(bench), result: task });
      await turn();
      expect(heard).toMatchObject([{ error: { data: { code: 'STARLING_UPSTREAM_INVALID' } } }]);
    }
  });

  it('is asked for while somebody listens, as often as its server says, and no longer', async () => {
    const bench = benchOf();
    const taskId = await carried(bench, { ...made, pollIntervalMs: 3000 });
    const told = bench.ask(
      modern(2, 'subscriptions/listen', { notifications: { taskIds: [taskId] } }),
    );
    await turn();
    const asked = (): number => bench.sent.filter(({ method }) => method === 'tasks/get').length;
    expect(asked()).toBe(1);
    bench.answer({ id: lastId(bench), result: { ...made, resultType: 'complete' } });
    await turn();
    await bench.clock.advance(2000);
    expect(asked()).toBe(1);
    await bench.clock.advance(1500);
    await turn();
    expect(asked()).toBe(2);
    const done = { taskId: 'one', status: 'completed', result: { content: [] } };
    bench.answer({ id: lastId(bench), result: done });
    await turn();
    expect(told.at(-1)).toMatchObject({ params: { taskId, status: 'completed' } });
    await bench.clock.advance(60_000);
    expect(asked()).toBe(2);
  });

  it('of the legacy era has an id of the node wherever it is named', async () => {
    const bench = benchOf();
    bench.ask(start());
    const heard = bench.ask(call(1, 'dig', { task: { ttl: 60_000 } }));
    const task = { taskId: 'one', status: 'working', ttl: 60_000 };
    bench.answer({ id: lastId(bench), result: { task } });
    await turn();
    const { taskId } = resultOf(heard)['task'] as { taskId: string };
    expect(taskId).toMatch(/^call_/);
    bench.answer({
      method: 'notifications/tasks/status',
      params: { ...task, statusMessage: 'digs' },
    });
    bench.answer({ method: 'notifications/tasks/status', params: { ...task, taskId: 'two' } });
    expect(bench.pushed).toMatchObject([{ params: { taskId, statusMessage: 'digs' } }]);
    const result = bench.ask({ id: 2, method: 'tasks/result', params: { taskId } });
    expect(bench.sent.at(-1)).toMatchObject({ method: 'tasks/result', params: { taskId: 'one' } });
    const _meta = { [RELATED]: { taskId: 'one' } };
    bench.answer({ id: lastId(bench), result: { content: [], _meta } });
    expect(result).toMatchObject([{ result: { _meta: { [RELATED]: { taskId } } } }]);
    const list = bench.ask({ id: 3, method: 'tasks/list', params: {} });
    await turn();
    bench.answer({ id: lastId(bench), result: { ...task, status: 'completed' } });
    await turn();
    expect(list).toMatchObject([{ result: { tasks: [{ taskId, status: 'completed' }] } }]);
    const theirs = bench.ask({ id: 4, method: 'tasks/result', params: { taskId: 'one' } });
    expect(codeOf(theirs)).toBe(-32_602);
  });
});
