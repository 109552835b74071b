/** `starling learn grade` */
import type { AiLearnResult } from '../../../learning/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safeLine } from '../../terminal/output.ts';

interface GradeOptions extends CommonOptions {
  readonly feedback?: string;
  readonly update: string;
}

const EXPERIENCE = /^exp_[0-9a-f]{16}$/;

/** Says how something went. @throws STARLING_AGENT_UNKNOWN, STARLING_USAGE */
export async function run(
  agent: string,
  id: string,
  outcome: string,
  { feedback, update, ...options }: GradeOptions,
): Promise<void> {
  const experience = EXPERIENCE.test(id) ? { agent, id } : { agent, message_id: id };
  const said = feedback === undefined ? {} : { feedback };
  const args = { experience, outcome, ...said, update_strategy: update };
  const result = await withNode(options, (node) => node.builtin<AiLearnResult>('ai_learn', args));
  printData(result, options.json === true, () => {
    if (result.updated === 'none') return safeLine(`${agent} knew that already`);
    const way = result.way === undefined ? '' : `, by the way ${result.way}`;
    return safeLine(`${agent} has learned it: ${result.work}${way}: ${outcome}`);
  });
}
