/** Can the state folder be used, and is it private? */
import { access, constants, lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { finding } from './check.ts';
import type { Check, Finding } from './check.ts';

const OTHERS = 0o077;

/** The check. */
export const stateFolder: Check = {
  name: 'state',
  run: async ({ config }) => {
    const folder = await mode(config.stateDir);
    if (folder === undefined) {
      return [finding('state', 'ok', `${config.stateDir} will be made by the first starling up`)];
    }
    const found: Finding[] = [];
    try {
      await access(config.stateDir, constants.R_OK | constants.W_OK | constants.X_OK);
      found.push(finding('state', 'ok', `${config.stateDir} can be used`));
    } catch {
      // What access says is only that we may not; what to do is the same for every reason.
      found.push(
        finding(
          'state',
          'fail',
          `${config.stateDir} can't be written`,
          `chown it to yourself, or choose another with --state`,
        ),
      );
    }
    for (const [path, bits] of [
      [config.stateDir, folder],
      [join(config.stateDir, 'key'), await mode(join(config.stateDir, 'key'))],
      [join(config.stateDir, 'token'), await mode(join(config.stateDir, 'token'))],
    ] as const) {
      if (bits === undefined || process.platform === 'win32' || (bits & OTHERS) === 0) continue;
      found.push(
        finding(
          'state',
          'fail',
          `${path} can be read by others (mode ${(bits & 0o777).toString(8)})`,
          `chmod go= ${path}`,
        ),
      );
    }
    return found;
  },
};

async function mode(path: string): Promise<number | undefined> {
  try {
    return (await lstat(path)).mode;
  } catch {
    // Not there yet.
    return undefined;
  }
}
