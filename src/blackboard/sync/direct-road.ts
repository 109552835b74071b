/**
 * How boards that are not open get about: by frames on the links to those who may have them, and to nobody else.
 * Gossip and heartbeats reach everybody, so that neither an update nor the name of such a board is in them. A
 * frame says the digests of boards, or an update, or the records by which a board is judged.
 */
import { createBuckets } from '../../core/index.ts';
import type { Buckets, Clock, PeerId, Scope } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';
import { decodeGossip, decodeMessage, encodeMessage } from './codec.ts';
import type { Digests } from './codec.ts';
import { UPDATE_ALLOWANCE } from './update-gossip.ts';

/** What the road works with. */
export interface DirectRoadComponents {
  readonly network: Pick<Network, 'connected' | 'onFrame' | 'report' | 'sendFrame'>;
  readonly clock: Clock;
  readonly scope: Scope;
  /** Digests of the boards that `peer` may have. */
  digests(peer: PeerId): Digests;
  mayHave(board: string, peer: PeerId): boolean;
  heardDigests(peer: PeerId, digests: Digests): void;
  heardUpdate(
    peer: PeerId,
    sent: { readonly board: string; readonly update: Uint8Array; readonly access: string },
  ): void;
  heardRecords(peer: PeerId, board: string, records: readonly string[]): void;
}

/** The way of boards that are not open. */
export interface DirectRoad {
  /** Says to a peer which boards that one may have there are here. */
  greet(peer: PeerId): void;
  /** Some board has changed: those who may have boards hear their digests soon. */
  changed(): void;
  /** Sends an update to all connected peers that may have the board. Resolves once it is on its way. */
  publish(board: string, message: Uint8Array): Promise<void>;
  /** Says to a peer by what a board is judged. */
  tell(peer: PeerId, board: string, records: readonly string[]): void;
}

const KIND = 'own-boards';
/** How soon others hear digests after a change. Lower: what was lost is repaired sooner; higher: fewer frames. */
const NEWS_MS = 500;
/** Digests of a peer, each costs a look at all boards. */
const NEWS_ALLOWANCE = { burst: 160, everyMs: 125 } as const;
const RECORDS_BYTES_MAX = 48 * 1024;

/** Makes the road; it is open until the scope closes. */
export function createDirectRoad(components: DirectRoadComponents): DirectRoad {
  return new FrameRoad(components);
}

class FrameRoad implements DirectRoad {
  readonly #components: DirectRoadComponents;
  readonly #updates: Buckets;
  readonly #news: Buckets;
  #isDue = false;

  constructor(components: DirectRoadComponents) {
    const { clock, network, scope } = components;
    this.#components = components;
    this.#updates = createBuckets(clock, UPDATE_ALLOWANCE);
    this.#news = createBuckets(clock, NEWS_ALLOWANCE);
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

  async publish(board: string, message: Uint8Array): Promise<void> {
    for (const peer of this.#components.network.connected()) {
      if (this.#components.mayHave(board, peer)) this.#send(peer, message);
    }
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
    const sent = decodeGossip(bytes);
    const bucket = sent === undefined ? this.#news : this.#updates;
    if (!bucket.take(peer)) {
      network.report(peer, 'boards');
      return;
    }
    if (sent?.access !== undefined) {
      this.#components.heardUpdate(peer, { ...sent, access: sent.access });
      return;
    }
    const message = decodeMessage(bytes);
    if (message?.t === 'digests') this.#components.heardDigests(peer, message.digests);
    else if (message?.t === 'access')
      this.#components.heardRecords(peer, message.board, message.records);
    else network.report(peer, 'malformed');
  }
}
