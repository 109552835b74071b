/** `starling agent announce` */
import type { AgentAnnounceResult } from '../../../agents/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safeLine } from '../../terminal/output.ts';

/** Options of the command. */
interface AnnounceOptions extends CommonOptions {
  readonly capability?: readonly string[];
  readonly kind?: string;
  readonly maxTasks?: number;
  readonly listed?: boolean;
}

/** Announces the agent and says how its messages are read. */
export async function run(name: string, options: AnnounceOptions): Promise<void> {
  const { capability, kind, maxTasks, listed } = options;
  const result = await withNode(options, (node) =>
    node.builtin<AgentAnnounceResult>('agent_announce', {
      name,
      ...(capability === undefined ? {} : { capabilities: [...capability] }),
      ...(kind === undefined ? {} : { kind }),
      ...(maxTasks === undefined ? {} : { maxConcurrentTasks: maxTasks }),
      ...(listed === undefined ? {} : { listed }),
    }),
  );
  const waiting = result.waiting === 0 ? '' : `; ${result.waiting} messages wait for it`;
  printData(result, options.json === true, () =>
    safeLine(
      `${result.name} is an agent now (${result.agentId})${waiting}; read its messages with: starling agent inbox ${result.name}`,
    ),
  );
}
