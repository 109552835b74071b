/** What the network of a node does, counted for a benchmark: see `sim/bench/scale/scale.ts`. */
import type { GossipSub } from '@chainsafe/libp2p-gossipsub';
import type { Libp2p } from '@libp2p/interface';

/** Hears what a network does. Nothing is counted where nobody asks for it. */
export interface NetworkTally {
  /** The peer has connected to this node; it is not admitted yet. */
  connection(peer: string): void;
  /** The other end of a connection has opened a stream; its protocol is known a little later. */
  stream(stream: { readonly protocol: string }): void;
  /** Something was written to libp2p's peer store. */
  peerStoreWrite(): void;
  /** This node has published a gossip message. */
  published(): void;
  /** Copies of gossip messages have come, those that were known included. */
  received(copies: number): void;
}

/** Tells `tally` of what a libp2p host does from now on. */
export function tallyHost(
  node: Libp2p<{ readonly pubsub: GossipSub }>,
  tally: NetworkTally | undefined,
): void {
  if (tally === undefined) return;
  node.addEventListener('connection:open', ({ detail }) => {
    if (detail.direction === 'inbound') tally.connection(detail.remotePeer.toString());
  });
  before(node.peerStore, ['merge', 'patch', 'save'], () => tally.peerStoreWrite());
  before(node.services.pubsub, ['publish'], () => tally.published());
  before(node.services.pubsub, ['handleReceivedRpc'], (_, rpc) =>
    tally.received(messagesOf(rpc).length),
  );
}

/** Has `hear` hear the arguments of each call of some methods of `target`. */
function before(
  target: object,
  names: readonly string[],
  hear: (...args: readonly unknown[]) => void,
): void {
  for (const name of names) {
    const method: unknown = Reflect.get(target, name);
    if (typeof method !== 'function') throw new Error(`libp2p has no ${name} to count`);
    Object.assign(target, {
      [name]: (...args: readonly unknown[]): unknown => {
        hear(...args);
        return Reflect.apply(method, target, args);
      },
    });
  }
}

function messagesOf(rpc: unknown): readonly unknown[] {
  const messages: unknown =
    typeof rpc === 'object' && rpc !== null ? Reflect.get(rpc, 'messages') : undefined;
  return Array.isArray(messages) ? messages : [];
}
