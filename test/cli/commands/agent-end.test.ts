/** What a person is told who ends an agent: one that the node runs ends, any other only takes no messages. */
import { expect, it } from 'vitest';
import { serving } from '../fake-node.ts';
import { fakeNode, run } from '../support.ts';

const ENDED = { agentId: 'did:key:z6Mk', status: 'stopped', dropped: 0 };

it.each([
  [
    'one that a program announced',
    { name: 'reviewer' },
    'reviewer takes no messages until it is announced again; its inbox stays\n',
  ],
  [
    'one that the node runs',
    { name: 'echo', kind: 'echo' },
    'echo does not run any more, and takes no messages; its inbox stays\n  → to run it again: starling agent spawn echo, with the options that it had\n',
  ],
  [
    'one under a name of its own',
    { name: 'twins', kind: 'echo' },
    'twins does not run any more, and takes no messages; its inbox stays\n  → to run it again: starling agent spawn echo --name twins, with the options that it had\n',
  ],
])('agent stop says of %s what has become of it', async (_, agent, said) => {
  const node = await fakeNode({ answer: serving({ agent_stop: { ...ENDED, ...agent } }) });
  const { stdout } = await run('agent', 'stop', agent.name, '--state', node.stateDir);
  expect(stdout).toBe(said);
});
