/** Whether the state folder can be used, is private, and holds a sound key. */
import { access, constants, lstat, statfs } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { join } from 'node:path';
import type { StatusResult } from '../../builtin/results.ts';
import { requireKnownState } from '../../config/state-version.ts';
import { diskTroubleOf } from '../../core/system/disk-trouble.ts';
import { StarlingError, messageOf } from '../../core/errors.ts';
import { readKeyFacts } from '../../identity/index.ts';
import { finding } from './check.ts';
import type { Check, Finding } from './check.ts';

const OTHERS = 0o077;
/** Free bytes below which the node can't go on after a restart, and below which that comes soon. */
const FULL_BYTES = 8 * 1024 * 1024;
const NEARLY_FULL_BYTES = 128 * 1024 * 1024;
/** What a running node says of the disk of its state: a failure, where other warnings are none. */
export const DISK_WARNINGS: readonly string[] = ['state-unwritable', 'audit-unwritable'];

/** Looks at access and modes of folder and token, at the key file, and at the room on the disk. */
export const stateFolder: Check = {
  name: 'state',
  async run({ stateDir, status }) {
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
      ...(await checkRoom(stateDir)),
      ...(await checkVersion(stateDir)),
      ...told(status),
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
      diskTroubleOf(error)?.kind === 'read-only'
        ? diskTroubleOf(error)?.hint
        : 'chown it to yourself, or choose another with --state',
    );
  }
}

async function checkRoom(stateDir: string): Promise<readonly Finding[]> {
  const { bavail, bsize } = await statfs(stateDir);
  const free = bavail * bsize;
  if (free >= NEARLY_FULL_BYTES) return [];
  const text = `${Math.floor(free / 1024)} KiB are free on the disk of ${stateDir}`;
  const hint = 'free space there: on a full disk the node can only be read';
  return [finding('state', free < FULL_BYTES ? 'fail' : 'warn', text, hint)];
}

/** Whether this version of Starling can read it. */
async function checkVersion(stateDir: string): Promise<readonly Finding[]> {
  try {
    await requireKnownState(stateDir);
    return [];
  } catch (error) {
    return [failed(error)];
  }
}

function told(status: StatusResult | undefined): readonly Finding[] {
  return (status?.warnings ?? [])
    .filter(({ code }) => DISK_WARNINGS.includes(code))
    .map(({ text, hint }) => finding('state', 'fail', text, hint));
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
    return [failed(error)];
  }
}

function failed(error: unknown): Finding {
  const hint = error instanceof StarlingError ? error.hint : undefined;
  return finding('state', 'fail', messageOf(error), hint);
}

async function lookAt(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
