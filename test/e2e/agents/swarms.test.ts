/**
 * Swarms over whole nodes in memory: who may write to whom is what the topology says, by grants that can be seen and
 * revoked; VisionFlow's examples as they are written.
 */
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../../src/core/index.ts';
import { wholeNodes } from '../../fixtures/whole-nodes.ts';
import type { Machine } from '../../fixtures/whole-nodes.ts';
import type { PlanView } from '../../../src/orchestration/types.ts';
import { run } from '../../cli/support.ts';
import type { Ran } from '../../cli/support.ts';
import { eventually } from '../support.ts';
import type { SwarmInitResult, SwarmStatusResult } from '../../../src/swarms/types.ts';

const FIXTURES = resolve(import.meta.dirname, '../../fixtures');
const nodes = wholeNodes('swarms');

let alice: Machine;
let bob: Machine;

/** Programs that write to whomever they are told to, and have no right to. */
const KINDS = {
  unconfined: true,
  kinds: {
    member: {
      command: process.execPath,
      args: [join(FIXTURES, 'agents/obedient.mjs')],
      protocol: 'lines',
      sandbox: false,
      tools: ['tool:starling/agent_message', 'tool:starling/agent_task'],
      capabilities: ['security', 'code', 'review'],
      maxConcurrentTasks: 4,
    },
  },
} as const;

beforeAll(async () => {
  alice = await nodes.start({ name: 'alice', agents: KINDS as never }, { ip: '10.0.0.1' });
  const { ticket } = await alice.node.createTicket({ uses: 2 });
  bob = await nodes.start(
    { name: 'bob', agents: KINDS as never, join: ticket },
    { ip: '10.0.0.2' },
  );
  await until('they see one another', async () =>
    [alice, bob].every(({ node }) => node.peers().some(({ state }) => state === 'alive')),
  );
}, 60_000);

const until = (what: string, met: () => Promise<boolean>): Promise<boolean> =>
  eventually(
    what,
    () => met().catch(() => false),
    (isMet) => isMet,
  );

/** Has an agent write to another one; gives why that was refused, or `ok`. */
async function writes({ operator }: Machine, from: string, to: string): Promise<string> {
  const order = {
    obey: [
      {
        tool: 'starling__agent_message',
        args: { agentId: to, from, message: 'hello', type: 'event' },
      },
    ],
  };
  const answer = await operator.builtin<{ response: Json }>('agent_message', {
    agentId: from,
    type: 'query',
    message: order,
  });
  const [said] = answer.response as readonly Json[];
  const text = JSON.stringify(said);
  if (/"status":"(?:delivered|queued)"/u.test(text.replaceAll('\\"', '"'))) return 'ok';
  return text.includes('may not write to the agent') ? 'refused' : text;
}

const make = (topology: string, names: readonly string[]): Promise<SwarmInitResult> =>
  alice.operator.builtin('swarm_init', {
    topology,
    name: `${topology}-of-${names[0] ?? ''}`,
    initialAgents: names.map((name) => ({ type: 'member', name })),
  });

it('a star lets leaves write to the hub and back, and not to one another, until it is dissolved', async () => {
  const swarm = await make('star', ['hub', 'leaf-1', 'leaf-2']);
  expect(swarm).toMatchObject({ status: 'active', topology: 'star' });
  expect(swarm.edges.every(({ grant }) => grant !== undefined)).toBe(true);
  await until('they run', async () => (await writes(alice, 'hub', 'leaf-1')) === 'ok');
  expect(await writes(alice, 'leaf-1', 'hub')).toBe('ok');
  expect(await writes(alice, 'leaf-1', 'leaf-2')).toBe('refused');
  // One that says that it is another one.
  const lie = { agentId: 'leaf-2', from: 'hub', message: 'hello', type: 'event' };
  const said = await alice.operator.builtin<{ response: Json }>('agent_message', {
    agentId: 'leaf-1',
    type: 'query',
    message: { obey: [{ tool: 'starling__agent_message', args: lie }] },
  });
  expect(JSON.stringify(said.response)).toMatch(/is another's|belongs to|taken/u);
  const { swarmId } = swarm;
  await alice.operator.builtin('swarm_dissolve', { swarmId });
  expect(await writes(alice, 'leaf-1', 'hub')).toBe('refused');
  expect(await alice.operator.builtin('swarm_status', { swarmId })).toMatchObject({
    status: 'dissolved',
    edges: [],
  });
});

it('a swarm over two nodes has its edges where each node has agreed', async () => {
  const swarm = await alice.operator.builtin<SwarmInitResult>('swarm_init', {
    topology: 'star',
    name: 'both',
    initialAgents: [
      { agentId: 'hub', role: 'coordinator' },
      { agentId: 'leaf-1' },
      { agentId: 'far@bob' },
    ],
  });
  expect(swarm.agents.map(({ status }) => status)).toContain('invited');
  await bob.operator.builtin('agent_spawn', { agentType: 'member', name: 'far', wait_s: 20 });
  await until('bob hears of it', async () => {
    const { swarms } = await bob.operator.builtin<{ swarms: { name: string }[] }>('swarm_list', {});
    return swarms.some(({ name }) => name === 'both');
  });
  await bob.operator.builtin('swarm_join', { swarmId: 'both', agentId: 'far' });
  await until(
    'far writes to the hub',
    async () => (await writes(bob, 'far', 'hub@alice')) === 'ok',
  );
  await until(
    'the hub writes to far',
    async () => (await writes(alice, 'hub', 'far@bob')) === 'ok',
  );
  expect(await writes(alice, 'leaf-1', 'far@bob')).toBe('refused');
  expect(await writes(bob, 'far', 'leaf-1@alice')).toBe('refused');
  // What the members at one node remember, those at the other recall.
  const { swarmId } = swarm;
  const note = { swarmId, key: 'found', value: { at: 'the well' } };
  await until('bob may remember', async () => {
    await bob.operator.builtin('memory_store', note);
    return true;
  });
  await until('alice recalls it', async () => {
    const recalled = { swarmId, key: 'found' };
    const { value } = await alice.operator.builtin<{ value: Json }>('memory_retrieve', recalled);
    return JSON.stringify(value) === JSON.stringify(note.value);
  });
  // A node that only says that it is in the swarm has no place in it.
  await expect(
    bob.operator.builtin('swarm_join', { swarmId: 'both', agentId: 'far', role: 'coordinator' }),
  ).resolves.toMatchObject({ status: 'active' });
  const status = await alice.operator.builtin<SwarmStatusResult>('swarm_status', {
    swarmId: 'both',
  });
  expect(status.agents.find(({ name }) => name === 'far')).toMatchObject({
    role: 'worker',
    status: 'active',
  });
  // Only where members are named does one begin with its spawn; elsewhere nothing is run.
  const spawned = { agentType: 'member', name: 'fourth', swarmId: 'both' };
  await expect(bob.operator.builtin('agent_spawn', spawned)).rejects.toThrow('another node');
  expect(await bob.operator.builtin('agent_list', {})).not.toMatchObject({
    agents: expect.arrayContaining([expect.objectContaining({ name: 'fourth' })]),
  });
  await alice.operator.builtin('swarm_leave', { swarmId: 'both', agentId: 'leaf-1' });
  await alice.operator.builtin('agent_stop', { agentId: 'leaf-1' });
  const ran = await alice.operator.builtin<JsonObject>('agent_spawn', spawned);
  expect(ran).toMatchObject({ name: 'fourth', swarmId: 'both' });
  const now = await alice.operator.builtin<SwarmStatusResult>('swarm_status', { swarmId: 'both' });
  expect(now.agents.map(({ endpoint }) => endpoint)).toContain('fourth@alice');
  await bob.operator.builtin('swarm_leave', { swarmId: 'both', agentId: 'far@bob' });
  await until('the edge is gone', async () => (await writes(alice, 'hub', 'far@bob')) !== 'ok');
});

it("takes VisionFlow's swarm_init and swarm_status as they are written, and says which kinds lack a model", async () => {
  const written = {
    topology: 'mesh',
    initialAgents: [
      { type: 'coordinator', name: 'SwarmLead' },
      { type: 'researcher', name: 'InfoGatherer' },
      { type: 'coder', name: 'CodeWriter' },
    ],
    config: { maxAgents: 10, consensusThreshold: 0.7 },
  };
  const swarm = await alice.operator.builtin<SwarmInitResult>('swarm_init', written);
  expect(swarm.swarmId).toMatch(/^swarm_\d+_[a-z0-9]+$/u);
  expect(swarm).toMatchObject({ topology: 'mesh', status: 'incomplete', agents: [] });
  expect(swarm.lacking?.map(({ name, type, reason }) => [type, name, reason])).toEqual([
    ['coordinator', 'SwarmLead', 'model'],
    ['researcher', 'InfoGatherer', 'model'],
    ['coder', 'CodeWriter', 'model'],
  ]);
  const { swarmId } = swarm;
  const status = await alice.operator.builtin<SwarmStatusResult>('swarm_status', { swarmId });
  expect(status).toMatchObject({ swarmId, metrics: { tasksCompleted: 0 }, config: written.config });
});

describe('task_orchestrate', () => {
  /** A program of a node that gives its verdict on what it is asked. */
  const thinker = async (
    { node }: Machine,
    name: string,
    capabilities: readonly string[],
    answer: (input: JsonObject) => Json,
  ): Promise<void> => {
    const agent = node
      .agent({ name, capabilities: [...capabilities], concurrency: 8, listed: true })
      .onMessage('query', ({ message }) => answer(message as JsonObject));
    nodes.cleanups.push(() => agent.close());
    await agent.announced;
  };
  const ended = async ({ taskId }: { readonly taskId: string }): Promise<PlanView> =>
    eventually(
      'the plan has ended',
      () => alice.operator.builtin<PlanView>('task_result', { taskId, timeout_s: 20 }),
      ({ endedAt }) => endedAt !== undefined,
    );

  beforeAll(async () => {
    const says = (verdict: Json) => () => ({ verdict, confidence: 0.9 });
    await thinker(alice, 'sec-1', ['security', 'code'], says('safe'));
    await thinker(alice, 'sec-2', ['security'], says('safe'));
    await thinker(bob, 'sec-3', ['security'], says('unsafe'));
    await thinker(alice, 'rev', ['review', 'security'], ({ results }) => ({
      valid: (results as JsonObject)['code'] !== null,
    }));
    await bob.operator.builtin('grant_create', { peer: 'alice', agents: ['sec-3'] });
    await alice.operator.builtin('swarm_init', {
      name: 'fix',
      topology: 'mesh',
      initialAgents: [
        { agentId: 'sec-1', role: 'coordinator' },
        { agentId: 'sec-2' },
        { agentId: 'sec-3@bob' },
        { agentId: 'rev' },
      ],
      config: { consensusThreshold: 0.7 },
    });
    await until('bob hears of it', async () => {
      const { swarms } = await bob.operator.builtin<{ swarms: { name: string }[] }>(
        'swarm_list',
        {},
      );
      return swarms.some(({ name }) => name === 'fix');
    });
    await bob.operator.builtin('swarm_join', { swarmId: 'fix', agentId: 'sec-3' });
    await until('alice sees that', async () => {
      const { agents } = await alice.operator.builtin<SwarmStatusResult>('swarm_status', {
        swarmId: 'fix',
      });
      return agents.every(({ status }) => status === 'active');
    });
  });

  const written = {
    task: {
      description: 'Analyze security vulnerabilities in auth module',
      priority: 'high',
      strategy: 'adaptive',
      timeout: 300,
      requiredCapabilities: ['security', 'code', 'review'],
      parallelism: 3,
      consensusRequired: true,
    },
    execution: {
      mode: 'distributed',
      retryPolicy: 'exponential_backoff',
      resultAggregation: 'majority_vote',
      failureThreshold: 0.2,
    },
  };

  it("takes VisionFlow's example as it is written, and nobody checks what is his own", async () => {
    const { swarmId } = await alice.operator.builtin<SwarmStatusResult>('swarm_status', {
      swarmId: 'fix',
    });
    const dry = await alice.operator.builtin<PlanView>('task_orchestrate', {
      swarmId,
      ...written,
      plan: true,
    });
    expect(dry).toMatchObject({ status: 'planned' });
    const given = await alice.operator.builtin<PlanView>('task_orchestrate', {
      swarmId,
      ...written,
    });
    expect(given.taskId).toMatch(/^task_\d+_[a-z0-9]+$/u);
    expect(given).toMatchObject({
      swarmId,
      status: 'orchestrating',
      coordination: {
        consensusThreshold: 0.7,
        votingMechanism: 'weighted',
        conflictResolution: 'expert_priority',
      },
    });
    expect(given.assignedAgents.map(({ role }) => role)).toContain('validator');
    const phases = given.orchestrationPlan.phases.map(({ name, dependencies = [] }) => [
      name,
      ...dependencies,
    ]);
    expect(phases).toEqual([['security'], ['code'], ['review', 'security', 'code']]);
    // Nothing is known of how long it takes, so that nothing is said of it.
    expect(given.orchestrationPlan.phases.every((phase) => !('estimatedDuration' in phase))).toBe(
      true,
    );
    const plan = await ended(given);
    const [security, code, review] = plan.orchestrationPlan.phases;
    const voters = new Set([...(security?.agents ?? []), ...(code?.agents ?? [])]);
    expect(review?.agents.every((agent) => !voters.has(agent))).toBe(true);
    const ballots = security?.vote?.ballots ?? [];
    expect(ballots).toHaveLength(3);
    expect(ballots.every(({ signed }) => signed)).toBe(true);
    // One node of two has half of all weight at the most, so that the two of alice do not outvote the one of bob.
    expect(security?.vote).toMatchObject({ by: 'no_consensus', tie: true });
    expect(plan).toMatchObject({ status: 'failed', error: { reason: 'no_consensus' } });
    expect(
      (await alice.operator.builtin<{ tasks: PlanView[] }>('task_list', {})).tasks.map(
        ({ taskId }) => taskId,
      ),
    ).toContain(given.taskId);
  });

  it('does what all agree on, shows how long such things take, and who is busy with what', async () => {
    const given = await alice.operator.builtin<PlanView>('task_orchestrate', {
      swarmId: 'fix',
      task: {
        description: 'look',
        requiredCapabilities: ['code', 'review'],
        parallelism: 2,
        consensusRequired: true,
      },
    });
    const plan = await ended(given);
    expect(plan).toMatchObject({ status: 'done', result: { verdict: 'safe' } });
    const again = await alice.operator.builtin<PlanView>('task_orchestrate', {
      swarmId: 'fix',
      task: { description: 'look', requiredCapabilities: ['code', 'review'] },
      plan: true,
    });
    expect(again.orchestrationPlan.phases[0]?.estimatedDuration).toBeTypeOf('number');
    expect(again.estimatedCompletion).toMatch(/^\d{4}-/u);
    const status = await bob.operator.builtin<SwarmStatusResult>('swarm_status', {
      swarmId: 'fix',
    });
    await until('bob sees how it went', async () => {
      const { metrics } = await bob.operator.builtin<SwarmStatusResult>('swarm_status', {
        swarmId: 'fix',
      });
      return metrics.tasksCompleted > 0 && metrics.avgCompletionTime !== undefined;
    });
    expect(status.metrics.window).toContain('last');
  });

  it('is had from the command line: planned, done, looked at, and the swarm dissolved', async () => {
    const { stateDir } = alice.node.status();
    const cli = (...args: readonly string[]): Promise<Ran> => run(...args, '--state', stateDir);
    const members = ['--coordinator', 'sec-1', '--agent', 'sec-2'];
    const made = await cli('swarm', 'create', 'hand', '--topology', 'star', ...members);
    expect(made.stdout).toMatch(/sec-1@alice +coordinator +active +100 %/u);
    const joined = await cli('swarm', 'join', 'hand', '--agent', 'rev', '--role', 'validator');
    expect(joined.stdout).toMatch(/rev@alice +validator/u);
    const task = ['task', 'run', 'Find security holes in auth.ts', '--swarm', 'hand'];
    const vote = ['--need', 'security,code', '--parallel', '2', '--vote', '--timeout', '5m'];
    const plan = await cli(...task, ...vote, '--plan');
    expect(plan.stdout).toMatch(/security +worker +security .*waiting/u);
    expect(plan.stdout).toMatch(/validation +validator +security +security, code +rev@alice/u);
    expect(plan.stdout).toMatch(/sec-2@alice +worker +has security/u);
    const done = await cli(...task, ...vote);
    expect(done, done.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(done.stdout)).toMatchObject({ code: { verdict: 'safe' } });
    expect(done.stderr).toContain('vote on security: 1 ≥ 0.7 → accepted');
    const id = done.stderr.match(/task_\d+_\w+/u)?.[0] ?? '';
    const info = await cli('task', 'info', id);
    expect(info.stdout).toMatch(/wanted +Find security holes in auth\.ts/u);
    expect(info.stdout).toMatch(/needs +security, code/u);
    expect(info.stdout).toMatch(/BALLOT OF +CHOICE +SHARE/u);
    expect((await cli('task', 'list')).stdout).toMatch(/done +security, code/u);
    const again = await cli('task', 'retry', id);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain(`starling task info ${id}`);
    const none = await cli(...task, '--need', 'flying');
    expect(none.stderr).toContain('can do: flying');
    expect((await cli('swarm', 'status', 'hand', '--edges')).stdout).toMatch(
      /sec-1@alice +sec-2@alice +messages, tasks/u,
    );
    expect((await cli('swarm', 'dissolve', 'hand')).stdout).toContain('hand is dissolved');
    expect((await cli('swarm', 'watch', 'hand')).stdout).toMatch(/status +dissolved/u);
  });

  it.each([
    [{ requiredCapabilities: ['flying'] }, 'can do: flying'],
    [{ requiredCapabilities: [] }, 'needs what an agent must be able to do'],
    [
      {
        phases: [
          { name: 'a', capability: 'code', dependencies: ['b'] },
          { name: 'b', capability: 'code', dependencies: ['a'] },
        ],
      },
      'a → b → a',
    ],
    [{ requiredCapabilities: ['code'], parallelism: 17 }, 'parallelism'],
  ])('%j is refused with what is wrong', async (task, why) => {
    const asked = alice.operator.builtin('task_orchestrate', {
      swarmId: 'fix',
      task: { description: 'x', ...task } as Json,
    });
    await expect(asked).rejects.toThrow(why);
  });
});

it('goes on without the node that made it: a coordinator elsewhere names members', async () => {
  const { ticket } = await alice.node.createTicket({ uses: 1 });
  const carol = await nodes.start({ name: 'carol', join: ticket }, { ip: '10.0.0.3' });
  for (const [{ operator }, name] of [
    [bob, 'second'],
    [carol, 'third'],
  ] as const) {
    await operator.builtin('agent_announce', { name, capabilities: ['code'], listed: true });
  }
  await alice.operator.builtin('swarm_init', {
    name: 'orphan',
    topology: 'mesh',
    initialAgents: [{ agentId: 'second@bob', role: 'coordinator' }],
  });
  const joins = (at: Machine, agentId: string): Promise<boolean> =>
    until(`${agentId} is in it`, async () => {
      await at.operator.builtin('swarm_join', { swarmId: 'orphan', agentId });
      return true;
    });
  await joins(bob, 'second');
  await until('carol is known to bob', async () =>
    bob.node.peers().some(({ alias, state }) => alias === 'carol' && state === 'alive'),
  );
  await alice.node.stop();
  await joins(bob, 'third@carol');
  await joins(carol, 'third');
  await until('bob sees both', async () => {
    const { agents } = await bob.operator.builtin<SwarmStatusResult>('swarm_status', {
      swarmId: 'orphan',
    });
    return (
      agents.map(({ endpoint, status }) => `${endpoint} ${status}`).join() ===
      'second@bob active,third@carol active'
    );
  });
  const given = await bob.operator.builtin<SwarmStatusResult>('swarm_status', {
    swarmId: 'orphan',
  });
  expect(given.edges.every(({ grant }) => grant !== undefined)).toBe(true);
});
