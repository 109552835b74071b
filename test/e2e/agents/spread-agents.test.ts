/** One agent on several whole nodes, whose mesh is in memory and whose programs are real ones. */
import { resolve } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { AgentInfoResult, AgentMessageResult } from '../../../src/agents/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { wholeNodes } from '../../fixtures/whole-nodes.ts';
import type { Machine } from '../../fixtures/whole-nodes.ts';
import { eventually } from '../support.ts';

const NAMES = ['alice', 'bob', 'carol'] as const;
const nodes = wholeNodes('spread');
const machines = new Map<string, Machine>();

function at(name: (typeof NAMES)[number]): Machine {
  const machine = machines.get(name);
  if (machine === undefined) throw new Error(name);
  return machine;
}

const agents = {
  unconfined: true,
  spread: { board: 'spreads' },
  kinds: {
    coder: {
      command: process.execPath,
      args: [resolve(import.meta.dirname, '../../fixtures/agents/worker.mjs')],
      protocol: 'lines',
      maxReplicas: 4,
      sandbox: false,
    },
  },
} as const;

beforeAll(async () => {
  let join: string | undefined;
  for (const [index, name] of NAMES.entries()) {
    const flags = { name, agents, log: { level: 'silent' }, http: { enabled: false } };
    const machine = await nodes.start(
      { ...flags, ...(join === undefined ? {} : { join }) } as never,
      { ip: `10.8.0.${index + 1}` },
    );
    machines.set(name, machine);
    join ??= (await machine.node.createTicket({ uses: 2 })).ticket;
  }
  for (const name of NAMES) {
    const { node, operator } = at(name);
    const alive = async (): Promise<number> =>
      node.peers().filter(({ state }) => state === 'alive').length;
    await eventually(`${name} sees the others`, alive, (count) => count === 2);
    for (const peer of NAMES.filter((other) => other !== name)) {
      await operator.builtin('grant_create', { peer, spawns: ['coder'], agents: ['coder'] });
    }
  }
  await at('alice').operator.builtin('board_create', { board: 'spreads', strong: [...NAMES] });
}, 60_000);

const askedOf = async (name: (typeof NAMES)[number], agentId: string): Promise<unknown> => {
  const asked = { agentId, type: 'query', message: 'hello' };
  const { response } = await at(name).operator.builtin<AgentMessageResult>('agent_message', asked);
  return response;
};

it('is spawned on three nodes, answers by its one name at each, and outlives the node that looks after it', async () => {
  const spawned = await eventually(
    'the board is there, and the grants are',
    () =>
      at('alice')
        .operator.builtin<JsonObject>('agent_spawn', {
          agentType: 'coder',
          replicas: 3,
          on: [...NAMES],
          wait_s: 20,
        })
        .catch((error: unknown): JsonObject => ({ error: String(error) })),
    (answer) => answer['error'] === undefined,
  );
  expect(spawned).toMatchObject({
    status: 'running',
    parent: { node: 'alice' },
    parts: NAMES.map((node) => ({ node, state: 'ready', replicas: 1 })),
  });
  for (const name of NAMES) expect(await askedOf(name, 'coder')).toBe('you said: "hello"');
  expect(await askedOf('alice', 'coder@carol')).toBe('you said: "hello"');
  await at('alice').node.stop();
  const info = (): Promise<AgentInfoResult> =>
    at('bob').operator.builtin<AgentInfoResult>('agent_info', { agentId: 'coder' });
  const seen = await eventually(
    'another node is the parent',
    info,
    ({ whole }) => whole?.parent !== undefined && whole.parent.node !== 'alice',
  );
  expect(seen.whole?.parent?.token).toBeGreaterThan(
    Number((spawned['parent'] as JsonObject)['token']),
  );
  expect(await askedOf('carol', 'coder')).toBe('you said: "hello"');
  await at('carol').operator.builtin('agent_stop', { agentId: 'coder' });
  const pids = async (): Promise<number> => {
    const all = await Promise.all(
      (['bob', 'carol'] as const).map((name) =>
        at(name).operator.builtin<{ agents: AgentInfoResult[] }>('agent_list', { here: true }),
      ),
    );
    return all.flatMap(({ agents: own }) => own.flatMap(({ run }) => run?.pids ?? [])).length;
  };
  expect(await eventually('no process is left', pids, (count) => count === 0)).toBe(0);
}, 60_000);
