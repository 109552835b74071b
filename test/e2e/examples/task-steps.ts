/** Examples of tasks, which the agent `reviewer` of another node does. */
import type { NodeProcess } from '../../../sim/process.ts';
import { builtin, eventually } from '../support.ts';
import type { Step } from './step.ts';

/** What the steps stand on. */
export interface TaskStepsInit {
  /** Whose tasks they are. */
  readonly node: () => NodeProcess;
  /** Has the agent look into its inbox: whoever does not for a minute is offline. */
  readonly look: () => Promise<unknown>;
  /** Has the agent answer what it is asked next. */
  readonly answer: (message: string) => void;
  /** Has the agent ask something about a task that it has. */
  readonly ask: (taskId: string) => void;
}

interface Task {
  readonly taskId: string;
  readonly status: string;
}

const ID = 'task_1790000000000_k3x9q2c1d';

/** The steps, in their order. */
export function taskSteps({
  node,
  look,
  answer,
  ask,
}: TaskStepsInit): Readonly<Record<string, Step>> {
  const newest = async (): Promise<Task> => {
    const { tasks } = await builtin<{ tasks: readonly Task[] }>(node(), 'task_list');
    return tasks[0] ?? { taskId: '', status: '' };
  };
  const id = async (): Promise<string> => (await newest()).taskId;
  const put = { [ID]: id };
  return {
    "starling task run 'main.rs' --need review": {
      at: 'alice',
      before: () => answer('no holes'),
      printed: /^no holes$/m,
    },
    'starling task list': { at: 'alice', printed: /done +review/ },
    [`starling task info ${ID}`]: { at: 'alice', put, printed: /attempt +\d+: reviewer@bob/ },
    [`starling task result ${ID}`]: { at: 'alice', put, printed: /^no holes$/m },
    "starling task run 'main.rs' --need review --durable mesh": {
      at: 'alice',
      before: () => answer('none'),
      printed: /^none$/m,
    },
    "starling task run 'main.rs' --need review --budget research:0.50usd": {
      at: 'alice',
      before: async () => {
        await builtin(node(), 'budget_create', { name: 'spare', limit: '10usd' });
        answer('some');
      },
      put: { research: 'spare' },
      printed: /^some$/m,
    },
    "starling task run 'main.rs' --agent reviewer@bob --timeout 10m --detach": {
      at: 'alice',
      printed: /^task_\d+_\w+$/m,
      after: () =>
        eventually(
          'bob has it',
          async () => {
            await look();
            return newest();
          },
          ({ status }) => status === 'running',
        ),
    },
    [`starling task answer ${ID} yes`]: {
      at: 'alice',
      before: async () => {
        ask((await newest()).taskId);
        await eventually('it is asked', newest, ({ status }) => status === 'input_required');
      },
      put,
      printed: /goes on/,
    },
    [`starling task cancel ${ID}`]: { at: 'alice', put, printed: /is cancelled$/m },
    'starling task list --status failed': { at: 'alice', printed: /^no tasks/ },
    [`starling task retry ${ID}`]: { at: 'alice', put, printed: /waits for an agent/ },
    [`starling task watch ${ID}`]: {
      at: 'alice',
      put,
      before: () => answer('no holes at all'),
      printed: /^no holes at all$/m,
    },
  };
}
