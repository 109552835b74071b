/**
 * Writes the rows of peers, those that change close together in one write: while a node meets many, each of their
 * heartbeats has something to be saved, and each write waits for the disk. A row gives nobody any right, so that what
 * a crash takes is heard again.
 */
import { messageOf, unawaited } from '../../core/index.ts';
import type { Clock, Logger, PeerId } from '../../core/index.ts';
import type { Table } from '../../store/index.ts';
import { savePeers } from './saved-peers.ts';
import type { SavedPeer } from './saved-peers.ts';

/**
 * How long a row waits for others. More = fewer writes while many come; less = a node that is killed knows more of those
 * whom it has just met.
 */
const SAVE_DELAY_MS = 500;
/** The shortest time from one such write to the next: the first whom a node meets are on the disk soon, and who come after them together. */
const SAVE_PAUSE_MS = 2000;

/** What rows are written with. */
export interface PeerRowsComponents {
  readonly table: Table;
  /** The row of a peer as it is now; undefined of one that is no more. */
  readonly rowOf: (peer: PeerId) => SavedPeer | undefined;
  /** Hears whose row the disk did not take. */
  readonly unsaved: (peer: PeerId) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Rows that are to be written. */
export interface PeerRows {
  /** Writes the row of a peer after {@link SAVE_DELAY_MS}, or {@link SAVE_PAUSE_MS} after the last write. */
  later(peer: PeerId): void;
  /** Writes what waits; resolves once that, and what was under way, is over. Never rejects. */
  now(): Promise<void>;
}

/** Nothing waits yet. */
export function createPeerRows(components: PeerRowsComponents): PeerRows {
  const waiting = new Set<PeerId>();
  let cancel: (() => void) | undefined;
  let writing: Promise<unknown> = Promise.resolve();
  let wroteAtMs = -Infinity;

  const write = async (): Promise<void> => {
    const { clock, table, rowOf, unsaved, logger } = components;
    const peers = [...waiting];
    waiting.clear();
    wroteAtMs = clock.now();
    const rows = peers.flatMap((peer) => rowOf(peer) ?? []);
    if (rows.length === 0) return;
    try {
      await savePeers(table, rows);
    } catch (error) {
      for (const { peerId } of rows) unsaved(peerId);
      logger.debug({ peers: rows.length, error: messageOf(error) }, 'peers not saved');
    }
  };
  const now = async (): Promise<void> => {
    cancel?.();
    cancel = undefined;
    writing = Promise.all([writing, write()]);
    await writing;
  };
  /** Where the clock was set back nobody waits for it. */
  const delayMs = (): number => {
    const sinceMs = components.clock.now() - wroteAtMs;
    return Math.max(SAVE_DELAY_MS, sinceMs < 0 ? 0 : SAVE_PAUSE_MS - sinceMs);
  };
  return {
    later(peer) {
      waiting.add(peer);
      cancel ??= components.clock.schedule(delayMs(), () =>
        unawaited(now(), components.logger, 'peers not saved'),
      );
    },
    now,
  };
}
