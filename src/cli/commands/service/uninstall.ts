/** `starling service uninstall` */
import { access, rm } from 'node:fs/promises';
import type { ExitCode } from '../../../core/exit-codes.ts';
import { runBriefly } from '../../../gateway/index.ts';
import { forgetService, stopService } from '../../node/service-manager.ts';
import type { ServiceSystem } from '../../node/service-manager.ts';
import { asSentence, print, printData, safeLine } from '../../terminal/output.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { planOf } from './plan.ts';

interface UninstallOptions extends CommonOptions {
  readonly print?: boolean;
}

/** Ends the service and removes its file; exit code 1 when there was none. */
export async function run(
  options: UninstallOptions,
  system: ServiceSystem = here(),
): Promise<ExitCode> {
  const { file } = await planOf(options, system.platform);
  const isThere = await access(file.path).then(
    () => true,
    () => false,
  );
  if (options.print === true) {
    const text = isThere ? `${file.path} would be removed` : `${file.path} is not there`;
    if (options.json === true)
      print(JSON.stringify({ service: file.id, file: file.path, removed: false }));
    else print(safeLine(text));
    return 0;
  }
  if (isThere) {
    await stopService(system, file);
    await rm(file.path, { force: true });
    await forgetService(system);
  }
  printData({ service: file.id, file: file.path, removed: isThere }, options.json === true, () =>
    asSentence(
      isThere
        ? `removed ${file.path}; the node has ended, and its state folder stays as it is`
        : `there is no service of this node: ${file.path} is not there`,
    ),
  );
  return isThere ? 0 : 1;
}

/** The system that this process runs on. */
function here(): ServiceSystem {
  const { platform, env } = process;
  return { platform, env, uid: process.getuid?.() ?? 0, run: runBriefly };
}
