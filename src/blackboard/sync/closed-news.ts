/**
 * What is said of boards that are not open: in frames on the links to those who may have them, and to nobody else.
 * Gossip and heartbeats reach everybody, so that neither an update nor the name of such a board is in them. A
 * frame says the digests of boards, or the records by which a board is judged; updates go by `update-road.ts`.
 */
import { createBuckets } from '../../core/index.ts';
import type { Buckets, Clock, PeerId, Scope } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';
import { decodeMessage, encodeMessage } from './codec.ts';
import type { Digests } from './codec.ts';

/** What the news work with. */
export interface ClosedNewsComponents {
  readonly network: Pick<Network, 'connected' | 'onFrame' | 'report' | 'sendFrame'>;
  readonly clock: Clock;
  readonly scope: Scope;
  /** Digests of the boards that `peer` may have. */
  digests(peer: PeerId): Digests;
  heardDigests(peer: PeerId, digests: Digests): void;
  heardRecords(peer: PeerId, board: string, records: readonly string[]): void;
}

/** News of boards that are not open. */
export interface ClosedNews {
  /** Hears from now on, once the boards are there that others speak of. */
  hear(): void;
  /** Says to a peer which boards that one may have there are here. */
  greet(peer: PeerId): void;
  /** Some board has changed: those who may have boards hear their digests soon. */
  changed(): void;
  /** Says to a peer by what a board is judged. */
  tell(peer: PeerId, board: string, records: readonly string[]): void;
}

const KIND = 'own-boards';
/** How soon others hear digests after a change. Lower: what was lost is repaired sooner; higher: fewer frames. */
const NEWS_MS = 500;
/** Digests of a peer, each costs a look at all boards. */
const NEWS_ALLOWANCE = { burst: 160, everyMs: 125 } as const;
const RECORDS_BYTES_MAX = 48 * 1024;

/** Begins to tell, until the scope closes. */
export function createClosedNews(components: ClosedNewsComponents): ClosedNews {
  return new FrameNews(components);
}

class FrameNews implements ClosedNews {
  readonly #components: ClosedNewsComponents;
  readonly #news: Buckets;
  #isDue = false;

  constructor(components: ClosedNewsComponents) {
    this.#components = components;
    this.#news = createBuckets(components.clock, NEWS_ALLOWANCE);
  }

  hear(): void {
    const { network, scope } = this.#components;
    scope.add(network.onFrame(KIND, (bytes, from) => this.#heard(bytes, from)));
  }

  greet(peer: PeerId): void {
    const digests = this.#components.digests(peer);
    if (digests.size > 0) this.#send(peer, encodeMessage({ t: 'digests', digests }));
  }

  changed(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#components.scope.after(NEWS_MS, () => {
      this.#isDue = false;
      for (const peer of this.#components.network.connected()) this.greet(peer);
    });
  }

  tell(peer: PeerId, board: string, records: readonly string[]): void {
    if (records.length === 0) return;
    const message = encodeMessage({ t: 'access', board, records });
    // What is longer comes with the next sync.
    if (message.length <= RECORDS_BYTES_MAX) this.#send(peer, message);
  }

  #send(peer: PeerId, message: Uint8Array): void {
    // A frame that is not sent is no loss: digests show that boards differ.
    this.#components.network.sendFrame(peer, KIND, message).catch(() => undefined);
  }

  #heard(bytes: Uint8Array, peer: PeerId): void {
    const { network } = this.#components;
    if (!this.#news.take(peer)) {
      network.report(peer, 'boards');
      return;
    }
    const message = decodeMessage(bytes);
    if (message?.t === 'digests') this.#components.heardDigests(peer, message.digests);
    else if (message?.t === 'access')
      this.#components.heardRecords(peer, message.board, message.records);
    else network.report(peer, 'malformed');
  }
}
