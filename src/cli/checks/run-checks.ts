/** The checks of `starling doctor`, side by side: of this machine, the configuration and the node. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { PeersResult, StatusResult } from '../../builtin/results.ts';
import { loadConfig } from '../../config/index.ts';
import type { Config } from '../../config/index.ts';
import { defaultConfigFile, defaultStateDir } from '../../config/paths.ts';
import { systemClock } from '../../core/time/clock.ts';
import { StarlingError, messageOf } from '../../core/errors.ts';
import { settledWithin } from '../../core/wait.ts';
import {
  configFileInUse,
  configFileOf,
  namedStateDir,
  stateDirOf,
  withNode,
} from '../node/locate-node.ts';
import { startWords } from '../node/start-words.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { finding } from './check.ts';
import type { Check, CheckContext, Finding } from './check.ts';
import { clients } from './clients.ts';
import { clock } from './clock.ts';
import { multicast } from './multicast.ts';
import { nodeVersion } from './node-version.ts';
import { peers } from './peers.ts';
import { ports } from './ports.ts';
import { sandbox } from './sandbox.ts';
import { stateFolder } from './state-folder.ts';
import { upstreams } from './upstreams.ts';

const CHECKS: readonly Check[] = [
  nodeVersion,
  stateFolder,
  clock,
  ports,
  multicast,
  sandbox,
  upstreams,
  clients,
  peers,
];
const TIMEOUT_MS = 10_000;

/** Runs all checks; each that does not end in 10 s, or fails itself, is a finding as well. */
export async function runChecks(options: CommonOptions): Promise<readonly Finding[]> {
  const { config, findings } = await load(options, await configFileMeant(options));
  const stateDir = config?.stateDir ?? (await likelyStateDir(options));
  const asked = await askNode(stateDir);
  const context: CheckContext = {
    stateDir,
    ...(config === undefined ? {} : { config }),
    ...asked.node,
  };
  const checked = await Promise.all(CHECKS.map((check) => guarded(check, context)));
  return [...findings, ...(asked.findings ?? []), ...checked.flat()];
}

/** Loads the configuration; when it does not load, that is a finding, and the other checks go on. */
async function load(
  options: CommonOptions,
  file: string,
): Promise<{ readonly config?: Config; readonly findings: readonly Finding[] }> {
  try {
    const stateDir = await namedStateDir(options, process.env);
    const config = await loadConfig({
      // The default file may be absent, and any other one may not.
      ...(file === resolve(defaultConfigFile(process.env)) ? {} : { file }),
      env: process.env,
      flags: stateDir === undefined ? {} : { stateDir },
    });
    const where = existsSync(file) ? file : `no file ${file}: all is as by default`;
    const text = `the configuration is valid (${where})`;
    return { config, findings: [finding('config', 'ok', text)] };
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    return { findings: [finding('config', 'fail', error.message, error.hint)] };
  }
}

/** The config file that is checked: the running node's, unless another is named. */
export async function configFileMeant(options: CommonOptions): Promise<string> {
  try {
    return await configFileInUse(options);
  } catch (error) {
    // The config file does not parse, or no node is called so, which a finding tells.
    if (!(error instanceof StarlingError)) throw error;
    return resolve(configFileOf(options, process.env));
  }
}

/** The state folder, as far as a faulty configuration names one. */
export async function likelyStateDir(options: CommonOptions): Promise<string> {
  try {
    return await stateDirOf(options);
  } catch (error) {
    // The config file does not parse, which another finding tells.
    if (!(error instanceof StarlingError)) throw error;
    return defaultStateDir(process.env);
  }
}

async function askNode(stateDir: string): Promise<{
  readonly node?: Required<Pick<CheckContext, 'status' | 'peers'>>;
  readonly findings?: readonly Finding[];
}> {
  try {
    const node = await withNode({ state: stateDir }, async (client) => ({
      status: await client.builtin<StatusResult>('status', {}, { timeoutMs: TIMEOUT_MS }),
      peers: await client.builtin<PeersResult>('peers', {}, { timeoutMs: TIMEOUT_MS }),
    }));
    return { node };
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    if (error.code === 'STARLING_NODE_UNREACHABLE') return {};
    const text = `the node does not answer: ${error.message}`;
    const words = await startWords(stateDir);
    const hint = `stop it, and start it again with: starling up${words}`;
    return { findings: [finding('node', 'fail', text, hint)] };
  }
}

async function guarded(check: Check, context: CheckContext): Promise<readonly Finding[]> {
  const done = check.run(context);
  if (!(await settledWithin(TIMEOUT_MS, done, systemClock))) {
    return [finding(check.name, 'fail', `the check did not end within ${TIMEOUT_MS / 1000} s`)];
  }
  try {
    return await done;
  } catch (error) {
    return [finding(check.name, 'fail', `the check itself failed: ${messageOf(error)}`)];
  }
}
