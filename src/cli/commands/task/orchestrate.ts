/** `starling task run --swarm`: a swarm does it by a plan. */
import type { Json } from '../../../core/json/json.ts';
import { StarlingError } from '../../../core/errors.ts';
import type { OrchestrateResult } from '../../../orchestration/types.ts';
import type { NodeClient } from '../../node/client.ts';

/** What is said of it on the command line. */
export interface SwarmOptions {
  readonly swarm?: string;
  /** Separated by commas. */
  readonly need?: string;
  readonly parallel?: number;
  readonly vote?: boolean;
  readonly plan?: boolean;
  readonly strategy?: string;
  readonly merge?: string;
  readonly priority?: string;
  readonly budget?: string;
  readonly retry?: string;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** Has the swarm do it, or only plan it. @throws STARLING_USAGE, STARLING_SWARM_UNKNOWN, STARLING_SWARM_REFUSED */
export function orchestrate(
  node: NodeClient,
  description: string,
  options: SwarmOptions,
): Promise<OrchestrateResult> {
  const { budget, merge, need, parallel, plan, priority, retry, strategy, swarm, timeout, vote } =
    options;
  if (retry === 'lost') {
    throw new StarlingError(
      'STARLING_USAGE',
      'a swarm gives what was lost to another member anyhow',
      {
        hint: 'leave --retry out, or use --retry exponential_backoff',
      },
    );
  }
  const task: Readonly<Record<string, Json | undefined>> = {
    description,
    requiredCapabilities: (need ?? '').split(',').flatMap((one) => one.trim() || []),
    parallelism: parallel,
    consensusRequired: vote,
    strategy,
    priority,
    timeout: timeout === undefined ? undefined : timeout / 1000,
  };
  const execution = { retryPolicy: retry, resultAggregation: merge };
  return node.builtin<OrchestrateResult>('task_orchestrate', {
    swarmId: swarm ?? '',
    task: given(task),
    execution: given(execution),
    ...(budget === undefined ? {} : { budget }),
    ...(plan === true ? { plan } : {}),
  });
}

function given(fields: Readonly<Record<string, Json | undefined>>): Readonly<Record<string, Json>> {
  return Object.fromEntries(
    Object.entries(fields).filter((one): one is [string, Json] => one[1] !== undefined),
  );
}
