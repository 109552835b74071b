/**
 * The set of deletions at the end of an update of Yjs. A lane deletes only what it replaces, so that the set says
 * nothing that the items do not say, and an update goes without it.
 */
import * as Y from 'yjs';

/** Bytes of a set of deletions at the end of an update. */
export function deletionBytes(deletions: Parameters<typeof Y.createSnapshot>[0]): number {
  // One byte more stands for a state vector of nobody.
  return Y.encodeSnapshotV2(Y.createSnapshot(deletions, new Map())).length - 1;
}

/**
 * An update without the set of deletions at its end, which takes `bytes`: what a lane deletes it replaces, so that
 * the set says nothing new.
 */
export function withoutDeletions(update: Uint8Array, bytes: number): Uint8Array {
  const cut = update.slice(0, update.length - bytes + 1);
  cut[cut.length - 1] = 0;
  return cut;
}
