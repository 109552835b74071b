/** `starling model remove` */
import { nearest } from '../../../core/words/slips.ts';
import { StarlingError } from '../../../core/errors.ts';
import { removeProperty } from '../../client-files/jsonc-edit.ts';
import { nextStep, readOwnConfig, writeOwnConfig } from '../../node/config-file.ts';
import { paint, printData, safeLine } from '../../terminal/output.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Takes the provider out of the config file. @throws STARLING_USAGE when it is not in there */
export async function run(name: string, options: CommonOptions): Promise<void> {
  const config = await readOwnConfig(options);
  const { path, text } = config.file;
  if (!config.providers.has(name)) {
    const meant = nearest(name, [...config.providers.keys()]);
    throw new StarlingError('STARLING_USAGE', `no provider is called '${name}' in ${path}`, {
      hint: meant === undefined ? 'see: starling model list' : `did you mean '${meant}'?`,
    });
  }
  const where = ['models', 'providers', name];
  await writeOwnConfig(config, removeProperty({ text, file: path }, where));
  const next = await nextStep(options, path, 'starling model list');
  printData({ file: path, name, node: next.node }, options.json === true, () =>
    [`removed ${paint.bold(name)} from ${safeLine(path)}`, next.text].join('\n'),
  );
}
