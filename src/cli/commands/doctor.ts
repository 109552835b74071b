/** `starling doctor` */
import pc from 'picocolors';
import type { PeersResult, StatusResult } from '../../builtin/types.ts';
import { loadConfig } from '../../config/index.ts';
import { StarlingError, messageOf } from '../../core/errors.ts';
import { finding } from '../checks/check.ts';
import type { Check, CheckContext, Finding } from '../checks/check.ts';
import { clock } from '../checks/clock.ts';
import { multicast } from '../checks/multicast.ts';
import { nodeVersion } from '../checks/node-version.ts';
import { peers } from '../checks/peers.ts';
import { ports } from '../checks/ports.ts';
import { stateFolder } from '../checks/state-folder.ts';
import { upstreams } from '../checks/upstreams.ts';
import { printData, safe } from '../output.ts';
import { withNode } from '../sources.ts';
import type { CommonOptions } from '../sources.ts';

const CHECKS: readonly Check[] = [
  nodeVersion,
  stateFolder,
  clock,
  ports,
  multicast,
  upstreams,
  peers,
];
const TIMEOUT_MS = 10_000;

/** Runs all checks side by side; exit code 1 when one failed. */
export async function run(options: CommonOptions & { readonly config?: string }): Promise<number> {
  const config = await loadConfig({
    ...(options.config === undefined ? {} : { file: options.config }),
    env: process.env,
    flags: options.state === undefined ? {} : { stateDir: options.state },
  });
  const running = await askNode({ ...options, state: config.stateDir });
  const context: CheckContext = { config, ...running };
  const found = (await Promise.all(CHECKS.map((check) => guarded(check, context)))).flat();
  printData({ findings: found }, options.json === true, () => found.map(show).join('\n'));
  return found.some(({ result }) => result === 'fail') ? 1 : 0;
}

async function askNode(
  options: CommonOptions,
): Promise<{ readonly status?: StatusResult; readonly peers?: PeersResult }> {
  try {
    return await withNode(options, async (node) => ({
      status: await node.builtin<StatusResult>('status'),
      peers: await node.builtin<PeersResult>('peers'),
    }));
  } catch (error) {
    if (error instanceof StarlingError && error.code === 'STARLING_NODE_UNREACHABLE') return {};
    throw error;
  }
}

async function guarded(check: Check, context: CheckContext): Promise<readonly Finding[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly Finding[]>((resolve) => {
    timer = setTimeout(
      () =>
        resolve([
          finding(check.name, 'fail', `the check did not end within ${TIMEOUT_MS / 1000} s`),
        ]),
      TIMEOUT_MS,
    );
  });
  try {
    return await Promise.race([check.run(context), late]);
  } catch (error) {
    return [finding(check.name, 'fail', `the check itself failed: ${messageOf(error)}`)];
  } finally {
    clearTimeout(timer);
  }
}

function show({ check, result, text, hint }: Finding): string {
  const mark = { ok: pc.green('✓'), warn: pc.yellow('!'), fail: pc.red('✗') }[result];
  const next = hint === undefined ? '' : `\n    → ${safe(hint)}`;
  return `${mark} ${check.padEnd(9)} ${safe(text)}${next}`;
}
