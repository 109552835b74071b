/** Examples of swarms, of agents of two nodes. */
import type { NodeProcess } from '../../../sim/process.ts';
import { builtin } from '../support.ts';
import type { Step } from './step.ts';

/** The steps, in their order, at a node that runs once a step has its turn; `bob` has the agent `reviewer`. */
export function swarmSteps(node: () => NodeProcess): Readonly<Record<string, Step>> {
  const bob = { laptop: 'bob' };
  const capabilities = ['code', 'security'];
  return {
    'starling swarm create fix --topology star --agent coder --agent reviewer@laptop': {
      at: 'alice',
      before: () => builtin(node(), 'agent_announce', { name: 'coder', capabilities }),
      put: bob,
      printed: /coder@alice/,
    },
    'starling swarm status fix': { at: 'alice', printed: /topology +star/ },
    'starling swarm status fix --edges': { at: 'alice', printed: /coder@alice/ },
    'starling swarm create fix --topology star --coordinator coder --agent reviewer@laptop --threshold 0.7':
      {
        at: 'alice',
        put: { ...bob, 'create fix': 'create mend' },
        printed: /threshold +0\.7/,
      },
    'starling swarm list': { at: 'alice', printed: /fix[^]*mend|mend[^]*fix/ },
    'starling swarm join fix --agent reviewer': {
      at: 'alice',
      before: () => builtin(node(), 'agent_announce', { name: 'tester', capabilities }),
      put: { reviewer: 'tester' },
      printed: /tester@alice/,
    },
    'starling swarm watch fix': { at: 'alice', says: /tester@alice/ },
    "starling task run 'Find security holes in auth.ts' --swarm fix --need code,security --parallel 3 --vote --timeout 5m":
      { at: 'alice', says: /security/ },
    'starling swarm leave fix --agent reviewer': { at: 'alice', put: { reviewer: 'tester' } },
    'starling swarm dissolve fix': { at: 'alice', printed: /fix/ },
  };
}
