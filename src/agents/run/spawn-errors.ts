/** Why no agent was spawned. */
import { StarlingError } from '../../core/index.ts';

/** No kind of that name is in the configuration. */
export function unknownKind(name: string, all: readonly string[]): StarlingError {
  const kinds = all.toSorted();
  const there = kinds.length === 0 ? 'there is none' : `there are ${kinds.join(', ')}`;
  return new StarlingError(
    'STARLING_AGENT_UNKNOWN',
    `this node runs no agents of the kind '${name.slice(0, 128)}': ${there}`,
    {
      hint: 'kinds are in the config file of the node: agents.kinds.<name>',
      data: { agentType: name.slice(0, 128), reason: 'kind', kinds },
    },
  );
}

/** The kind is there, and can't be used as it is written. */
export function failedKind(name: string, problems: readonly string[]): StarlingError {
  return new StarlingError(
    'STARLING_AGENT_FAILED',
    `the kind '${name}' can't be used: ${problems.join('; ')}`,
    { hint: 'correct the config file of the node', data: { agentType: name, reason: 'kind' } },
  );
}

/** The caller may not spawn agents of the kind. */
export function refusedSpawn(kind: string, why: string, hint: string): StarlingError {
  return new StarlingError('STARLING_CALL_REFUSED', `no agent of the kind '${kind}': ${why}`, {
    hint,
    data: { agentType: kind, reason: 'refused' },
  });
}

/** An agent of that name runs here. */
export function alreadyRuns(name: string): StarlingError {
  return new StarlingError('STARLING_AGENT_TAKEN', `the agent '${name}' runs already`, {
    hint: `take another name, or stop it first: starling agent stop ${name}`,
    data: { agentId: name, reason: 'taken' },
  });
}
