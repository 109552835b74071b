/**
 * Real nodes that give tasks to one another, each with an agent that does them: its program is here, and is spoken to over
 * the socket of its node, so that a node can be killed, or cut off in a network namespace, and the histories stay.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { TaskResult, TaskView } from '../../../src/index.ts';
import { UNLIMITED } from '../../limits.ts';
import { startProcess } from '../../process.ts';
import type { NodeProcess } from '../../process.ts';
import { attachControl } from '../../scenario/control.ts';
import type { Control } from '../../scenario/control.ts';
import type { Spaces } from '../../scenario/engines/spaces.ts';
import type { Seen } from '../../task-history.ts';
import { WORK, startTaskWorker, workerOf } from '../../task-worker.ts';

const cli = fileURLToPath(new URL('./cli.js', import.meta.url));
const CALL_MS = 20_000;
/** Of many that are waited for. */
const GIVE_MS = 60_000;
const PEERS_MS = 120_000;
const LOOK_MS = 100;
/** Tasks in one list. */
const LISTED = 1000;

/** Where its nodes are, and how long their agents take. */
export interface TaskMeshInit {
  readonly root: string;
  readonly nodes: number;
  /** Hosts of their own; else all are on the loopback. */
  readonly spaces?: Spaces | undefined;
  /** How long a task takes its agent, ms. */
  serviceMs(): number;
}

/** One node, while it runs and while it does not. */
export interface TaskNode {
  readonly name: string;
  /** Undefined while it is down. */
  readonly control: Control | undefined;
  /** Of its process; undefined while it is down. */
  readonly pid: number | undefined;
  /** Calls that its agent has had, in order. */
  readonly begun: { readonly id: string; readonly at: number }[];
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** Nodes that know one another, and all that was seen of tasks there. */
export interface TaskMesh {
  readonly nodes: readonly TaskNode[];
  readonly seen: Seen[];
  /** Why tasks were not taken: what nodes said, or `gone` and `silence`; how often each. */
  readonly refusals: ReadonlyMap<string, number>;
  /** Gives a task, and says so in the history once it is acknowledged; undefined where nobody knows. */
  give(node: TaskNode, input: Readonly<Record<string, unknown>>): Promise<string | undefined>;
  /** What a node says of a task; notes how it has ended. Undefined where it says nothing. */
  look(node: TaskNode, id: string): Promise<TaskResult | undefined>;
  /** The tasks that have ended by the list of a node; none where it says nothing. */
  ended(node: TaskNode): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/** Starts the nodes, and waits until each knows all, and has granted them its agent. */
export async function startTaskMesh(init: TaskMeshInit): Promise<TaskMesh> {
  const seen: Seen[] = [];
  const refusals = new Map<string, number>();
  const names = Array.from({ length: init.nodes }, (_, at) => nameOf(at));
  const nodes: RealNode[] = [];
  const stop = async (): Promise<void> => {
    for (const node of nodes) await node.stop();
  };
  try {
    for (const name of names) {
      const node = new RealNode(name, init, seen, () => nodes[0]?.address);
      nodes.push(node);
      await node.start();
    }
    for (const node of nodes) await node.knows(names);
    for (const node of nodes) await node.grantTo(names.filter((name) => name !== node.name));
  } catch (error) {
    // Nobody else knows of them.
    await stop();
    throw error;
  }
  return {
    nodes,
    seen,
    refusals,
    async give(node, input) {
      const end = await node.control?.call(
        'starling__agent_task',
        { capability: WORK, ...input },
        CALL_MS,
      );
      const task = end?.kind === 'answer' ? (end.structured as TaskResult | undefined) : undefined;
      if (task?.taskId === undefined) {
        const why = end?.kind === 'error' ? end.text.split('\n')[0] : end?.kind;
        refusals.set(why ?? 'gone', (refusals.get(why ?? 'gone') ?? 0) + 1);
        return undefined;
      }
      seen.push({ t: 'acked', id: task.taskId });
      return task.taskId;
    },
    async look(node, taskId) {
      const end = await node.control?.call('starling__task_result', { taskId }, CALL_MS);
      if (end?.kind !== 'answer') return undefined;
      const task = end.structured as TaskResult;
      if (task.endedAt !== undefined) {
        const { result = null, status } = task;
        seen.push({ t: 'ended', id: taskId, status, result });
      }
      return task;
    },
    async ended(node) {
      const status = ['done', 'failed', 'cancelled', 'expired'];
      const end = await node.control?.call(
        'starling__task_list',
        { status, limit: LISTED },
        CALL_MS,
      );
      if (end?.kind !== 'answer') return [];
      const { tasks } = end.structured as { readonly tasks: readonly TaskView[] };
      return tasks.map(({ taskId }) => taskId);
    },
    stop,
  };
}

/** Gives tasks by the node's socket. Rejects where they are not kept. */
export async function giveOver(node: TaskNode, args: object): Promise<void> {
  const end = await node.control?.call('starling__agent_task', args, GIVE_MS);
  if (end?.kind !== 'answer') throw new Error(`a task was not taken: ${JSON.stringify(end)}`);
}

/** What the node at this place is called, and its host. */
export function nameOf(at: number): string {
  return `t${at}`;
}

class RealNode implements TaskNode {
  readonly name: string;
  readonly begun: { readonly id: string; readonly at: number }[] = [];
  address: string | undefined;
  control: Control | undefined;
  readonly #init: TaskMeshInit;
  readonly #seen: Seen[];
  readonly #first: () => string | undefined;
  #process: NodeProcess | undefined;

  constructor(name: string, init: TaskMeshInit, seen: Seen[], first: () => string | undefined) {
    this.name = name;
    this.#init = init;
    this.#seen = seen;
    this.#first = first;
  }

  get pid(): number | undefined {
    return this.#process?.child.pid;
  }

  async start(): Promise<void> {
    const { root, spaces } = this.#init;
    const first = this.#first();
    const listen =
      this.address ??
      (spaces === undefined
        ? '/ip4/127.0.0.1/tcp/0'
        : `/ip4/${spaces.address(this.name)}/tcp/4040`);
    const node = await startProcess({
      cli,
      root,
      name: this.name,
      config: {
        open: 'tasks',
        http: { enabled: false },
        limits: UNLIMITED,
        listen: [listen.replace(/\/p2p\/.*$/, '')],
        bootstrap: first === undefined || first === this.address ? [] : [first],
      },
      ...(spaces === undefined ? {} : { prefix: spaces.prefix(this.name) }),
    });
    this.#process = node;
    this.address = node.up.addresses[0];
    this.control = await attachControl(node.up.endpoints.socket);
    const control = this.control;
    await startTaskWorker(control, {
      agent: workerOf(this.name),
      seen: this.#seen,
      serviceMs: () => this.#init.serviceMs(),
      isOn: () => this.control === control,
      began: (id) => void this.begun.push({ id, at: performance.now() }),
    });
  }

  async kill(): Promise<void> {
    const control = this.control;
    this.control = undefined;
    await this.#process?.stop('SIGKILL');
    control?.close();
  }

  async stop(): Promise<void> {
    const control = this.control;
    this.control = undefined;
    control?.close();
    await this.#process?.stop();
  }

  async knows(names: readonly string[]): Promise<void> {
    const deadline = performance.now() + PEERS_MS;
    const others = names.length - 1;
    for (;;) {
      const said = await this.control?.builtin<{
        readonly peers: readonly { readonly state: string }[];
      }>('peers');
      if (said?.peers.filter(({ state }) => state === 'alive').length === others) return;
      if (performance.now() > deadline) throw new Error(`${this.name} does not see all`);
      await wait(LOOK_MS);
    }
  }

  async grantTo(names: readonly string[]): Promise<void> {
    for (const peer of names) {
      await this.control?.builtin('grant_create', { peer, agents: [workerOf(this.name)] });
    }
  }
}
