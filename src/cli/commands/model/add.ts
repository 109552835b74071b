/** `starling model add` */
import { checkModelProvider } from '../../../config/check-provider.ts';
import { StarlingError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json/json.ts';
import { nextStep, readOwnConfig, withProvider, writeOwnConfig } from '../../node/config-file.ts';
import { paint, printData, safeLine } from '../../terminal/output.ts';
import type { CommonOptions } from '../../options/common-options.ts';

interface AddOptions extends CommonOptions {
  readonly url?: string;
  readonly keyFrom?: string;
  readonly api?: 'openai' | 'anthropic' | 'google';
  readonly model?: readonly string[];
  readonly force?: boolean;
}

/** Writes the provider to the config file. @throws STARLING_USAGE, STARLING_CONFIG_INVALID */
export async function run(name: string, options: AddOptions): Promise<void> {
  const { url, keyFrom, api, model } = options;
  const entry: JsonObject = {
    ...(url === undefined ? {} : { endpoint: url }),
    ...(api === undefined ? {} : { api }),
    ...(keyFrom === undefined ? {} : { keyFrom }),
    ...(model === undefined ? {} : { models: model }),
  };
  const { problems, unset, view } = checkModelProvider(name, entry, process.env);
  const meant = { api: view?.api, endpoint: view?.endpoint };
  if (problems.length > 0) {
    const said = problems.map((one) => asOptions(one));
    throw usage(
      `the provider '${name}' can't be added:\n  ${said.join('\n  ')}`,
      `starling model add ${name} --url http://127.0.0.1:11434`,
    );
  }
  const config = await readOwnConfig(options);
  const { path } = config.file;
  const replaced = config.providers.has(name);
  if (replaced && options.force !== true) {
    throw usage(
      `a provider is called '${name}' in ${path} already`,
      'replace it with --force, or see it: starling model list',
    );
  }
  await writeOwnConfig(config, withProvider(config, name, entry));
  const next = await nextStep(options, path, `starling model test ${name}`);
  const data = { file: path, name, replaced, ...meant, keyFrom, unset, node: next.node };
  printData(data, options.json === true, () =>
    [
      `${replaced ? 'replaced' : 'added'} ${paint.bold(name)} in ${safeLine(path)}`,
      safeLine(`  ${meant.endpoint ?? ''} (${meant.api ?? 'openai'} API)`),
      ...(keyFrom === undefined ? [] : [safeLine(`  its key: ${keyFrom}`)]),
      ...unset.map(
        (variable) => `${paint.yellow('!')} ${variable} is not set here: the node needs it`,
      ),
      ...(url === undefined && keyFrom === undefined ? keylessText(name) : []),
      next.text,
    ].join('\n'),
  );
}

/** Vendors that answer nobody who brings no key. */
const WITH_KEY: readonly string[] = ['openai', 'anthropic', 'google', 'openrouter'];

/** What is missing for a vendor that wants a key, and the commands that give it one. */
function keylessText(name: string): readonly string[] {
  if (!WITH_KEY.includes(name)) return [];
  const secret = name.toUpperCase();
  return [
    `${paint.yellow('!')} ${name} answers nobody without a key: starling secret set ${secret}, then: starling model add ${name} --key-from secret:${secret} --force`,
  ];
}

/** The problem, by the names of the options. */
function asOptions(problem: string): string {
  return problem.replace(/^endpoint: /, '--url: ').replace(/^keyFrom: /, '--key-from: ');
}

function usage(message: string, hint: string): StarlingError {
  return new StarlingError('STARLING_USAGE', message, { hint });
}
