/** What is saved of each peer over restarts: its alias, and where it was last. */
import { decode, encode } from 'cborg';
import { messageOf } from '../core/index.ts';
import type { Logger, PeerId } from '../core/index.ts';
import { parsePeerId } from '../identity/index.ts';
import type { Table } from '../store/index.ts';

/** One saved peer. */
export interface SavedPeer {
  readonly peerId: PeerId;
  readonly alias: string;
  readonly addresses: readonly string[];
  readonly lastHeartbeatAt: number;
}

/** Reads all saved peers; a damaged row is logged and skipped. */
export async function readPeers(table: Table, logger: Logger): Promise<readonly SavedPeer[]> {
  const peers: SavedPeer[] = [];
  for await (const [key, bytes] of table.entries()) {
    try {
      const value = decode(bytes) as Partial<Record<keyof SavedPeer, unknown>>;
      const { alias, addresses, lastHeartbeatAt } = value;
      if (typeof alias !== 'string' || !Array.isArray(addresses)) throw new TypeError('not a peer');
      peers.push({
        peerId: parsePeerId(key),
        alias,
        addresses: addresses.map(String),
        lastHeartbeatAt: Number(lastHeartbeatAt),
      });
    } catch (error) {
      logger.warn({ peer: key, error: messageOf(error) }, 'saved peer is damaged; skipped');
    }
  }
  return peers;
}

/** Saves `peer`, which was saved under the key `old` before. */
export function movePeer(table: Table, old: PeerId, peer: SavedPeer): Promise<void> {
  const { alias, addresses, lastHeartbeatAt } = peer;
  const value = encode({ alias, addresses, lastHeartbeatAt });
  return table.batch([{ key: peer.peerId, value }, { key: old }]);
}

/** Saves a peer. */
export function savePeer(table: Table, peer: SavedPeer): Promise<void> {
  const { alias, addresses, lastHeartbeatAt } = peer;
  return table.put(peer.peerId, encode({ alias, addresses, lastHeartbeatAt }));
}
