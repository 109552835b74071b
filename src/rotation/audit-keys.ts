/** The keys that a node had, as the folder of its audit log tells them: a log outlives its keys. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { StarlingError, writeFileAtomic } from '../core/index.ts';
import type { Did } from '../core/index.ts';
import { parseSuccession } from '../grants/index.ts';
import type { Succession } from '../grants/index.ts';
import { isThere } from './is-there.ts';
import { readUnfinished } from './unfinished-rotation.ts';

/** File in the folder of the audit log that holds the successions of its node, a JWS a line. */
const KEYS_FILE = 'keys.jws';
/** Lines of it that are read. */
const KEYS_MAX = 64;
/** A succession is a JWS of at most 16 KiB. */
const KEYS_BYTES_MAX = KEYS_MAX * 16 * 1024;

/** Writes the successions of a node into the folder of its audit log, oldest first. */
export async function writeKeys(folder: string, line: readonly string[]): Promise<void> {
  await writeFileAtomic(join(folder, KEYS_FILE), line.map((jws) => `${jws}\n`).join(''), 0o600);
}

/**
 * All keys that whoever has, or once had, `did` is known by, newest first, as the folder of its audit
 * log tells. Each succession is verified: the old key signed it, so that who trusts it may follow. A
 * change that is unfinished in `stateDir` is reckoned with.
 * @throws STARLING_STATE_UNUSABLE when what is kept of them is damaged
 */
export async function keysIn(folder: string, did: Did, stateDir?: string): Promise<readonly Did[]> {
  const successions = await readKeys(join(folder, KEYS_FILE));
  const pending = stateDir === undefined ? undefined : await readUnfinished(stateDir);
  const change = pending?.succession.claims;
  // While the change is unfinished, the log may end with the old key.
  const from = change?.sub === did ? change.iss : did;
  const heirs = new Map(successions.map(({ claims: { iss, sub } }) => [iss, sub]));
  const former = new Map(successions.map(({ claims: { iss, sub } }) => [sub, iss]));
  const keys = new Set([from]);
  for (let one = former.get(from); one !== undefined && !keys.has(one); one = former.get(one))
    keys.add(one);
  const newer = new Set<Did>();
  for (let one = heirs.get(from); one !== undefined && !keys.has(one); one = heirs.get(one)) {
    if (newer.has(one)) break;
    newer.add(one);
  }
  return [...[...newer].toReversed(), ...keys];
}

async function readKeys(path: string): Promise<readonly Succession[]> {
  if (!(await isThere(path))) return [];
  const lines = (await readStart(path)).split('\n').filter((text) => text !== '');
  return lines.slice(0, KEYS_MAX).map((jws, index) => {
    try {
      return parseSuccession(jws);
    } catch (error) {
      const what = `${path}, line ${index + 1}, is not a change of keys as a node writes it`;
      const hint = 'the folder was changed: take a copy of it from the node, or a backup';
      throw new StarlingError('STARLING_STATE_UNUSABLE', what, { hint, cause: error });
    }
  });
}

/** As much of the file as may be in it. */
async function readStart(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(KEYS_BYTES_MAX), 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
