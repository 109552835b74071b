/**
 * What this node says on its links after it wrote to open boards and has written no more for a moment: their digests, so
 * that whoever lost a write on the way asks for it now, and not at the next heartbeat. While a board is written
 * nothing is said: the next write shows what is missing.
 */
import { createBuckets } from '../../core/index.ts';
import type { Clock, PeerId, Scope } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';
import { decodeMessage, encodeMessage } from './codec.ts';
import type { Digests } from './codec.ts';

/** What the news work with. */
export interface OwnNewsComponents {
  readonly network: Pick<Network, 'connected' | 'onFrame' | 'report' | 'sendFrame'>;
  readonly clock: Clock;
  readonly scope: Scope;
  /** Of an open board; empty when nobody has written to it. */
  digestOf(board: string): string;
  /** Hears what a peer has now of boards that it wrote to. */
  heard(peer: PeerId, digests: Digests): void;
}

/** News of own writes. */
export interface OwnNews {
  /** Hears from now on, once the boards are there that others speak of. */
  hear(): void;
  /** This node has written to a board. */
  wrote(board: string): void;
}

const KIND = 'board-news';
/** How long nothing must be written. Higher: fewer frames; lower: a lost write is asked for sooner. */
const QUIET_MS = 500;
/** Boards in one frame; others are left to the heartbeat. */
const BOARDS_MAX = 256;
/** News of one peer. */
const ALLOWANCE = { burst: 8, everyMs: 250 } as const;

/** Begins to tell, until the scope closes. */
export function createOwnNews(components: OwnNewsComponents): OwnNews {
  const { network, clock, scope } = components;
  const allowance = createBuckets(clock, ALLOWANCE);
  const boards = new Set<string>();
  let lastAt = 0;
  let isWaiting = false;
  const tell = (): void => {
    const digests = new Map([...boards].map((board) => [board, components.digestOf(board)]));
    boards.clear();
    const message = encodeMessage({ t: 'digests', digests });
    for (const peer of network.connected()) {
      // A frame that is lost is no loss: heartbeats show that boards differ.
      network.sendFrame(peer, KIND, message).catch(() => undefined);
    }
  };
  const wait = (delayMs: number): void => {
    isWaiting = true;
    scope.after(delayMs, () => {
      isWaiting = false;
      const leftMs = lastAt + QUIET_MS - clock.now();
      if (leftMs > 0) wait(Math.min(leftMs, QUIET_MS));
      else tell();
    });
  };
  const heard = (bytes: Uint8Array, peer: PeerId): void => {
    if (!allowance.take(peer)) {
      network.report(peer, 'boards');
      return;
    }
    const message = decodeMessage(bytes);
    if (message?.t === 'digests') components.heard(peer, message.digests);
    else network.report(peer, 'malformed');
  };
  return {
    hear: () => scope.add(network.onFrame(KIND, heard)),
    wrote(board) {
      lastAt = clock.now();
      if (boards.size < BOARDS_MAX) boards.add(board);
      if (!isWaiting && !scope.closed) wait(QUIET_MS);
    },
  };
}
