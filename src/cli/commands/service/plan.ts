/** Which service a node has, as `starling service install` and `uninstall` both work it out. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { ENVIRONMENT } from '../../../config/env.ts';
import { readAbout } from '../../../config/known-nodes.ts';
import { defaultStateDir } from '../../../config/paths.ts';
import { shellWord } from '../../../core/words/shell-word.ts';
import { launchSelf } from '../../client-files/launcher.ts';
import { configFileInUse, stateDirOf } from '../../node/locate-node.ts';
import { serviceFile, serviceName } from '../../node/service-file.ts';
import type { ServiceFile } from '../../node/service-file.ts';
import { serviceKind } from '../../node/service-manager.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** What is secret, or is said by an option of the command line in place of a variable. */
const LEFT_OUT: readonly string[] = [
  'STARLING_JOIN',
  'STARLING_PASSPHRASE',
  'STARLING_NODE',
  'STARLING_CONFIG',
  'STARLING_STATE_DIR',
  // It may hold a key of the collector.
  'OTEL_EXPORTER_OTLP_HEADERS',
];
/** Variables besides ours without which a node finds other things than here. */
const PLACES: readonly string[] = [
  'PATH',
  'LANG',
  'XDG_STATE_HOME',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
];
const VARIABLE = /\$\{([A-Za-z_]\w*)(?::-[^}]*)?\}/g;

/** The service of one node. */
export interface ServicePlan {
  readonly file: ServiceFile;
  readonly stateDir: string;
  /** The command that it runs with its variables, as a shell takes it. */
  readonly line: string;
  readonly environmentFile: string;
  /** Variables that the config file names. */
  readonly variables: readonly string[];
}

/** The service of the node that the options mean. @throws STARLING_USAGE, STARLING_CONFIG_INVALID */
export async function planOf(
  options: CommonOptions,
  platform: NodeJS.Platform = process.platform,
): Promise<ServicePlan> {
  const { env, execPath, execArgv } = process;
  const stateDir = await stateDirOf(options);
  const config = await configFileInUse(options);
  const about = await readAbout(stateDir);
  const isUsual = stateDir === resolve(defaultStateDir(env));
  const name = about?.name ?? basename(stateDir);
  const script = resolve(process.argv[1] ?? 'starling');
  const words = ['up', '--state', stateDir, '--config', config];
  const text = await readFile(config, 'utf8').catch(() => undefined);
  // A config file that is not there yet can't be named: the default one is read once it is there.
  const named = text === undefined ? words.slice(0, 3) : words;
  const home = env['HOME'] ?? homedir();
  const environmentFile = join(stateDir, 'environment');
  const launch = launchSelf({ execPath, execArgv, script, env }, named);
  const variables = variablesOf(env);
  const line = [
    ...Object.entries(variables).map(([variable, value]) => `${variable}=${shellWord(value)}`),
    ...[launch.command, ...launch.args].map(shellWord),
  ].join(' ');
  const file = serviceFile(
    serviceKind(platform),
    serviceName(isUsual ? undefined : name),
    {
      name: isUsual && about === undefined ? 'of this user' : name,
      launch,
      env: variables,
      environmentFile,
      home,
    },
    env,
  );
  return { file, stateDir, line, environmentFile, variables: variablesIn(text ?? '') };
}

/** What of this shell's environment a node has at its service. */
function variablesOf(env: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const ours = ENVIRONMENT.map(({ name }) => name).filter((name) => !LEFT_OUT.includes(name));
  const found = [...PLACES, ...ours].flatMap((name) => {
    const value = env[name];
    return value === undefined || value === '' ? [] : [[name, value] as const];
  });
  return Object.fromEntries(found);
}

function variablesIn(config: string): readonly string[] {
  return [...new Set([...config.matchAll(VARIABLE)].map(([, name = '']) => name))];
}
