/** Nodes with agents and tasks whose roads are function calls, on a clock that a test moves. */
import { afterEach } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import type { Json, JsonObject } from '../../src/core/index.ts';
import type { AuditInit } from '../../src/audit/index.ts';
import type { Funds } from '../../src/budget/index.ts';
import { createClearance } from '../../src/gateway/clearance/clearance.ts';
import { clearAction } from '../../src/gateway/clearance/own-action.ts';
import type { ClearedAction, OwnAction } from '../../src/gateway/index.ts';
import { OPERATOR, attachedClient } from '../../src/guard/index.ts';
import { createApprovals } from '../../src/guard/approvals/approvals.ts';
import type { Approvals } from '../../src/guard/approvals/types.ts';
import type { Decision, GuardWanted, Principal, Taint, Zone } from '../../src/guard/index.ts';
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
  /** How far peers are trusted here, by their names: otherwise as this node itself. */
  readonly zones: Map<string, Zone>;
  /** What a person here must agree to each time: `agent:<name>`. */
  readonly needsApproval: Set<string>;
  approvals: Approvals;
  /** The policy says nothing of how long a person has. */
  isUnsaid: boolean;
  /** What the disk does not take: by the keys of one write. */
  fails: (keys: readonly string[]) => boolean;
  /** Gives its tasks budgets. */
  funds: Funds | undefined;
  /** What is written waits for this. */
  disk: Promise<void> | undefined;
  /** What the audit log here has. */
  readonly noted: AuditInit[];
  /** Ends without a word, and starts again with what is on the disk. */
  crash(): Promise<void>;
  submit(args: JsonObject, principal?: Principal): Promise<TaskResult>;
  result(id: string, principal?: Principal): Promise<TaskResult>;
}

/** Nodes with tasks that know one another; agents of each may be written to by all. */
export interface TaskWorld {
  readonly world: TestWorld;
  readonly at: Readonly<Record<string, TaskNode>>;
  readonly boards: SharedBoards;
  /** Moves the clock by small steps until `met`. */
  until<T>(look: () => T | Promise<T>, met: (value: T) => boolean, limitMs?: number): Promise<T>;
  stop(): Promise<void>;
}

const STEP_MS = 250;
const HOUR_MS = 3_600_000;
const TEN_MINUTES_MS = 600_000;

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
    boards,
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
  const approvalsTable = memoryTable();
  const needsApproval = new Set<string>();
  const noted: AuditInit[] = [];
  const zones = new Map<string, Zone>();
  const makeApprovals = (): Approvals =>
    createApprovals({
      table: approvalsTable,
      clock: world.clock,
      logger: silentLogger,
      callerRules: { of: (principal) => ({ mayApprove: principal.kind === 'operator' }) as never },
    });
  const clear = (action: OwnAction): Promise<ClearedAction> =>
    clearAction(
      createClearance(
        {
          guard: { decide: (...one) => decide(made, ...one) },
          approvals: made.approvals,
          audit: {
            isOn: true,
            healthy: () => true,
            append: async (entry) => noted.push(entry),
            note: (entry) => void noted.push(entry),
          },
          clock: world.clock,
          logger: silentLogger,
        },
        { self: name },
      ),
      action,
    );
  const make = (): Tasks =>
    createTasks({
      ...node.rooms,
      table: {
        ...table,
        async batch(writes) {
          await made.disk;
          if (made.fails(writes.map(({ key }) => key))) throw new Error('the disk is full');
          return table.batch(writes);
        },
      },
      blackboard: boards.at(node.rooms.self.did),
      agents: node.agents,
      clear,
      funds: {
        of: async (...asked) => made.funds?.of(...asked),
        async hold(...asked) {
          if (made.funds === undefined) throw new Error('nobody gives any');
          return made.funds.hold(...asked);
        },
        counts: (...asked) => made.funds?.counts(...asked) === true,
        end: (fund) => made.funds?.end(fund),
      },
      principalOf: (key) =>
        key === 'operator' ? OPERATOR : attachedClient(key.replace('client:', '')),
      zoneOf: (who) => (who.kind === 'peer' ? (zones.get(who.alias) ?? 'local') : 'local'),
      clock: node.clock,
      logger: silentLogger,
    });
  const made: TaskNode = {
    node,
    rows: table.rows,
    tasks: make(),
    zones,
    needsApproval,
    noted,
    funds: undefined,
    disk: undefined,
    fails: () => false,
    approvals: makeApprovals(),
    isUnsaid: false,
    async crash() {
      await made.tasks.stop();
      await made.approvals.stop();
      made.approvals = makeApprovals();
      await made.approvals.start();
      made.tasks = make();
      serve(made);
      await made.tasks.start();
    },
    submit: (args, principal = OPERATOR) => node.call(principal, 'agent_task', args),
    result: (taskId, principal = OPERATOR) => node.call(principal, 'task_result', { taskId }),
  };
  serve(made);
  await made.approvals.start();
  await made.tasks.start();
  return made;
}

/** What was granted to peers here, and a person's word where that is needed. */
function decide(
  { node, needsApproval, approvals, isUnsaid }: TaskNode,
  principal: Principal,
  wanted: GuardWanted,
): Decision {
  const { ability, args, resource } = wanted;
  const isGranted = principal.kind !== 'peer' || node.grants.has(`${principal.alias} ${resource}`);
  const refusal = { rule: 'test', text: 'no grant' };
  if (!isGranted) return { allow: false, refusal, hint: '' };
  const approval = wanted.approval ?? '';
  if (!needsApproval.has(resource)) return { allow: true };
  if (approvals.approvedFor(approval, principal, wanted) !== undefined) return { allow: true };
  const ask = {
    kind: 'call',
    principal,
    resource,
    ability,
    rule: 'test',
    ...(isUnsaid
      ? ({ timeoutMs: TEN_MINUTES_MS, isUnsaid: true } as const)
      : { timeoutMs: HOUR_MS }),
  } as const;
  const shown = args === undefined ? {} : { args };
  return { allow: false, refusal, hint: '', ask: { ...ask, ...shown } };
}

function serve({ node, tasks }: TaskNode): void {
  node.more.splice(0, node.more.length, ...taskTools({ tasks }));
}

/** A program that is an agent, and answers as it is told. */
export interface TestWorker {
  readonly seen: AgentMessage[];
  /** What it answers: undefined is nothing at all. */
  answer: (message: AgentMessage) => Json | Error | undefined;
  /** What it has read, as its node knows of an agent that it runs. */
  taint: Taint | undefined;
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
    taint: undefined,
    stop: () => abort.abort(),
  };
  const deal = async (message: AgentMessage): Promise<void> => {
    worker.seen.push(message);
    const answer = worker.answer(message);
    if (answer === undefined) return;
    const said =
      answer instanceof Error ? { message: null, error: answer.message } : { message: answer };
    const response = { type: 'response', inReplyTo: message.id, ...said };
    const { taint } = worker;
    const who = taint === undefined ? principal : { ...principal, taint };
    await node.call(who, 'agent_message', response).catch(() => undefined);
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

/** Worlds of one test file: each ends with its test. */
export function taskWorlds(): (...names: readonly string[]) => Promise<TaskWorld> {
  let made: TaskWorld | undefined;
  afterEach(async () => {
    await made?.stop();
    made = undefined;
  });
  return async (...names) => {
    made = await makeTaskWorld(...names);
    return made;
  };
}

/** The node of that name. */
export function nodeIn({ at }: TaskWorld, name: string): TaskNode {
  const found = at[name];
  if (found === undefined) throw new Error(`no node ${name}`);
  return found;
}

/** The end of a task that was submitted at the node `at`, however it ends. */
export function endOf(
  all: TaskWorld,
  at: string,
  id: string,
  limitMs?: number,
): Promise<TaskResult> {
  const result = (): Promise<TaskResult> => nodeIn(all, at).result(id);
  return all.until(result, ({ endedAt }) => endedAt !== undefined, limitMs);
}
