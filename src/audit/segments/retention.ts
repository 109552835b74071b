/** Removes whole segments whose time is over, after signing where the chain stood at their end. */
import { unlink } from 'node:fs/promises';
import type { Signer } from '../../identity/index.ts';
import { sealLine } from '../checkpoint.ts';
import { listSegments, readLines } from './folder.ts';
import type { Segment } from './folder.ts';
import { readEntry } from '../format.ts';
import type { HeadKeeper } from './head-keeper.ts';
import type { AuditEntry } from '../types.ts';

/** Whole segments, oldest first, and up to which entry. */
export interface Removed {
  readonly segments: number;
  /** `seq` of the last entry that is gone. */
  readonly through: number;
}

/**
 * Removes segments whose last entry is older than `retentionMs`; the newest segment stays. What can't
 * be read stays, too, and all after it. @throws STARLING_STATE_UNUSABLE
 */
export async function removeOld(init: {
  readonly folder: string;
  readonly signer: Signer;
  readonly head: HeadKeeper;
  readonly now: number;
  readonly retentionMs: number;
}): Promise<Removed | undefined> {
  const segments = await listSegments(init.folder);
  const old: Segment[] = [];
  let end: AuditEntry | undefined;
  for (const [index, segment] of segments.slice(0, -1).entries()) {
    const next = segments[index + 1];
    // What follows began no earlier than this ended.
    const follower = next === undefined ? undefined : await firstEntry(next);
    if (follower === undefined || follower.seq !== next?.first) break;
    if (follower.at >= init.now - init.retentionMs) break;
    old.push(segment);
    end = follower;
  }
  if (end === undefined) return undefined;
  const through = end.seq - 1;
  const removed = sealLine(init.signer, 'removal', { seq: through, hash: end.prev, at: init.now });
  // First the note, then the files: between the two the chain can be verified from either.
  await init.head.save({ removed });
  for (const segment of old) await unlink(segment.path);
  return { segments: old.length, through };
}

async function firstEntry(segment: Segment): Promise<AuditEntry | undefined> {
  for await (const [line] of readLines(segment.path)) {
    if (line === undefined) continue;
    const entry = readEntry(line.bytes);
    return typeof entry === 'string' ? undefined : entry;
  }
  return undefined;
}
