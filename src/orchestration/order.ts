/** What somebody wants a swarm to do, as it is kept: checked, with what is not said filled in. */
import { StarlingError } from '../core/index.ts';
import type { Clock, Json, Random } from '../core/index.ts';
import { labelOf, senderKey } from '../agents/index.ts';
import { nameOf, worstTaint } from '../guard/index.ts';
import type { Principal, Zone } from '../guard/index.ts';
import { DEADLINE_MAX_MS, DEADLINE_MS, INPUT_BYTES_MAX, PARALLEL_MAX } from './limits.ts';
import { planFrom, planOf } from './plan.ts';
import type { PhaseInit } from './plan.ts';
import type { Aggregation, Phase, PlanOrder, Resolution, Strategy } from './types.ts';

/** What somebody wants a swarm to do. */
export interface OrchestrateInit {
  readonly swarmId: string;
  readonly description: string;
  /** What each agent gets besides. */
  readonly input?: Json | undefined;
  readonly capabilities: readonly string[];
  /** In place of a plan that is made from the capabilities. */
  readonly phases?: readonly PhaseInit[] | undefined;
  /** A model that proposes the plan, in place of both. */
  readonly model?: string | undefined;
  /** Aborted when whoever waits for the model's answer has gone. */
  readonly signal?: AbortSignal | undefined;
  readonly priority?: 'low' | 'medium' | 'normal' | 'high' | undefined;
  readonly strategy?: Strategy | undefined;
  readonly parallelism?: number | undefined;
  readonly aggregation?: Aggregation | undefined;
  readonly resolution?: Resolution | undefined;
  readonly retry?: 'none' | 'exponential_backoff' | undefined;
  /** Share of the agents of one phase that may fail; default all but one. */
  readonly failureThreshold?: number | undefined;
  readonly threshold?: number | undefined;
  readonly timeoutMs?: number | undefined;
  /** What its tasks count against: a budget, so much of one, or so much; all plans of one call together. */
  readonly budget?: string | undefined;
  /** Only to be seen. */
  readonly isDry?: boolean | undefined;
}

/** The swarm that is to do it, and what time it is. */
export interface PlanOrderComponents {
  readonly clock: Clock;
  readonly random: Random;
  readonly swarmId: string;
  /** The share of all weight that a choice needs. */
  readonly threshold: number;
  readonly hasValidators: boolean;
  /** How far whoever wants it is trusted. */
  readonly zone: Zone;
}

/** The order of `init`. @throws STARLING_USAGE for a plan that can't be done, STARLING_LIMIT_EXCEEDED for a long input */
export function planOrder(
  principal: Principal,
  init: OrchestrateInit,
  { clock, hasValidators, random, swarmId, threshold, zone }: PlanOrderComponents,
): PlanOrder {
  const { aggregation = 'first', input, parallelism = 1, strategy = 'adaptive' } = init;
  if (parallelism > PARALLEL_MAX) throw tooWide(parallelism);
  if (input !== undefined) checkSize(input);
  const now = clock.now();
  const taint = worstTaint(principal.kind === 'client' ? principal.taint : undefined, zone);
  const isShared = aggregation !== 'first' || init.aggregation === 'first';
  const copies = isShared ? parallelism : 1;
  const sequential = strategy === 'sequential';
  const phases: readonly Phase[] =
    init.phases === undefined
      ? planFrom({ capabilities: init.capabilities, sequential, copies, hasValidators })
      : planOf(init.phases, copies);
  return {
    id: labelOf('task', now, random),
    swarmId,
    description: init.description,
    ...(input === undefined ? {} : { input }),
    priority: init.priority === 'medium' ? 'normal' : (init.priority ?? 'normal'),
    strategy,
    aggregation,
    resolution: init.resolution ?? 'expert_priority',
    threshold,
    failureThreshold: init.failureThreshold ?? 1,
    retry: init.retry ?? 'none',
    parallelism,
    phases,
    submitter: senderKey(principal),
    from: nameOf(principal),
    ...(taint === undefined ? {} : { taint }),
    submittedAt: now,
    expiresAt: now + Math.min(init.timeoutMs ?? DEADLINE_MS, DEADLINE_MAX_MS),
  };
}

function checkSize(input: Json): void {
  const bytes = Buffer.byteLength(JSON.stringify(input));
  if (bytes <= INPUT_BYTES_MAX) return;
  throw new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `the input of the plan has ${bytes} bytes, and may have ${INPUT_BYTES_MAX}`,
    {
      hint: 'put what is long onto the board of the swarm, and give the plan where it is',
      data: { reason: 'size', limit: INPUT_BYTES_MAX },
    },
  );
}

function tooWide(parallelism: number): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `${parallelism} agents are to do a phase at once, and ${PARALLEL_MAX} may`,
    { hint: 'see: starling task run --help' },
  );
}
