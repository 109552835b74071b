/**
 * The checkpoints of other nodes that this one has seen. A checkpoint covers all before it, so the
 * latest few of each node are enough: with them nobody can change its past unseen.
 */
import { StarlingError } from '../core/index.ts';
import type { Did } from '../core/index.ts';
import type { Table } from '../store/index.ts';
import { isSealed } from './checkpoint.ts';
import { isCheckpoint } from './format.ts';
import type { Checkpoint } from './types.ts';

/** Checkpoints kept of one node, the latest. */
const KEPT_MAX = 8;
/** Nodes of which any are kept; beyond it, new ones are refused. */
const NODES_MAX = 4096;

/** What came of a checkpoint. */
export type CheckpointVerdict =
  | { readonly state: 'new' | 'known' }
  /** The node has signed two histories; `before` is the proof, together with what came. */
  | { readonly state: 'conflict'; readonly before: Checkpoint };

/** Keeps what other nodes have signed. */
export interface CheckpointBook {
  /** Reads what was kept. */
  load(): Promise<void>;
  /**
   * Takes a checkpoint as it came from a peer. Whether its did is a member's is for the caller to
   * know. @throws STARLING_PROTOCOL_VIOLATION when it is none, or its signature does not hold;
   * STARLING_LIMIT_EXCEEDED when there are too many nodes
   */
  add(value: unknown): Promise<CheckpointVerdict>;
  /** What was seen of a node, latest first: for {@link Audit.compareWith} over there. */
  of(did: Did): readonly Checkpoint[];
}

/** Makes the book over a table of the store. */
export function createCheckpointBook(components: { readonly table: Table }): CheckpointBook {
  const { table } = components;
  const seen = new Map<Did, readonly Checkpoint[]>();
  return {
    async load() {
      for await (const [did, bytes] of table.entries()) {
        const list: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
        if (Array.isArray(list)) seen.set(did as Did, list.filter(isCheckpoint));
      }
    },
    async add(value) {
      if (!isSealed(value, 'checkpoint')) {
        throw new StarlingError(
          'STARLING_PROTOCOL_VIOLATION',
          'a peer sent a checkpoint of an audit log that does not hold',
        );
      }
      const known = seen.get(value.did);
      if (known === undefined && seen.size >= NODES_MAX) {
        throw new StarlingError(
          'STARLING_LIMIT_EXCEEDED',
          `checkpoints of ${NODES_MAX} nodes are kept already`,
        );
      }
      const same = known?.find(({ seq }) => seq === value.seq);
      if (same !== undefined && same.hash !== value.hash)
        return { state: 'conflict', before: same };
      if (same !== undefined) return { state: 'known' };
      const { seq, hash, at, did, sig } = value;
      const list = [...(known ?? []), { seq, hash, at, did, sig }]
        .sort((a, b) => b.seq - a.seq)
        .slice(0, KEPT_MAX);
      seen.set(did, list);
      await table.put(did, Buffer.from(JSON.stringify(list)));
      return { state: 'new' };
    },
    of: (did) => seen.get(did) ?? [],
  };
}
