/** A program's way to the messages of its agent: one handler that hangs, or takes long, keeps none of the others back. */
import { afterEach, expect, it } from 'vitest';
import { AgentClient } from '../../../src/agents/index.ts';
import type { AgentCall, MessageHandler } from '../../../src/agents/index.ts';
import type { Json, JsonObject } from '../../../src/core/index.ts';
import { client, makeWorld } from '../world.ts';
import type { TestNode, TestWorld } from '../world.ts';

let world: TestWorld;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await world.stop();
});

async function bob(): Promise<TestNode> {
  world = await makeWorld('bob');
  const node = world.nodes['bob'];
  if (node === undefined) throw new Error('no node');
  return node;
}

interface Program {
  readonly client: AgentClient;
  readonly errors: unknown[];
  /** Arguments of its looks into the inbox. */
  readonly looks: JsonObject[];
  readonly close: () => Promise<void>;
}

/** A program that is the agent `worker`. */
async function program(
  node: TestNode,
  handlers: Partial<Record<'command' | 'query', MessageHandler>>,
  { places = 2, timeoutMs = 300_000 } = {},
): Promise<Program> {
  const errors: unknown[] = [];
  const looks: JsonObject[] = [];
  const call: AgentCall = (tool, args, { signal }) => {
    if (tool === 'agent_inbox') looks.push(args);
    return node.call(client('program'), tool, args, signal);
  };
  const made = new AgentClient({
    call,
    clock: world.clock,
    onError: (error) => errors.push(error),
  });
  for (const [type, handler] of Object.entries(handlers)) {
    made.registerMessageHandler(type as 'command', handler, { timeoutMs });
  }
  await made.announceAgent({ name: 'worker', maxConcurrentTasks: places });
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    closed ??= made.close();
    await settle();
    // What hangs is waited for no longer than that.
    world.clock.advance(10_000);
    await closed;
  };
  closing.push(close);
  return { client: made, errors, looks, close };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 400; turn += 1) await new Promise((next) => setImmediate(next));
}

async function send(node: TestNode, message: Json, more: JsonObject = {}): Promise<JsonObject> {
  return node.call(client('caller'), 'agent_message', { agentId: 'worker', message, ...more });
}

async function sendAll(node: TestNode, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += 1) await send(node, at);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at);
const hang = (): Promise<never> => new Promise(() => undefined);

it('300 messages behind one whose handler hangs are dealt with in order, none twice and none lost, whoever starts again meanwhile', async () => {
  const node = await bob();
  const heard: Json[] = [];
  const hung: Json[] = [];
  const handlers: { command: MessageHandler } = {
    command: ({ message }) => {
      if (message !== 'hang') return void heard.push(message);
      hung.push(message);
      return hang();
    },
  };
  const first = await program(node, handlers);
  await send(node, 'hang');
  await sendAll(node, 0, 100);
  await settle();
  expect(heard).toEqual(upTo(100));
  await first.close();

  const second = await program(node, handlers);
  await sendAll(node, 100, 200);
  await settle();
  expect(heard).toEqual(upTo(200));
  await node.restart();
  await second.close();

  await program(node, handlers);
  await sendAll(node, 200, 300);
  await settle();
  expect(heard).toEqual(upTo(300));
  // Nobody has dealt with it: it is given to each program anew.
  expect(hung).toEqual(['hang', 'hang', 'hang']);
  const info = await node.call(client('caller'), 'agent_info', { agentId: 'worker' });
  expect(info).toMatchObject({ busy: 1, tasksProcessed: 100 });
});

it('a handler that takes too long is given up: it is told, its query fails, and its place is free', async () => {
  const node = await bob();
  const signals: AbortSignal[] = [];
  const heard: Json[] = [];
  const slow: MessageHandler = ({ message }, { signal }) => {
    heard.push(message);
    signals.push(signal);
    return message === 'hang' ? hang() : 'done';
  };
  const { errors } = await program(
    node,
    { command: slow, query: slow },
    { places: 1, timeoutMs: 60_000 },
  );
  await send(node, 'hang');
  const asked = send(node, 'hang', { type: 'query', timeoutMs: 300_000 });
  const refused = expect(asked).rejects.toMatchObject({
    code: 'STARLING_AGENT_FAILED',
    message: 'agent worker: no end of the handler within 60000 ms',
  });
  const last = send(node, 'last', { type: 'query', timeoutMs: 300_000 });
  await settle();
  expect(heard).toEqual(['hang']);
  for (let turn = 0; turn < 2; turn += 1) {
    world.clock.advance(60_000);
    await settle();
  }
  await refused;
  await expect(last).resolves.toMatchObject({ response: 'done' });
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, false]);
  expect(errors).toMatchObject([{ code: 'STARLING_TIMEOUT' }, { code: 'STARLING_TIMEOUT' }]);
});

it('no more handlers run at a time than the agent has places', async () => {
  const node = await bob();
  const ends: (() => void)[] = [];
  const heard: Json[] = [];
  await program(node, {
    command: ({ message }) => {
      heard.push(message);
      return new Promise<void>((end) => ends.push(end));
    },
  });
  await sendAll(node, 0, 5);
  await settle();
  expect(heard).toEqual([0, 1]);
  ends[1]?.();
  await settle();
  expect(heard).toEqual([0, 1, 2]);
  for (let at = 0; at < 5; at += 1) {
    ends[at]?.();
    await settle();
  }
  expect(heard).toEqual(upTo(5));
});

it('a program with one place says by its next look what it has done, and by no other call', async () => {
  const node = await bob();
  const heard: Json[] = [];
  const { looks } = await program(
    node,
    { command: ({ message }) => void heard.push(message) },
    { places: 1 },
  );
  await sendAll(node, 0, 20);
  await settle();
  expect(heard).toEqual(upTo(20));
  expect(looks.length).toBeLessThanOrEqual(22);
  expect(looks.every(({ done }) => done === undefined)).toBe(true);
});

it('what was dealt with behind a message that hangs is kept within the bound of the history', async () => {
  const node = await bob();
  await program(node, { command: ({ message }) => (message === 'hang' ? hang() : undefined) });
  await send(node, 'hang');
  for (let at = 0; at < 3; at += 1) {
    await sendAll(node, at * 100, (at + 1) * 100);
    await settle();
  }
  const rows = [...node.rows.keys()];
  expect(rows.filter((key) => key.startsWith('mail/')).length).toBeLessThanOrEqual(251);
  expect(rows.filter((key) => key.startsWith('done/')).length).toBeLessThanOrEqual(250);
  const history = await node.call<{ messages: { message: Json }[] }>(
    client('program'),
    'agent_inbox',
    { name: 'worker', history: true, limit: 100 },
  );
  expect(history.messages.map(({ message }) => message)).toEqual(upTo(300).slice(200));
});

it('who stops or retires an agent leaves nothing of what was dealt with behind one that hangs', async () => {
  const node = await bob();
  const { close } = await program(node, {
    command: ({ message }) => (message === 'hang' ? hang() : undefined),
  });
  await send(node, 'hang');
  await sendAll(node, 0, 3);
  await settle();
  expect([...node.rows.keys()].filter((key) => key.startsWith('done/'))).toHaveLength(3);
  await close();
  await node.call(client('program'), 'agent_retire', { agentId: 'worker' });
  expect([...node.rows.keys()]).toEqual([]);
});
