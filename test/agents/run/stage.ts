/** A node that runs agents, with programs that a test plays. */
import { createRuns } from '../../../src/agents/index.ts';
import type { AgentMessageResult, Runs, SpawnInit } from '../../../src/agents/index.ts';
import type { AgentKind } from '../../../src/config/index.ts';
import { createHealth, silentLogger } from '../../../src/core/index.ts';
import type { Did, Health, Json, JsonObject, StarlingError } from '../../../src/core/index.ts';
import { OPERATOR } from '../../../src/guard/index.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { client, makeWorld } from '../world.ts';
import type { TestNode, TestWorld } from '../world.ts';
import { kind, playedBy, settle } from './programs.ts';
import type { Program } from './programs.ts';
import type { Table } from '../../../src/store/index.ts';

export const CURSOR = client('cursor');
export const CLAUDE = client('claude');
export const KEY: Principal = {
  kind: 'client',
  name: 'ci',
  scopes: ['tool:files/read', 'agent:*'],
};
export const NEVER = new AbortController().signal;

/** A node that runs agents whose programs a test plays. */
export interface Stage {
  readonly node: TestNode;
  readonly runs: Runs;
  /** Names whose memory was forgotten, in order. */
  readonly forgotten: string[];
  /** Keys of each write of the runs to the disk, in order. */
  readonly writes: string[][];
  readonly programs: Program[];
  readonly health: Health;
  readonly kinds: Record<string, AgentKind>;
  /** What `startProcess` throws next. */
  failing: StarlingError | undefined;
  spawn(principal: Principal, init?: Partial<SpawnInit>): ReturnType<Runs['spawn']>;
  send(message: Json, more?: JsonObject): Promise<AgentMessageResult>;
  restart(): Promise<void>;
}

/** That of the last stage. */
export let world: TestWorld;
const stages: Stage[] = [];

/** Stops what a test has made. */
export async function endStages(): Promise<void> {
  for (const { runs } of stages.splice(0)) await stopped(runs);
  await world.stop();
}

/** Stops, and lets pass what a stop gives to messages that are being dealt with. */
export async function stopped(runs: Runs): Promise<void> {
  const stopping = runs.stop();
  await settle();
  world.clock.advance(2000);
  await stopping;
}

/** Makes a node that runs agents. */
export async function stage(
  more: { max?: number; unconfined?: boolean; noSandbox?: boolean } = {},
): Promise<Stage> {
  world = await makeWorld('alice');
  const node = world.nodes['alice'];
  if (node === undefined) throw new Error('no node');
  const programs: Program[] = [];
  const forgotten: string[] = [];
  const writes: string[][] = [];
  const kinds: Record<string, AgentKind> = { coder: kind(), odd: kind({ problems: ['no'] }) };
  delete (kinds['odd'] as { server?: unknown }).server;
  const health = createHealth();
  const config = {
    kinds,
    max: more.max ?? 4,
    timeoutMs: 60_000,
    a2a: 'private' as const,
    unconfined: more.unconfined === true,
  };
  const make = (): Runs =>
    createRuns({
      table: watched(memoryTable(node.rows), writes),
      agents: node.agents,
      memory: { forget: async (name) => void forgotten.push(name) },
      guard: () => ({
        decide: (principal, { facts }) =>
          principal === CLAUDE || (facts?.replicas ?? 0) >= 4
            ? { allow: false, refusal: { rule: 'test', text: 'not here' }, hint: '' }
            : { allow: true },
      }),
      config: () => config,
      startProcess: (init) => playedBy(programs, init, made),
      noSandbox: async () =>
        more.noSandbox === true ? { why: 'no bwrap', hint: 'apt' } : undefined,
      principalOf: ({ client: name }) => (name === 'ci' ? KEY : CURSOR),
      self: 'did:key:alice' as Did,
      limits: { cores: [0, 1], taskset: '/usr/bin/taskset' },
      health,
      clock: world.clock,
      random: () => 0.5,
      logger: silentLogger,
    });
  const made: { -readonly [Key in keyof Stage]: Stage[Key] } = {
    node,
    runs: make(),
    programs,
    forgotten,
    writes,
    health,
    kinds,
    failing: undefined,
    spawn: (principal, init = {}) =>
      made.runs.spawn(principal, { kind: 'coder', waitMs: 0, ...init }, NEVER),
    send: (message, rest = {}) =>
      node.call(OPERATOR, 'agent_message', { agentId: 'coder', message, ...rest }),
    async restart() {
      await stopped(made.runs);
      await node.restart();
      made.runs = make();
      await made.runs.start();
      await settle();
    },
  };
  await made.runs.start();
  stages.push(made);
  return made;
}

/** A table whose writes are noted. */
function watched(table: Table, writes: string[][]): Table {
  const batch: Table['batch'] = (all) => {
    writes.push(all.map(({ key }) => key));
    return table.batch(all);
  };
  return {
    ...table,
    batch,
    put: (key, value) => batch([{ key, value }]),
    delete: (key) => batch([{ key }]),
  };
}
