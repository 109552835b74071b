/** Whether the state folder can be used, is private, and holds a sound key. */
import { access, constants, lstat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { join } from 'node:path';
import { StarlingError, messageOf } from '../../core/errors.ts';
import { readKeyFacts } from '../../identity/index.ts';
import { finding } from './check.ts';
import type { Check, Finding } from './check.ts';

const OTHERS = 0o077;

/** Looks at access and modes of folder and token, and at the key file. */
export const stateFolder: Check = {
  name: 'state',
  async run({ stateDir }) {
    const folder = await lookAt(stateDir);
    if (folder === undefined) {
      return [finding('state', 'ok', `${stateDir} will be made by the first starling up`)];
    }
    if (!folder.isDirectory()) {
      return [
        finding('state', 'fail', `${stateDir} is not a folder`, 'choose another with --state'),
      ];
    }
    return [
      await checkAccess(stateDir),
      ...checkPrivate(stateDir, folder),
      ...checkPrivate(join(stateDir, 'token'), await lookAt(join(stateDir, 'token'))),
      ...(await checkKey(join(stateDir, 'key'))),
    ];
  },
};

async function checkAccess(stateDir: string): Promise<Finding> {
  try {
    await access(stateDir, constants.R_OK | constants.W_OK | constants.X_OK);
    return finding('state', 'ok', `${stateDir} can be used`);
  } catch (error) {
    return finding(
      'state',
      'fail',
      `${stateDir} can't be written: ${messageOf(error)}`,
      'chown it to yourself, or choose another with --state',
    );
  }
}

function checkPrivate(path: string, facts: Stats | undefined): readonly Finding[] {
  if (facts === undefined || process.platform === 'win32' || (facts.mode & OTHERS) === 0) return [];
  const mode = (facts.mode & 0o777).toString(8);
  return [
    finding('state', 'fail', `${path} can be read by others (mode ${mode})`, `chmod go= ${path}`),
  ];
}

async function checkKey(path: string): Promise<readonly Finding[]> {
  try {
    const facts = await readKeyFacts(path);
    if (facts === undefined) return [];
    const { peerId, isEncrypted } = facts;
    return [finding('state', 'ok', `the key is ${isEncrypted ? 'encrypted' : 'sound'}: ${peerId}`)];
  } catch (error) {
    const hint = error instanceof StarlingError ? error.hint : undefined;
    return [finding('state', 'fail', messageOf(error), hint)];
  }
}

async function lookAt(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
