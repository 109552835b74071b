/**
 * What a peer may have this node do over sessions, whichever end has opened them: look at grants and
 * revocations, of which each new one costs a signature, take messages that nobody has asked for, and keep answers
 * that the peer does not read. What is over is not looked at, not read for a while, or not kept, and is counted
 * against the peer.
 */
import { StarlingError, createBuckets } from '../../../core/index.ts';
import type { Clock, PeerId } from '../../../core/index.ts';
import type { Network } from '../../../network/index.ts';
import { WAITING_BYTES_MAX } from './peer-writer.ts';

/**
 * Signatures of one peer's grants that are verified: a peer that comes with all that it may hold does not
 * notice, and in the long run they are half a hundredth of a core.
 */
const SIGNATURES = { burst: 5120, everyMs: 20 } as const;
/** What a text that is refused costs besides: at the same rate a peer has a thousand of these at once, and ten a second. */
const REFUSED_COST = 5;
/**
 * News and answers that one peer may send in its sessions, and in those that this node has opened at it questions
 * and what answers nothing, too.
 */
const UNASKED = { burst: 5000, everyMs: 1 } as const;
/** So many of them, beyond that, count as one time. */
const UNASKED_AT_ONCE = 60;

/**
 * Lists that one peer may have made: each costs one, and one more for each fifty things that are looked at for it,
 * about 0.2 ms. In the long run that is a fiftieth of a core.
 */
const LISTS = { burst: 400, everyMs: 10 } as const;
const THINGS_AT_ONCE = 50;

/** What may wait for one peer in all sessions that it has opened: half more than what may wait in one. */
const WAITING_MAX_BYTES = 1.5 * WAITING_BYTES_MAX;
/** The same of all peers together. Over that each has an equal share, but a message of any length at the least. */
const NODE_WAITING_MAX_BYTES = 2 * WAITING_BYTES_MAX;
const SHARE_LEAST_BYTES = WAITING_BYTES_MAX / 4;

/** What looking at some texts has cost. */
export interface ShownCost {
  /** Signatures that were verified for it. */
  readonly verified: number;
  /** Texts that were refused or of no use. */
  readonly refused: number;
}

/** How much work a peer may ask for by what it shows, lists and lets wait, over all its streams. */
export interface PeerAllowances {
  /** Whether the grants and revocations that `peer` shows are looked at; `count` is how many. */
  mayShow(peer: PeerId, count: number): boolean;
  /** For how many milliseconds nothing that `peer` shows is looked at. Counts nothing. */
  showWaitMs(peer: PeerId): number;
  /** `peer` shows more meanwhile; `isSigned` says whether one that was looked at was signed by whom it names. */
  showsOn(peer: PeerId, count: number, isSigned: boolean): void;
  /** They were looked at. */
  shown(peer: PeerId, cost: ShownCost): void;
  /** Messages came that nobody has asked for; gives for how many milliseconds nothing more is to be read. */
  unasked(peer: PeerId, count: number): number;
  /** Says why no list is made for `peer` now, if so. */
  listRefusal(peer: PeerId): StarlingError | undefined;
  /** A list was made for it, for which so many things were looked at. */
  listed(peer: PeerId, things: number): void;
  /** By so many bytes more or less wait for `peer`; false when that is too much: then nothing is counted. */
  waits(peer: PeerId, byBytes: number): boolean;
}

/** Makes the allowances, all full. */
export function createPeerAllowances({
  clock,
  network,
}: {
  readonly clock: Clock;
  readonly network: Pick<Network, 'report'>;
}): PeerAllowances {
  const signatures = createBuckets(clock, SIGNATURES);
  const messages = createBuckets(clock, UNASKED);
  const lists = createBuckets(clock, LISTS);
  const waiting = new Map<PeerId, number>();
  let waitingBytes = 0;
  const mayWait = (): number =>
    waitingBytes <= NODE_WAITING_MAX_BYTES
      ? WAITING_MAX_BYTES
      : Math.max(SHARE_LEAST_BYTES, NODE_WAITING_MAX_BYTES / waiting.size);
  return {
    mayShow(peer, count) {
      if (signatures.waitMs(peer) === 0) return true;
      network.report(peer, 'records', count);
      return false;
    },
    showWaitMs: (peer) => signatures.waitMs(peer),
    // Whose operator issues much has done nothing wrong.
    showsOn: (peer, count, isSigned) => network.report(peer, isSigned ? 'signs' : 'records', count),
    shown(peer, { verified, refused }) {
      signatures.charge(peer, verified + refused * REFUSED_COST);
    },
    unasked(peer, count) {
      if (count === 0) return 0;
      const waitMs = messages.charge(peer, count);
      if (waitMs > 0) network.report(peer, 'messages', Math.ceil(count / UNASKED_AT_ONCE));
      return waitMs;
    },
    listRefusal(peer) {
      const retryAfterMs = lists.waitMs(peer);
      if (retryAfterMs === 0) return undefined;
      network.report(peer, 'lists');
      return new StarlingError('STARLING_RATE_LIMITED', 'more lists than a peer may ask for', {
        hint: `wait ${retryAfterMs} ms`,
        data: { retryAfterMs },
      });
    },
    listed(peer, things) {
      lists.charge(peer, 1 + things / THINGS_AT_ONCE);
    },
    waits(peer, byBytes) {
      const sum = (waiting.get(peer) ?? 0) + byBytes;
      if (byBytes > 0 && sum > Math.min(WAITING_MAX_BYTES, mayWait())) {
        network.report(peer, 'unread');
        return false;
      }
      waitingBytes += byBytes;
      if (sum <= 0) waiting.delete(peer);
      else waiting.set(peer, sum);
      return true;
    },
  };
}
