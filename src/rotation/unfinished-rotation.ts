/**
 * A change of keys under way, in the file `key.rotation` of the state folder: what must outlive the end
 * of the process, sealed for the new key.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StarlingError, syncFolder, writeFileAtomic } from '../core/index.ts';
import { parseSuccession } from '../grants/index.ts';
import type { Succession } from '../grants/index.ts';
import { isThere } from './is-there.ts';

const VERSION = 1;
const FILE_BYTES_MAX = 64 * 1024;

/** A change that is not finished. */
export interface UnfinishedRotation {
  readonly succession: Succession;
  /** The old key's seed, sealed for the new one. */
  readonly sealed: Uint8Array;
}

/** Begins a change: from then on it can be finished, or forgotten. */
export async function writeUnfinished(
  stateDir: string,
  { succession, sealed }: UnfinishedRotation,
): Promise<void> {
  const content = {
    version: VERSION,
    succession: succession.jws,
    sealed: Buffer.from(sealed).toString('base64url'),
  };
  await writeFileAtomic(pathIn(stateDir), `${JSON.stringify(content)}\n`, 0o600);
}

/** Ends a change that is finished, or that did not come to count. */
export async function removeUnfinished(stateDir: string): Promise<void> {
  await rm(pathIn(stateDir), { force: true });
  await syncFolder(stateDir);
}

/** What the unfinished change of `stateDir` is; undefined when there is none. @throws STARLING_KEY_UNUSABLE */
export async function readUnfinished(stateDir: string): Promise<UnfinishedRotation | undefined> {
  const path = pathIn(stateDir);
  if (!(await isThere(path))) return undefined;
  const text = await readFile(path, 'utf8');
  try {
    if (text.length > FILE_BYTES_MAX) throw new TypeError('it is too long');
    const value = JSON.parse(text) as Partial<Record<string, unknown>>;
    const { version, succession, sealed } = value;
    if (version !== VERSION || typeof succession !== 'string' || typeof sealed !== 'string') {
      throw new TypeError('fields are missing');
    }
    return { succession: parseSuccession(succession), sealed: Buffer.from(sealed, 'base64url') };
  } catch (error) {
    throw unusable(stateDir, 'does not parse', error);
  }
}

/** The error of an unfinished change that can't be finished; `problem` follows the file's name. */
export function unusable(stateDir: string, problem: string, cause?: unknown): StarlingError {
  return new StarlingError(
    'STARLING_KEY_UNUSABLE',
    `the unfinished key change ${pathIn(stateDir)} ${problem}`,
    {
      hint: 'restore it and the key file together from one backup',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

function pathIn(stateDir: string): string {
  return join(stateDir, 'key.rotation');
}
