/** `starling task run` */
import { StarlingError } from '../../../core/errors.ts';
import { EXIT } from '../../../core/exit-codes.ts';
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { Json } from '../../../core/json/json.ts';
import type { TaskView } from '../../../tasks/types.ts';
import type { NodeClient } from '../../node/client.ts';
import { withNode } from '../../node/locate-node.ts';
import { readValue } from '../../options/board-value.ts';
import { refuseOptions } from '../../options/needed-option.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { untilInterrupted } from '../../terminal/interrupted.ts';
import { printData, tell } from '../../terminal/output.ts';
import { watchTask } from './follow.ts';
import { orchestrate } from './orchestrate.ts';
import type { SwarmOptions } from './orchestrate.ts';
import { planText } from './plan-lines.ts';
import { copiesText } from './task-lines.ts';

/** What only a plan has, and what only a task without one has. */
const OF_PLANS = ['parallel', 'vote', 'merge', 'strategy', 'plan'] as const;
const OF_SINGLE_TASKS = ['agent', 'tag', 'prefer', 'attempt', 'durable'] as const;

/** Options of the command. */
interface RunOptions extends CommonOptions, SwarmOptions {
  readonly agent?: string;
  readonly tag?: readonly string[];
  readonly prefer?: string;
  /** Milliseconds. */
  readonly attempt?: number;
  readonly durable?: string;
  readonly budget?: string;
  readonly detach?: boolean;
}

/** Gives the task, and shows it to its end. @throws STARLING_USAGE, STARLING_LIMIT_EXCEEDED */
export function run(input: string, options: RunOptions): Promise<ExitCode> {
  const json = options.json === true;
  requireFit(options);
  return untilInterrupted((signal) => {
    const give = async (node: NodeClient): Promise<ExitCode> => {
      if (options.swarm !== undefined) return bySwarm(node, input, { signal, options });
      const task = await node.builtin<TaskView>('agent_task', argsOf(input, options));
      if (options.detach === true) {
        printData(task, json, () => task.taskId);
        if (task.copies === 1 && !json) tell(copiesText(task));
        return EXIT.done;
      }
      tell(task.taskId);
      if (task.copies !== undefined) tell(copiesText(task));
      return watchTask(task.taskId, options, signal);
    };
    return withNode(options, give, signal);
  });
}

/** @throws STARLING_USAGE for options that would say nothing */
function requireFit(options: RunOptions): void {
  if (options.swarm !== undefined) {
    refuseOptions(options, OF_SINGLE_TASKS, {
      why: 'says nothing of a task that a swarm does by a plan',
      hint: 'leave it out, or give the task without --swarm',
    });
    return;
  }
  refuseOptions(options, OF_PLANS, {
    why: 'is for a task that a swarm does by a plan',
    hint: 'say which swarm: --swarm <swarm> (see: starling swarm list), or leave it out',
  });
  if (options.need?.includes(',') !== true) return;
  throw new StarlingError('STARLING_USAGE', 'one agent does the task, for one capability', {
    hint: 'name one with --need, or say which swarm has agents for all of them: --swarm <swarm>',
  });
}

async function bySwarm(
  node: NodeClient,
  description: string,
  { options, signal }: { readonly options: RunOptions; readonly signal: AbortSignal },
): Promise<ExitCode> {
  const json = options.json === true;
  const plan = await orchestrate(node, description, options);
  const view = { ...plan, status: 'running' } as const;
  if (options.plan === true) {
    printData(plan, json, () => planText(view));
    return EXIT.done;
  }
  if (options.detach === true) {
    printData(plan, json, () => plan.taskId);
    return EXIT.done;
  }
  tell(plan.taskId);
  tell(planText(view));
  return watchTask(plan.taskId, options, signal);
}

function argsOf(input: string, options: RunOptions): Readonly<Record<string, Json>> {
  const { agent, attempt, budget, durable, need, prefer, priority, retry, tag, timeout } = options;
  const given: Readonly<Record<string, Json | undefined>> = {
    input: readValue(input),
    capability: need,
    agentId: agent,
    priority,
    retryPolicy: retry,
    tags: tag === undefined ? undefined : [...tag],
    prefer,
    timeoutMs: timeout,
    attemptMs: attempt,
    durable,
    budget,
  };
  return Object.fromEntries(
    Object.entries(given).filter((one): one is [string, Json] => one[1] !== undefined),
  );
}
