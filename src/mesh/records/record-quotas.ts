/**
 * How much room records may take, so that nobody fills the set for the others: bounds per signer, and
 * for three ranks of signers together. What others sign can't take the room of this node's own records,
 * nor that of who founded the mesh, who puts members out. Pure.
 */
import { StarlingError } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';

/** Whose record it is: our own, the mesh owner's, or anybody's. */
export type Rank = 'own' | 'owner' | 'other';

/** What a record is about. */
export type RecordKind = 'membership' | 'revocation' | 'invite' | 'succession';

/** A record that wants room. */
export interface RoomFor {
  readonly kind: RecordKind;
  readonly signer: Did;
  readonly rank: Rank;
  readonly sizeBytes: number;
}

/** Bounds; see the defaults. */
export interface RecordQuotasInit {
  /** Records of one signer and kind; default 25,000. */
  readonly perSignerMax?: number;
  /** Bytes of them; default 16 MiB. */
  readonly perSignerBytesMax?: number;
  /** Records of all signers of one rank; default 50,000. */
  readonly perRankMax?: number;
  /** Bytes of them; default 32 MiB. */
  readonly perRankBytesMax?: number;
}

/** Room for records. */
export interface RecordQuotas {
  /** @throws STARLING_LIMIT_EXCEEDED when there is none */
  require(record: RoomFor): void;
  /** Counts it. */
  take(record: RoomFor): void;
  /** It is gone. */
  give(record: RoomFor): void;
}

interface Use {
  count: number;
  bytes: number;
}

const MIB = 1024 * 1024;

/** Makes the room, empty. */
export function createRecordQuotas(init: RecordQuotasInit = {}): RecordQuotas {
  const bySigner = new Map<string, Use>();
  const byRank = new Map<Rank, Use>();
  const signerBounds = {
    count: init.perSignerMax ?? 25_000,
    bytes: init.perSignerBytesMax ?? 16 * MIB,
  };
  const rankBounds = { count: init.perRankMax ?? 50_000, bytes: init.perRankBytesMax ?? 32 * MIB };

  return {
    require(record) {
      const { kind, signer, rank, sizeBytes } = record;
      if (isFull(bySigner.get(keyOf(record)), signerBounds, sizeBytes)) {
        throw full(`there are ${signerBounds.count} records (${kind}) by ${signer} at the most`);
      }
      if (isFull(byRank.get(rank), rankBounds, sizeBytes)) {
        throw full(`there are ${rankBounds.count} records of ${RANKS[rank]} at the most`);
      }
    },
    take(record) {
      change(bySigner, keyOf(record), record.sizeBytes, 1);
      change(byRank, record.rank, record.sizeBytes, 1);
    },
    give(record) {
      change(bySigner, keyOf(record), -record.sizeBytes, -1);
      change(byRank, record.rank, -record.sizeBytes, -1);
    },
  };
}

const RANKS: Readonly<Record<Rank, string>> = {
  own: 'this node',
  owner: 'the owner of the mesh',
  other: 'all other members',
};

function keyOf({ kind, signer }: RoomFor): string {
  return `${kind} ${signer}`;
}

function isFull(use: Use | undefined, bounds: Use, sizeBytes: number): boolean {
  const { count, bytes } = use ?? { count: 0, bytes: 0 };
  return count >= bounds.count || bytes + sizeBytes > bounds.bytes;
}

function change<Key>(uses: Map<Key, Use>, key: Key, bytes: number, count: number): void {
  const use = uses.get(key) ?? { count: 0, bytes: 0 };
  const next = { count: use.count + count, bytes: use.bytes + bytes };
  if (next.count <= 0) uses.delete(key);
  else uses.set(key, next);
}

function full(message: string): StarlingError {
  return new StarlingError('STARLING_LIMIT_EXCEEDED', message);
}
