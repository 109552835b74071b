/** Examples of what agents learn: an agent has answered twice, is graded, and forgets. */
import type { NodeProcess } from '../../../sim/process.ts';
import { builtin, eventually } from '../support.ts';
import type { Step } from './step.ts';

/** A kind of agents that learn; its model is there once the examples of models have added it. */
export const LEARNER = {
  model: 'gpu/qwen',
  learning: { ways: { plain: {}, short: { steps: 2 } } },
};

interface Stats {
  readonly agents: readonly {
    readonly experiences: { readonly recent: readonly { readonly reference: string }[] };
  }[];
}

const CLERK = { clerk: 'learner' };
const MESSAGE = 'msg_1790000000000_k3x9q2c1d';
const ANSWERED = 2;

/** The steps, in their order. */
export function learnSteps(alice: () => NodeProcess): Readonly<Record<string, Step>> {
  const recent = async (): Promise<readonly { readonly reference: string }[]> => {
    const { agents } = await builtin<Stats>(alice(), 'learn_stats');
    return agents[0]?.experiences.recent ?? [];
  };
  const message = (nth: number) => async (): Promise<string> =>
    (await recent())[nth]?.reference ?? '';
  const answers = async (): Promise<void> => {
    await builtin(alice(), 'agent_spawn', { agentType: 'learner', wait_s: 30 });
    for (let at = 0; at < ANSWERED; at += 1) {
      const sent = { agentId: 'learner', message: 'hello', type: 'query' };
      await builtin(alice(), 'agent_message', sent);
    }
    await eventually('it has learned', recent, ({ length }) => length === ANSWERED);
  };
  return {
    'starling learn stats': {
      at: 'alice',
      before: answers,
      printed: /learner +message +own +\w+ +\d[^]*remembers 2 experiences, 0 of them measured/,
    },
    'starling learn stats clerk': { at: 'alice', put: CLERK, printed: /msg_[^]*answered +hello/ },
    [`starling learn grade clerk ${MESSAGE} success`]: {
      at: 'alice',
      put: { ...CLERK, [MESSAGE]: message(0) },
      printed: /^learner has learned it: message, by the way \w+: success/,
    },
    [`starling learn grade clerk ${MESSAGE} failure --feedback 'the sum was wrong'`]: {
      at: 'alice',
      put: { ...CLERK, [MESSAGE]: message(1) },
      printed: /: failure/,
    },
    'starling learn forget clerk --work message': {
      at: 'alice',
      put: CLERK,
      printed: /^learner has forgotten 2 experiences and the figures of 1 work\n/,
    },
    'starling learn forget clerk': {
      at: 'alice',
      put: CLERK,
      printed: /^learner has forgotten 0 experiences/,
      after: () => builtin(alice(), 'agent_stop', { agentId: 'learner' }),
    },
  };
}
