/**
 * A host that belongs to no mesh: it has a key of its own for as long as it lives, or that of a node which
 * is on its way in; it listens on nothing, serves nothing, and dials. It asks a mesh who it is; benchmarks
 * knock with it as a stranger does.
 */
import type { Connection, PeerId as LibP2PPeerId } from '@libp2p/interface';
import { createLibp2p } from 'libp2p';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { settledWithin, silentLogger } from '../core/index.ts';
import type { Clock } from '../core/index.ts';
import { parseAddress } from './addresses/addresses.ts';
import { STOP_TIMEOUT_MS } from './constants.ts';
import { createEncryption, isOutOfTime } from './host/encryption.ts';
import { baseOptions, keyOf, transportsOf } from './host/host.ts';
import { lanNodeOf, nodesOnLan } from './host/lan.ts';
import { peerOf } from './peer-id.ts';
import { createPeerStream } from './streams/stream.ts';
import type { LanNode, PeerStream, Transport } from './types.ts';
import type { Identity } from '../identity/types.ts';

/** A connection of a bare host. */
export interface BareConnection {
  /** The connection itself, for what speaks libp2p. */
  readonly connection: Connection;
  readonly isOpen: boolean;
  /** Opens a stream. Rejects when the other end does not speak the protocol or is gone. */
  open(protocol: string, options: { readonly signal: AbortSignal }): Promise<PeerStream>;
  /** Ends the connection at once. */
  abort(): void;
}

/** A host that belongs to no mesh. */
export interface BareHost {
  readonly peerId: LibP2PPeerId;
  /** @throws STARLING_ID_MALFORMED; rejects when nobody is there or `signal` fires */
  dial(address: string, options: { readonly signal: AbortSignal }): Promise<BareConnection>;
  /** Ends its connections. Never rejects. */
  stop(): Promise<void>;
}

/** Listens on nothing, and speaks no protocol but those of its caller. */
export async function createBareHost(init: {
  readonly clock: Clock;
  /** What carries the connections, in place of TCP and WebSocket. */
  readonly transports?: readonly Transport[] | undefined;
  /** Whose key it has; a new one when left out. */
  readonly identity?: Pick<Identity, 'seed' | 'publicKey'>;
  /** Hears of the nodes of this LAN, of whatever mesh, again and again; nobody is listened for without. */
  readonly onLanNode?: (found: LanNode) => void;
}): Promise<BareHost> {
  const { clock, identity, onLanNode } = init;
  const encryption = createEncryption();
  const key = identity === undefined ? await generateKeyPair('Ed25519') : keyOf(identity);
  const node = await createLibp2p({
    ...baseOptions(key, encryption),
    peerDiscovery:
      onLanNode === undefined
        ? []
        : [
            nodesOnLan({ tells: false }, (peer) => {
              const found = lanNodeOf(peer);
              if (found !== undefined) onLanNode(found);
            }),
          ],
    addresses: { listen: [] },
    transports: transportsOf(init.transports),
    connectionMonitor: { enabled: false },
    connectionManager: { reconnectRetries: 0 },
  });
  return {
    peerId: node.peerId,
    async dial(address, { signal }) {
      const dial = (): Promise<Connection> =>
        node.dial(parseAddress(address), { signal, force: true });
      const connection = await dial().catch((error: unknown) => {
        if (!isOutOfTime(error)) throw error;
        encryption.prefer('noise');
        return dial();
      });
      return bare(connection, clock);
    },
    async stop() {
      const stopped = Promise.resolve(node.stop()).catch(() => undefined);
      await settledWithin(STOP_TIMEOUT_MS, stopped, clock);
    },
  };
}

function bare(connection: Connection, clock: Clock): BareConnection {
  return {
    connection,
    get isOpen() {
      return connection.status === 'open';
    },
    async open(protocol, { signal }) {
      const stream = await connection.newStream(protocol, {
        signal,
        runOnLimitedConnection: true,
        maxOutboundStreams: Infinity,
      });
      const components = { clock, logger: silentLogger };
      return createPeerStream(components, { stream, peer: peerOf(connection), connection });
    },
    abort: () => connection.abort(new Error('the connection is not needed any more')),
  };
}
