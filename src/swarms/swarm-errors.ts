/** What is said against swarms: JSON-RPC -32002 with `{ agentId, reason, duration }`. */
import { StarlingError } from '../core/index.ts';
import type { Swarm } from './types.ts';
import { BUSY_MS, OPERATIONS_MAX } from './limits.ts';

/** There is no such swarm, as far as the caller may know. */
export function unknownSwarm(id: string): StarlingError {
  const shown = id.slice(0, 128);
  return new StarlingError('STARLING_SWARM_UNKNOWN', `there is no swarm '${shown}'`, {
    hint: 'see which there are: starling swarm list',
    data: { swarmId: shown, reason: 'unknown' },
  });
}

/** The swarm does not take what was asked of it. */
export function refusedSwarm(
  swarmId: string,
  reason: string,
  why: string,
  more: { readonly hint?: string; readonly agentId?: string } = {},
): StarlingError {
  const { hint, agentId } = more;
  return new StarlingError('STARLING_SWARM_REFUSED', why, {
    hint: hint ?? `see how it stands: starling swarm status ${swarmId}`,
    data: { swarmId, reason, ...(agentId === undefined ? {} : { agentId }) },
  });
}

/** The swarm has as much under way as it may. */
export function busySwarm(swarmId: string, agentId: string | undefined): StarlingError {
  return new StarlingError(
    'STARLING_SWARM_BUSY',
    `the swarm has ${OPERATIONS_MAX} operations under way, and may have no more`,
    {
      hint: 'ask again when some have ended',
      data: {
        swarmId,
        ...(agentId === undefined ? {} : { agentId }),
        reason: 'rate_limit',
        duration: BUSY_MS,
        limit: OPERATIONS_MAX,
      },
    },
  );
}

/** Only the node that made the swarm does that. */
export function notHere({ id, name }: Swarm, what: string): StarlingError {
  const why = `the swarm ${name} was made by another node, which ${what}, as do coordinators whom it has named`;
  return refusedSwarm(id, 'creator', why);
}

/** The creator has named no such member. */
export function notInvited({ id, name }: Swarm, agent: string): StarlingError {
  return refusedSwarm(id, 'not_invited', `the swarm ${name} has no place for the agent ${agent}`, {
    agentId: agent,
    hint: `where the swarm was made: starling swarm join ${id} --agent <agent>@<node>`,
  });
}

/** To agree is the operator's. */
export function notByOperator({ id }: Swarm): StarlingError {
  const why = 'to join a swarm lets others write to an agent: the operator says so';
  return refusedSwarm(id, 'operator', why);
}

/** It has all the agents that it may have. */
export function fullSwarm({ id, maxAgents, name }: Swarm): StarlingError {
  return refusedSwarm(id, 'full', `the swarm ${name} has its ${maxAgents} agents`);
}
