/** `starling agent stop` and `starling agent retire` */
import type { AgentEndResult } from '../../../agents/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safeLine } from '../../terminal/output.ts';

/** Ends an agent that the node runs; any other takes no messages any more. */
export async function stop(name: string, options: CommonOptions): Promise<void> {
  const result = await ask('agent_stop', name, options);
  printData(result, options.json === true, () => stoppedText(result));
}

function stoppedText({ name, kind }: AgentEndResult): string {
  if (kind === undefined) {
    return safeLine(`${name} takes no messages until it is announced again; its inbox stays`);
  }
  const named = name === kind ? '' : ` --name ${name}`;
  return [
    safeLine(`${name} does not run any more, and takes no messages; its inbox stays`),
    safeLine(
      `  → to run it again: starling agent spawn ${kind}${named}, with the options that it had`,
    ),
  ].join('\n');
}

/** Forgets the agent. */
export async function retire(name: string, options: CommonOptions): Promise<void> {
  const result = await ask('agent_retire', name, options);
  const dropped =
    result.dropped === 0 ? '' : `, with ${result.dropped} messages that nobody has read`;
  printData(result, options.json === true, () => safeLine(`${result.name} is gone${dropped}`));
}

function ask(tool: string, agentId: string, options: CommonOptions): Promise<AgentEndResult> {
  return withNode(options, (node) => node.builtin<AgentEndResult>(tool, { agentId }));
}
