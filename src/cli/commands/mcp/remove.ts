/** `starling mcp remove` */
import { nearest } from '../../../core/words/slips.ts';
import { StarlingError } from '../../../core/errors.ts';
import { removeProperty } from '../../client-files/jsonc-edit.ts';
import { nextStep, readOwnConfig, writeOwnConfig } from '../../node/config-file.ts';
import { paint, printData, safeLine } from '../../terminal/output.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Takes the server out of the config file. @throws STARLING_USAGE when it is not in there */
export async function run(name: string, options: CommonOptions): Promise<void> {
  const config = await readOwnConfig(options);
  const { path, text } = config.file;
  if (!config.servers.has(name)) {
    const meant = nearest(name, [...config.servers.keys()]);
    throw new StarlingError('STARLING_USAGE', `no server is called '${name}' in ${path}`, {
      hint: meant === undefined ? 'see: starling mcp list' : `did you mean '${meant}'?`,
    });
  }
  await writeOwnConfig(config, removeProperty({ text, file: path }, ['mcpServers', name]));
  const next = await nextStep(options, path);
  printData({ file: path, name, node: next.node }, options.json === true, () =>
    [`removed ${paint.bold(name)} from ${safeLine(path)}`, next.text].join('\n'),
  );
}
