/** `starling tools show` */
import { StarlingError } from '../../../core/errors.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData } from '../../terminal/output.ts';
import { meantTool } from './explain-failure.ts';
import { toolHelp } from './tool-help.ts';

/** Prints what one tool does and takes. @throws STARLING_TOOL_UNKNOWN */
export async function run(name: string, options: CommonOptions): Promise<void> {
  const tools = await withNode(options, (node) => node.tools());
  const tool = tools.find((one) => one.name === name);
  if (tool === undefined) {
    const holding = tools.filter((one) => one.name.includes(name)).map((one) => one.name);
    const slip = meantTool(name, tools);
    const near = [...new Set([...holding, ...(slip === undefined ? [] : [slip])])];
    throw new StarlingError('STARLING_TOOL_UNKNOWN', `no tool is called ${name} here`, {
      hint:
        near.length === 0
          ? 'see which there are: starling tools'
          : `did you mean ${near.slice(0, 3).join(', ')}?`,
    });
  }
  printData({ tool }, options.json === true, () => toolHelp(tool));
}
