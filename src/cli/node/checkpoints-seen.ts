/** What the node of a state folder has seen of an audit log, whether it runs or not. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { createCheckpointStore } from '../../audit/index.ts';
import type { Checkpoint } from '../../audit/index.ts';
import type { AuditSeenResult } from '../../builtin/results.ts';
import { requireKnownState } from '../../config/state-version.ts';
import { StarlingError, messageOf } from '../../core/errors.ts';
import type { Did } from '../../core/ids.ts';
import { silentLogger } from '../../core/logger.ts';
import { createStore } from '../../store/index.ts';
import { stateDirOf, withNode } from './locate-node.ts';
import type { CommonOptions } from '../options/common-options.ts';

/** The checkpoints that were seen, latest first; `problem` says why they could not be read. */
export interface SeenHere {
  readonly checkpoints: readonly Checkpoint[];
  readonly problem?: string;
}

/**
 * The checkpoints of a log that the keys `dids` have signed, one key after the other. There are none where
 * there is no node; checkpoints that can't be read are a `problem`, not a failure.
 */
export async function checkpointsSeen(
  dids: readonly Did[],
  options: CommonOptions,
): Promise<SeenHere> {
  try {
    return await withNode(options, async (node) => {
      const seen: Checkpoint[] = [];
      for (const did of dids) {
        const { checkpoints } = await node.builtin<AuditSeenResult>('audit_seen', { did });
        seen.push(...checkpoints);
      }
      return { checkpoints: seen };
    });
  } catch (error) {
    const isAbsent = error instanceof StarlingError && error.code === 'STARLING_NODE_UNREACHABLE';
    if (!isAbsent) return { checkpoints: [], problem: messageOf(error) };
  }
  try {
    return { checkpoints: await ofFolder(dids, await stateDirOf(options)) };
  } catch (error) {
    return { checkpoints: [], problem: messageOf(error) };
  }
}

async function ofFolder(dids: readonly Did[], stateDir: string): Promise<readonly Checkpoint[]> {
  const dir = join(stateDir, 'db');
  const isThere = await access(dir).then(
    () => true,
    () => false,
  );
  if (!isThere) return [];
  await requireKnownState(stateDir);
  const store = createStore({ logger: silentLogger }, { dir });
  await store.start();
  try {
    const book = createCheckpointStore({ table: store.table('checkpoints') });
    await book.load();
    return dids.flatMap((did) => book.of(did));
  } finally {
    await store.stop();
  }
}
