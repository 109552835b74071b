/** The audit log of a node that may not run: which folder, and by whose key it is signed. */
import { join, resolve } from 'node:path';
import { StarlingError } from '../../core/errors.ts';
import type { Did } from '../../core/ids.ts';
import { parseDid, readKeyFacts } from '../../identity/index.ts';
import { stateDirOf } from './locate-node.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { keysIn } from '../../rotation/index.ts';

/** Options that name a log. */
export interface FolderOptions extends CommonOptions {
  readonly folder?: string;
  readonly did?: string;
}

/** The folder that the options mean. */
export async function auditFolderOf(options: FolderOptions): Promise<string> {
  const { folder } = options;
  return folder === undefined ? join(await stateDirOf(options), 'audit') : resolve(folder);
}

/**
 * Whose log it is: its key, those that it had before and those that took its place, newest first.
 * @throws STARLING_USAGE when nothing says so; STARLING_ID_MALFORMED, STARLING_STATE_UNUSABLE
 */
export async function auditDidsOf(options: FolderOptions): Promise<readonly Did[]> {
  const did = await didOf(options);
  const isElsewhere = options.folder !== undefined;
  return keysIn(
    await auditFolderOf(options),
    did,
    isElsewhere ? undefined : await stateDirOf(options),
  );
}

async function didOf(options: FolderOptions): Promise<Did> {
  if (options.did !== undefined) return parseDid(options.did);
  const key = join(await stateDirOf(options), 'key');
  const facts = await readKeyFacts(key);
  if (facts !== undefined) return facts.did;
  throw new StarlingError('STARLING_USAGE', `there is no key at ${key} to verify with`, {
    hint: 'say whose record it is, with --did did:key:… (starling status of that node shows it)',
  });
}
