/** Takes records that peers send, and holds against each peer what of them is of no use. */
import { StarlingError, createBuckets } from '../../core/index.ts';
import type { Buckets, Clock, PeerId } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';
import type { Records } from './records.ts';

/** Records that one peer may have us look at in vain, and how soon it may have another. */
const VAIN = { burst: 2000, everyMs: 20 };
/** Records that one peer may tell of signers that sign too many: all that there can be of one, and then a hundred a second. */
const LATER = { burst: 25_000, everyMs: 10 } as const;
/** What a record that is known already counts of one in vain. */
const KNOWN_COST = 0.1;

/** What taking works with. */
export interface SentRecordsComponents {
  readonly network: Pick<Network, 'report'>;
  readonly records: Pick<Records, 'addOfPeer'>;
  readonly clock: Clock;
}

/** See the file. */
export class SentRecords {
  readonly #components: SentRecordsComponents;
  /** Peers of whose records some are to come later. */
  readonly #owed = new Set<PeerId>();
  readonly #vain: Buckets;
  readonly #later: Buckets;

  constructor(components: SentRecordsComponents) {
    this.#components = components;
    this.#vain = createBuckets(components.clock, VAIN);
    this.#later = createBuckets(components.clock, LATER);
  }

  /** Whether some records of `peer` were to come later, and forgets that. */
  takeOwed(peer: PeerId): boolean {
    return this.#owed.delete(peer);
  }

  /** @throws STARLING_RATE_LIMITED when `peer` has told too much that is not to be had */
  async take(texts: readonly string[], peer: PeerId): Promise<void> {
    const { records } = this.#components;
    if (this.#vain.waitMs(peer) > 0) {
      this.#components.network.report(peer, 'records', texts.length);
      throw new StarlingError('STARLING_RATE_LIMITED', `${peer} tells too many unsound records`);
    }
    // What comes later is held against who has signed it, and not against who passes it on.
    const { news, known, later, ownLater } = await records.addOfPeer(texts, peer);
    if (ownLater > 0) this.#components.network.report(peer, 'signs', ownLater);
    if (later > 0) this.#owed.add(peer);
    if (later > 0 && this.#later.charge(peer, later) > 0) {
      this.#components.network.report(peer, 'records');
      throw new StarlingError('STARLING_RATE_LIMITED', `${peer} tells too much that comes later`);
    }
    // Who is told what this node has does not send that; in a race of two syncs it comes twice.
    const vain = texts.length - news - later - known * (1 - KNOWN_COST);
    if (vain > 0 && this.#vain.charge(peer, vain) > 0) {
      this.#components.network.report(peer, 'records', vain);
    }
  }
}
