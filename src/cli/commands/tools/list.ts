/** `starling tools` */
import { heldBack, heldLine } from './held-back.ts';
import { toolHelp } from './tool-help.ts';
import { cut, print, printData, safeLine, table, tell } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

const SUMMARY_MAX = 80;
const OWN = 'starling__';
const ASK =
  "  → ask a peer for some: starling request '<peer>/<server>/*' --because '<why>'; servers of this node: starling status";

/** Prints the tools whose names contain `filter`, or all about the one tool that is called so. */
export async function run(filter: string | undefined, options: CommonOptions): Promise<void> {
  const { all, held } = await withNode(options, async (node) => ({
    all: await node.tools(),
    held: options.json === true ? [] : await heldBack(node),
  }));
  const named = all.find((tool) => tool.name === filter);
  if (named !== undefined && options.json !== true) {
    print(toolHelp(named));
    return;
  }
  // The node's own tools come last: there are dozens, and people look for the others.
  const tools = all
    .filter((tool) => tool.name.includes(filter ?? ''))
    .toSorted((a, b) => Number(a.name.startsWith(OWN)) - Number(b.name.startsWith(OWN)));
  const lines = held.filter(({ name }) => name.includes(filter ?? '')).map(heldLine);
  printData({ tools }, options.json === true, () => {
    if (tools.length === 0) return lines.length > 0 ? lines.join('\n') : noneText(filter);
    return table(
      ['TOOL', 'WHAT IT DOES'],
      tools.map((tool) => [tool.name, summary(tool.description)]),
      { flexible: 1 },
    );
  });
  if (tools.length > 0) for (const line of lines) tell(line);
  // Below the list, which is long: whoever looks for the tools of a peer reads the end.
  const areOwn = tools.length > 0 && tools.every((tool) => tool.name.startsWith(OWN));
  if (areOwn && filter === undefined && options.json !== true) {
    tell(`these are the node's own: no server of this node and no peer gives it tools yet\n${ASK}`);
  }
}

/** A tool that nobody granted is not listed, and the reader can't tell that from one that is not there. */
function noneText(filter = ''): string {
  return `no tool that you may call has '${safeLine(filter)}' in its name\n${ASK}`;
}

function summary(description = ''): string {
  return cut(description.trim().split('\n', 1)[0] ?? '', SUMMARY_MAX);
}
