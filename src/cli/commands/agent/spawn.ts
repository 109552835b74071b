/** `starling agent spawn` */
import type { AgentSpawnResult, AgentSpreadResult } from '../../../agents/types.ts';
import { withNode } from '../../node/locate-node.ts';
import { onceTakenUp } from '../../node/config-taken-up.ts';
import { readValue } from '../../options/board-value.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safeLine } from '../../terminal/output.ts';

/** How long the agent has to be ready before the command says that it is on its way. */
const READY_S = 30;
const WAY_MS = 10_000;

/** Options of the command. */
interface SpawnOptions extends CommonOptions {
  readonly name?: string;
  readonly replicas?: string;
  readonly on?: readonly string[];
  readonly tool?: readonly string[];
  readonly cpu?: string;
  readonly memory?: string;
  readonly tell?: string;
  readonly budget?: string;
  readonly model?: string;
  readonly prompt?: string;
}

/** Runs an agent, waits until it is ready, and says by what it is bounded. */
export async function run(kind: string, options: SpawnOptions): Promise<void> {
  const { budget, name, model, on, prompt, replicas, tool, cpu, memory, tell } = options;
  const resources = {
    ...(cpu === undefined ? {} : { cpuLimit: cpu }),
    ...(memory === undefined ? {} : { memoryLimit: memory }),
  };
  const args = {
    agentType: kind,
    wait_s: READY_S,
    ...(name === undefined ? {} : { name }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(on === undefined ? {} : { on: [...on] }),
    ...(tool === undefined ? {} : { tools: [...tool] }),
    ...(tell === undefined ? {} : { config: readValue(tell) }),
    ...(Object.keys(resources).length === 0 ? {} : { resources }),
    ...(budget === undefined ? {} : { budget }),
    ...(model === undefined ? {} : { model }),
    ...(prompt === undefined ? {} : { prompt }),
  };
  const spawn = (): Promise<AgentSpawnResult | AgentSpreadResult> =>
    withNode(options, (node) =>
      node.builtin<AgentSpawnResult | AgentSpreadResult>('agent_spawn', args, {
        timeoutMs: READY_S * 1000 + WAY_MS,
      }),
    );
  const result = await (model === undefined ? spawn() : onceTakenUp(model, options, spawn));
  printData(result, options.json === true, () =>
    safeLine('parts' in result ? spreadLine(result) : lineOf(result)),
  );
}

function lineOf(result: AgentSpawnResult): string {
  const { agentId, name, status, model, pids, resources, initialisationMetrics, error } = result;
  const { cpu, memory, enforcedBy } = resources;
  const ready =
    initialisationMetrics === undefined
      ? `${status}${error === undefined ? '' : `: ${error}`}`
      : `ready in ${(initialisationMetrics.spawnTime / 1000).toFixed(1)}s`;
  return [
    `${name} (${agentId})`,
    ready,
    ...(model === undefined ? [] : [`model ${model}`]),
    ...(pids.length === 0 ? [] : [`pid ${pids.join(', ')}`]),
    ...(memory === undefined ? [] : [`memory ${memory} (${enforcedBy.memory})`]),
    ...(cpu === undefined ? [] : [`cpu ${cpu} (${enforcedBy.cpu})`]),
    ...filesOf(result),
  ].join('  ');
}

/** `coder  running  on alice (2), bob (2)  parent alice  not on carol: it is away` */
function spreadLine({
  error,
  name,
  parent,
  parts,
  status,
  without = [],
}: AgentSpreadResult): string {
  const on = parts.map(({ node, replicas, state }) =>
    state === 'failed' ? `${node} (failed)` : `${node} (${replicas ?? '?'})`,
  );
  return [
    name,
    error === undefined ? status : `failed: ${error}`,
    ...(on.length === 0 ? [] : [`on ${on.join(', ')}`]),
    ...(parent === undefined ? [] : [`parent ${parent.node}`]),
    ...without.map(({ node, reason }) => `not on ${node}: ${reason}`),
  ].join('  ');
}

/** A model has no process that could read files. */
function filesOf({ model, resources }: AgentSpawnResult): readonly string[] {
  if (model !== undefined) return [];
  return [resources.enforcedBy.files === undefined ? 'no sandbox' : 'in its sandbox'];
}
