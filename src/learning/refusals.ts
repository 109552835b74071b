/** What is refused to whoever wants an agent to learn something, and why. */
import { StarlingError, printable } from '../core/index.ts';
import { keyOf } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import type { Learner } from './types.ts';

/** Nobody grades his own work: what a model says of itself is no measure. @throws STARLING_CALL_REFUSED */
export function requireNotItself(principal: Principal, { agent }: Learner): void {
  const isIn = (one: Principal): boolean =>
    keyOf(one) === `client:agent:${agent}` ||
    ('worksFor' in one && one.worksFor !== undefined && one.worksFor.some(isIn));
  if (!isIn(principal)) return;
  throw new StarlingError(
    'STARLING_CALL_REFUSED',
    `agent ${agent} does not say itself how well it works`,
    { hint: 'whoever gave it the work does', data: { reason: 'itself' } },
  );
}

/** No such agent learns here. */
export function notLearning(agent: string): StarlingError {
  const name = printable(agent, 128);
  return new StarlingError(
    'STARLING_AGENT_UNKNOWN',
    `this node runs no agent '${name}' that learns`,
    {
      hint: 'its kind says so: "learning" in agents.kinds.<kind>; see which there are: starling agent list',
      data: { agentId: name, reason: 'unknown' },
    },
  );
}

/** It has not done that, or not for whoever asks. */
export function unknownDeed(agent: string, reference: string): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `agent ${agent} has dealt with nothing of yours that is called '${printable(reference, 80)}'`,
    { hint: `see what it remembers: starling learn stats ${agent}` },
  );
}

/** Others say how went what was done for them, and nothing else. */
export function notTold(agent: string): StarlingError {
  return new StarlingError(
    'STARLING_CALL_REFUSED',
    `only the operator and whoever spawned agent ${agent} tell it what it has not seen itself`,
    { hint: 'name what it did for you: message_id or task_id', data: { reason: 'told' } },
  );
}
