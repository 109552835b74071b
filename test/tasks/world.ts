/** Nodes with agents and tasks whose roads are function calls, on a clock that a test moves. */
import { silentLogger } from '../../src/core/index.ts';
import type { Json, JsonObject } from '../../src/core/index.ts';
import { OPERATOR, attachedClient } from '../../src/guard/index.ts';
import type { Principal } from '../../src/guard/index.ts';
import { createTasks, taskTools } from '../../src/tasks/index.ts';
import type { TaskResult, Tasks } from '../../src/tasks/index.ts';
import type { AgentMessage } from '../../src/agents/index.ts';
import { makeWorld } from '../agents/world.ts';
import type { TestNode, TestWorld } from '../agents/world.ts';
import { memoryTable } from '../grants/memory-table.ts';
import { createSharedBoards } from './shared-boards.ts';
import type { SharedBoards } from './shared-boards.ts';

/** One node with tasks. */
export interface TaskNode {
  readonly node: TestNode;
  readonly rows: Map<string, Uint8Array>;
  tasks: Tasks;
  /** Ends without a word, and starts again with what is on the disk. */
  crash(): Promise<void>;
  submit(args: JsonObject, principal?: Principal): Promise<TaskResult>;
  result(id: string, principal?: Principal): Promise<TaskResult>;
}

/** Nodes with tasks that know one another; agents of each may be written to by all. */
export interface TaskWorld {
  readonly world: TestWorld;
  readonly at: Readonly<Record<string, TaskNode>>;
  /** Moves the clock by small steps until `met`. */
  until<T>(look: () => T | Promise<T>, met: (value: T) => boolean, limitMs?: number): Promise<T>;
  stop(): Promise<void>;
}

const STEP_MS = 250;

/** Makes and starts the nodes. */
export async function makeTaskWorld(...names: readonly string[]): Promise<TaskWorld> {
  const world = await makeWorld(...names);
  const at: Record<string, TaskNode> = {};
  const boards = createSharedBoards();
  for (const name of names) at[name] = await makeTaskNode(world, boards, name);
  const until = async <T>(
    look: () => T | Promise<T>,
    met: (value: T) => boolean,
    limitMs = 60_000,
  ): Promise<T> => {
    for (let passed = 0; ; passed += STEP_MS) {
      await turns();
      const value = await look();
      if (met(value)) return value;
      if (passed > limitMs) throw new Error(`not met: ${JSON.stringify(value)}`);
      world.clock.advance(STEP_MS);
    }
  };
  return {
    world,
    at,
    until,
    async stop() {
      for (const { tasks } of Object.values(at)) await tasks.stop();
      await world.stop();
    },
  };
}

/** Lets what is under way without a timer come to its end. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) await new Promise((wake) => void setImmediate(wake));
}

async function makeTaskNode(
  world: TestWorld,
  boards: SharedBoards,
  name: string,
): Promise<TaskNode> {
  const node = world.nodes[name];
  if (node === undefined) throw new Error(name);
  const table = memoryTable();
  const make = (): Tasks =>
    createTasks({
      ...node.rooms,
      table,
      blackboard: boards.at(node.rooms.self.did),
      agents: node.agents,
      principalOf: (key) =>
        key === 'operator' ? OPERATOR : attachedClient(key.replace('client:', '')),
      clock: world.clock,
      logger: silentLogger,
    });
  const made: TaskNode = {
    node,
    rows: table.rows,
    tasks: make(),
    async crash() {
      await made.tasks.stop();
      made.tasks = make();
      serve(made);
      await made.tasks.start();
    },
    submit: (args, principal = OPERATOR) => node.call(principal, 'agent_task', args),
    result: (taskId, principal = OPERATOR) => node.call(principal, 'task_result', { taskId }),
  };
  serve(made);
  await made.tasks.start();
  return made;
}

function serve({ node, tasks }: TaskNode): void {
  node.more.splice(0, node.more.length, ...taskTools({ tasks, agents: node.agents }));
}

/** A program that is an agent, and answers as it is told. */
export interface TestWorker {
  readonly seen: AgentMessage[];
  /** What it answers: undefined is nothing at all. */
  answer: (message: AgentMessage) => Json | Error | undefined;
  stop(): void;
}

/** Announces an agent with the capability `dig`, which every other node may write to. */
export async function makeWorker(
  { at, world }: Pick<TaskWorld, 'at' | 'world'>,
  where: string,
  init: JsonObject & { readonly name: string },
): Promise<TestWorker> {
  const found = at[where];
  if (found === undefined) throw new Error(where);
  const { node } = found;
  const { name } = init;
  const principal = attachedClient(`program-${name}`);
  for (const other of Object.keys(world.nodes)) node.grants.add(`${other} agent:${name}`);
  await node.call(principal, 'agent_announce', { capabilities: ['dig'], listed: true, ...init });
  const abort = new AbortController();
  const worker: TestWorker = {
    seen: [],
    answer: ({ message }) => ({ dug: message }),
    stop: () => abort.abort(),
  };
  const deal = async (message: AgentMessage): Promise<void> => {
    worker.seen.push(message);
    const answer = worker.answer(message);
    if (answer === undefined) return;
    const said =
      answer instanceof Error ? { message: null, error: answer.message } : { message: answer };
    const response = { type: 'response', inReplyTo: message.id, ...said };
    await node.call(principal, 'agent_message', response).catch(() => undefined);
  };
  const read = async (): Promise<void> => {
    let cursor: string | undefined;
    while (!abort.signal.aborted) {
      const args = { name, timeout_s: 30, ...(cursor === undefined ? {} : { cursor }) };
      const page = await node.call<{ messages: AgentMessage[]; cursor: string }>(
        principal,
        'agent_inbox',
        args,
        abort.signal,
      );
      ({ cursor } = page);
      for (const message of page.messages) await deal(message);
    }
  };
  void read().catch(() => undefined);
  return worker;
}
