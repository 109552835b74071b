/** A node with a swarm of agents at several nodes, and plans, on a clock that a test moves. */
import { silentLogger } from '../../src/core/index.ts';
import type { Did, JsonObject } from '../../src/core/index.ts';
import { OPERATOR, attachedClient } from '../../src/guard/index.ts';
import { createOrchestrations } from '../../src/orchestration/index.ts';
import type { OrchestrateInit } from '../../src/orchestration/order.ts';
import type { Orchestrations } from '../../src/orchestration/orchestrations.ts';
import type { PlanView } from '../../src/orchestration/types.ts';
import { joinedKey } from '../../src/swarms/board-rows.ts';
import type { Table } from '../../src/store/index.ts';
import type { Swarms } from '../../src/swarms/index.ts';
import type { MemberInit } from '../../src/swarms/members.ts';
import { memoryTable } from '../grants/memory-table.ts';
import { createPlainBoards } from '../swarms/plain-boards.ts';
import type { PlainBoards } from '../swarms/plain-boards.ts';
import { makeSwarms } from '../swarms/world.ts';
import { makeTaskWorld, makeWorker } from '../tasks/world.ts';
import type { TaskWorld, TestWorker } from '../tasks/world.ts';

/** Node `a` has the swarm, and its plans. */
export interface PlanWorld {
  readonly all: TaskWorld;
  readonly boards: PlainBoards;
  readonly swarms: Swarms;
  readonly swarmId: string;
  plans: Orchestrations;
  /** The disk of the plans; `writes` hears the bytes of each write. */
  readonly disk: { readonly rows: Map<string, Uint8Array>; writes: (bytes: number) => void };
  /** Keys that have no rights any more. */
  readonly revoked: Set<string>;
  /** Ends without a word, and starts again with what is on the disk. */
  crash(): Promise<void>;
  plan(init: Partial<OrchestrateInit>): Promise<PlanView>;
  view(taskId: string): Promise<PlanView>;
  /** Moves the clock until the plan has ended. */
  ends(taskId: string, limitMs?: number): Promise<PlanView>;
  stop(): Promise<void>;
}

/** An agent of the world: what it can do and where it is. */
export interface PlanAgent {
  readonly at: string;
  readonly can: readonly string[];
  readonly role?: MemberInit['role'];
  readonly answer?: TestWorker['answer'];
}

/** Makes the nodes, the agents, and the swarm of them all; gives what each agent was told, too. */
export async function makePlanWorld(
  agents: Readonly<Record<string, PlanAgent>>,
  config: { readonly threshold?: number } = {},
): Promise<PlanWorld & { readonly workers: Readonly<Record<string, TestWorker>> }> {
  const nodes = [...new Set(['a', ...Object.values(agents).map(({ at }) => at)])];
  const all = await makeTaskWorld(...nodes);
  const workers: Record<string, TestWorker> = {};
  for (const [name, { answer, at, can }] of Object.entries(agents)) {
    const init: JsonObject & { readonly name: string } = {
      name,
      capabilities: [...can],
      maxConcurrentTasks: 8,
    };
    workers[name] = await makeWorker(all, at, init);
    workers[name].answer = answer ?? (() => ({ verdict: 'yes' }));
  }
  const boards = createPlainBoards();
  const swarms = makeSwarms(all.world, boards, 'a');
  await swarms.start();
  const { swarmId } = await swarms.init(
    OPERATOR,
    {
      name: 'fix',
      topology: 'mesh',
      members: Object.entries(agents).map(([name, { at, role }]) => ({
        agent: at === 'a' ? name : `${name}@${at}`,
        role,
      })),
      ...config,
    },
    new AbortController().signal,
  );
  for (const [agent, { at }] of Object.entries(agents)) {
    const did = `did:key:${at}` as Did;
    if (at !== 'a') boards.forge(swarmId, did, joinedKey({ agent, did }), { at: 0 });
  }
  const table = memoryTable();
  const disk: PlanWorld['disk'] = { rows: table.rows, writes: () => undefined };
  const counted: Table = {
    ...table,
    batch(writes) {
      disk.writes(writes.reduce((sum, { value }) => sum + (value?.length ?? 0), 0));
      return table.batch(writes);
    },
  };
  const revoked = new Set<string>();
  const made = {
    disk,
    revoked,
    all,
    boards,
    swarms,
    swarmId,
    workers,
    plans: makePlans(all, swarms, { table: counted, revoked }),
    async crash() {
      await made.plans.stop();
      await all.at['a']?.crash();
      made.plans = makePlans(all, swarms, { table: counted, revoked });
      await made.plans.start();
    },
    plan: (init: Partial<OrchestrateInit>) =>
      made.plans.orchestrate(OPERATOR, { swarmId, description: 'x', capabilities: [], ...init }),
    view: (taskId: string) => made.plans.view(OPERATOR, taskId),
    ends: (taskId: string, limitMs?: number) =>
      all.until(
        () => made.view(taskId),
        ({ endedAt }) => endedAt !== undefined,
        limitMs,
      ),
    async stop() {
      await made.plans.stop();
      await swarms.stop();
      for (const worker of Object.values(workers)) worker.stop();
      await all.stop();
    },
  };
  await made.plans.start();
  return made;
}

function makePlans(
  { at, world }: TaskWorld,
  swarms: Swarms,
  { revoked, table }: { readonly table: Table; readonly revoked: ReadonlySet<string> },
): Orchestrations {
  const { node, tasks } = at['a'] ?? {};
  if (node === undefined || tasks === undefined) throw new Error('a');
  return createOrchestrations({
    zoneOf: () => 'local',
    agents: node.agents,
    swarms,
    tasks,
    principalOf(key) {
      if (key === 'operator') return OPERATOR;
      const client = attachedClient(key.replace('client:', ''));
      return revoked.has(key) ? { ...client, scopes: [] } : client;
    },
    table,
    clock: world.clock,
    random: node.rooms.random,
    logger: silentLogger,
  });
}
