/** What the node of a state folder has seen of an audit log, whether it runs or not. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { createCheckpointBook } from '../audit/index.ts';
import type { Checkpoint } from '../audit/index.ts';
import type { AuditSeenResult } from '../builtin/types.ts';
import { StarlingError, messageOf } from '../core/errors.ts';
import type { Did } from '../core/ids.ts';
import { silentLogger } from '../core/logger.ts';
import { createStore } from '../store/index.ts';
import { stateDirOf, withNode } from './sources.ts';
import type { CommonOptions } from './sources.ts';

/** What was seen, latest first; and why it could not be read, if so. */
export interface SeenHere {
  readonly checkpoints: readonly Checkpoint[];
  readonly problem?: string;
}

/** Nothing where there is no node. A book that can't be read is told, and is no failure. */
export async function checkpointsSeen(did: Did, options: CommonOptions): Promise<SeenHere> {
  try {
    return await withNode(options, (node) => node.builtin<AuditSeenResult>('audit_seen', { did }));
  } catch (error) {
    const isAbsent = error instanceof StarlingError && error.code === 'STARLING_NODE_UNREACHABLE';
    if (!isAbsent) return { checkpoints: [], problem: messageOf(error) };
  }
  try {
    return { checkpoints: await ofStore(did, join(await stateDirOf(options), 'db')) };
  } catch (error) {
    return { checkpoints: [], problem: messageOf(error) };
  }
}

async function ofStore(did: Did, dir: string): Promise<readonly Checkpoint[]> {
  const isThere = await access(dir).then(
    () => true,
    () => false,
  );
  if (!isThere) return [];
  const store = createStore({ logger: silentLogger }, { dir });
  await store.start();
  try {
    const book = createCheckpointBook({ table: store.table('checkpoints') });
    await book.load();
    return book.of(did);
  } finally {
    await store.stop();
  }
}
