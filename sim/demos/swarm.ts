/** Three agents on three machines do something together: they vote, one lies, and a machine dies in the middle. */
import type { JsonObject } from '../../src/index.ts';
import type { NodeProcess } from '../process.ts';
import type { Stage } from './stage.ts';

/**
 * A program that is an agent, by lines of JSON. `count` counts the words of the task, and one that lies counts one more;
 * `write` takes a while.
 */
const READER = `
import { createInterface } from 'node:readline';
const lies = JSON.parse(process.env.AGENT_CONFIG ?? '{}').lies === true;
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, message } = JSON.parse(line);
  const answer = (value) => process.stdout.write(JSON.stringify({ id, answer: value }) + '\\n');
  const { capability, task = '' } = message ?? {};
  const words = String(task).split(' ').length;
  if (capability !== 'write') return answer({ verdict: words + (lies ? 1 : 0) });
  setTimeout(() => answer({ verdict: 'written by ' + process.env.AGENT_NAME }), 3000);
});
`;
const TASK = 'How many words has this sentence';

/** Tells the story. */
export async function swarm(stage: Stage): Promise<void> {
  stage.step('Three machines, and on each of them an agent that a program is');
  const program = await stage.write('reader.mjs', READER);
  const nodes: NodeProcess[] = [];
  for (const name of ['alice', 'bob', 'carol']) {
    nodes.push(await stage.node(name, { agents: agentsOf(name, program) }));
  }
  const [alice, bob, carol] = nodes as [NodeProcess, NodeProcess, NodeProcess];
  await stage.met();
  await run(stage, alice, 'ann', {});
  await run(stage, bob, 'ben', {});
  await run(stage, carol, 'cid', { lies: true });
  stage.say('(cid, at carol, is told to lie)');

  stage.step('alice puts them together; bob and carol agree, each for its own agent');
  await together(stage, {
    alice,
    others: [
      [bob, 'ben'],
      [carol, 'cid'],
    ],
  });
  await stage.shell(alice, 'swarm', 'status', 'trio', '--edges');

  stage.step('They do something together, each for itself, and vote: the lie does not count');
  const vote = ['--need', 'count', '--parallel', '3', '--vote'];
  await stage.shell(alice, 'task', 'run', TASK, '--swarm', 'trio', ...vote);

  stage.step('A machine dies in the middle of its work, and another one does it');
  await dying(stage, alice, { ben: bob, cid: carol });
}

function agentsOf(name: string, program: string): object {
  return {
    unconfined: true,
    kinds: {
      reader: {
        command: process.execPath,
        args: [program],
        protocol: 'lines',
        listed: true,
        capabilities: name === 'alice' ? ['count'] : ['count', 'write'],
      },
    },
  };
}

async function run(
  stage: Stage,
  node: NodeProcess,
  name: string,
  config: JsonObject,
): Promise<void> {
  stage.command(node, 'agent', 'spawn', 'reader', '--name', name);
  await stage.tool(node, 'agent_spawn', { agentType: 'reader', name, config, wait_s: 60 });
}

async function together(
  stage: Stage,
  {
    alice,
    others,
  }: { readonly alice: NodeProcess; readonly others: readonly (readonly [NodeProcess, string])[] },
): Promise<void> {
  const far = others.map(([node, agent]) => `${agent}@${node.name}`);
  stage.command(
    alice,
    'swarm',
    'create',
    'trio',
    '--topology',
    'star',
    '--coordinator',
    'ann',
    ...far.flatMap((agent) => ['--agent', agent]),
    '--threshold',
    '0.6',
  );
  await stage.until(
    'alice sees the agents',
    () => stage.tool(alice, 'agent_list', {}),
    ({ agents }) => (agents as readonly unknown[]).length === others.length + 1,
  );
  await stage.tool(alice, 'swarm_init', {
    name: 'trio',
    topology: 'star',
    initialAgents: [
      { agentId: 'ann', role: 'coordinator' },
      ...far.map((agentId) => ({ agentId })),
    ],
    config: { consensusThreshold: 0.6 },
  });
  for (const [node, agent] of others) {
    await stage.until(
      `${node.name} hears of the swarm`,
      () => stage.tool(node, 'swarm_list', {}),
      ({ swarms }) => (swarms as { name: string }[]).some(({ name }) => name === 'trio'),
    );
    stage.command(node, 'swarm', 'join', 'trio', '--agent', agent);
    await stage.tool(node, 'swarm_join', { swarmId: 'trio', agentId: agent });
    // The edges let the coordinator; this lets whoever sits at alice.
    stage.command(node, 'grant', 'create', 'alice', '--agent', agent);
    await stage.tool(node, 'grant_create', { peer: 'alice', agents: [agent] });
  }
  await stage.until(
    'all have joined',
    () => stage.tool(alice, 'swarm_status', { swarmId: 'trio' }),
    ({ agents }) => (agents as { status: string }[]).every(({ status }) => status === 'active'),
  );
}

async function dying(
  stage: Stage,
  alice: NodeProcess,
  nodes: Readonly<Record<'ben' | 'cid', NodeProcess>>,
): Promise<void> {
  const task = { description: 'Write it down', requiredCapabilities: ['write'] };
  stage.command(alice, 'task', 'run', task.description, '--swarm', 'trio', '--need', 'write');
  const { taskId } = await stage.tool(alice, 'task_orchestrate', { swarmId: 'trio', task });
  const look = (): Promise<JsonObject> => stage.tool(alice, 'swarm_status', { swarmId: 'trio' });
  const busyOf = ({ agents }: JsonObject): string | undefined =>
    (agents as { name: string; currentTask: string | null }[]).find(
      ({ currentTask }) => currentTask !== null,
    )?.name;
  const busy = busyOf(
    await stage.until('somebody has it', look, (seen) => busyOf(seen) !== undefined),
  );
  const node = busy === 'ben' ? nodes.ben : nodes.cid;
  stage.say(
    `${String(busy)} works on it; kill -9 ${String(node.child.pid)}, the node ${node.name}`,
  );
  node.child.kill('SIGKILL');
  await stage.until(
    'it is done all the same',
    () => stage.tool(alice, 'task_status', { taskId: taskId ?? '' }),
    ({ endedAt }) => endedAt !== undefined,
  );
  await stage.shell(alice, 'task', 'info', String(taskId));
  await stage.shell(alice, 'task', 'result', String(taskId));
}
