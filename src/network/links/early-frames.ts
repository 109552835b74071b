/**
 * Frames of kinds that nobody here hears yet. Links open with the network, and the rooms above it begin to hear one after
 * the other: what a peer says once, as soon as there is a link, would be lost on a node that is starting still.
 */
import type { Clock, PeerId } from '../../core/index.ts';

/** A frame as it came. */
export interface EarlyFrame {
  readonly kind: string;
  readonly payload: Uint8Array;
  readonly from: PeerId;
}

/** What is kept, in the order in which it came. */
export interface EarlyFrames {
  /** Keeps a frame for a while, where there is room. */
  keep(frame: EarlyFrame): void;
  /** Gives what is kept of `kind`, and keeps it no more. */
  take(kind: string): readonly EarlyFrame[];
  /** There is no link to `peer` any more: what it said on it counts no more. */
  forget(peer: PeerId): void;
}

/** How long a frame is kept, ms: a start takes less. Kinds of newer nodes are never asked for. */
const KEPT_MS = 15_000;
/** Frames of one peer, and the bytes of all: what is more is lost, as what comes over a link that breaks. */
const OF_ONE_MAX = 32;
const BYTES_MAX = 1024 * 1024;

/** Keeps none yet. */
export function createEarlyFrames(clock: Clock): EarlyFrames {
  let kept: readonly (EarlyFrame & { readonly at: number })[] = [];
  const prune = (): void => {
    const now = clock.now();
    kept = kept.filter(({ at }) => Math.abs(now - at) < KEPT_MS);
  };
  return {
    keep(frame) {
      prune();
      const bytes = kept.reduce((sum, one) => sum + one.payload.length, frame.payload.length);
      const ofOne = kept.filter(({ from }) => from === frame.from).length;
      if (ofOne >= OF_ONE_MAX || bytes > BYTES_MAX) return;
      // The bytes are a part of what was read with them, which is not kept.
      kept = [...kept, { ...frame, payload: new Uint8Array(frame.payload), at: clock.now() }];
    },
    take(kind) {
      prune();
      const taken = kept.filter((one) => one.kind === kind);
      kept = kept.filter((one) => one.kind !== kind);
      return taken;
    },
    forget(peer) {
      kept = kept.filter(({ from }) => from !== peer);
    },
  };
}
