/**
 * What a spawn must pass before anything of it is on the disk: its form, the right of whoever spawns, and the room that is
 * left. Its kind, and what stands around its processes, `prepare.ts` finds.
 */
import { StarlingError } from '../../core/index.ts';
import type { AgentKind, Config } from '../../config/index.ts';
import type { Guard, Principal } from '../../guard/index.ts';
import { SPAWN_CONFIG_MAX } from '../limits.ts';
import { isAgentName } from '../names.ts';
import { refusedSpawn } from './spawn-errors.ts';
import type { SpawnInit } from './types.ts';

const ABILITY = 'agent/spawn';

/** Processes of an agent: as many as it always has, and as many as it has at most. */
export function boundsOf(replicas: SpawnInit['replicas'] = 1): {
  readonly least: number;
  readonly most: number;
} {
  return typeof replicas === 'number' ? { least: replicas, most: replicas } : replicas;
}

/** @throws STARLING_USAGE for a name or a count of processes that none can have, STARLING_LIMIT_EXCEEDED for a long config */
export function requireForm({
  name,
  config,
  replicas,
}: SpawnInit & { readonly name: string }): void {
  const { least, most } = boundsOf(replicas);
  if (least > most) {
    throw new StarlingError(
      'STARLING_USAGE',
      `replicas ${least}..${most}: the first is the larger`,
    );
  }
  if (!isAgentName(name)) {
    throw new StarlingError('STARLING_USAGE', `'${name.slice(0, 80)}' can't be an agent's name`, {
      hint: 'a name has 1 to 64 of A-Z a-z 0-9 . _ -, and begins with a letter or a digit',
    });
  }
  if (config === undefined || Buffer.byteLength(JSON.stringify(config)) <= SPAWN_CONFIG_MAX) return;
  throw new StarlingError('STARLING_LIMIT_EXCEEDED', `config has over ${SPAWN_CONFIG_MAX} bytes`, {
    hint: 'send what is long as a message',
    data: { limit: SPAWN_CONFIG_MAX },
  });
}

/** What a spawner wants: `processes` are those that it would have then. */
export interface Wanted {
  readonly kind: string;
  readonly processes: number;
}

/** @throws STARLING_CALL_REFUSED */
export function requireRight(
  guard: Pick<Guard, 'decide'>,
  principal: Principal,
  wanted: Wanted,
): void {
  const decision = decide(guard, principal, wanted);
  if (decision.allow) return;
  throw refusedSpawn(wanted.kind, decision.refusal.text, decision.hint);
}

/** The same as an answer. */
export function maySpawn(
  guard: Pick<Guard, 'decide'>,
  principal: Principal,
  wanted: Wanted,
): boolean {
  return decide(guard, principal, wanted).allow;
}

function decide(
  guard: Pick<Guard, 'decide'>,
  principal: Principal,
  { kind, processes }: Wanted,
): ReturnType<Guard['decide']> {
  return guard.decide(principal, {
    ability: ABILITY,
    resource: `agent:${kind}`,
    look: true,
    // The guard counts one more.
    facts: { replicas: processes - 1 },
  });
}

/** `all`: processes of all agents of the node, those that are wanted among them. @throws STARLING_LIMIT_EXCEEDED */
export function requireRoom(
  { max }: Config['agents'],
  { maxReplicas }: AgentKind,
  { kind, wanted, all }: { readonly kind: string; readonly wanted: number; readonly all: number },
): void {
  if (wanted <= maxReplicas && all <= max) return;
  const [count, limit] =
    wanted > maxReplicas ? [maxReplicas, `agents.kinds.${kind}.maxReplicas`] : [max, 'agents.max'];
  throw new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `not spawned: ${limit} lets ${count} processes of agents run`,
    { hint: 'stop one (starling agent stop <name>), or raise it', data: { limit } },
  );
}
