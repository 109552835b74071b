/** `starling tools` */
import { toolHelp } from './tool-help.ts';
import { cut, print, printData, table } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

const SUMMARY_MAX = 80;
const OWN = 'starling__';

/** Prints the tools whose names contain `filter`, or all about the one tool that is called so. */
export async function run(filter: string | undefined, options: CommonOptions): Promise<void> {
  const all = await withNode(options, (node) => node.tools());
  const named = all.find((tool) => tool.name === filter);
  if (named !== undefined && options.json !== true) {
    print(toolHelp(named));
    return;
  }
  // The node's own tools come last: there are dozens, and people look for the others.
  const tools = all
    .filter((tool) => tool.name.includes(filter ?? ''))
    .toSorted((a, b) => Number(a.name.startsWith(OWN)) - Number(b.name.startsWith(OWN)));
  printData({ tools }, options.json === true, () => {
    if (tools.length === 0) return 'no tool matches; how the servers do: starling status';
    return table(
      ['TOOL', 'WHAT IT DOES'],
      tools.map((tool) => [tool.name, summary(tool.description)]),
      { flexible: 1 },
    );
  });
}

function summary(description = ''): string {
  return cut(description.trim().split('\n', 1)[0] ?? '', SUMMARY_MAX);
}
