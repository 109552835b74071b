/** What is saved of each peer over restarts: its alias, and where it was last. */
import { decode, encode } from 'cborg';
import { messageOf } from '../../core/index.ts';
import type { Logger, PeerId } from '../../core/index.ts';
import { parsePeerId } from '../../identity/index.ts';
import type { Table } from '../../store/index.ts';

/** What of a peer outlives a restart. */
export interface SavedPeer {
  readonly peerId: PeerId;
  readonly alias: string;
  readonly addresses: readonly string[];
  readonly lastHeartbeatAt: number;
  /** What it called itself last; absent from rows of before that was kept. */
  readonly name?: string;
  /** When it took that name in place of another, ms since the epoch. */
  readonly renamedAt?: number;
  /** True when the operator has chosen the alias. */
  readonly isChosen?: boolean;
}

/** Reads all saved peers; a damaged row is logged and skipped. */
export async function readPeers(table: Table, logger: Logger): Promise<readonly SavedPeer[]> {
  const peers: SavedPeer[] = [];
  for await (const [key, bytes] of table.entries()) {
    try {
      const value = decode(bytes) as Partial<Record<keyof SavedPeer, unknown>>;
      const { alias, addresses, lastHeartbeatAt, name, renamedAt, isChosen } = value;
      if (typeof alias !== 'string' || !Array.isArray(addresses)) throw new TypeError('not a peer');
      peers.push({
        peerId: parsePeerId(key),
        alias,
        addresses: addresses.map(String),
        lastHeartbeatAt: Number(lastHeartbeatAt),
        ...(typeof name === 'string' ? { name } : {}),
        ...(typeof renamedAt === 'number' ? { renamedAt } : {}),
        ...(isChosen === true ? { isChosen } : {}),
      });
    } catch (error) {
      logger.warn({ peer: key, error: messageOf(error) }, 'saved peer is damaged; skipped');
    }
  }
  return peers;
}

/** Saves `peer`, which was saved under the key `old` before. */
export function movePeer(table: Table, old: PeerId, peer: SavedPeer): Promise<void> {
  return table.batch([{ key: peer.peerId, value: rowOf(peer) }, { key: old }]);
}

/** Saves them in one write, each in place of what was kept of the same peer. */
export function savePeers(table: Table, peers: readonly SavedPeer[]): Promise<void> {
  return table.batch(peers.map((peer) => ({ key: peer.peerId, value: rowOf(peer) })));
}

function rowOf(peer: SavedPeer): Uint8Array {
  return encode({ ...peer, peerId: undefined }, { ignoreUndefinedProperties: true });
}
