/** `starling tools show` */
import { StarlingError } from '../../../core/errors.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData } from '../../terminal/output.ts';
import { meantTool, wholeName } from './explain-failure.ts';
import { heldBack, heldError } from './held-back.ts';
import { silentServers } from './silent-servers.ts';
import { toolHelp } from './tool-help.ts';

/**
 * Prints what one tool does and takes; its name may be written as `starling call` takes it.
 * @throws STARLING_TOOL_UNKNOWN, STARLING_TOOL_QUARANTINED
 */
export async function run(typed: string, options: CommonOptions): Promise<void> {
  const { name, tools, held, silent } = await withNode(options, async (node) => {
    const offered = await node.tools();
    const whole = wholeName(typed, offered);
    const isOffered = offered.some((one) => one.name === whole);
    return {
      name: whole,
      tools: offered,
      held: isOffered ? [] : await heldBack(node),
      silent: isOffered ? [] : await silentServers(node),
    };
  });
  const tool = tools.find((one) => one.name === name);
  const waiting = held.find((one) => one.name === name.replaceAll('/', '__'));
  if (waiting !== undefined) throw heldError(waiting);
  if (tool === undefined) {
    const holding = tools.filter((one) => one.name.includes(name)).map((one) => one.name);
    const slip = meantTool(name, tools);
    const near = [...new Set([...holding, ...(slip === undefined ? [] : [slip])])];
    throw new StarlingError('STARLING_TOOL_UNKNOWN', `no tool is called ${name} here`, {
      hint:
        near.length === 0
          ? `${silentText(silent)}see which there are: starling tools`
          : `did you mean ${near.slice(0, 3).join(', ')}?`,
    });
  }
  printData({ tool }, options.json === true, () => toolHelp(tool));
}

/** The tool may be one of a server that has not come yet. */
function silentText(
  silent: readonly { readonly server: string; readonly state: string }[],
): string {
  const names = silent.map(({ server, state }) => `${server} (${state})`);
  return names.length === 0 ? '' : `not ready yet: ${names.join(', ')}; `;
}
