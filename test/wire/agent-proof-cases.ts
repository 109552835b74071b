/** What nodes sign for agents: that parts are one agent, and what an agent has chosen. */
import {
  createSpreadProofs,
  digestOf,
  signSpread,
} from '../../src/agents/directory/spread-proof.ts';
import { isBallot, signBallot } from '../../src/tasks/worker/ballot.ts';
import { founder, member, newcomer, text, utf8 } from './world.ts';
import type { WireCase } from './world.ts';

const BALLOT_OF = { taskId: 'task_1_a', token: 3, agent: 'critic' };
const RESULT = { verdict: { best: 'b', sure: true }, why: 'it is shorter' };
const SPREAD = {
  spread: 'AAAAAAAAAAAAAAAAAAAAAA',
  agent: 'critic',
  kind: 'reviewer',
  on: [founder.did, newcomer.did],
  terms: digestOf('{"kind":"reviewer"}'),
};

/** The cases of what is signed for agents, in their order. */
export const AGENT_PROOF_CASES: readonly WireCase[] = [
  {
    file: 'spread',
    title: 'these parts are one agent',
    kind: 'text',
    write: () => text(signSpread(founder, SPREAD)),
    read: (bytes) => createSpreadProofs().read(utf8(bytes)),
    value: { iss: founder.did, ...SPREAD },
  },
  {
    file: 'ballot',
    title: 'what an agent has chosen',
    kind: 'text',
    write: () => text(signBallot(member, BALLOT_OF, RESULT) ?? ''),
    read: (bytes) => [RESULT, 'b'].map((one) => isBallot(utf8(bytes), member.did, BALLOT_OF, one)),
    value: [true, false],
  },
];
