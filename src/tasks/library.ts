/** Tasks of the program that holds the node: an agent that does them, and the giving of one. */
import { StarlingError, createScope, isObject, sleep } from '../core/index.ts';
import type { Clock, Json, JsonObject, Scope } from '../core/index.ts';
import { createNodeAgent } from '../agents/index.ts';
import type {
  AgentCall,
  AgentMessage,
  MessageHandler,
  MessageType,
  NodeAgent,
  NodeAgentInit,
} from '../agents/index.ts';
import { BATCH_MAX, DEADLINE_MAX_MS, TASK_WAIT_MAX_S } from './limits.ts';
import type { RetryPolicy, TaskPriority, TaskResult } from './types.ts';

/** What a handler knows of its task. */
export interface TaskContext {
  readonly id: string;
  /** Of this attempt; higher than that of any before. */
  readonly token: number;
  /** The same for all attempts: whoever keeps it by what was done does nothing twice. */
  readonly idempotencyKey: string;
  /** Aborted when nobody waits for the result any more. */
  readonly signal: AbortSignal;
  /** What goes along with the input. */
  readonly message: AgentMessage;
  /**
   * Asks whoever has submitted the task, and waits for the answer, while the time of the task stands still; `key` names the
   * question, which is asked once, however often the task is begun. @throws STARLING_AGENT_FAILED where nobody waits any more
   */
  readonly ask: (key: string, message: string, schema?: JsonObject) => Promise<Json>;
  /** Tells how far it is, from 0 to 1. */
  readonly progress: (part?: number, text?: string) => Promise<void>;
}

/** Does a task: what it gives is the result, what it throws the failure. */
export type TaskHandler = (input: Json, task: TaskContext) => unknown;

/** An agent in the node's own process that does tasks. */
export interface TaskAgent extends NodeAgent {
  onMessage(
    type: MessageType,
    handler: MessageHandler,
    how?: { readonly timeoutMs?: number },
  ): TaskAgent;
  /** Has `handler` do the tasks of a capability, which the agent has from then on; or of a queue, `tasks.<name>`, or `tasks.*`. */
  onTask(capability: string, handler: TaskHandler): TaskAgent;
}

/** How a task is given. */
export interface TaskOptions {
  readonly priority?: TaskPriority;
  readonly retryPolicy?: RetryPolicy;
  readonly tags?: readonly string[];
  readonly prefer?: string;
  /** When it ends as expired; default a day. */
  readonly timeoutMs?: number;
  readonly attemptMs?: number;
  /** `mesh`: other nodes go on with it when this one is gone. */
  readonly durable?: 'mesh';
  /** The caller's own id: the same one twice is one task. */
  readonly id?: string;
}

/** A program that does a task says so after this first: what is small is done by then, */
const TELL_FIRST_MS = 1000;
/** and then each time that it has waited so long for the word to stop. */
const TELL_S = 5;
const CALL_MS = 10_000;
/** As long as a task may be there. */
const ASK_MS = DEADLINE_MAX_MS;
const WAY_MS = 15_000;
/** How long the disk, or the nodes that keep durable tasks, may take to have as many. */
const BATCH_MS = 60_000;

/** Makes an agent over `call`; `onError` hears what handlers throw. */
export function createTaskAgent(
  call: AgentCall,
  init: NodeAgentInit,
  { clock, onError }: { readonly clock: Clock; readonly onError: (error: unknown) => void },
): TaskAgent {
  const agent = createNodeAgent(call, init, onError);
  const handlers = new Map<string, TaskHandler>();
  let others: MessageHandler | undefined;
  let capabilities = init.capabilities ?? [];
  let announced = agent.announced;
  const deal: MessageHandler = (message, context) => {
    const handler = isTask(message) ? handlerFor(handlers, message) : undefined;
    if (handler !== undefined) return doTask(handler, { message, call, clock });
    if (others !== undefined) return others(message, context);
    throw new Error('it takes no queries, and no tasks of this capability');
  };
  const made: TaskAgent = {
    client: agent.client,
    get announced() {
      return announced;
    },
    close: () => agent.close(),
    onMessage(type, handler, how) {
      if (type !== 'query' || handlers.size === 0) agent.onMessage(type, handler, how);
      if (type === 'query') others = handler;
      return made;
    },
    onTask(capability, handler) {
      handlers.set(capability, handler);
      // A task has a deadline of its own, which its node holds it to.
      agent.onMessage('query', deal, { timeoutMs: DEADLINE_MAX_MS });
      if (capabilities.includes(capability)) return made;
      capabilities = [...capabilities, capability];
      const { concurrency: _, ...said } = init;
      const again = { ...said, capabilities };
      announced = announced.then(() => agent.client.announceAgent(again));
      announced.catch(onError);
      return made;
    },
  };
  return made;
}

/** Gives a task and waits for its result. @throws STARLING_AGENT_FAILED with how it ended, STARLING_LIMIT_EXCEEDED, … */
export async function giveTask(
  call: AgentCall,
  { capability, input }: { readonly capability: string; readonly input: Json },
  options: TaskOptions,
): Promise<Json> {
  const given = JSON.parse(JSON.stringify(options)) as JsonObject;
  const { signal } = new AbortController();
  const args = { ...given, capability, input };
  let task = (await call('agent_task', args, {
    signal,
    timeoutMs: CALL_MS,
  })) as unknown as TaskResult;
  if (task.endedAt === undefined) task = await endOf(call, task.taskId, signal);
  if (task.status === 'done') return task.result ?? null;
  const { error, status, taskId } = task;
  throw new StarlingError(
    'STARLING_AGENT_FAILED',
    `task ${taskId} is ${status}${error === undefined ? '' : `: ${error.message}`}`,
    {
      hint: `see what became of it: starling task info ${taskId}`,
      data: { taskId, reason: error?.reason ?? status },
    },
  );
}

/**
 * Gives many tasks, {@link BATCH_MAX} in a message, and waits for all; what came of each, in the order of the inputs, also
 * where it was not done. @throws STARLING_LIMIT_EXCEEDED, …
 */
export async function giveTasks(
  call: AgentCall,
  { capability, inputs }: { readonly capability: string; readonly inputs: readonly Json[] },
  options: TaskOptions,
): Promise<readonly TaskResult[]> {
  const { id, ...rest } = JSON.parse(JSON.stringify(options)) as JsonObject;
  const { signal } = new AbortController();
  const results: TaskResult[] = [];
  for (let from = 0; from < inputs.length; from += BATCH_MAX) {
    const own = id === undefined ? {} : { id: `${String(id)}/${from}` };
    const args = { ...rest, ...own, capability, inputs: inputs.slice(from, from + BATCH_MAX) };
    const given = await call('agent_task', args, { signal, timeoutMs: BATCH_MS });
    for (const taskId of given['taskIds'] as readonly string[]) {
      results.push(await endOf(call, taskId, signal));
    }
  }
  return results;
}

async function endOf(call: AgentCall, taskId: string, signal: AbortSignal): Promise<TaskResult> {
  const timeoutMs = TASK_WAIT_MAX_S * 1000 + WAY_MS;
  for (;;) {
    const wait = { taskId, timeout_s: TASK_WAIT_MAX_S };
    const task = (await call('task_result', wait, { signal, timeoutMs })) as unknown as TaskResult;
    if (task.endedAt !== undefined) return task;
  }
}

function isTask({ metadata }: AgentMessage): boolean {
  return isObject(metadata['task']);
}

function handlerFor(
  handlers: ReadonlyMap<string, TaskHandler>,
  { metadata }: AgentMessage,
): TaskHandler | undefined {
  const { capability } = metadata;
  // A task for this agent by its name says no capability.
  if (typeof capability !== 'string') return [...handlers.values()][0];
  const [name = ''] = capability.split('@');
  const all = [...handlers].find(([own]) => own.split('@')[0] === name)?.[1];
  const queue = name.startsWith('tasks.') ? handlers.get('tasks.*') : undefined;
  return handlers.get(capability) ?? all ?? queue;
}

/** While the handler works, the node is told so; where nobody waits any more, the handler's signal is aborted. */
async function doTask(
  handler: TaskHandler,
  { message, call, clock }: { message: AgentMessage; call: AgentCall; clock: Clock },
): Promise<unknown> {
  const { id, token, idempotencyKey, answers } = message.metadata['task'] as JsonObject;
  const scope = createScope(clock, () => undefined);
  const name = { taskId: String(id), token: Number(token) };
  const tell = async (part?: number, text?: string, waitS?: number): Promise<void> => {
    const said = {
      ...(part === undefined ? {} : { progress: part }),
      ...(text === undefined ? {} : { message: text }),
      ...(waitS === undefined ? {} : { timeout_s: waitS }),
    };
    const timeoutMs = (waitS ?? 0) * 1000 + CALL_MS;
    const options = { signal: scope.signal, timeoutMs };
    const { wanted } = await call('task_progress', { ...name, ...said }, options);
    if (wanted === false) scope.close();
  };
  const ask = async (key: string, text: string, schema?: JsonObject): Promise<Json> => {
    const known = isObject(answers) ? answers[key] : undefined;
    if (known !== undefined) return known;
    const asked = { ...name, key, message: text, ...(schema === undefined ? {} : { schema }) };
    const options = { signal: scope.signal, timeoutMs: ASK_MS };
    return (await call('task_ask', asked, options))['answer'] ?? null;
  };
  const handle = async (): Promise<unknown> => {
    try {
      return await handler(message.message, {
        id: name.taskId,
        token: name.token,
        idempotencyKey: String(idempotencyKey),
        signal: scope.signal,
        message,
        ask,
        progress: (part, text) => tell(part, text),
      });
    } finally {
      scope.close();
    }
  };
  return new Promise((resolve, reject) => {
    // The result does not wait for the last word to the node.
    heed(scope, clock, () => tell(undefined, undefined, TELL_S)).catch(reject);
    handle().then(resolve, reject);
  });
}

/** Says again and again that the work goes on, until it does not. Never rejects: what did not come through is said again. */
async function heed(scope: Scope, clock: Clock, tell: () => Promise<void>): Promise<void> {
  for (let pauseMs = TELL_FIRST_MS; await sleep(scope, pauseMs);) {
    const at = clock.now();
    const isTold = await tell().then(
      () => true,
      () => false,
    );
    // A node that does not wait is told no more often for that.
    pauseMs = isTold && clock.now() - at >= TELL_S * 500 ? 0 : TELL_S * 1000;
  }
}
