/** `starling task run` on a terminal: phases as bars that change, the vote, the result; Ctrl-C leaves the task running. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import type { Answer } from '../fake-node.ts';
import { fakeNode } from '../support.ts';
import { CTRL_C, hasTerminals, startOnTerminal } from '../terminal/on-terminal.ts';
import type { OnTerminal } from '../terminal/on-terminal.ts';

const ID = 'task_1790000000000_k3x9q2c1d';
/** Wide enough for the bars of two phases in one line. */
const COLUMNS = 120;

/** A phase that `members` have, of whom `done` are done. */
function phase(name: string, status: string, members: readonly string[], done = 0): JsonObject {
  const attempts = members.map((agent, at) => ({
    agent,
    why: 'it can do it',
    ...(at < done ? { outcome: 'done' } : {}),
  }));
  return { name, capability: name, role: 'worker', status, agents: members, round: 0, attempts };
}

const VOTE: JsonObject = {
  threshold: 0.6,
  choice: 'none',
  share: 0.67,
  by: 'majority',
  tie: false,
  ballots: [],
  dissent: ['mole@bob'],
};

/** The plan of the task, as its node tells it. */
function plan(version: number, status: string, phases: readonly JsonObject[]): JsonObject {
  return {
    taskId: ID,
    status,
    version,
    priority: 'normal',
    submittedBy: 'operator',
    submittedAt: '2026-11-30T06:00:00.000Z',
    deadline: '2026-11-30T06:05:00.000Z',
    attempts: [],
    swarmId: 'fix',
    description: 'Find security holes in auth.ts',
    assignedAgents: [
      { agentId: 'ann@alice', role: 'worker', capabilities: ['code'], why: 'fewest tasks' },
    ],
    orchestrationPlan: { phases },
    ...(status === 'done' ? { endedAt: '2026-11-30T06:00:09.000Z', result: 'no holes' } : {}),
  };
}

const THREE = ['ann@alice', 'ben@bob', 'mole@bob'];
const CODE = phase('code', 'done', ['ann@alice'], 1);
const BEGUN = plan(1, 'running', [
  phase('code', 'running', ['ann@alice']),
  { ...phase('security', 'waiting', []), dependencies: ['code'] },
]);
const HALF = plan(2, 'running', [CODE, phase('security', 'running', THREE, 2)]);
const OVER = plan(3, 'done', [CODE, { ...phase('security', 'done', THREE, 3), vote: VOTE }]);

/** A node with that one task, which goes on when the test says so. */
function oneTask(): {
  readonly answer: Answer;
  readonly called: Set<string>;
  /** Tells whoever waits that the task is so now. */
  become(this: void, next: JsonObject): void;
} {
  const called = new Set<string>();
  let task = BEGUN;
  let waiting: (() => void)[] = [];
  return {
    called,
    become(next) {
      task = next;
      const all = waiting;
      waiting = [];
      for (const tell of all) tell();
    },
    answer({ id, method, params }, connection) {
      if (method !== 'tools/call') return undefined;
      const name = String(params?.['name']).replace('starling__', '');
      called.add(name);
      const args = params?.['arguments'] as JsonObject;
      const result = (): JsonObject => ({ content: [], structuredContent: task });
      if (name !== 'task_status' || args['version'] !== task['version']) return result();
      waiting.push(() => connection.send({ jsonrpc: '2.0', id: id ?? null, result: result() }));
      return undefined;
    },
  };
}

function runTask(stateDir: string): OnTerminal {
  const wanted = ['--need', 'code,security', '--parallel', '3', '--vote', '--timeout', '5m'];
  const words = ['task', 'run', 'Find security holes in auth.ts', '--swarm', 'fix', ...wanted];
  return startOnTerminal([...words, '--state', stateDir], { columns: COLUMNS });
}

describe.skipIf(!(await hasTerminals()))('starling task run on a terminal', () => {
  it('shows the plan, then phases as bars in one line that changes, the vote, and the result', async () => {
    const task = oneTask();
    const { stateDir } = await fakeNode(task);
    const shown = runTask(stateDir);
    await shown.shows(/code █░░░ running ann@alice {3}security – waits for code…$/);
    expect(shown.screen()).toContain(ID);
    expect(shown.screen()).toMatch(/ann@alice +worker +fewest tasks/);
    task.become(HALF);
    await shown.shows(
      /^code ████ done ann@alice {3}security ███░ running ann@alice, ben@bob, mole@bob…$/m,
    );
    task.become(OVER);
    const { code, screen } = await shown.ended();
    expect(code).toBe(0);
    expect(screen).toMatch(
      /done by the swarm; vote on security: 0\.67 ≥ 0\.6 → accepted, against mole@bob/,
    );
    expect(screen.trim()).toMatch(/\nno holes$/);
    // The line with the bars is gone.
    expect(screen).not.toMatch(/[█░]/);
  });

  it('is left running by Ctrl-C, which says how to come back', async () => {
    const task = oneTask();
    const { stateDir } = await fakeNode(task);
    const shown = runTask(stateDir);
    await shown.shows(/code █░░░ running/);
    shown.type(CTRL_C);
    const { code, screen } = await shown.ended();
    expect(code).toBe(130);
    expect(screen).not.toMatch(/[█░]/);
    expect(screen.trim()).toMatch(
      new RegExp(`the task goes on; to come back: starling task watch ${ID}$`),
    );
    expect(task.called).not.toContain('task_cancel');

    const back = startOnTerminal(['task', 'watch', ID, '--state', stateDir], { columns: COLUMNS });
    await back.shows(/code █░░░ running/);
    task.become(OVER);
    const again = await back.ended();
    expect([again.code, again.screen.trim().split('\n').at(-1)]).toEqual([0, 'no holes']);
  });
});
