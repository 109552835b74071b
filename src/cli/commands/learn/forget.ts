/** `starling learn forget` */
import type { LearnForgetResult } from '../../../learning/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safeLine } from '../../terminal/output.ts';

interface ForgetOptions extends CommonOptions {
  readonly experience?: string;
  readonly work?: string;
}

/** Has an agent forget. @throws STARLING_AGENT_UNKNOWN, STARLING_USAGE for an experience that is not there */
export async function run(
  agent: string,
  { experience, work, ...options }: ForgetOptions,
): Promise<void> {
  const args = {
    agent,
    ...(experience === undefined ? {} : { experience }),
    ...(work === undefined ? {} : { work }),
  };
  const result = await withNode(options, (node) =>
    node.builtin<LearnForgetResult>('learn_forget', args),
  );
  printData(result, options.json === true, () => {
    const { experiences, works } = result;
    const count = (n: number, one: string): string => `${n} ${n === 1 ? one : `${one}s`}`;
    return safeLine(
      `${agent} has forgotten ${count(experiences, 'experience')} and the figures of ${count(works, 'work')}`,
    );
  });
}
