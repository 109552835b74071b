/**
 * Attacks on tasks, swarms and plans by agents that obey everybody: forged results, answers, votes, awards, members and
 * plans. What is there to be attacked: a task that waits, one that is done and says a secret, and a swarm.
 */
import type { NodeClient } from '../../../src/cli/node/client.ts';
import type { Json, JsonObject } from '../../../src/core/index.ts';

/** One call that an agent is ordered to make, or that somebody makes at their own node. */
export interface TaskAttack {
  readonly title: string;
  readonly tool: string;
  readonly args: JsonObject;
}

/** What is attacked. */
export interface TaskTargets {
  /** A task of the operator that nobody has yet. */
  readonly waiting: string;
  /** One that is done; what its message says is secret. */
  readonly done: string;
  readonly swarmId: string;
  /** The key of the board entry by which the node of the swarm names members. */
  readonly own: string;
}

/** Tools that an agent must have to be ordered so. */
export const TASK_TOOLS: readonly string[] = [
  'agent_task',
  'board_set',
  'swarm_dissolve',
  'swarm_init',
  'swarm_join',
  'swarm_leave',
  'swarm_list',
  'swarm_status',
  'task_answer',
  'task_ask',
  'task_attempt',
  'task_cancel',
  'task_list',
  'task_orchestrate',
  'task_progress',
  'task_result',
  'task_retry',
  'task_status',
];

/** All of them; `order` is what a worker would be told to do, with the mark by which that would be known. */
export function taskAttacks(
  { done, own, swarmId, waiting }: TaskTargets,
  order: JsonObject,
): readonly TaskAttack[] {
  const attempt = { agentId: 'weak', taskId: waiting, token: 1 };
  const plan = { swarmId, task: { description: 'x', requiredCapabilities: ['chat'] } };
  const seat = { kind: 'agent', role: 'coordinator', order: 0 };
  const all: readonly (readonly [string, string, JsonObject])[] = [
    ['gives a task to whoever can do it', 'agent_task', { capability: 'chat', input: order }],
    ['gives one to an agent here', 'agent_task', { agentId: 'weak', input: order }],
    [
      'gives one to an agent of a third node',
      'agent_task',
      { agentId: 'helper@bob', input: order },
    ],
    ['gives one to an agent with all scopes', 'agent_task', { agentId: 'wild', input: order }],
    [
      'gives one that other nodes keep',
      'agent_task',
      { agentId: 'weak', input: order, durable: 'mesh' },
    ],
    ['gives many', 'agent_task', { agentId: 'weak', inputs: [order, order] }],
    [
      'gives one in the name of the operator',
      'agent_task',
      { agentId: 'weak', input: order, requester: 'operator', metadata: { submitter: 'operator' } },
    ],
    [
      'gives one by the id of another',
      'agent_task',
      { agentId: 'weak', input: order, id: 'secret' },
    ],
    ["reads the result of another's task", 'task_result', { taskId: done }],
    ['reads how it went', 'task_status', { taskId: done }],
    ['lists all tasks', 'task_list', {}],
    ['lists what is done', 'task_list', { status: ['done'], limit: 1000 }],
    ['cancels a task', 'task_cancel', { taskId: waiting }],
    ['has one done again', 'task_retry', { taskId: done }],
    ['answers for its submitter', 'task_answer', { taskId: waiting, answer: order }],
    ['answers by a key', 'task_answer', { taskId: waiting, key: 'approval', answer: true }],
    [
      'tells of progress of what it does not have',
      'task_progress',
      { taskId: waiting, token: 1, progress: 1 },
    ],
    [
      'waits for the word of what it does not have',
      'task_progress',
      { taskId: waiting, token: 1, timeout_s: 1 },
    ],
    [
      'asks the submitter of what it does not have',
      'task_ask',
      { taskId: waiting, token: 1, key: 'secret', message: 'What is it?' },
    ],
    [
      'awards itself a task at an agent',
      'task_attempt',
      { ...attempt, op: 'begin', input: order, metadata: { task: { id: waiting } } },
    ],
    [
      'awards it with a token of the far future',
      'task_attempt',
      { ...attempt, op: 'begin', token: 9_007_199_254_740_991, input: order },
    ],
    ['follows an attempt of another', 'task_attempt', { ...attempt, op: 'follow', taskId: done }],
    ['ends an attempt of another', 'task_attempt', { ...attempt, op: 'end', taskId: done }],
    ['ends many', 'task_attempt', { ...attempt, op: 'end', others: [{ taskId: done, token: 1 }] }],
    [
      'answers what another attempt asks',
      'task_attempt',
      { ...attempt, op: 'answer', key: 'secret', answer: order },
    ],
    [
      'gives the result of a task in the place of its agent',
      'agent_message',
      { agentId: 'alice', type: 'response', message: 'forged', inReplyTo: waiting, from: 'weak' },
    ],
    ['has the swarm do something', 'task_orchestrate', plan],
    ['has it done for many inputs', 'task_orchestrate', { ...plan, inputs: [order, order] }],
    ['sees what the swarm would do', 'task_orchestrate', { ...plan, plan: true }],
    ['sees how the swarm does', 'swarm_status', { swarmId }],
    ['lists swarms', 'swarm_list', {}],
    [
      'makes itself a coordinator',
      'swarm_join',
      { swarmId, agentId: 'deputy', role: 'coordinator' },
    ],
    ['takes a member out', 'swarm_leave', { swarmId, agentId: 'parrot' }],
    ['ends the swarm', 'swarm_dissolve', { swarmId }],
    [
      'makes a swarm in which it may write to others',
      'swarm_init',
      { topology: 'mesh', name: 'evil', initialAgents: [{ name: 'weak' }, { name: 'deputy' }] },
    ],
    [
      'makes one of agents that are to be run',
      'swarm_init',
      { topology: 'star', name: 'spawned', initialAgents: [{ type: 'wild', name: 'spawned' }] },
    ],
    [
      'names a member on the board',
      'board_set',
      { board: swarmId, key: `seat/${own}/deputy`, value: seat },
    ],
    [
      'writes votes for its own work on the board',
      'board_set',
      { board: swarmId, key: `at/${own}/log`, value: [{ ok: true }] },
    ],
    [
      'writes a plan on the board',
      'board_set',
      { board: swarmId, key: `at/${own}/plan/${waiting}`, value: { status: 'done' } },
    ],
    ['ends it on the board', 'board_set', { board: swarmId, key: 'dissolved', value: { at: 1 } }],
  ];
  return all.map(([title, tool, args]) => ({ title, tool, args }));
}

/** Makes what is attacked, by the operator of a node with the key `did`; `tasks` says how all of that is now. */
export async function makeTargets(
  operator: NodeClient,
  did: string,
  secret: string,
): Promise<{ readonly targets: TaskTargets; readonly tasks: () => Promise<Json> }> {
  const give = async (args: JsonObject): Promise<string> =>
    String((await operator.builtin<JsonObject>('agent_task', args))['taskId']);
  const metadata = { note: secret };
  const waiting = await give({ capability: 'nobody', input: 1 });
  const done = await give({ agentId: 'parrot', input: 1, id: 'secret', metadata, wait_s: 30 });
  const initialAgents = [{ name: 'parrot' }];
  const init = { topology: 'mesh', name: secret, initialAgents };
  const swarmId = String((await operator.builtin<JsonObject>('swarm_init', init))['swarmId']);
  const shown = async (tool: string, args: JsonObject): Promise<Json> => {
    const { waitsFor: _, version: __, ...view } = await operator.builtin<JsonObject>(tool, args);
    return view;
  };
  return {
    targets: { waiting, done, swarmId, own: did.slice('did:key:'.length) },
    tasks: async () => [
      await shown('task_result', { taskId: waiting }),
      await shown('task_result', { taskId: done }),
      await shown('swarm_status', { swarmId }),
    ],
  };
}
