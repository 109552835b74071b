/** `starling context show` */
import type { ContextContent } from '../../../contexts/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safe, safeLine } from '../../terminal/output.ts';

/** Prints what was said. @throws STARLING_CONTEXT_UNKNOWN */
export async function run(id: string, options: CommonOptions): Promise<void> {
  const context = await withNode(options, (node) =>
    node.builtin<ContextContent>('context_show', { id }),
  );
  printData(context, options.json === true, () => {
    const { agent, from, said, session, summary } = context;
    const head = safeLine(`${from} with ${agent}: ${session}`);
    const short =
      summary === undefined
        ? []
        : [
            `lines ${summary.first} to ${summary.last} in short, by ${safeLine(summary.model)}:\n${safe(summary.text)}`,
          ];
    const lines = said.map(({ n, role, text }) => {
      const who = role === 'user' ? from : agent;
      return `${n} ${safeLine(who)}: ${safe(text)}`;
    });
    return [head, ...short, ...lines].join('\n');
  });
}
