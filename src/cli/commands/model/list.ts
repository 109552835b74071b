/** `starling model list` */
import { checkModelProvider } from '../../../config/check-provider.ts';
import { StarlingError } from '../../../core/errors.ts';
import { isObject } from '../../../core/json/value-checks.ts';
import type { ProviderView } from '../../../config/provider-view.ts';
import type { ModelListResult } from '../../../models/types.ts';
import { readOwnConfig } from '../../node/config-file.ts';
import { stateDirOf, withNode } from '../../node/locate-node.ts';
import { paint, printData, safeLine, sentence, table } from '../../terminal/output.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Longer than a node waits for what its providers and peers list. */
const TIMEOUT_MS = 60_000;

/** A provider of the file; its words are those of `model_list` and of the Anonymous Identity framework's document. */
interface ProviderRow extends Partial<Omit<ProviderView, 'name' | 'problems'>> {
  readonly name: string;
  readonly keyFrom?: string;
  /** True: access tokens by OAuth client credentials, in place of a key. */
  readonly oauth?: true;
  readonly problems: readonly string[];
}

/** Prints the providers of the config file, and the models that may be used if a node runs. */
export async function run(options: CommonOptions): Promise<void> {
  const { file, providers } = await readOwnConfig(options);
  const listed = await askNode(options, file.exists ? file.path : undefined);
  const rows = [...providers].map(([name, entry]) => rowOf(name, entry, listed));
  const { models = [], failures = [] } = listed ?? {};
  const data = { file: file.path, providers: rows, models, failures };
  printData(data, options.json === true, () =>
    [
      rows.length === 0 ? none(file.path, listed) : tableOf(rows),
      ...(models.length === 0 ? [] : ['', ...models.map((model) => lineOf(model))]),
      ...failures.map(({ from, error }) =>
        sentence(`${paint.red('✗')} `, safeLine(`${from}: ${error}`)),
      ),
      ...(listed === undefined ? ['no node runs yet; start one with: starling up'] : []),
    ].join('\n'),
  );
}

function rowOf(name: string, entry: unknown, listed: ModelListResult | undefined): ProviderRow {
  const { problems, view } = checkModelProvider(name, entry, process.env);
  const there = listed?.providers?.find((one) => one.name === name)?.models;
  const { keyFrom, oauth } = isObject(entry) ? entry : {};
  return {
    id: name,
    name,
    ...view,
    ...(there === undefined ? {} : { models: there }),
    ...(typeof keyFrom === 'string' ? { keyFrom } : {}),
    ...(isObject(oauth) ? { oauth: true as const } : {}),
    problems,
  };
}

function tableOf(rows: readonly ProviderRow[]): string {
  return table(
    ['PROVIDER', 'API', 'KEY', 'ADDRESS'],
    rows.map(({ name, api, keyFrom, oauth, endpoint, problems }) => [
      name,
      api ?? '–',
      keyFrom ?? (oauth === true ? 'oauth' : 'none'),
      problems[0] ?? endpoint ?? '–',
    ]),
    { flexible: 3, wrap: true },
  );
}

function lineOf(model: ModelListResult['models'][number]): string {
  const { contextTokens, name, parameters, peer, shortName } = model;
  const long = shortName === undefined ? '' : paint.dim(` (${safeLine(name)})`);
  const of = peer === undefined ? '' : paint.dim(`  of ${safeLine(peer)}`);
  const size = [
    ...(parameters === undefined ? [] : [parameters]),
    ...(contextTokens === undefined ? [] : [`${contextTokens.toLocaleString('en-US')} tokens`]),
  ].join(', ');
  const sized = size === '' ? '' : paint.dim(`  ${safeLine(size)}`);
  return `${safeLine(shortName ?? name)}${long}${of}${sized}`;
}

/** Where a node has no providers of its own, peers may let it use theirs. */
function none(path: string, listed: ModelListResult | undefined): string {
  const add = 'add one with: starling model add <name> --url <address>';
  if (listed === undefined) return `no providers in ${safeLine(path)}; ${add}`;
  if (listed.models.length > 0) {
    return `no providers of its own in ${safeLine(path)}; this node may use by others:`;
  }
  return [
    `no providers in ${safeLine(path)}, and no peer lets this node use its models; ${add}`,
    "or, on a node that has some: starling grant create <this node's name> --model '<provider>/**'",
  ].join('\n');
}

/** What the running node may use; undefined when there is no node. */
async function askNode(
  options: CommonOptions,
  config: string | undefined,
): Promise<ModelListResult | undefined> {
  const state = await stateDirOf(config === undefined ? options : { ...options, config });
  try {
    return await withNode({ state }, (node) =>
      node.builtin<ModelListResult>('model_list', {}, { timeoutMs: TIMEOUT_MS }),
    );
  } catch (error) {
    const isAbsent = error instanceof StarlingError && error.code === 'STARLING_NODE_UNREACHABLE';
    if (!isAbsent) throw error;
    return undefined;
  }
}
